from __future__ import annotations

import threading

import pytest

from doxa.society.chunks import in_chunks, thread_count


@pytest.mark.parametrize(("threads", "told"), [("3", 3), ("1", 1)])
def test_the_number_of_threads_is_that_of_the_environment(monkeypatch, threads, told):
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    assert thread_count() == told


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_ranges_cover_every_row_once_and_in_order(monkeypatch, threads, count):
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    ranges = in_chunks(lambda begin, end: (begin, end), count, least=10)
    assert [row for begin, end in ranges for row in range(begin, end)] == list(range(count))
    assert len(ranges) <= int(threads)


def test_rows_are_worked_on_by_several_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    meet = threading.Barrier(2, timeout=60)  # passed only if both are there at a time

    def kernel(begin: int, end: int) -> int:
        meet.wait()
        return threading.get_ident()

    assert len(set(in_chunks(kernel, 10, least=5))) == 2


def test_what_a_thread_raises_is_raised(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")

    def kernel(begin: int, end: int) -> None:
        if begin:
            raise ValueError("row 5")

    with pytest.raises(ValueError, match="row 5"):
        in_chunks(kernel, 10, least=5)
    assert in_chunks(lambda begin, end: end, 10, least=5) == [5, 10]
