"""Exact inference in linear systems with Gaussian noise: the Kalman filter, the smoother and the likelihood.

R. E. Kalman (1960); the covariance is updated in Joseph's form, so that it stays symmetric and positive; the
smoother is that of Rauch, Tung and Striebel (1965), computed as Bryson and Frazier (1963) do, which needs no inverse of
a predicted covariance and so works for states that move without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.dynamics.linear import Given, LinearSystem
from doxa.errors import InputError


@dataclass(frozen=True, eq=False)
class GaussianSystem:
    """x_1 ~ N(mean, covariance), x_{t+1} = A x_t + B u_t + N(0, Q), y_t = C x_t + D u_t + N(0, R).

    Attributes:
        A: (n, n).
        B: (n, q).
        C: (p, n).
        D: (p, q).
        Q: covariance of the state's noise, (n, n).
        R: covariance of the observation's noise, (p, p).
        mean: of the first state, (n,).
        covariance: of the first state, (n, n).

    Raises:
        InputError: shapes disagree, or a covariance is not symmetric with eigenvalues >= 0.
    """

    A: Given
    B: Given
    C: Given
    D: Given
    Q: Given
    R: Given
    mean: Given
    covariance: Given

    def __post_init__(self) -> None:
        system = self.linear
        for name in "ABCD":
            object.__setattr__(self, name, getattr(system, name))
        n, p = system.states, system.outputs
        for name, size in {"Q": n, "R": p, "covariance": n}.items():
            object.__setattr__(self, name, _covariance(name, getattr(self, name), size))
        mean = np.array(self.mean, dtype=float)
        if mean.shape != (n,) or not np.isfinite(mean).all():
            raise InputError(f"mean has shape {mean.shape}: must be {n} finite numbers")
        object.__setattr__(self, "mean", mean)

    @property
    def linear(self) -> LinearSystem:
        """The system without its noise."""
        return LinearSystem(self.A, self.B, self.C, self.D)

    def sample(
        self, rng: np.random.Generator, u: Float[np.ndarray, "n t q"]
    ) -> tuple[Float[np.ndarray, "n t s"], Float[np.ndarray, "n t p"]]:
        """Return states and observations of one draw for each sequence of inputs."""
        count, steps = np.shape(u)[:2]
        normal = rng.standard_normal
        first = self.mean + normal((count, len(self.mean))) @ _root(self.covariance).T
        drawn = self.linear.simulate(
            u,
            x0=first,
            process_noise=normal((count, steps, len(self.mean))) @ _root(self.Q).T,
            observation_noise=normal((count, steps, len(self.C))) @ _root(self.R).T,
        )
        return drawn.states, drawn.outputs


class Filtered(NamedTuple):
    """What is known of the states from the past. Beyond a sequence's length, NaN and a log-likelihood of 0.

    Attributes:
        means: E[x_t | y_1 … y_t].
        covariances: Cov[x_t | y_1 … y_t].
        predicted_means: E[x_t | y_1 … y_{t-1}].
        predicted_covariances: Cov[x_t | y_1 … y_{t-1}].
        log_likelihood: ln p(y) of each sequence, nats.
        log_likelihoods: ln p(y_t | y_1 … y_{t-1}), of what was observed; 0 where nothing was.
    """

    means: Float[np.ndarray, "n t s"]
    covariances: Float[np.ndarray, "n t s s"]
    predicted_means: Float[np.ndarray, "n t s"]
    predicted_covariances: Float[np.ndarray, "n t s s"]
    log_likelihood: Float[np.ndarray, " n"]
    log_likelihoods: Float[np.ndarray, "n t"]


class Smoothed(NamedTuple):
    """What is known of the states from the whole sequence: E[x_t | y] and Cov[x_t | y]; NaN beyond its length."""

    means: Float[np.ndarray, "n t s"]
    covariances: Float[np.ndarray, "n t s s"]


def kalman_filter(
    system: GaussianSystem,
    y: Given,
    u: Given | None = None,
    *,
    mask: Bool[np.ndarray, ...] | None = None,
    lengths: Sequence[int] | Int[np.ndarray, ...] | None = None,
) -> Filtered:
    """Filter many sequences.

    Args:
        system: shared by all.
        y: observations, (n, t, p); NaN is missing, channel by channel. To forecast, append missing steps.
        u: inputs, (n, t, q); zero by default.
        mask: False where an observation is missing, by step (n, t) or by channel (n, t, p).
        lengths: steps of each sequence; all of them by default.

    Raises:
        InputError: shapes disagree, a value is infinite, or an observation is certain before it is made (its
            predicted variance is zero), so that no density exists.
    """
    return _filtered(system, *_sequences(system, y, u, mask, lengths))


def rts_smoother(
    system: GaussianSystem,
    y: Given,
    u: Given | None = None,
    *,
    mask: Bool[np.ndarray, ...] | None = None,
    lengths: Sequence[int] | Int[np.ndarray, ...] | None = None,
) -> Smoothed:
    """Smooth many sequences; arguments and errors as for ``kalman_filter``."""
    from doxa.dynamics.kalman_kernels import smooth

    y, u, lengths = _sequences(system, y, u, mask, lengths)
    filtered = _filtered(system, y, u, lengths)
    smoothed = Smoothed(*(np.full_like(array, np.nan) for array in filtered[:2]))
    centred = y - u @ system.D.T
    known = (filtered.predicted_means, filtered.predicted_covariances)
    smooth(system.A, system.C, system.R, centred, lengths, *known, *smoothed)
    return smoothed


def _filtered(
    system: GaussianSystem,
    y: Float[np.ndarray, "n t p"],
    u: Float[np.ndarray, "n t q"],
    lengths: Int[np.ndarray, " n"],
) -> Filtered:
    """Filter checked sequences, in which what is missing is NaN."""
    from doxa.dynamics.kalman_kernels import run_filter

    count, steps = y.shape[:2]
    n = len(system.mean)
    means, predicted = (np.full((count, steps, n), np.nan) for _ in range(2))
    covariances, uncertain = (np.full((count, steps, n, n), np.nan) for _ in range(2))
    gained = np.zeros((count, steps))
    model = (system.A, system.C, system.Q, system.R, system.mean, system.covariance)
    out = (means, covariances, predicted, uncertain, gained)
    failed = run_filter(*model, u @ system.B.T, y - u @ system.D.T, lengths, *out)
    if failed >= 0:
        raise InputError(
            f"sequence {failed // steps}, step {failed % steps}: the observation is certain before it is made "
            "(predicted covariance singular); give R, Q or the first covariance more variance"
        )
    return Filtered(means, covariances, predicted, uncertain, gained.sum(axis=1), gained)


def _sequences(
    system: GaussianSystem,
    y: Given,
    u: Given | None,
    mask: Bool[np.ndarray, ...] | None,
    lengths: Sequence[int] | Int[np.ndarray, ...] | None,
) -> tuple[Float[np.ndarray, "n t p"], Float[np.ndarray, "n t q"], Int[np.ndarray, " n"]]:
    """Check sequences; return observations with NaN where missing, inputs and lengths."""
    y = np.array(y, dtype=float)
    p, q = len(system.C), system.B.shape[1]
    if y.ndim != 3 or y.shape[-1] != p or 0 in y.shape[:2]:
        raise InputError(f"y has shape {y.shape}: must be [sequences, steps, {p}]")
    count, steps = y.shape[:2]
    u = np.zeros((count, steps, q)) if u is None else np.array(u, dtype=float)
    if u.shape != (count, steps, q):
        raise InputError(f"u has shape {u.shape}: must be {(count, steps, q)}, an input for each step of y")
    sizes = np.full(count, steps) if lengths is None else np.asarray(lengths)
    if sizes.shape != (count,) or sizes.min() < 1 or sizes.max() > steps:
        raise InputError(f"lengths {sizes.tolist()}: must be {count} numbers from 1 to {steps}")
    if mask is not None:
        seen = np.asarray(mask, dtype=bool)
        if seen.shape not in ((count, steps), (count, steps, p)):
            raise InputError(f"mask has shape {seen.shape}: must be {(count, steps)} or {(count, steps, p)}")
        y[~np.broadcast_to(seen[..., None] if seen.ndim == 2 else seen, y.shape)] = np.nan
    within = np.arange(steps) < sizes[:, None]
    for name, array, bad in (("y", y, np.isinf(y)), ("u", u, ~np.isfinite(u))):
        where = np.argwhere(bad & within[..., None])
        if len(where):
            sequence, step, _ = where[0]
            raise InputError(
                f"{name} at sequence {sequence}, step {step} is {array[tuple(where[0])]}: must be finite"
            )
    u[~within] = 0.0
    return y, u, sizes.astype(np.int64)


def _covariance(name: str, value: object, size: int) -> Float[np.ndarray, "k k"]:
    """Return a symmetric matrix with eigenvalues >= 0."""
    matrix = np.array(value, dtype=float)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise InputError(f"{name} has shape {matrix.shape}: must be {size} x {size} finite numbers")
    scale = np.abs(matrix).max(initial=1e-300)
    if np.abs(matrix - matrix.T).max() > 1e-8 * scale:
        raise InputError(f"{name} is not symmetric; give (M + Mᵀ)/2")
    lowest = float(np.linalg.eigvalsh(matrix).min())
    if lowest < -1e-8 * scale:
        raise InputError(f"{name} has the eigenvalue {lowest:.3g}: a covariance has none below 0")
    return np.ascontiguousarray((matrix + matrix.T) / 2.0)


def _root(covariance: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Return M with M Mᵀ = covariance, also where it is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))
