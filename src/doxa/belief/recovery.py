"""Recovery: how far a series is thrown by a shock, when it comes back, and how it lags behind what drives it.

Turns are counted from 1, so turn t is ``series[t - 1]``. What has not come back when the series ends has no time of
recovery: its time is None, censored at the last turn, and never that turn itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

Way: TypeAlias = Literal["dip", "rise"]
"""Whether a shock pulls the series down or pushes it up."""


class Coherence(NamedTuple):
    """How a series goes from turn to turn.

    Attributes:
        autocorrelation: of turns one apart, in [-1, 1]; NaN of a constant series.
        jump: mean |change| per turn.
        variation: sum of |changes|.
    """

    autocorrelation: float
    jump: float
    variation: float


class Recovery(NamedTuple):
    """A shock and what came after it.

    Attributes:
        baseline: mean of the turns before the shock.
        peak: the furthest value from the shock's first turn on.
        peak_turn: its turn, the first of equals.
        peak_delay: turns from the shock's first turn to it.
        crossing: first turn from the reconciliation on that is back at the baseline or beyond, up to ε; None if none.
        settling: first turn from the reconciliation on from which all are within ε of the baseline; None if none.
        recovered: whether it came back at all.
        settled: whether it came back and stayed.
        overshoot: how far it went beyond the baseline from the reconciliation on, >= 0.
        oscillations: how often it then changed sides of the baseline by more than ε.
        last: the last turn, at which what is None is censored.
    """

    baseline: float
    peak: float
    peak_turn: int
    peak_delay: int
    crossing: int | None
    settling: int | None
    recovered: bool
    settled: bool
    overshoot: float
    oscillations: int
    last: int


class Delay(NamedTuple):
    """How a series follows another.

    Attributes:
        lag: turns at which their correlation is largest, > 0 where the series comes after its input, the smallest of
            equals in size; None where one is constant.
        correlation: at that lag, in [-1, 1]; NaN where one is constant.
    """

    lag: int | None
    correlation: float


def coherence(series: Float[np.ndarray, " turns"]) -> Coherence:
    """Return lag-one autocorrelation, mean jump and total variation.

    Args:
        series: two turns or more, all finite.

    Raises:
        InputError: it is shorter, or holds what is no number.

    >>> coherence(np.array([0.0, 1.0, 0.0, 1.0])).jump
    1.0
    """
    x = _series("series", series, 2)
    steps = np.abs(np.diff(x))
    around = x - x.mean()
    total = float(around @ around)
    flat = math.sqrt(total) <= 1e-12 * max(1.0, float(np.abs(x).max()))
    return Coherence(
        math.nan if flat else float(around[1:] @ around[:-1]) / total, float(steps.mean()), float(steps.sum())
    )


def crossing_turn(
    series: Float[np.ndarray, " turns"], baseline: float, start: int, *, eps: float = 0.1, way: Way = "dip"
) -> int | None:
    """Return the first turn t >= start with x_t >= baseline - ε (after a dip; <= baseline + ε after a rise).

    Args:
        series: finite.
        baseline: where it should come back to.
        start: first turn that counts, from 1.
        eps: ε >= 0.
        way: which way the shock went.

    Returns:
        The turn; None where there is none, which is censored at the last turn.

    Raises:
        InputError: ``start`` lies outside the series, ε is negative, or the series holds what is no number.

    >>> crossing_turn(np.array([0.0, -1.0, -0.5, -0.05, -0.4]), 0.0, 3)
    4
    """
    x = _from(series, start, eps)
    back = x >= baseline - eps if way == "dip" else x <= baseline + eps
    return start + int(back.argmax()) if back.any() else None


def settling_turn(
    series: Float[np.ndarray, " turns"], baseline: float, start: int, *, eps: float = 0.1
) -> int | None:
    """Return the first turn t >= start from which |x - baseline| <= ε until the end, None where there is none.

    Args:
        series: finite.
        baseline: where it should come back to.
        start: first turn that counts, from 1.
        eps: ε >= 0.

    Raises:
        InputError: as for ``crossing_turn``.

    >>> settling_turn(np.array([0.0, -1.0, -0.05, -0.4, -0.05]), 0.0, 3)
    5
    """
    away = np.flatnonzero(np.abs(_from(series, start, eps) - baseline) > eps)
    turn = start + (int(away[-1]) + 1 if len(away) else 0)
    return turn if turn <= len(series) else None


def oscillation_count(
    series: Float[np.ndarray, " turns"], baseline: float, start: int = 1, *, eps: float = 0.1
) -> int:
    """Return how often a series changes sides of the baseline; within ε it is on neither side and has not changed.

    Args:
        series: finite.
        baseline: between the sides.
        start: first turn that counts, from 1.
        eps: ε >= 0.

    Raises:
        InputError: as for ``crossing_turn``.

    >>> oscillation_count(np.array([1.0, -1.0, 0.05, -1.0, 1.0]), 0.0)
    2
    """
    off = _from(series, start, eps) - baseline
    sides = np.sign(off[np.abs(off) > eps])
    return int(np.count_nonzero(np.diff(sides)))


def recovery(
    series: Float[np.ndarray, " turns"],
    shock: int,
    reconciliation: int,
    *,
    eps: float = 0.1,
    way: Way = "dip",
) -> Recovery:
    """Return how far a shock threw a series, and whether and when it came back.

    Args:
        series: one value a turn, all finite.
        shock: first turn of the shock, >= 2, since the turns before it are the baseline.
        reconciliation: first turn after the shock, from which recovery counts.
        eps: width ε >= 0 of what counts as back.
        way: which way the shock goes.

    Raises:
        InputError: the turns are out of order or outside the series, ε is negative, or the series holds what is no
            number.
    """
    x = _series("series", series, 3)
    if not 2 <= shock < reconciliation <= len(x):
        raise InputError(
            f"shock={shock}, reconciliation={reconciliation}: of {len(x)} turns the shock must begin at turn 2 or "
            "later, and the reconciliation after it"
        )
    baseline = float(x[: shock - 1].mean())
    sign = 1.0 if way == "dip" else -1.0
    place = int((sign * x[shock - 1 :]).argmin())
    crossing = crossing_turn(x, baseline, reconciliation, eps=eps, way=way)
    settling = settling_turn(x, baseline, reconciliation, eps=eps)
    return Recovery(
        baseline=baseline,
        peak=float(x[shock - 1 + place]),
        peak_turn=shock + place,
        peak_delay=place,
        crossing=crossing,
        settling=settling,
        recovered=crossing is not None,
        settled=settling is not None,
        overshoot=max(0.0, float((sign * (x[reconciliation - 1 :] - baseline)).max())),
        oscillations=oscillation_count(x, baseline, reconciliation, eps=eps),
        last=len(x),
    )


def median_turn(turns: Sequence[int | None]) -> float | None:
    """Return the median of turns of which some are censored; None where fewer than half have come.

    All are censored at the same last turn, so that the median is known as soon as the middle ones are.

    Raises:
        InputError: there are none.

    >>> median_turn([12, None, 15]), median_turn([12, None, None])
    (15.0, None)
    """
    if not turns:
        raise InputError("turns: give one or more")
    found = sorted(math.inf if turn is None else turn for turn in turns)
    middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2.0
    return float(middle) if math.isfinite(middle) else None


def loop_area(driver: Float[np.ndarray, " _"], response: Float[np.ndarray, " _"]) -> float:
    """Return the signed area of the closed loop that a response draws over its driver, by the shoelace formula.

    ½ Σ (x_t y_{t+1} - x_{t+1} y_t), the last turn followed by the first. It is 0 where the response has no memory,
    and > 0 where it lags behind the driver. Under a sine of amplitude a the linear response H draws π |Im H| a².

    Args:
        driver: x, for example the signal, or its cumulative sum.
        response: y, of the same turns.

    Raises:
        InputError: the two differ in length, are shorter than two turns, or hold what is no number.

    >>> loop_area(np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    1.0
    """
    x, y = _pair(driver, response)
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def response_lag(
    driver: Float[np.ndarray, " _"], response: Float[np.ndarray, " _"], *, longest: int | None = None
) -> Delay:
    """Return at which lag a response is most like its driver.

    The cross-correlation Σ_t (x_t - x̄)(y_{t+k} - ȳ) / √(Σ (x - x̄)² Σ (y - ȳ)²) over lags -longest … longest.

    Args:
        driver: x.
        response: y, of the same turns.
        longest: largest lag in size; by default half the series.

    Raises:
        InputError: as for ``loop_area``, or ``longest`` lies outside the series.

    >>> response_lag(np.array([0.0, 1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0, 0.0])).lag
    2
    """
    x, y = _pair(driver, response)
    most = len(x) // 2 if longest is None else longest
    if not 0 <= most < len(x):
        raise InputError(f"longest={longest}: must be from 0 to {len(x) - 1}")
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if scale <= 1e-24:
        return Delay(None, math.nan)
    lags = sorted(range(-most, most + 1), key=lambda lag: (abs(lag), -lag))
    sums = np.correlate(y, x, mode="full")[len(x) - 1 + np.array(lags)] / scale
    best = int(np.flatnonzero(sums >= sums.max() - 1e-12)[0])
    return Delay(lags[best], float(np.clip(sums[best], -1.0, 1.0)))


def _series(name: str, values: object, least: int) -> Float[np.ndarray, " turns"]:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < least:
        raise InputError(f"{name} has shape {x.shape}: must be one value to a turn, {least} turns or more")
    if not np.isfinite(x).all():
        turn = int(np.flatnonzero(~np.isfinite(x))[0]) + 1
        raise InputError(f"{name}: turn {turn} is {x[turn - 1]}; leave out or fill in what is missing first")
    return x


def _pair(
    driver: Float[np.ndarray, " _"], response: Float[np.ndarray, " _"]
) -> tuple[Float[np.ndarray, " turns"], Float[np.ndarray, " turns"]]:
    x, y = _series("driver", driver, 2), _series("response", response, 2)
    if len(x) != len(y):
        raise InputError(f"driver has {len(x)} turns and response {len(y)}: must be the same turns")
    return x, y


def _from(series: Float[np.ndarray, " turns"], start: int, eps: float) -> Float[np.ndarray, " left"]:
    x = _series("series", series, 1)
    if not 1 <= start <= len(x):
        raise InputError(f"start={start}: must be a turn from 1 to {len(x)}")
    if not eps >= 0.0:
        raise InputError(f"eps={eps}: must be >= 0")
    return x[start - 1 :]
