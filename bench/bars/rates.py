"""Bar 7, rate finding: a server's hidden limit, which changes three times, is found, used and kept.

Steady state begins a minute after the start and after each change. At the stated size a real server and real time are
used, once with ``Retry-After`` and once without; at the small size the same client runs on virtual time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from sides.client_server import Limits, reply

from bars.outcome import Outcome
from doxa.subjects.base import Reply, Sampling, user
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Exchange, Patience
from doxa.subjects.endpoint_transport import AiohttpTransport, Request, Response, Transport
from doxa.subjects.endpoint_wire import FaultError, read_reply, reply_body
from doxa.testing.virtual_time import run_virtually

LEAST_USED = 0.85
MOST_REJECTED = 0.02
SETTLED_S = 60.0
SMALL = (40.0, 5.0, 160.0, 12.0)
FULL = (60.0, 500.0, 5.0, 150.0)
SAMPLING = Sampling(max_tokens=4)


class Sent(NamedTuple):
    """When a response came, and whether the request had been taken."""

    at: float
    taken: bool


def run(full: bool, folder: Path) -> Outcome:
    """Ask as much as the server takes, with and without ``Retry-After``."""
    del folder
    limits, hold_s = (FULL, 150.0) if full else (SMALL, 110.0)
    clock = "real" if full else "virtual"
    outcome = Outcome(f"limits {limits} requests/s for {hold_s:g} s each, {clock} time, Retry-After and none")
    runs: dict[int, tuple[list[Sent], int]] = {}
    if full:
        with ThreadPoolExecutor() as threads:
            found = threads.map(lambda after: _real(limits, hold_s, after), (0, 1))
            runs = dict(zip((0, 1), found, strict=True))
    else:
        runs = {after: run_virtually(_virtual(limits, hold_s, after)) for after in (0, 1)}
    for after, (sent, lost) in runs.items():
        name = f"Retry-After {after} s" if after else "no Retry-After"
        outcome.check(lost == 0, f"{name}: {lost} questions were lost")
        _check(outcome, name, sent, limits, hold_s)
    return outcome


def _check(outcome: Outcome, name: str, sent: Sequence[Sent], limits: Sequence[float], hold_s: float) -> None:
    start = sent[0].at
    for k, limit in enumerate(limits):
        begins, ends = start + k * hold_s + SETTLED_S, start + (k + 1) * hold_s
        taken = [one.taken for one in sent if begins <= one.at < ends]
        used = sum(taken) / (ends - begins) / limit
        rejected = 1.0 - sum(taken) / max(1, len(taken))
        line = f"{name}, limit {limit:g}: {used:.3f} used, {rejected:.4f} rejected"
        print(f"bar 7: {line}", file=sys.stderr)
        outcome.check(used >= LEAST_USED, line)
        outcome.check(rejected < MOST_REJECTED, line)


class Noting:
    """Notes what became of each request; ``clock`` says when."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.sent: list[Sent] = []

    async def send(self, request: Request) -> Response:
        response = await self.inner.send(request)
        self.sent.append(Sent(asyncio.get_running_loop().time(), response.status == 200))
        return response

    async def close(self) -> None:
        if isinstance(self.inner, AiohttpTransport):
            await self.inner.close()


class LimitedTransport:
    """The server's limits and 20 ms on the way, without a server."""

    def __init__(self, limits: Limits, retry_after: int) -> None:
        self.limits = limits
        self.rejected = Response(429, {"retry-after": str(retry_after)} if retry_after else {}, b"")

    async def send(self, request: Request) -> Response:
        del request
        await asyncio.sleep(0.01)
        taken = self.limits.taken(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        if not taken:
            return self.rejected
        return Response(200, {"content-type": "application/json"}, reply(1).split(b"\r\n\r\n", 1)[1])


async def _virtual(limits: Sequence[float], hold_s: float, after: int) -> tuple[list[Sent], int]:
    """Ask on virtual time until the last limit has held for as long as the others."""
    noting = Noting(LimitedTransport(Limits(limits, hold_s), after))
    exchange = Exchange(noting, Patience())
    loop, lost = asyncio.get_running_loop(), 0

    async def worker(number: int) -> None:
        nonlocal lost
        asked = 0
        while loop.time() < len(limits) * hold_s:
            body = reply_body("m", (user(f"question {number}-{asked}"),), SAMPLING)
            asked += 1
            try:
                await exchange.ask(Request("POST", "http://x", {}, body, 60.0), read_reply)
            except FaultError:
                lost += 1

    await asyncio.gather(*(worker(number) for number in range(exchange.patience.concurrency)))
    return noting.sent, lost


def _real(limits: Sequence[float], hold_s: float, after: int) -> tuple[list[Sent], int]:
    """Ask a server in a process of its own in real time."""
    script = Path(__file__).resolve().parents[1] / "sides" / "client_server.py"
    shown = ["--limits", ",".join(f"{limit:g}" for limit in limits), "--hold", f"{hold_s:g}"]
    command = [sys.executable, str(script), "--delay", "20", "--jitter", "5", *shown]
    with subprocess.Popen(
        [*command, "--retry-after", str(after)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        noting = Noting(AiohttpTransport())
        subject = EndpointSubject.open(url, "m", transport=noting)
        enough = int(1.2 * hold_s * sum(limits)) + 1000
        talks = [(user(f"question {number}"),) for number in range(enough)]
        lost, until = 0, time.monotonic() + len(limits) * hold_s
        batches = subject.reply_batches(talks, sampling=SAMPLING)
        for batch in batches:
            lost += sum(found.finish == "fault" for _, found in batch)
            _right(batch)
            if time.monotonic() > until:
                break
        batches.close()
        subject.close()
        server.stdin.close()
    return noting.sent, lost


def _right(batch: Sequence[tuple[int, Reply]]) -> None:
    wrong = [index for index, found in batch if found.finish != "fault" and found.text != f"answer {index}"]
    if wrong:
        raise AssertionError(
            f"question {wrong[0]} has the answer of another: {json.dumps(dict(batch)[wrong[0]].text)}"
        )
