from __future__ import annotations

import os
from pathlib import Path

import pytest

from doxa.lab.processes import TRIES, in_processes


def work(piece: tuple[str, Path]) -> tuple[str, int]:
    """Count the tries of a piece in a file; kill the worker where the name says so."""
    name, folder = piece
    with (folder / name).open("a") as file:
        file.write("x")
    if name == "deadly" or (name == "dies-once" and len((folder / name).read_text()) == 1):
        os.kill(os.getpid(), 9)
    return name, os.getpid()


@pytest.mark.slow
def test_what_kills_its_worker_is_given_up_and_costs_the_others_one_try_at_most(tmp_path):
    names = ["deadly", "a", "dies-once", "b", "c"]
    begun: list[str] = []
    done = in_processes(
        [(name, tmp_path) for name in names],
        work,
        places=2,
        width=lambda piece: 9 if piece[0] == "b" else 1,
        begun=lambda piece: begun.append(piece[0]),
    )
    results = {piece[0]: result for piece, result in done}
    assert results.pop("deadly") is None
    assert all(result is not None for result in results.values())
    tries = {name: len((tmp_path / name).read_text()) for name in names}
    assert tries["deadly"] in (
        TRIES - 1,
        TRIES,
    )  # another's death may have ended its first try before it began
    assert tries["dies-once"] in (2, TRIES)
    assert all(tries[name] <= 2 for name in "abc")
    assert begun[0] == "deadly"
    assert begun.count("c") == tries["c"]
