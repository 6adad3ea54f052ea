"""What every cache is given to do: put, get, and being killed while it writes; standard library only."""

from __future__ import annotations

import atexit
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from kit.side import Work, serve

_SENTENCE = "The subject was asked about this and answered at some length before it came to a point.\n"


def question(number: int) -> str:
    return f"Is it true that the flag of country {number} is red? Answer yes or no, then say why."


def answer(number: int) -> str:
    """Return a text of 1,000 characters, an escape in every 88."""
    return (f"{number}. " + _SENTENCE * 12)[:1000]


class Store(Protocol):
    """A cache at work; entries are told by their number."""

    def put(self, numbers: Sequence[int]) -> None:
        """Keep the answers; they are acknowledged when this returns."""

    def get(self, numbers: Sequence[int]) -> list[str | None]:
        """Return the answers, None where there is none."""

    def close(self) -> None: ...


Opener = Callable[[Path], Store]


def main(opener: Callable[[int, dict[str, Any]], Opener], *, packages: tuple[str, ...] = ()) -> None:
    """Serve the driver, or write until killed.

    Args:
        opener: gets the number of entries and the case, prepares what is not timed, returns what opens the cache.
        packages: names whose versions are reported.
    """
    if sys.argv[1:2] == ["--write"]:
        _write(opener(int(sys.argv[3]), {"batch": 100})(Path(sys.argv[2])), int(sys.argv[3]))
    else:
        serve(lambda case: _prepare(opener, case), packages=packages)


def _prepare(opener: Callable[[int, dict[str, Any]], Opener], case: dict[str, Any]) -> Work:
    root = Path(tempfile.mkdtemp(prefix="doxa-cache-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    count = int(case["entries"])
    if case["do"] == "killed":
        return lambda: _killed(opener(count, case), _fresh(root), count)
    opened = opener(count, case)
    gc.freeze()  # what was prepared is no part of the work, nor is looking through it for garbage
    if case["do"] == "put":
        return lambda: _put(opened, _fresh(root), count)
    filled = _fresh(root)
    store = opened(filled)
    store.put(range(count))
    store.close()
    # 7919 shares no factor with the counts used here, so that each entry is read once
    order = [number * 7919 % count for number in range(count)] if case["do"] == "shuffled" else range(count)
    return lambda: _get(opened, filled, order)


def _fresh(root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=root))


def _put(opener: Opener, folder: Path, count: int) -> str:
    store = opener(folder)
    store.put(range(count))
    found = store.get(range(0, count, max(1, count // 100)))
    store.close()
    return _digest(found)


def _get(opener: Opener, folder: Path, order: Sequence[int]) -> str:
    store = opener(folder)
    found = store.get(order)
    store.close()
    return f"{sum(text is not None for text in found)} found, {_digest(found[::97])}"


def _digest(texts: Sequence[str | None]) -> str:
    return hashlib.sha256("\n".join(text or "" for text in texts).encode()).hexdigest()


def _write(store: Store, count: int) -> None:
    for start in range(0, count, 100):
        store.put(range(start, min(start + 100, count)))
        print(start + 100, flush=True)
    time.sleep(60)  # until killed


def _killed(opener: Opener, folder: Path, count: int) -> dict[str, float]:
    """Kill a writer when it has acknowledged most of its entries; return what is left and how long opening takes."""
    command = [sys.executable, sys.argv[0], "--write", str(folder), str(count)]
    acknowledged = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while acknowledged < count * 0.9:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout.readlines():
            acknowledged = int(line) if line.endswith("\n") else acknowledged
    size = sum(
        os.lstat(Path(place) / name).st_blocks * 512 for place, _, names in os.walk(folder) for name in names
    )
    start = time.perf_counter()
    store = opener(folder)
    first = store.get([0])
    seconds = time.perf_counter() - start
    found = store.get(range(count))
    store.close()
    present = sum(text is not None for text in found)
    return {
        "reopen_ms": seconds * 1000,
        "lost": sum(text is None for text in found[: min(acknowledged, count)]),
        "wrong": sum(
            text not in (None, answer(number)) for number, text in (*enumerate(found), (0, first[0]))
        ),
        "bytes": size / max(1, present),
    }
