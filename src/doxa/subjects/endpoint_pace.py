"""Pace: how fast one server is asked with one key. It finds a rate limit that nobody told, and follows it.

A server that never rejects is not slowed down. Once it rejects, requests are spaced at a rate in requests per second,
and looked at about once a second:

- The first rejection takes ``CUT`` off the rate at once; those of requests that were already under way change nothing.
- Where more than ``HEAVY`` of the requests sent since the last look were rejected, the rate is set by what was taken.
- After a cut the rate returns to where it was along a cubic within ``RETURN_S``, stays near it, and then grows ever
  faster, so that a limit a hundred times higher is found within a minute. The shape is that of CUBIC (RFC 9438), but
  what grows at the end is the exponent of 2. Only time in which requests waited for the rate counts.
- Rejections that no limit explains are borne: ``UNEXPLAINED`` looks with rejections within ``MEMORY_S``, each at a rate
  below what the server took in that time, mean that it rejects by chance. Then no rate is kept until the share rises.

``Retry-After`` holds for all who ask, unless rejections come by chance.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from doxa.secret import Secret

CUT = 0.1
"""Share of the rate taken off at a rejection."""
OVERSHOT = 1.15
"""Most by which a rate that had grown is first held to have been too high, for the root of its growth."""
MARGIN = 0.03
"""How far below the rate that was rejected, or below what was taken, the rate returns to, as a share."""
HEAVY = 0.1
"""Share of rejections in one look, three at least, above which the rate is set by what was taken."""
RETURN_S = 25.0
"""Seconds of use until the rate is back."""
DOUBLE_S = 10.0
"""Seconds of use after that until it has doubled."""
PAUSED_CUT = 0.3
"""Most that is taken off by a look into which a pause falls, because less was asked than would have been taken."""
LOOK_S = 1.0
"""Time between looks; one at fewer than ``LOOK_N`` requests waits up to three times as long."""
LOOK_N = 10
WEIGHED_N = 100
"""Least requests by which rejections by chance are told from others."""
MOST_BY_CHANCE = 0.35
"""Share of rejections above which they are never held to come by chance."""
UNEXPLAINED = 5
MEMORY_S = 30.0
CONVINCED_S = 120.0
"""For how long rejections are held to hang on the rate once they turned out to."""
BURST_S = 0.02
"""Lost time that is made up for, so that coarse timers do not lower the rate."""
SLOWEST = 0.05
"""Least rate in requests per second."""


@dataclass
class _Look:
    """Requests sent since a moment, how many of those were rejected, and for how long nothing was to be sent."""

    since: float
    sent: int = 0
    rejected: int = 0
    paused_s: float = 0.0


class _Seen(NamedTuple):
    """What a past look saw: when, requests taken per second, and rejections that no limit explains."""

    at: float
    taken: float
    sent: int
    rejected: int
    unexplained: bool


class Pace:
    """The rate towards one server. All times are those of the running event loop.

    Attributes:
        rate: requests per second, or None while no limit was met.
        by_chance: share of requests that the server rejects whatever the rate; 0 if it does not.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.by_chance = 0.0
        self._floor = self._ceiling = self._used_s = 0.0
        self._next = self._paused_until = self._cut_at = self._convinced_until = 0.0
        self._look = _Look(0.0)
        self._asked = 0.0
        self._seen: deque[_Seen] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._server: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def turn(self) -> float:
        """Wait until a request may be sent; return the time, by which ``rejected`` knows it."""
        loop = self._running()
        now = loop.time()
        if self._waiters or now < self._paused_until or (self.rate is not None and now < self._next):
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            if self._server is None or self._server.done():
                self._server = loop.create_task(self._serve(loop))
            await waiter
            now = loop.time()
        elif self.rate is not None:
            self._next = max(self._next, now - BURST_S) + 1.0 / self.rate
        if now - self._look.since >= LOOK_S:
            self._look_back(now)
        self._look.sent += 1
        return now

    def unused(self, sent: float) -> None:
        """Note that nothing was sent at the time that ``turn`` returned."""
        if sent >= self._look.since and self._look.sent:
            self._look.sent -= 1

    def rejected(self, sent: float, after_s: float | None = None) -> None:
        """Note that the server rejected a request because there were too many.

        Args:
            sent: what ``turn`` returned for it.
            after_s: for how long the server asked to be left alone, in seconds.
        """
        now = self._running().time()
        self._look_back(now)
        if sent >= self._look.since:
            self._look.rejected += 1
        if self.by_chance:
            return
        if self.rate is None:
            rate = max(self._asked, self._look.sent / max(now - self._look.since, 0.1 * LOOK_S))
            self._set(now, rate * (1.0 - CUT), rate)
        elif sent >= self._cut_at:
            # a burst that the server allows hides for a while that the rate is too high
            rate = self.rate / min(math.sqrt(max(1.0, self.rate / self._ceiling)), OVERSHOT)
            self._set(now, rate * (1.0 - CUT), rate * (1.0 - MARGIN))
        if after_s and now + after_s > self._paused_until:
            self._look.paused_s += now + after_s - max(now, self._paused_until)
            self._paused_until = now + after_s

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let those who wait go on, one after another, as pauses and the rate allow."""
        while self._waiters:
            now = loop.time()
            due = max(self._paused_until, self._next if self.rate is not None else 0.0)
            if due > now:
                await asyncio.sleep(due - now)
                continue
            waiter = self._waiters.popleft()
            if waiter.done():
                continue
            if self.rate is not None:
                self._use(1.0 / self.rate)
                self._next = max(self._next, now - BURST_S) + 1.0 / self.rate
            waiter.set_result(None)

    def _use(self, seconds: float) -> None:
        """Let the rate grow by seconds of use."""
        self._used_s += seconds
        if self._used_s < RETURN_S:
            left = 1.0 - self._used_s / RETURN_S
            self.rate = self._ceiling - (self._ceiling - self._floor) * left**3
        else:
            self.rate = self._ceiling * 2.0 ** (((self._used_s - RETURN_S) / DOUBLE_S) ** 3)

    def _set(self, now: float, rate: float, ceiling: float) -> None:
        self._floor = self.rate = max(rate, SLOWEST)
        self._ceiling = max(ceiling, SLOWEST)
        self._used_s = 0.0
        self._cut_at = now
        self._next = max(self._next, now + 1.0 / self.rate)

    def _look_back(self, now: float) -> None:
        look, for_s = self._look, now - self._look.since
        if for_s < LOOK_S or (look.sent < LOOK_N and for_s < 3 * LOOK_S):
            return
        if self.by_chance and look.sent < WEIGHED_N:
            return
        self._look, self._asked = _Look(now), look.sent / for_s
        if self.by_chance:
            self._weigh(now, look, for_s)
        elif look.rejected:
            self._follow(now, look, for_s)

    def _follow(self, now: float, look: _Look, for_s: float) -> None:
        """Set the rate by what a look saw, or learn that rejections do not hang on it."""
        taken = (look.sent - look.rejected) / for_s
        while self._seen and self._seen[0].at < now - MEMORY_S:
            self._seen.popleft()
        # what was taken counts pauses and what was asked does not, so that a pause explains nothing away
        asked = look.sent / max(for_s - look.paused_s, 0.1 * for_s)
        unexplained = any(asked < (1.0 - CUT) * seen.taken for seen in self._seen)
        self._seen.append(_Seen(now, taken, look.sent, look.rejected, unexplained))
        if self._chance(now):
            self.rate = None
            self._seen.clear()
        elif look.rejected > max(2.0, HEAVY * look.sent) and self.rate is not None:
            if look.paused_s:
                floor = max(taken, self.rate * (1.0 - PAUSED_CUT))
                self._set(now, floor, max(floor, self.rate * (1.0 - CUT)))
            elif taken < self.rate:
                self._set(now, taken * (1.0 - 2 * MARGIN), taken)

    def _chance(self, now: float) -> bool:
        """Return whether rejections come by chance: as the rate falls, their share stays and what is taken falls."""
        odd = [seen for seen in self._seen if seen.unexplained]
        if len(odd) < UNEXPLAINED or now < self._convinced_until or _share(odd) > MOST_BY_CHANCE:
            return False
        early, late = odd[: len(odd) // 2], odd[len(odd) // 2 :]
        if _share(late) < 0.5 * _share(early) or _taken(late) > 0.95 * _taken(early):
            return False
        self.by_chance = _share(odd)
        return True

    def _weigh(self, now: float, look: _Look, for_s: float) -> None:
        """See whether rejections still come by chance: a share that is much larger than it was does not."""
        share = look.rejected / look.sent
        if share > max(1.5 * self.by_chance + 0.1, self.by_chance + 0.2):
            self.by_chance, self._convinced_until = 0.0, now + CONVINCED_S
            taken = (look.sent - look.rejected) / for_s
            self._set(now, taken * (1.0 - 2 * MARGIN), taken)
        elif share < self.by_chance:
            # it only falls: one that rose with the rate would be taken for chance in the end
            self.by_chance = 0.9 * self.by_chance + 0.1 * share
            if self.by_chance < 1e-3:
                self.by_chance = 0.0

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # another loop has another clock, and nobody waits on it
            self._loop, self._server, self._look = loop, None, _Look(loop.time())
            self._next = self._paused_until = self._cut_at = self._convinced_until = 0.0
            self._waiters.clear()
            self._seen.clear()
        return loop


def _share(seen: Sequence[_Seen]) -> float:
    return sum(one.rejected for one in seen) / sum(one.sent for one in seen)


def _taken(seen: Sequence[_Seen]) -> float:
    return sum(one.taken for one in seen) / len(seen)


_paces: weakref.WeakValueDictionary[tuple[str, bytes], Pace] = weakref.WeakValueDictionary()


def pace_towards(url: str, key: Secret | None) -> Pace:
    """Return the one pace of this process towards a server with a key."""
    parts = urlsplit(url)
    known_as = b"" if key is None else hashlib.sha256(key.reveal().encode()).digest()
    return _paces.setdefault((f"{parts.scheme}://{parts.netloc}", known_as), Pace())
