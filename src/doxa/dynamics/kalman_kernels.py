"""Kernels of exact inference: loops over sequences and steps with small matrices."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from doxa.lab.compiled import compiled


@compiled
def observed(y: Float[np.ndarray, " p"]) -> Int[np.ndarray, " k"]:
    """Return the channels that were seen."""
    return np.flatnonzero(~np.isnan(y))


@compiled
def run_filter(
    A: Float[np.ndarray, "s s"],
    C: Float[np.ndarray, "p s"],
    Q: Float[np.ndarray, "s s"],
    R: Float[np.ndarray, "p p"],
    mean: Float[np.ndarray, " s"],
    covariance: Float[np.ndarray, "s s"],
    drive: Float[np.ndarray, "n t s"],
    y: Float[np.ndarray, "n t p"],
    lengths: Int[np.ndarray, " n"],
    means: Float[np.ndarray, "n t s"],
    covariances: Float[np.ndarray, "n t s s"],
    predicted: Float[np.ndarray, "n t s"],
    uncertain: Float[np.ndarray, "n t s s"],
    gained: Float[np.ndarray, "n t"],
) -> int:
    """Filter; return -1, or sequence · steps + step of the first observation that has no density."""
    identity = np.eye(len(mean))
    for i in range(len(y)):
        m, spread = mean.copy(), covariance.copy()
        for t in range(lengths[i]):
            predicted[i, t], uncertain[i, t] = m, spread
            seen = observed(y[i, t])
            if len(seen):
                seeing = C[seen]
                noise = R[seen][:, seen]
                error = y[i, t][seen] - seeing @ m
                surprise = seeing @ spread @ seeing.T + noise
                determinant = np.linalg.slogdet(surprise)
                if determinant[0] <= 0 or np.diag(surprise).min() <= 0.0 or not np.isfinite(determinant[1]):
                    return i * y.shape[1] + t
                gain = np.linalg.solve(surprise, seeing @ spread).T
                gained[i, t] = -0.5 * (
                    error @ np.linalg.solve(surprise, error)
                    + determinant[1]
                    + len(seen) * np.log(2.0 * np.pi)
                )
                m = m + gain @ error
                left = identity - gain @ seeing
                spread = left @ spread @ left.T + gain @ noise @ gain.T
                spread = (spread + spread.T) / 2.0
            means[i, t], covariances[i, t] = m, spread
            m = A @ m + drive[i, t]
            spread = A @ spread @ A.T + Q
            spread = (spread + spread.T) / 2.0
    return -1


@compiled
def smooth(
    A: Float[np.ndarray, "s s"],
    C: Float[np.ndarray, "p s"],
    R: Float[np.ndarray, "p p"],
    y: Float[np.ndarray, "n t p"],
    lengths: Int[np.ndarray, " n"],
    predicted: Float[np.ndarray, "n t s"],
    uncertain: Float[np.ndarray, "n t s s"],
    means: Float[np.ndarray, "n t s"],
    covariances: Float[np.ndarray, "n t s s"],
) -> None:
    """Smooth backwards: x = m - P r and Cov = P - P N P, with Bryson and Frazier's r and N (here ``bent``)."""
    size = A.shape[0]
    identity = np.eye(size)
    for i in range(len(y)):
        r, bent = np.zeros(size), np.zeros((size, size))
        for back in range(lengths[i]):
            t = lengths[i] - 1 - back
            spread = np.ascontiguousarray(uncertain[i, t])
            seen = observed(y[i, t])
            if len(seen):
                seeing = C[seen]
                surprise = seeing @ spread @ seeing.T + R[seen][:, seen]
                error = y[i, t][seen] - seeing @ predicted[i, t]
                left = identity - np.linalg.solve(surprise, seeing @ spread).T @ seeing
                r = left.T @ r - seeing.T @ np.linalg.solve(surprise, error)
                bent = left.T @ bent @ left + seeing.T @ np.linalg.solve(surprise, seeing)
            means[i, t] = predicted[i, t] - spread @ r
            smoothed = spread - spread @ bent @ spread
            covariances[i, t] = (smoothed + smoothed.T) / 2.0
            r = A.T @ r
            bent = A.T @ bent @ A
