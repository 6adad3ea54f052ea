"""What every client does: N questions with C under way at once, on one event loop that stays.

Only the standard library is imported, because the peers run this too.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kit.side import Work

Ask = Callable[[str], Awaitable[tuple[str, int]]]
"""Asks one question; returns the answer's text and its prompt tokens."""


def question(number: int) -> str:
    """Return the text of a question."""
    return f"Is it true? Answer with one word. This is question {number}"


def summary(answers: Sequence[tuple[str, int]], added_ms: Sequence[float] = ()) -> dict[str, Any]:
    """Return the digest of all answers in order, and the 99th percentile of the time added to the server's own."""
    text = "\n".join(answer for answer, _ in answers)
    found: dict[str, Any] = {"digest": hashlib.sha256(text.encode()).hexdigest()}
    if added_ms:
        ordered = sorted(added_ms)
        found["p50_ms"] = ordered[len(ordered) // 2]
        found["p99_ms"] = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return found


def ask_all(
    case: dict[str, Any],
    opened: Callable[[dict[str, Any]], Awaitable[Ask]],
    loop: asyncio.AbstractEventLoop | None = None,
) -> Work:
    """Return the work of asking the questions of a case with an asynchronous client.

    Args:
        case: ``requests``, ``connections``, and whether they are ``timed`` one by one.
        opened: opens the client, once.
        loop: the event loop on which the client runs; asyncio's own by default.
    """
    loop = loop or asyncio.new_event_loop()
    ask = loop.run_until_complete(_open(opened, case))

    async def work() -> dict[str, Any]:
        waiting = iter(range(case["requests"]))
        answers: list[tuple[str, int]] = [("", 0)] * case["requests"]
        added_ms: list[float] = []

        async def worker() -> None:
            for number in waiting:
                before = time.perf_counter()
                answers[number] = await ask(question(number))
                if case["timed"]:
                    added_ms.append((time.perf_counter() - before) * 1e3 - answers[number][1] / 1e3)

        await asyncio.gather(*(worker() for _ in range(case["connections"])))
        return summary(answers, added_ms)

    return lambda: loop.run_until_complete(work())


async def _open(opened: Callable[[dict[str, Any]], Awaitable[Ask]], case: dict[str, Any]) -> Ask:
    return await opened(case)
