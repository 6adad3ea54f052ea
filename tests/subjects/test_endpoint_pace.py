from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from doxa.secret import Secret
from doxa.streams import stream
from doxa.subjects.endpoint_pace import Pace, pace_towards
from doxa.testing.virtual_time import run_virtually

Rule = Callable[[float], bool]
"""Takes the time in seconds; returns whether the server takes a request at it."""


class Bucket:
    """Takes ``limit(now)`` requests a second, and as many again at once after a second of silence."""

    def __init__(self, limit: Callable[[float], float]) -> None:
        self.limit = limit
        self.tokens = self.at = 0.0

    def __call__(self, now: float) -> bool:
        rate = self.limit(now)
        self.tokens = min(max(1.0, rate), self.tokens + (now - self.at) * rate)
        self.at = now
        taken = self.tokens >= 1.0
        self.tokens -= taken
        return taken


class SlidingWindow:
    """Takes ``limit(now)`` requests in any second."""

    def __init__(self, limit: Callable[[float], float]) -> None:
        self.limit = limit
        self.taken: deque[float] = deque()

    def __call__(self, now: float) -> bool:
        while self.taken and self.taken[0] <= now - 1.0:
            self.taken.popleft()
        if len(self.taken) >= self.limit(now):
            return False
        self.taken.append(now)
        return True


class Sent(NamedTuple):
    at: float
    taken: bool


async def press(
    pace: Pace, rule: Rule, until_s: float, *, workers: int = 32, after_s: float | None = None
) -> list[Sent]:
    """Send as much as the pace allows, with 20 ms on the way; return what became of each request."""
    loop = asyncio.get_running_loop()
    rng = stream(0, "press")
    sent: list[Sent] = []

    async def worker() -> None:
        while loop.time() < until_s:
            turn = await pace.turn()
            await asyncio.sleep(0.01 * (0.5 + rng.random()))
            sent.append(Sent(loop.time(), rule(loop.time())))
            await asyncio.sleep(0.01)
            if not sent[-1].taken:
                pace.rejected(turn, after_s)
                await asyncio.sleep(0.5)

    await asyncio.gather(*(worker() for _ in range(workers)))
    return sent


def share_used(sent: list[Sent], limit: float, start_s: float, end_s: float) -> tuple[float, float]:
    """Return the share of the limit that was used in a time, and the share of requests that were rejected."""
    taken = [one.taken for one in sent if start_s <= one.at < end_s]
    return sum(taken) / (end_s - start_s) / limit, 1.0 - float(np.mean(taken))


@pytest.mark.parametrize("kind", [Bucket, SlidingWindow])
@pytest.mark.parametrize("limits", [(40.0, 5.0, 90.0)])
def test_a_hidden_limit_is_found_within_a_minute_and_kept(
    kind: Callable[..., Rule], limits: tuple[float, ...]
):
    rule = kind(lambda now: limits[min(int(now // 120.0), len(limits) - 1)])
    sent = run_virtually(press(Pace(), rule, 120.0 * len(limits)))
    for k, limit in enumerate(limits):
        used, rejected = share_used(sent, limit, 120.0 * k + 60.0, 120.0 * (k + 1))
        assert used >= 0.85, (limit, used)
        assert rejected < 0.02, (limit, rejected)


def test_a_server_that_never_rejects_is_not_slowed_down():
    pace = Pace()
    sent = run_virtually(press(pace, lambda _: True, 5.0, workers=8))
    assert pace.rate is None
    assert len(sent) == pytest.approx(8 * 5.0 / 0.02, rel=0.02)


def test_what_is_not_asked_for_is_no_reason_to_grow():
    async def scarcely() -> tuple[float, float]:
        pace = Pace()
        await press(pace, Bucket(lambda _: 20.0), 10.0)
        before = pace.rate or 0.0
        for _ in range(100):
            await pace.turn()
            await asyncio.sleep(1.0)
        return before, pace.rate or 0.0

    before, after = run_virtually(scarcely())
    assert 5.0 < before < 25.0
    assert after == pytest.approx(before, rel=1e-3)


def test_retry_after_holds_for_all():
    async def two() -> float:
        pace = Pace()
        pace.rejected(await pace.turn(), after_s=9.0)
        await pace.turn()
        return asyncio.get_running_loop().time()

    assert run_virtually(two()) == pytest.approx(9.0)


def test_rejections_by_chance_slow_nobody_down_until_there_are_more():
    rng = stream(0, "chance")
    limited = Bucket(lambda _: 30.0)

    def rule(now: float) -> bool:
        return rng.random() >= 0.06 if now < 120.0 else limited(now)

    async def both() -> tuple[float, list[Sent]]:
        pace = Pace()
        await press(pace, rule, 120.0)
        share = pace.by_chance
        return share, await press(pace, rule, 300.0)

    share, sent = run_virtually(both())
    assert 0.02 < share < 0.1
    used, rejected = share_used(sent, 30.0, 180.0, 300.0)
    assert used >= 0.85
    assert rejected < 0.02


def test_one_pace_for_a_server_and_key():
    one = pace_towards("http://a:1/v1", None)
    assert pace_towards("http://a:1/other", None) is one
    assert pace_towards("http://a:2/v1", None) is not one
    first, second = Secret("sk-first-key"), Secret("sk-second-key")
    keyed = pace_towards("http://a:1/v1", first)
    assert keyed is not one
    assert pace_towards("http://a:1/v1", Secret("sk-first-key")) is keyed
    assert pace_towards("http://a:1/v1", second) is not keyed


def test_a_pace_serves_one_loop_after_another():
    pace = Pace()

    async def waits() -> float:
        pace.rejected(await pace.turn(), after_s=5.0)
        await pace.turn()
        return asyncio.get_running_loop().time()

    assert run_virtually(waits()) == pytest.approx(run_virtually(waits()))
