"""Answers as they come: many questions asked on the event loop, their answers handed to a plain loop."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from doxa.canonical import digest
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
    arrived: queue.SimpleQueue[tuple[int, T | FaultError] | None] = queue.SimpleQueue()
    work = LOOP.submit(_ask_all(exchange, requests, read, arrived.put))
    work.add_done_callback(lambda _: arrived.put(None))
    ended = False
    try:
        while not ended:
            batch, ended = _gathered(arrived)
            if batch:
                yield batch
        work.result()
    finally:
        work.cancel()


async def _ask_all(
    exchange: Exchange,
    requests: Sequence[Request],
    read: Callable[[Response], T],
    put: Callable[[tuple[int, T | FaultError]], None],
) -> None:
    waiting = iter(enumerate(requests))

    async def worker() -> None:
        for index, request in waiting:
            try:
                put((index, await exchange.ask(request, read, digest(request.body.decode()))))
            except FaultError as fault:
                put((index, fault))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(exchange.patience.concurrency, len(requests))):
            group.create_task(worker())


def _gathered(arrived: queue.SimpleQueue[tuple[int, T] | None]) -> tuple[list[tuple[int, T]], bool]:
    """Return what came within ``GATHER_S`` of the first, and whether it was the last."""
    batch: list[tuple[int, T]] = []
    until: float | None = None
    while True:
        try:
            item = arrived.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except queue.Empty:
            return batch, False
        if item is None:
            return batch, True
        batch.append(item)
        until = until or time.monotonic() + GATHER_S
