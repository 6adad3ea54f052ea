"""Identification of linear systems from inputs and outputs: Markov parameters by regression, matrices by Ho and Kalman.

B. L. Ho and R. E. Kalman, "Effective construction of linear state-variable models from input/output functions" (1966);
with past outputs as regressors, J.-N. Juang et al., "Identification of observer/Kalman filter Markov parameters"
(1993).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.dynamics.linear import Given, LinearSystem
from doxa.errors import InputError


class Identified(NamedTuple):
    """What was found.

    Attributes:
        system: matrices, up to a change of the state's coordinates.
        markov: regressed Markov parameters, lag 0 first.
        singular_values: of the Hankel matrix, the largest first: where they drop is the order.
        rows: moments that the regression used; those with a missing value in reach are left out.
    """

    system: LinearSystem
    markov: Float[np.ndarray, "lags p q"]
    singular_values: Float[np.ndarray, " k"]
    rows: int


def markov_parameters(
    A: Given,
    B: Given,
    omega: Given,
    theta: Given,
    H: int,
) -> Float[np.ndarray, "later d"]:
    """Return h^0 = θ and h^s = Bᵀ(Aᵀ)^{s-1} ω for s = 1 … H, of a system with one output.

    Args:
        A: (n, n).
        B: (n, d).
        omega: what is seen of the state, (n,).
        theta: what is seen of the input at once, (d,).
        H: last lag, >= 0.

    Raises:
        InputError: shapes disagree, or H < 0.
    """
    if H < 0:
        raise InputError(f"H={H}: must be >= 0")
    system = LinearSystem(A, B, np.atleast_2d(omega), np.atleast_2d(theta))
    return system.impulse_response(H + 1)[:, 0]


def ho_kalman(
    u: Given,
    y: Given,
    order: int,
    lags: int,
    ridge: float = 0.0,
    *,
    past_outputs: bool = False,
) -> Identified:
    """Identify x' = A x + B u, y = C x + D u.

    Args:
        u: inputs; one series [steps, q] or many [n, steps, q]. NaN beyond a series' end.
        y: outputs; [steps] is taken as one output. NaN is missing.
        order: number of state variables, >= 1.
        lags: how many past inputs are regressed on, >= 2 · order; the state must have forgotten after so many
            steps unless ``past_outputs``.
        ridge: penalty on squared coefficients, >= 0.
        past_outputs: regress on past outputs also, from which the system's longer memory follows. For slow systems.

    Raises:
        InputError: shapes disagree, too little data, or values out of range.
    """
    u, y = _series(u, y)
    if order < 1 or lags < 2 * order:
        raise InputError(f"order={order}, lags={lags}: must be order >= 1 and lags >= 2 · order")
    if not 0.0 <= ridge < np.inf:
        raise InputError(f"ridge={ridge}: must be finite and >= 0")
    q, p = u.shape[-1], y.shape[-1]
    regressors, targets = _regression(u, y, lags, past_outputs=past_outputs)
    rows, columns = regressors.shape
    if rows < columns:
        raise InputError(
            f"{rows} moments with all of their past known for {columns} coefficients: give more data or fewer lags"
        )
    penalty = np.sqrt(ridge) * np.eye(columns)
    found = np.linalg.lstsq(
        np.concatenate([regressors, penalty]), np.concatenate([targets, np.zeros((columns, p))]), rcond=None
    )[0].T
    moving = found[:, : (lags + 1) * q].reshape(p, lags + 1, q).transpose(1, 0, 2)
    own = found[:, (lags + 1) * q :].reshape(p, -1, p).transpose(1, 0, 2)
    markov = _unrolled(moving, own)
    system, values = _realise(markov, order)
    return Identified(system, markov, values, rows)


def _series(u: Given, y: Given) -> tuple[Float[np.ndarray, "n t q"], Float[np.ndarray, "n t p"]]:
    """Return inputs and outputs as [n, steps, channels]."""
    u, y = np.asarray(u, dtype=float), np.asarray(y, dtype=float)
    if y.ndim == 1 or (y.ndim == u.ndim - 1 and y.shape == u.shape[:-1]):
        y = y[..., None]
    if u.ndim not in (2, 3) or y.ndim != u.ndim or u.shape[:-1] != y.shape[:-1]:
        raise InputError(
            f"u of shape {u.shape}, y of shape {y.shape}: must be [steps, q] and [steps, p], or [n, …] each"
        )
    return (u[None], y[None]) if u.ndim == 2 else (u, y)


def _regression(
    u: Float[np.ndarray, "n t q"], y: Float[np.ndarray, "n t p"], lags: int, *, past_outputs: bool
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows p"]]:
    """Return what y_t is regressed on, u_t … u_{t-lags} (then y_{t-1} … y_{t-lags}), and y_t; whole rows only."""
    steps = u.shape[1]
    if steps <= lags:
        raise InputError(f"{steps} steps for lags={lags}: a series must be longer than its lags")
    columns = [u[:, lags - k : steps - k] for k in range(lags + 1)]
    if past_outputs:
        columns += [y[:, lags - k : steps - k] for k in range(1, lags + 1)]
    regressors = np.concatenate(columns, axis=-1).reshape(-1, sum(c.shape[-1] for c in columns))
    targets = y[:, lags:].reshape(-1, y.shape[-1])
    whole = np.isfinite(regressors).all(axis=1) & np.isfinite(targets).all(axis=1)
    return regressors[whole], targets[whole]


def _unrolled(
    moving: Float[np.ndarray, "k p q"], own: Float[np.ndarray, "lags p p"]
) -> Float[np.ndarray, "k p q"]:
    """Return h_k = a_k + Σ_{j=1..k} b_j h_{k-j}, the response of y_t = Σ a_k u_{t-k} + Σ b_j y_{t-j}."""
    markov = moving.copy()
    for k in range(1, len(markov)):
        for j in range(1, min(k, len(own)) + 1):
            markov[k] += own[j - 1] @ markov[k - j]
    return markov


def _realise(markov: Float[np.ndarray, "k p q"], order: int) -> tuple[LinearSystem, Float[np.ndarray, " s"]]:
    """Return matrices of a given order whose Markov parameters are nearest, by the SVD of the Hankel matrix."""
    _, p, q = markov.shape
    later = markov[1:]
    rows = (len(later) + 1) // 2
    columns = len(later) - rows
    index = np.arange(rows)[:, None] + np.arange(columns)[None, :]
    hankel = later[index].transpose(0, 2, 1, 3).reshape(rows * p, columns * q)
    shifted = later[index + 1].transpose(0, 2, 1, 3).reshape(rows * p, columns * q)
    left, values, right = np.linalg.svd(hankel, full_matrices=False)
    if order > len(values) or values[order - 1] <= 0.0:
        raise InputError(
            f"order={order}: the Hankel matrix has rank {int((values > 0).sum())}; ask for a lower order"
        )
    root = np.sqrt(values[:order])
    observing, reaching = left[:, :order] * root, root[:, None] * right[:order]
    A = (left[:, :order] / root).T @ shifted @ (right[:order] / root[:, None]).T
    return LinearSystem(A, reaching[:, :q], observing[:p], markov[0]), values
