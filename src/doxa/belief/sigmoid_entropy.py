"""Entropy of decisions D = σ(z) along a path of log-odds z, in closed form: it depends on the ends alone.

With σ the logistic function, ∫ z dD = F(z) + const, where F(z) = z σ(z) - softplus(z), which is minus the binary
entropy of σ(z) in nats. So the entropy H = -(1/ln 2) ∫ z dD of Structured Knowledge Accumulation (arXiv:2504.03214,
eq. 1) between two states is the change of the binary Shannon entropy in bits, whatever the path. Its Lagrangian
L(z, v) = -z σ'(z) v is a total derivative (a null Lagrangian): the Euler-Lagrange equation reads 0 = 0.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float

from doxa.belief.information import binary_entropy_nats, expit, log_expit
from doxa.errors import InputError

Sign: TypeAlias = Literal["code", "text"]
"""Sign of the entropy gradient in the tensor net: ``code`` is D - z D'/ln 2, as the published curves were made;
``text`` is D + z D'/ln 2, as the paper's definition of the gradient reads."""

LN2 = float(np.log(2.0))


def knowledge_integral(z: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return F(z) = z σ(z) - softplus(z) = ∫ z dσ(z) in nats, with F → 0 at both ends: in [-ln 2, 0].

    >>> np.round(knowledge_integral(np.array([-40.0, 0.0, 40.0])), 4).tolist()
    [-0.0, -0.6931, -0.0]
    """
    return -binary_entropy_nats(np.asarray(z, dtype=np.float64))


def entropy_between(z0: Float[np.ndarray, "*start"], z1: Float[np.ndarray, "*end"]) -> float:
    """Return the entropy H = -(1/ln 2) Σ [F(z1) - F(z0)] of any path from z0 to z1, in bits, summed over entries.

    Args:
        z0: pre-activations at the start.
        z1: at the end, of the same shape.

    Raises:
        InputError: the shapes differ or a value is not finite.

    >>> entropy_between(np.zeros(3), np.full(3, 50.0))
    -3.0
    """
    start, end = _pair(z0, z1)
    return float(np.sum(binary_entropy_nats(end) - binary_entropy_nats(start))) / LN2


def tensor_net_between(
    z0: Float[np.ndarray, "*start"], z1: Float[np.ndarray, "*end"], sign: str = "code"
) -> float:
    """Return the tensor net ∫ (D ∓ z D'/ln 2) dz of any path from z0 to z1: Δsoftplus ∓ ΔF/ln 2, summed over entries.

    Args:
        z0: pre-activations at the start.
        z1: at the end, of the same shape.
        sign: ``code`` subtracts the gradient's part, ``text`` adds it.

    Raises:
        InputError: the shapes differ, a value is not finite, or there is no such sign.
    """
    start, end = _pair(z0, z1)
    risen = float(np.sum(log_expit(-start) - log_expit(-end)))
    return risen + _factor(sign) * entropy_between(start, end)


def lagrangian(z: Float[np.ndarray, "*at"], flow: Float[np.ndarray, "*moving"]) -> float:
    """Return L(z, v) = -Σ z σ(z) (1 - σ(z)) v of knowledge z that moves at speed v; H = (1/ln 2) ∫ L dt.

    Raises:
        InputError: the shapes differ or a value is not finite.
    """
    at, moving = _pair(z, flow)
    return -float(np.sum(at * expit(at) * expit(-at) * moving))


def net_with_sign(
    code: Float[np.ndarray, "*shape"], rate: Float[np.ndarray, "*shape"], sign: str
) -> Float[np.ndarray, "*shape"]:
    """Return a step's tensor net in a sign convention, from the one of the code and the step's own entropy.

    Args:
        code: Σ Δz (D - z D'/ln 2).
        rate: -Σ Δz z D' / ln 2, which is the Lagrangian times the step, in bits.
        sign: wanted.

    Raises:
        InputError: there is no such sign.
    """
    return code if _factor(sign) > 0 else code - 2.0 * rate


def _factor(sign: str) -> float:
    """Return the factor of the entropy in the tensor net: the gradient z D'/ln 2 integrates to minus the entropy."""
    if sign not in get_args(Sign):
        raise InputError(f"sign={sign!r}: must be 'code' (the published curves) or 'text' (the definition)")
    return 1.0 if sign == "code" else -1.0


def _pair(
    first: Float[np.ndarray, "*one"], second: Float[np.ndarray, "*other"]
) -> tuple[Float[np.ndarray, "*one"], Float[np.ndarray, "*other"]]:
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise InputError(f"shapes {one.shape} and {other.shape}: must be the same, entry by entry")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("pre-activations: must be finite; look at where the run overflowed")
    return one, other
