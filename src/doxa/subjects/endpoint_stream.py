"""Answers as they come: many questions asked on the event loop, their answers handed to a plain loop."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, TypeVar

from doxa.subjects.endpoint_exchange import Exchange
from doxa.subjects.endpoint_transport import LOOP, Request, Response
from doxa.subjects.endpoint_wire import FaultError

GATHER_S = 0.05
"""Answers that come within this time of the first are handed on together."""

COLLECT_AFTER = 20_000

T = TypeVar("T")


Put = Callable[[tuple[int, T]], None]
"""Takes (index, outcome) of one question."""


def answers(
    exchange: Exchange, requests: Sequence[Request], read: Callable[[Response], T]
) -> Iterator[list[tuple[int, T | FaultError]]]:
    """Ask every question; yield (index, answer or fault) of each once. Whoever stops reading stops the asking."""

    async def ask_all(put: Put[T | FaultError]) -> None:
        waiting = iter(enumerate(requests))

        async def worker() -> None:
            for index, request in waiting:
                try:
                    put((index, await exchange.ask(request, read)))
                except FaultError as fault:
                    put((index, fault))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(exchange.patience.concurrency, len(requests))):
                group.create_task(worker())

    return as_they_come(ask_all)


def as_they_come(ask_all: Callable[[Put[T]], Coroutine[Any, Any, None]]) -> Iterator[list[tuple[int, T]]]:
    """Run ``ask_all`` on the loop that hosted subjects share; yield what it puts, in lists, until it ends.

    Whoever stops reading stops it. An exception that ends it is raised here, after what came before.
    """
    arrived: _Gathered[tuple[int, T]] = _Gathered()

    async def ask() -> None:
        await ask_all(arrived.put)
        arrived.flush()

    work = LOOP.submit(ask())
    # a call that is cancelled before it begins hands nothing on itself
    work.add_done_callback(lambda _: arrived.batches.put(None))
    try:
        with RARELY:
            while (batch := arrived.batches.get()) is not None:
                yield batch
        try:
            work.result()
        except ExceptionGroup as group:
            # every worker met it; what it says does not change by being said many times
            raise _first(group) from None
    finally:
        work.cancel()


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


class _RareCollections:
    """While somebody asks, Python looks for garbage in cycles every ``COLLECT_AFTER`` objects at the earliest.

    With 256 requests under way nearly every object outlives a young collection, and so many full ones follow that
    they cost a fifth of the time. Hardly anything here is in a cycle.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (0, 0, 0)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = gc.get_threshold()
                if 0 < self._before[0] < COLLECT_AFTER:
                    gc.set_threshold(COLLECT_AFTER, *self._before[1:])

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and gc.get_threshold()[0] == COLLECT_AFTER:
                gc.set_threshold(*self._before)


RARELY = _RareCollections()


class _Gathered(Generic[T]):
    """Hands answers from the event loop to a plain loop, so many at once that waking it costs nothing beside them."""

    def __init__(self) -> None:
        self.batches: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()
        self._held: list[T] = []

    def put(self, item: T) -> None:
        if not self._held:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        self._held.append(item)

    def flush(self) -> None:
        if self._held:
            self.batches.put(self._held)
            self._held = []
