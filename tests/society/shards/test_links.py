"""What parts tell each other arrives, whoever tells whom how much; who is gone, or a stranger, is found out."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.society.shards.links import Links, ShardLostError
from doxa.streams import stream

HOST, KEY = "127.0.0.1", b"common"


def linked(parts: int) -> list[Links]:
    links = [Links(part, HOST, KEY) for part in range(parts)]
    together(links, lambda link, _: link.connect([other.address for other in links]))
    return links


def together(links: list[Links], do) -> list:
    """Let every part do something at the same time, as processes do."""
    with ThreadPoolExecutor(len(links)) as pool:
        return list(pool.map(do, links, range(len(links))))


@given(
    st.integers(1, 7).flatmap(
        lambda parts: st.lists(
            st.lists(st.sampled_from([0, 1, 7, 300_000]), min_size=parts, max_size=parts),
            min_size=parts,
            max_size=parts,
        )
    ),
    st.sampled_from([np.float32, np.uint8]),
)
@settings(max_examples=30, deadline=None)
def test_each_hears_what_each_tells_it(sizes, dtype):
    parts = len(sizes)
    rng = stream(0, "tests", "links")
    told = [
        [rng.integers(0, 200, size * (to != part)).astype(dtype) for to, size in enumerate(row)]
        for part, row in enumerate(sizes)
    ]
    links = linked(parts)
    expected = [[told[other][part] for other in range(parts)] for part in range(parts)]
    for _ in range(3):
        heard = together(
            links, lambda link, part: link.exchange(told[part], [len(values) for values in expected[part]])
        )
        for ours, theirs in zip(heard, expected, strict=True):
            assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
            assert all(one.dtype == dtype for one in ours)
    for link in links:
        link.close()


def test_a_part_that_is_gone_is_missed_by_who_tells_it_and_by_who_hears_it():
    first, second = linked(2)
    second.close()
    values = np.ones(3_000_000, dtype=np.float32)
    with pytest.raises(ShardLostError, match="part 0 no longer hears part 1"):
        first.exchange([values[:0], values], [0, 0])
    first, second = linked(2)
    first.close()
    with pytest.raises(ShardLostError, match="part 1 no longer hears part 0"):
        second.exchange([values[:0], values[:0]], [5, 0])


def test_a_part_that_cannot_be_reached_is_named_with_its_address():
    links = Links(1, HOST, KEY)
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        port = closed.getsockname()[1]
    with pytest.raises(ShardLostError, match=f"part 1 cannot reach part 0 at {HOST}:{port}"):
        links.connect([(HOST, port), links.address])
    links.close()


def test_a_stranger_is_not_let_in():
    first, second = Links(0, HOST, KEY), Links(1, HOST, KEY)
    addresses = [first.address, second.address]
    waiting = threading.Thread(target=first.connect, args=(addresses,))
    waiting.start()
    with pytest.raises(AuthenticationError):
        Client(first.address, authkey=b"guessed")
    with socket.create_connection(first.address) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
    second.connect(addresses)
    waiting.join()
    told = np.arange(3.0)
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(first.exchange, [told[:0], told], [0, 0])
        assert np.array_equal(second.exchange([told[:0], told[:0]], [3, 0])[0], told)
        assert not any(map(len, heard.result()))
    first.close()
    second.close()
