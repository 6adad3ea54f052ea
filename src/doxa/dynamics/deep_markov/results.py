"""What a deep Markov model gives back: training, posterior, forecast, bound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class History(NamedTuple):
    """The course of a training, one number for each stretch of steps.

    Attributes:
        step: last step of the stretch, from 1.
        elbo: mean evidence bound of the stretch in nats per time step, in the units of the observations.
        log_likelihood: its first part.
        divergence: its second part, without the annealing weight.
        alpha: share of the physics stream at the stretch's end.
        weight: annealing weight there.
    """

    step: Float[np.ndarray, " stretches"]
    elbo: Float[np.ndarray, " stretches"]
    log_likelihood: Float[np.ndarray, " stretches"]
    divergence: Float[np.ndarray, " stretches"]
    alpha: Float[np.ndarray, " stretches"]
    weight: Float[np.ndarray, " stretches"]


class FitResult(NamedTuple):
    """What a training gives.

    Attributes:
        elbo: of the last stretch, in nats per time step.
        alpha: share of the physics stream at the end; 1 or 0 where there is one stream.
        wall_time: seconds, for all models that were trained together.
        history: the course.
    """

    elbo: float
    alpha: float
    wall_time: float
    history: History


class Elbo(NamedTuple):
    """The evidence bound, at most the log-likelihood in expectation.

    Attributes:
        per_step: in nats per time step.
        log_likelihood: its first part, E_q[log p(x|z)], per time step.
        divergence: its second part, KL(q ‖ p), per time step.
        sequences: of each sequence, in nats.
    """

    per_step: float
    log_likelihood: float
    divergence: float
    sequences: Float[np.ndarray, " N"]


class Posterior(NamedTuple):
    """What is believed of the latents given whole sequences, in units; NaN beyond a sequence's end.

    Attributes:
        mean: of the fused latent.
        std: its standard deviation.
        phy_mean: mean of the physics stream (NaN where there is none).
        nn_mean: mean of the learned stream (NaN where there is none).
        obs_mean: mean of what would be observed.
        obs_std: its standard deviation.
    """

    mean: Float[np.ndarray, "N T n"]
    std: Float[np.ndarray, "N T n"]
    phy_mean: Float[np.ndarray, "N T n"]
    nn_mean: Float[np.ndarray, "N T n"]
    obs_mean: Float[np.ndarray, "N T p"]
    obs_std: Float[np.ndarray, "N T p"]


class Forecast(NamedTuple):
    """Latents and observations of steps that were not seen, in units.

    Attributes:
        mean: of the fused latent.
        std: its standard deviation.
        obs_mean: mean of the observation.
        obs_std: its standard deviation.
    """

    mean: Float[np.ndarray, "N steps n"]
    std: Float[np.ndarray, "N steps n"]
    obs_mean: Float[np.ndarray, "N steps p"]
    obs_std: Float[np.ndarray, "N steps p"]
