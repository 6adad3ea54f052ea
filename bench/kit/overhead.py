"""What something adds to a forward pass: both are run in turn in one process, and the medians are compared.

Only the standard library is imported by the sides' part, because it also runs in the environments of the peers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

FLOOR_S = 5e-5
"""Differences below this cannot be told from nothing on a shared machine; a ratio takes it for a smaller one."""


def in_turn(bare: Callable[[], Any], whole: Callable[[], Any], pairs: int) -> dict[str, float]:
    """Return the median CPU seconds of a bare pass, and of what the other adds to the bare pass beside it."""
    _cpu_s(bare), _cpu_s(whole)
    alone: list[float] = []
    added: list[float] = []
    for place in range(pairs):
        # each goes first in turn, so that a machine that slows down favours neither
        first = _cpu_s(bare if place % 2 == 0 else whole)
        second = _cpu_s(whole if place % 2 == 0 else bare)
        alone.append(first if place % 2 == 0 else second)
        added.append((second - first) if place % 2 == 0 else (first - second))
    return {"bare_s": statistics.median(alone), "added_s": statistics.median(added)}


def _cpu_s(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
