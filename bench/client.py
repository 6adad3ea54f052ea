"""Endpoint client beside the openai SDK, httpx and litellm: requests per CPU-second, and p99 of the time added."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import BENCH, REPEATS, Case, Process, Side, compare, main, round_to

OURS = Side("doxa", "sides/client.py")
ONE_SERVER = Side("doxa on one server", "sides/client.py")
SEVERAL = Side("doxa on two servers", "sides/client.py", options={"several": True})
ALONE = Side("doxa's transport alone", "sides/client.py", options={"transport": True})
STREAMS = Side("bare asyncio streams", "sides/client_streams.py")
SDK = Side("openai SDK", "peers/openai/client.py", "openai")
SDK_AIOHTTP = Side("openai SDK over aiohttp", "peers/openai/client.py", "openai", {"aiohttp": True})
HTTPX = Side("httpx", "peers/httpx/client.py", "httpx")
LITELLM = Side("litellm", "peers/litellm/client.py", "litellm")

LEAST = 8_000.0
"""Requests per CPU-second that doxa must reach at 64 connections and keep at 256."""
TARGET = 15.0
"""Times the openai SDK's rate."""
TWO_EQUAL, TWO_UNEQUAL = 1.8, 1.2
"""Least speed of two servers beside the quicker one alone: 2 and 4/3 are possible."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    count, repeats = (1_000, 3) if options.small else (2_000, REPEATS)
    with server() as url:
        for connections in (4, 64, 256):
            for side in (SDK, SDK_AIOHTTP, HTTPX, LITELLM, ALONE, STREAMS):
                case = Case(
                    name=f"instant replies, {connections} connections",
                    load={"url": url, "requests": count, "connections": connections, "timed": False},
                    work=count,
                    unit="requests",
                    agree=lambda own, other: own["digest"] == other["digest"],
                    target=TARGET if side is SDK and connections >= 64 else None,
                    repeats=repeats,
                    least=LEAST if side is SDK and connections >= 64 else None,
                )
                yield from compare(case, OURS, [side], threads=options.threads)
    for delay_ms, least in ((20, TWO_EQUAL), (60, TWO_UNEQUAL)):
        with server("--delay", "20", "--jitter", "5") as url, server("--delay", str(delay_ms)) as more:
            case = Case(
                name=f"replies after 20 ms +- 5 ms, 8 connections; a second server after {delay_ms} ms",
                load={"url": url, "more": more, "requests": count // 2, "connections": 8, "timed": False},
                work=count // 2,
                unit="requests",
                agree=lambda own, other: own["digest"] == other["digest"],
                target=least,
                repeats=repeats,
                clock="wall",
            )
            yield from compare(case, SEVERAL, [ONE_SERVER], threads=options.threads)
    with server("--delay", "20", "--jitter", "5") as url:
        for connections in (8, 64):
            load = {"url": url, "requests": count, "connections": connections, "timed": True}
            for side in (OURS, SDK, SDK_AIOHTTP, HTTPX, LITELLM):
                yield _added(side, load, repeats, options.threads)


def _added(side: Side, load: dict[str, object], repeats: int, threads: int) -> dict[str, object]:
    """Return how much later than the server sent it an answer was there, read."""
    name = f"replies after 20 ms +- 5 ms, {load['connections']} connections"
    row: dict[str, object] = {"case": name, "side": side.name}
    if side.missing:
        return {**row, "missing": f"{side.name} is not installed here; run the benchmark with --install"}
    print(f"{name}: {side.name}", file=sys.stderr)
    case = Case("", dict(load), 1.0, "", agree=lambda own, other: own == other)
    with Process(side, threads) as process:
        process.prepare(case)
        process.run()
        found = [process.run()["answer"] for _ in range(repeats)]
    for share in ("p50_ms", "p99_ms"):
        row[f"added_{share}"] = round_to(statistics.median(one[share] for one in found))
    return row


@contextmanager
def server(*options: str) -> Iterator[str]:
    """Run the server in a process of its own; yield its address."""
    command = [sys.executable, str(BENCH / "sides" / "client_server.py"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    main("client", __doc__, rows, needs=("openai", "httpx", "litellm"))
