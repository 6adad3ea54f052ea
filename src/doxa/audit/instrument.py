"""The check of the instruments: does a protocol recover what was planted, over a range of known sizes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Recovery(NamedTuple):
    """One planted subject, once: the effect planted, the effect recovered with its interval."""

    address: str
    planted: float
    recovered: float
    low: float
    high: float


@dataclass(frozen=True)
class InstrumentCheck:
    """Recovered against planted.

    Attributes:
        slope: of recovered against planted; 1 is exact.
        intercept: of the same line, in the effect's unit.
        bias: mean of recovered − planted, in the effect's unit.
        coverage: share of intervals that hold the planted effect, in [0, 1].
        sizes: how many different effects were planted.
        n: how many recoveries there are.
        threshold: the recovered size of the smallest effect that counts as the defect.
        recoveries: every single one.
    """

    slope: float
    intercept: float
    bias: float
    coverage: float
    sizes: int
    n: int
    threshold: float
    recoveries: tuple[Recovery, ...]


def check_instrument(recoveries: Sequence[Recovery], smallest: str) -> InstrumentCheck:
    """Compare recovered with planted effects.

    Args:
        recoveries: at least two sizes, among them ``smallest``.
        smallest: address of the planted subject that sets the threshold.
    """
    planted = np.array([item.planted for item in recoveries])
    recovered = np.array([item.recovered for item in recoveries])
    slope, intercept = np.polynomial.Polynomial.fit(planted, recovered, 1).convert().coef[::-1]
    covered = [item.low <= item.planted <= item.high for item in recoveries]
    return InstrumentCheck(
        slope=float(slope),
        intercept=float(intercept),
        bias=float(np.mean(recovered - planted)),
        coverage=float(np.mean(covered)),
        sizes=len(set(planted.tolist())),
        n=len(recoveries),
        threshold=float(np.mean([item.recovered for item in recoveries if item.address == smallest])),
        recoveries=tuple(recoveries),
    )
