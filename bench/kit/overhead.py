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
    bare(), whole()
    alone: list[float] = []
    added: list[float] = []
    for _ in range(pairs):
        start = time.process_time()
        bare()
        middle = time.process_time()
        whole()
        alone.append(middle - start)
        added.append(time.process_time() - middle - alone[-1])
    return {"bare_s": statistics.median(alone), "added_s": statistics.median(added)}
