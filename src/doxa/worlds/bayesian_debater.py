"""What a debater who knows the rules should believe: the exact chance of winning given all it has read.

A speech chosen by reading s has quality N(s/(1 + σ²), σ²/(1 + σ²)): choosing looks at s alone, so the chooser only
shrinks. A speech that was heard as r was chosen by the *other's* reading, so its prior is the density of chosen
qualities. Speeches to come are chosen ones of unknown quality. The chance of winning is E[sigmoid(a·D)] over what is
unknown of the difference D of all qualities.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from doxa.belief.information import expit, logit
from doxa.worlds.optimizers_curse import best_density, best_nodes, expected_best, hermite

_REACH, _POINTS = 40.0, 16001
_ORDER = 20


def common_log_odds(
    own: Float[np.ndarray, "debates 2 stages"], n_arguments: int, sigma: float, slope: float
) -> Float[np.ndarray, "debates 2 stages"]:
    """Return the log-odds of both sides where both see the chooser's reading of every speech made.

    The two credences sum to 1 and each is a martingale, because both are expectations of one event on one
    growing body of information.
    """
    stages = own.shape[-1]
    shrunk = np.cumsum(own[:, 0] - own[:, 1], axis=-1) / (1.0 + sigma**2)
    out = np.empty_like(own)
    for stage in range(stages):
        left = stages - 1 - stage
        chances = _chance_table(n_arguments, sigma, slope, 2 * (stage + 1), own_left=left, other_left=left)
        chance = np.interp(shrunk[:, stage], *chances)
        out[:, 0, stage] = logit(chance)
        out[:, 1, stage] = -out[:, 0, stage]
    return out


def private_log_odds(
    own: Float[np.ndarray, "debates 2 stages"],
    heard: Float[np.ndarray, "debates 2 stages"],
    n_arguments: int,
    sigma: float,
    slope: float,
) -> Float[np.ndarray, "debates 2 stages"]:
    """Return the log-odds of each side given its own readings and what it heard at earlier stages.

    Args:
        own: reading with which each side chose each of its speeches.
        heard: what each side read of the *other* side's speech of each stage; a stage's own is not used.
        n_arguments: candidates of a stage.
        sigma: noise of a reading.
        slope: log-odds per unit of quality.
    """
    stages = own.shape[-1]
    nodes, weights = _heard_posterior(heard[..., : stages - 1], n_arguments, sigma)
    shrunk = np.cumsum(own, axis=-1) / (1.0 + sigma**2)
    out = np.empty_like(own)
    # what is heard is kept as nodes with weights, joined speech by speech
    sums, chances_of = np.zeros((*own.shape[:2], 1)), np.ones((*own.shape[:2], 1))
    for stage in range(stages):
        left = stages - 1 - stage
        table = _chance_table(n_arguments, sigma, slope, stage + 1, own_left=left, other_left=left + 1)
        chance = np.interp(shrunk[:, :, stage, None] - sums, *table)
        out[:, :, stage] = logit(np.sum(chances_of * chance, axis=-1))
        if left:
            sums = (sums[..., :, None] + nodes[:, :, stage, None, :]).reshape(*own.shape[:2], -1)
            joined = chances_of[..., :, None] * weights[:, :, stage, None, :]
            chances_of = joined.reshape(*own.shape[:2], -1)
    return out


def _heard_posterior(
    heard: Float[np.ndarray, "debates 2 stages"], n_arguments: int, sigma: float, order: int = 9
) -> tuple[Float[np.ndarray, "debates 2 stages nodes"], Float[np.ndarray, "debates 2 stages nodes"]]:
    """Return nodes and weights of the quality of a chosen speech that was heard as r, by adaptive quadrature.

    The nodes are those of a normal that has the posterior's approximate mean and spread, the weights carry the
    ratio of the two densities (Naylor and Smith 1982).
    """
    if sigma == 0.0:
        return heard[..., None], np.ones((*heard.shape, 1))
    places, weights = best_nodes(n_arguments)
    shrink = math.sqrt(1.0 + sigma**2)
    centre = expected_best(n_arguments) / shrink
    spread = float(((places / shrink - centre) ** 2) @ weights) + sigma**2 / (1.0 + sigma**2)
    variance = 1.0 / (1.0 / spread + 1.0 / sigma**2)
    mean = variance * (centre / spread + heard / sigma**2)
    standard, mass = hermite(order)
    nodes = mean[..., None] + math.sqrt(variance) * standard
    grid = np.linspace(min(-9.0, float(nodes.min())), max(9.0, float(nodes.max())), 4001)
    prior = np.interp(nodes, grid, best_density(grid, n_arguments, sigma))
    ratio = prior * np.exp(0.5 * standard**2 - 0.5 * ((heard[..., None] - nodes) / sigma) ** 2)
    joint = mass * ratio
    return nodes, joint / joint.sum(axis=-1, keepdims=True)


def _chance_table(
    n_arguments: int, sigma: float, slope: float, read: int, *, own_left: int, other_left: int
) -> tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]:
    """Return a grid of known differences x and the chance of winning there.

    E[sigmoid(a·(x + noise of ``read`` read speeches + Σ own speeches to come - Σ the other's))].
    """
    grid = np.linspace(-_REACH, _REACH, _POINTS)
    spread = math.sqrt((read + own_left + other_left) * sigma**2 / (1.0 + sigma**2))
    nodes, weights = hermite(_ORDER)
    chance = expit(slope * (grid[:, None] + spread * nodes)) @ weights
    places, masses = best_nodes(n_arguments, _ORDER)
    places = places / math.sqrt(1.0 + sigma**2)
    for sign, count in ((1.0, own_left), (-1.0, other_left)):
        for _ in range(count):
            moved = np.interp((grid[:, None] + sign * places).ravel(), grid, chance)
            chance = moved.reshape(grid.size, -1) @ masses
    return grid, chance
