"""Rows shared out among threads: a kernel is called with a range of rows and lets go of the interpreter's lock.

Kernels write only what belongs to their rows and draw by agent, so that results do not hang on how rows are shared
out. Plain threads are used, not those of the compiler, which may neither be forked nor entered twice at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

LEAST = 50_000
"""Rows that are worth a thread: below, starting one costs more than it saves."""


def thread_count() -> int:
    """Return how many threads a step may use: what ``NUMBA_NUM_THREADS`` says, else the processor's cores."""
    told = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else os.cpu_count() or 1


def in_chunks(kernel: Callable[[int, int], T], count: int, *, least: int = LEAST) -> list[T]:
    """Call a kernel on ranges that cover 0..count-1 and return what it returned, in the order of the ranges.

    Args:
        kernel: gets the first row and the one after the last.
        count: number of rows.
        least: fewest rows for a thread.
    """
    parts = max(1, min(thread_count(), count // max(1, least)))
    if parts == 1:
        return [kernel(0, count)]
    ends = [count * part // parts for part in range(parts + 1)]
    waiting = [_pool(os.getpid(), parts - 1).submit(kernel, begin, end) for begin, end in pairwise(ends[1:])]
    first = kernel(ends[0], ends[1])
    return [first, *(part.result() for part in waiting)]


@cache
def _pool(process: int, size: int) -> ThreadPoolExecutor:
    """Return the threads of a process: a child that was forked must not wait for those of its parent."""
    del process
    return ThreadPoolExecutor(size, thread_name_prefix="doxa-rows")
