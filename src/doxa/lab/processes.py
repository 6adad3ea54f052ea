"""A pool of fresh processes: work is given out in order, wide work takes several places, a death costs one try."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from doxa.lab.terminal import tell_warning
from doxa.secret import guard_output

W = TypeVar("W")
R = TypeVar("R")

TRIES = 3
"""How often work whose worker died is given to another worker before it counts as failed."""


def in_processes(
    work: Sequence[W],
    do: Callable[[W], R],
    *,
    places: int,
    width: Callable[[W], int],
    begun: Callable[[W], None] | None = None,
) -> Iterator[tuple[W, R | None]]:
    """Yield each piece of work with its result as it ends; None where its worker died ``TRIES`` times.

    Work that was under way when a worker died is done again by itself, so that a piece that kills its worker costs
    no other piece more than one try.

    Args:
        work: what to do, in the order in which it is given out.
        do: does one piece in a fresh process.
        places: how much is done at once.
        width: how many places a piece takes; one that does not fit yet is waited for, so that it is never overtaken.
        begun: called with a piece when it is given out.
    """
    rounds = _Rounds(deque(work), do, places, width, begun)
    while rounds.waiting:
        yield from rounds.until_a_death()
        yield from ((piece, None) for piece in rounds.given_up())


@dataclass
class _Rounds(Generic[W, R]):
    waiting: deque[W]
    do: Callable[[W], R]
    places: int
    width: Callable[[W], int]
    begun: Callable[[W], None] | None
    deaths: Counter[int] = field(default_factory=Counter[int])

    def until_a_death(self) -> Iterator[tuple[W, R]]:
        """Yield what ends, until all is done or a worker dies; what was under way then waits again, in front."""
        spawn = multiprocessing.get_context("spawn")
        under_way: dict[concurrent.futures.Future[R], W] = {}
        with concurrent.futures.ProcessPoolExecutor(
            self.places, mp_context=spawn, initializer=_begin_worker
        ) as pool:
            broken = False
            while under_way or (self.waiting and not broken):
                while self.waiting and not broken and self._fits(under_way):
                    piece = self.waiting.popleft()
                    try:
                        under_way[pool.submit(self.do, piece)] = piece
                    except BrokenProcessPool:
                        broken = True
                        self.waiting.appendleft(piece)
                    else:
                        if self.begun is not None:
                            self.begun(piece)
                done, _ = concurrent.futures.wait(under_way, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    piece = under_way.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        broken = True
                        self.deaths[id(piece)] += 1
                        self.waiting.appendleft(piece)
                    else:
                        yield piece, result

    def given_up(self) -> list[W]:
        """Take out what died too often."""
        dead = [piece for piece in self.waiting if self.deaths[id(piece)] >= TRIES]
        self.waiting = deque(piece for piece in self.waiting if self.deaths[id(piece)] < TRIES)
        return dead

    def _fits(self, under_way: dict[concurrent.futures.Future[R], W]) -> bool:
        taken = sum(map(self._places_of, under_way.values()))
        return taken + self._places_of(self.waiting[0]) <= self.places

    def _places_of(self, piece: W) -> int:
        return self.places if self.deaths[id(piece)] else min(self.width(piece), self.places)


def _begin_worker() -> None:
    """Print no secret, and end when the parent dies: a killed run must not leave workers that wait for ever."""
    guard_output()
    warnings.showwarning = tell_warning
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
