"""How well inferred latents match the truth: error, explained variance, coverage of bands; raw or after alignment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.calibration import band_coverage
from doxa.dynamics.deep_markov.results import Forecast, Posterior
from doxa.errors import InputError

BAND = (
    1.959963984540054  # half-width of a band that holds 95 % of a normal distribution, in standard deviations
)


class Recovery(NamedTuple):
    """Agreement of latents and truth, for each latent coordinate.

    Attributes:
        rmse: root mean square difference, in units of the truth.
        r2: share of the truth's variance that the latent gives as it stands, 1 - mean square difference / variance;
            negative where the mean of the truth would be closer.
        linear_r2: share of the latent's variance that an ordinary least-squares fit on all coordinates of the truth
            explains (a linear probe; no alignment matters to it).
        coverage: share of the truth within the latent's 95 % band.
    """

    rmse: Float[np.ndarray, " n"]
    r2: Float[np.ndarray, " n"]
    linear_r2: Float[np.ndarray, " n"]
    coverage: Float[np.ndarray, " n"]


def latent_recovery(
    post: Posterior | Forecast, truth: Float[np.ndarray, "N T n"], align: bool = False
) -> Recovery:
    """Return how well means and bands of latents match the true ones.

    Args:
        post: what ``infer`` or ``forecast`` gave; steps beyond a sequence's end are left out.
        truth: true latents in units.
        align: whether latents are first mapped to the truth by the affine map with the least squares, for models
            whose axes mean nothing; bands are mapped along, with their coordinates taken as independent.

    Raises:
        InputError: shapes differ, or a coordinate of the truth does not vary.
    """
    wanted = np.asarray(truth, dtype=float)
    if wanted.shape != post.mean.shape:
        raise InputError(
            f"truth has shape {wanted.shape}: must be {post.mean.shape}, one per inferred latent"
        )
    inside = np.isfinite(post.mean).all(-1) & np.isfinite(wanted).all(-1)
    mean, std, true = post.mean[inside], post.std[inside], wanted[inside]
    spread = true.var(0) if len(true) else np.zeros(wanted.shape[-1])
    if not (spread > 0).all():
        raise InputError(
            f"truth: coordinate {int(np.argmin(spread))} does not vary, so nothing can be explained"
        )
    linear = 1 - ((mean - _fitted(true, mean)) ** 2).mean(0) / np.maximum(mean.var(0), np.finfo(float).tiny)
    if align:
        matrix = _coefficients(mean, true)[:-1]
        mean, std = _fitted(mean, true), np.sqrt(std**2 @ matrix**2)
    square = ((mean - true) ** 2).mean(0)
    low, high = mean - BAND * std, mean + BAND * std
    coverage = [band_coverage(low[:, one], high[:, one], true[:, one]) for one in range(true.shape[1])]
    return Recovery(np.sqrt(square), 1 - square / spread, linear, np.array(coverage))


def affine_fit(
    mean: Float[np.ndarray, "N T k"], truth: Float[np.ndarray, "N T n"]
) -> Float[np.ndarray, "N T n"]:
    """Return latents taken through the affine map to the truth with the least squares; steps with NaN do not count."""
    inside = np.isfinite(mean).all(-1) & np.isfinite(truth).all(-1)
    matrix = _coefficients(mean[inside], truth[inside])
    return mean @ matrix[:-1] + matrix[-1]


def _coefficients(
    of: Float[np.ndarray, "rows a"], on: Float[np.ndarray, "rows b"]
) -> Float[np.ndarray, "a_and_one b"]:
    """Return the affine map with the least squares."""
    return np.linalg.lstsq(np.c_[of, np.ones(len(of))], on, rcond=None)[0]


def _fitted(of: Float[np.ndarray, "rows a"], on: Float[np.ndarray, "rows b"]) -> Float[np.ndarray, "rows b"]:
    return np.c_[of, np.ones(len(of))] @ _coefficients(of, on)
