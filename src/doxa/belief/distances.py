"""Distances between discrete distributions, along the last axis and batched over all others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real

from doxa.errors import InputError

Masses = Real[np.ndarray, "..."]
"""Probabilities along the last axis; what they are is checked, and named in errors."""
TOLERANCE = 1e-9
"""How far the mass of a distribution may be from 1."""


def total_variation(p: Masses, q: Masses) -> Float[np.ndarray, " *batch"]:
    """Return d_TV = ½ Σ |p - q|, in [0, 1].

    Args:
        p: distributions along the last axis.
        q: others over the same options; leading axes broadcast.

    Raises:
        InputError: one of them is no distribution, or they are over different options.

    >>> float(total_variation(np.array([0.5, 0.5]), np.array([1.0, 0.0])))
    0.5
    """
    first, second = _pair(p, q)
    return np.asarray(0.5 * np.abs(first - second).sum(-1))


def hellinger(p: Masses, q: Masses) -> Float[np.ndarray, " *batch"]:
    """Return √(½ Σ (√p - √q)²), in [0, 1]; its square is at most d_TV, and d_TV at most √2 times it.

    Raises:
        InputError: as for :func:`total_variation`.

    >>> float(hellinger(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    first, second = _pair(p, q)
    return np.asarray(np.sqrt(0.5 * ((np.sqrt(first) - np.sqrt(second)) ** 2).sum(-1)))


def jensen_shannon_nats(p: Masses, q: Masses) -> Float[np.ndarray, " *batch"]:
    """Return ½ KL(p‖m) + ½ KL(q‖m), m = (p + q)/2, in [0, ln 2] nats; its square root is a metric.

    Raises:
        InputError: as for :func:`total_variation`.

    >>> round(float(jensen_shannon_nats(np.array([1.0, 0.0]), np.array([0.0, 1.0]))), 4)
    0.6931
    """
    from scipy.special import rel_entr

    first, second = _pair(p, q)
    middle = 0.5 * (first + second)
    return np.asarray(np.maximum(0.5 * (rel_entr(first, middle) + rel_entr(second, middle)).sum(-1), 0.0))


def check_distribution(name: str, p: Masses) -> Float[np.ndarray, ...]:
    """Return the distributions as floats, or raise InputError naming the first that is none."""
    given = np.asarray(p, dtype=np.float64)
    if given.ndim == 0 or given.shape[-1] == 0:
        raise InputError(f"{name} has shape {given.shape}: give one probability for each option")
    if not np.all(np.isfinite(given)) or np.any(given < -TOLERANCE):
        raise InputError(f"{name}: probabilities must be finite and >= 0")
    off = np.abs(given.sum(-1) - 1.0)
    if np.any(off > TOLERANCE):
        where = tuple(int(at) for at in np.unravel_index(int(np.argmax(off)), off.shape))
        place = f" at {where}" if where else ""
        raise InputError(
            f"{name}{place} sums to {float(given.sum(-1)[where]):.6g}: must sum to 1; divide it by its sum"
        )
    return np.maximum(given, 0.0)


def _pair(p: Masses, q: Masses) -> tuple[np.ndarray, np.ndarray]:
    first, second = check_distribution("p", p), check_distribution("q", q)
    if first.shape[-1] != second.shape[-1]:
        raise InputError(
            f"p is over {first.shape[-1]} options and q over {second.shape[-1]}; give the same options"
        )
    return first, second
