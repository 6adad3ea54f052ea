"""Answers as they come: many questions asked on the event loop, their answers handed to a plain loop."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from doxa.subjects.endpoint_exchange import Exchange
from doxa.subjects.endpoint_transport import LOOP, Request, Response
from doxa.subjects.endpoint_wire import FaultError

GATHER_S = 0.05
"""Answers that come within this time of the first are handed on together."""

T = TypeVar("T")


def answers(
    exchange: Exchange, requests: Sequence[Request], read: Callable[[Response], T]
) -> Iterator[list[tuple[int, T | FaultError]]]:
    """Ask every question; yield (index, answer or fault) of each once. Whoever stops reading stops the asking."""
    arrived: _Gathered[tuple[int, T | FaultError]] = _Gathered()
    work = LOOP.submit(_ask_all(exchange, requests, read, arrived))
    # a call that is cancelled before it begins hands nothing on itself
    work.add_done_callback(lambda _: arrived.batches.put(None))
    try:
        while (batch := arrived.batches.get()) is not None:
            yield batch
        work.result()
    finally:
        work.cancel()


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


async def _ask_all(
    exchange: Exchange,
    requests: Sequence[Request],
    read: Callable[[Response], T],
    arrived: _Gathered[tuple[int, T | FaultError]],
) -> None:
    waiting = iter(enumerate(requests))

    async def worker() -> None:
        for index, request in waiting:
            try:
                arrived.put((index, await exchange.ask(request, read)))
            except FaultError as fault:
                arrived.put((index, fault))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(exchange.patience.concurrency, len(requests))):
            group.create_task(worker())
    arrived.flush()
