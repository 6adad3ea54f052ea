"""From continuous time to steps and back: ẋ = A x + B u with inputs held during a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.dynamics.linear import Given
from doxa.errors import InputError


class Moves(NamedTuple):
    """How a state moves, and what an input does to it: per unit of time, or per step."""

    A: Float[np.ndarray, "n n"]
    B: Float[np.ndarray, "n q"]


def discretise(A: Given, B: Given, dt: float, method: str = "zoh") -> Moves:
    """Return A_d and B_d of x_{t+1} = A_d x_t + B_d u_t.

    Args:
        A: per unit of time, (n, n).
        B: per unit of time, (n, q).
        dt: length of a step, in the unit of A, > 0.
        method: ``zoh`` is exact, exp([[A, B], [0, 0]] dt); ``rk4`` is what one step of Runge and Kutta's fourth order
            does, the series of exp up to (A dt)⁴.

    Raises:
        InputError: ``dt`` is not positive, the method is unknown, or shapes disagree.

    >>> discretise(np.array([[-1.0]]), np.array([[1.0]]), np.log(2.0)).A.round(12)
    array([[0.5]])
    """
    from scipy.linalg import expm

    block = _block(np.asarray(A, dtype=float), np.asarray(B, dtype=float), dt) * dt
    if method == "zoh":
        whole = expm(block)
    elif method == "rk4":
        whole, power = np.eye(len(block)), np.eye(len(block))
        for k in range(1, 5):
            power = power @ block / k
            whole = whole + power
    else:
        raise InputError(f"method={method!r}: must be 'zoh' or 'rk4'")
    n = np.shape(A)[0]
    return Moves(whole[:n, :n], whole[:n, n:])


def to_continuous(A_d: Given, B_d: Given, dt: float) -> Moves:
    """Return A and B whose exact steps of length ``dt`` are A_d and B_d.

    Of all that do, the one whose state turns by less than half a circle in a step (the principal logarithm).

    Raises:
        InputError: no real system does: an eigenvalue of A_d is zero or negative.
    """
    from scipy.linalg import logm

    A_d, B_d = np.asarray(A_d, dtype=float), np.asarray(B_d, dtype=float)
    n = len(A_d)
    block = _block(A_d, B_d, dt)
    block[n:, n:] = np.eye(block.shape[0] - n)
    poles = np.linalg.eigvals(A_d)
    bad = poles[(np.abs(poles.imag) < 1e-12) & (poles.real <= 0)]
    if len(bad):
        raise InputError(
            f"eigenvalue {bad[0].real:.4g} of A_d: no system in continuous time has it (must be > 0)"
        )
    whole = np.real(logm(block)) / dt
    return Moves(whole[:n, :n], whole[:n, n:])


def _block(A: Given, B: Given, dt: float) -> Float[np.ndarray, "m m"]:
    """Return [[A, B], [0, 0]]."""
    if not 0.0 < dt < np.inf:
        raise InputError(f"dt={dt}: must be finite and > 0")
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise InputError(f"A has shape {A.shape}: must be square")
    if B.ndim != 2 or B.shape[0] != A.shape[0]:
        raise InputError(f"B has shape {B.shape}: must have {A.shape[0]} rows, as A has")
    n, q = B.shape
    block = np.zeros((n + q, n + q))
    block[:n, :n], block[:n, n:] = A, B
    return block
