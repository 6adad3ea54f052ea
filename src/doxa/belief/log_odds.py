"""Log-odds and credence, each from the other, with the same bits on every machine.

The exponential and the logarithm of a C library or of numpy's vector code differ in their last bit from one processor
to the next. Here both are made of +, -, *, /, rounding and powers of two, whose results IEEE 754 fixes, by the
reductions and coefficients of fdlibm (Sun Microsystems 1993, e_exp.c and e_log.c); errors stay below 2 ulp. A
record can therefore leave out the one of the two that follows from the other.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_EXP = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_VANISHES = 746.0  # exp(-746) is 0 in double precision


def credence_of(log_odds: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""Return the credence of each log-odds, :math:`c = 1 / (1 + e^{-x})`.

    Args:
        log_odds: in nats, infinite ones included; NaN gives NaN.

    Returns:
        Credences in [0, 1].

    >>> credence_of(np.array([-np.inf, 0.0, np.log(3.0)])).tolist()
    [0.0, 0.5, 0.75]
    """
    small = _exp_of_minus(np.minimum(np.abs(log_odds), _VANISHES))
    return np.where(log_odds >= 0.0, 1.0, small) / (1.0 + small)


def log_odds_of(credence: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""Return the log-odds of each credence in nats, :math:`x = \ln c - \ln(1 - c)`.

    Args:
        credence: in [0, 1]; 0 and 1 give infinities, NaN gives NaN.

    Returns:
        Log-odds in nats.

    >>> log_odds_of(np.array([0.0, 0.5, 1.0])).tolist()
    [-inf, 0.0, inf]
    """
    certain = (credence <= 0.0) | (credence >= 1.0)
    inside = np.where(certain, 0.5, credence)
    return np.where(certain, np.copysign(np.inf, credence - 0.5), _log(inside) - _log(1.0 - inside))


def _exp_of_minus(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return exp(-x) for x in [0, 746]."""
    halvings = np.rint(x / (_LN2_HIGH + _LN2_LOW))
    high, low = halvings * _LN2_HIGH - x, halvings * _LN2_LOW
    rest = high + low
    square = rest * rest
    series = np.zeros_like(rest)
    for coefficient in reversed(_EXP):
        series = coefficient + square * series
    c = rest - square * series
    value = 1.0 - ((-low - (rest * c) / (2.0 - c)) - high)
    whole = np.where(np.isnan(halvings), 0.0, halvings).astype(np.int32)
    return np.ldexp(value, -whole)


def _log(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return ln(x) for finite x > 0."""
    mantissa, exponent = np.frexp(x)
    below = mantissa < np.sqrt(0.5)
    f = np.where(below, 2.0 * mantissa, mantissa) - 1.0
    k = (exponent - below).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    series = np.zeros_like(z)
    for coefficient in reversed(_LOG):
        series = coefficient + z * series
    half = 0.5 * f * f
    return k * _LN2_HIGH - ((half - (s * (half + z * series) + k * _LN2_LOW)) - f)
