r"""The epidemic curve of susceptible and infected: its closed form, and its fit to counts.

.. math:: \dot I = \beta I (1 - I/N) - \gamma I, \qquad
          I(t) = \frac{I_0 e^{rt}}{1 + (\beta / N) I_0 (e^{rt} - 1) / r}, \quad r = \beta - \gamma,

with (e^{rt} - 1) / r = t at r = 0. With r ≠ 0 this is K / (1 + (K / I_0 - 1) e^{-rt}), K = N (1 - γ / β).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Shaped

from doxa.errors import InputError

LEAST_SIGNIFICANCE = 2.0
"""β counts as identified where it is this many of its standard errors away from 0."""
_STARTS = (-1.0, -0.3, 0.0, 0.1, 0.3, 1.0, 2.0)


def sis_curve(
    t: Float[np.ndarray, " times"], beta: float, gamma: float, size: float, start: float
) -> Float[np.ndarray, " times"]:
    """Return I(t).

    Args:
        t: times since the start, in days.
        beta: infections per infected and day among susceptibles only, >= 0.
        gamma: recoveries per infected and day, >= 0.
        size: N.
        start: I(0).
    """
    rate = beta - gamma
    # for a rate of 0 the limit; the sign of the exponent is chosen so that it cannot overflow
    if rate > 0.0:
        shrunk = np.exp(-rate * t)
        return start / (shrunk + beta / size * start * -np.expm1(-rate * t) / rate)
    grown = np.exp(rate * t)
    spent = np.expm1(rate * t) / rate if rate < 0.0 else np.asarray(t, dtype=np.float64)
    return start * grown / (1.0 + beta / size * start * spent)


@dataclass(frozen=True, eq=False)
class SISFit:
    """A fitted curve.

    Attributes:
        beta, gamma: per day, NaN where the curve does not tell them apart.
        r: β - γ per day.
        K: level it tends to, N (1 - γ / β), 0 where γ >= β; NaN like β.
        R0: β / γ, infinite at γ = 0; NaN like β.
        r2: share of the variance of the counts that the curve tells, NaN where they do not vary.
        identified: whether β and γ could be told apart.
        curve: the fitted counts.
        note: why they could not, or "".
    """

    beta: float
    gamma: float
    r: float
    K: float
    R0: float
    r2: float
    identified: bool
    curve: Float[np.ndarray, " times"] = field(repr=False)
    note: str = ""


def fit_sis(
    counts: Sequence[float] | Float[np.ndarray, " times"],
    N: float,  # noqa: N803 - the letters of the equation
    I0: float | None = None,  # noqa: N803
) -> SISFit:
    """Fit β and γ to counts of infected by least squares.

    β and γ are told apart only by how growth bends towards its level. A curve that does not rise above its
    start, and growth that does not bend, give r alone. Fewer than four counts and constant ones give a warning.

    Args:
        counts: infected at days 0, 1, 2, …, each in [0, N].
        N: size of the population.
        I0: infected at the start; by default the first count.

    Raises:
        InputError: a count is outside [0, N] or not finite, or nobody is infected at the start.
    """
    seen = np.asarray(counts, dtype=np.float64)
    start = float(seen[0]) if I0 is None and seen.size else float(I0 or 0.0)
    if seen.ndim != 1 or not ((seen >= 0.0) & (seen <= N)).all():
        raise InputError(f"counts={seen.tolist()}: give one row of numbers in [0, N={N}]")
    why = (
        f"{seen.size} counts; a fit needs at least 4"
        if seen.size < 4
        else "the counts are constant"
        if np.ptp(seen) == 0.0
        else ""
    )
    if why:
        warnings.warn(f"SIS fit: {why}", stacklevel=2)
        rate = 0.0 if seen.size > 1 and np.ptp(seen) == 0.0 else math.nan
        return SISFit(math.nan, math.nan, rate, math.nan, math.nan, math.nan, False, seen, why)
    if start <= 0.0:
        raise InputError(f"I0={start}: somebody must be infected at the start; give I0")
    return _fitted(seen, float(N), start)


def _fitted(seen: Float[np.ndarray, " times"], size: float, start: float) -> SISFit:
    beta, gamma, error = _least_squares(seen, size, start)
    curve = sis_curve(np.arange(seen.size, dtype=np.float64), beta, gamma, size, start)
    r2 = 1.0 - float(np.square(seen - curve).sum() / np.square(seen - seen.mean()).sum())
    note = ""
    if curve[-1] <= start * (1.0 + 1e-9):
        note = "the curve does not rise above its start"
    elif not beta > LEAST_SIGNIFICANCE * error:
        note = "growth does not bend: β is within two standard errors of 0"
    if note:
        return SISFit(math.nan, math.nan, beta - gamma, math.nan, math.nan, r2, False, curve, note)
    level = size * max(0.0, 1.0 - gamma / beta)
    ratio = beta / gamma if gamma > 0.0 else math.inf
    return SISFit(beta, gamma, beta - gamma, level, ratio, r2, True, curve)


def _least_squares(
    seen: Float[np.ndarray, " times"], size: float, start: float
) -> tuple[float, float, float]:
    """Return β, γ and the standard error of β: the best of several starts."""
    from scipy.optimize import least_squares

    t = np.arange(seen.size, dtype=np.float64)

    def off(rates: Shaped[np.ndarray, " 2"]) -> Shaped[np.ndarray, " times"]:
        return sis_curve(t, float(rates[0]), float(rates[1]), size, start) - seen

    fits = [
        least_squares(
            off,
            [max(rate, 0.0) + 0.1, max(-rate, 0.0) + 0.1],
            bounds=([0.0, 0.0], [np.inf, np.inf]),
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
        )
        for rate in _STARTS
    ]
    best = fits[int(np.argmin([fit.cost for fit in fits]))]
    spread = 2.0 * best.cost / max(1, seen.size - 2)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * spread
    return float(best.x[0]), float(best.x[1]), float(np.sqrt(max(covariance[0, 0], 0.0)))
