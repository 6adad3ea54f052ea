"""A debate of numbers in which overconfidence comes from choosing and judging with one noisy reading.

Each side has, at each stage, ``n_arguments`` candidates of quality q ~ N(0, 1), which it reads as s = q + σε. It
speaks the candidate with the largest s. The jury sees qualities: P wins with probability sigmoid(a·Σ(q_P - q_O)). A
debater who reuses s to judge its chances takes the luck that chose the speech for quality (the optimizer's curse, Smith
and Winkler 2006); one who reads its speech afresh, or expects the luck, does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.information import expit
from doxa.errors import InputError, did_you_mean

Rescore: TypeAlias = Literal["own", "fresh", "bayes", "common"]
RESCORES: tuple[Rescore, ...] = ("own", "fresh", "bayes", "common")
STAGES = 3


class NumericDebates(NamedTuple):
    """Many debates of numbers; sides are P and O in this order.

    Attributes:
        credence: each side's chance of its own victory after each stage, in [0, 1].
        log_odds: the same in nats; for a Bayesian debater those of its expected win probability.
        won: whether P won.
        inflation: own reading minus quality of each speech, in units of a candidate's standard deviation.
    """

    credence: Float[np.ndarray, "debates 2 stages"]
    log_odds: Float[np.ndarray, "debates 2 stages"]
    won: Bool[np.ndarray, " debates"]
    inflation: Float[np.ndarray, "debates 2 stages"]


def expected_best(n_arguments: int) -> float:
    """Return E[max of N standard normals], by 200-point quadrature.

    >>> round(expected_best(8), 4), expected_best(1)
    (1.4236, 0.0)
    """
    if n_arguments < 1:
        raise InputError(f"n_arguments={n_arguments}: must be >= 1")
    if n_arguments == 1:
        return 0.0
    nodes, weights = _best_quadrature(n_arguments)
    return float(nodes @ weights)


def expected_inflation(n_arguments: int, sigma: float) -> float:
    """Return E[own reading - quality] of a chosen speech: E[max of N]·σ²/√(1 + σ²).

    >>> round(expected_inflation(8, 1.0), 4)
    1.0066
    """
    return expected_best(n_arguments) * sigma**2 / math.sqrt(1.0 + sigma**2)


@dataclass(frozen=True)
class OptimizersCurseDebate:
    """Debates in which a speech is chosen among noisily read candidates.

    After t stages a side believes that it wins with log-odds

        a·[Σ own readings - Σ readings of the opponent's t - 1 earlier speeches - E[quality of one unseen speech]]

    Attributes:
        n_arguments: candidates of a side at a stage, N >= 1.
        sigma: standard deviation of a reading, >= 0, in units of a candidate's quality.
        slope: a, log-odds of the jury per unit of quality, > 0.
        rescore: with what a debater judges its own speeches: ``own``, the readings that chose them; ``fresh``,
            readings with another draw; ``bayes``, the exact expectation of winning given all it has read,
            knowing that both sides select; ``common``, the same where both sides see all readings.
        anchor: weight in [0, 1] with which the log-odds are drawn to 0, as by a debater that was told 50 %.
    """

    n_arguments: int = 8
    sigma: float = 1.0
    slope: float = 0.45
    rescore: Rescore | str = "own"
    anchor: float = 0.0

    def __post_init__(self) -> None:
        if self.n_arguments < 1:
            raise InputError(f"n_arguments={self.n_arguments}: must be >= 1")
        if not (math.isfinite(self.sigma) and self.sigma >= 0.0):
            raise InputError(f"sigma={self.sigma}: must be finite and >= 0; 0 reads without noise")
        if not (math.isfinite(self.slope) and self.slope > 0.0):
            raise InputError(f"slope={self.slope}: must be finite and > 0")
        if self.rescore not in RESCORES:
            raise InputError(f"rescore={self.rescore!r}: {did_you_mean(str(self.rescore), RESCORES)}")
        if not 0.0 <= self.anchor <= 1.0:
            raise InputError(f"anchor={self.anchor}: must be in [0, 1]")

    def simulate(self, n_debates: int, rng: np.random.Generator) -> NumericDebates:
        """Return debates, drawn all at once.

        Args:
            n_debates: how many, >= 1.
            rng: source of qualities, readings and the jury's draws.
        """
        if n_debates < 1:
            raise InputError(f"n_debates={n_debates}: must be >= 1")
        shape = (n_debates, 2, STAGES)
        quality = rng.standard_normal((*shape, self.n_arguments))
        reading = quality + self.sigma * rng.standard_normal(quality.shape)
        chosen = reading.argmax(axis=-1)[..., None]
        spoken = np.take_along_axis(quality, chosen, -1)[..., 0]
        own = np.take_along_axis(reading, chosen, -1)[..., 0]
        heard = spoken + self.sigma * rng.standard_normal(shape)
        again = spoken + self.sigma * rng.standard_normal(shape)
        margin = self.slope * (spoken[:, 0] - spoken[:, 1]).sum(axis=-1)
        won = rng.random(n_debates) < expit(margin)
        log_odds = (1.0 - self.anchor) * self._log_odds(own, heard[:, ::-1], again)
        return NumericDebates(expit(log_odds), log_odds, won, own - spoken)

    def _log_odds(
        self,
        own: Float[np.ndarray, "debates 2 stages"],
        heard: Float[np.ndarray, "debates 2 stages"],
        again: Float[np.ndarray, "debates 2 stages"],
    ) -> Float[np.ndarray, "debates 2 stages"]:
        """Return what each side believes; ``heard`` is what it read of the other side's speeches."""
        from doxa.worlds.bayesian_debater import common_log_odds, private_log_odds

        if self.rescore == "common":
            return common_log_odds(own, self.n_arguments, self.sigma, self.slope)
        if self.rescore == "bayes":
            return private_log_odds(own, heard, self.n_arguments, self.sigma, self.slope)
        judged = own if self.rescore == "own" else again
        unseen = expected_best(self.n_arguments) / math.sqrt(1.0 + self.sigma**2)
        earlier = np.cumsum(heard, axis=-1) - heard
        return self.slope * (np.cumsum(judged, axis=-1) - earlier - unseen)


def best_density(
    at: Float[np.ndarray, "*shape"], n_arguments: int, sigma: float
) -> Float[np.ndarray, "*shape"]:
    """Return the density of the quality of a chosen speech, N·φ(q)·E[Φ((q + σε)/√(1 + σ²))^(N-1)]."""
    from scipy.special import ndtr

    nodes, weights = hermite(48)
    read = np.asarray(at)[..., None] + sigma * nodes
    beaten = ndtr(read / math.sqrt(1.0 + sigma**2)) ** (n_arguments - 1)
    return n_arguments * np.exp(-0.5 * np.asarray(at) ** 2) / math.sqrt(2.0 * math.pi) * (beaten @ weights)


def hermite(order: int) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Return nodes and weights of E[f(ε)], ε ~ N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return nodes, weights / math.sqrt(2.0 * math.pi)


def _best_quadrature(n_arguments: int) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Return nodes and weights of E[f(max of N standard normals)]."""
    from scipy.special import ndtr

    nodes, weights = np.polynomial.legendre.leggauss(200)
    nodes, weights = 9.0 * nodes, 9.0 * weights
    density = n_arguments * np.exp(-0.5 * nodes**2) / math.sqrt(2.0 * math.pi)
    weights = weights * density * ndtr(nodes) ** (n_arguments - 1)
    return nodes, weights / weights.sum()


def best_nodes(n_arguments: int, order: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return few nodes and weights of E[f(max of N standard normals)], thinned from the fine rule.

    They are Gaussian quadrature for the distribution of the maximum (Golub and Welsch 1969, from the moments
    that the 200-point rule gives through the Lanczos recurrence).
    """
    nodes, weights = _best_quadrature(n_arguments)
    order = min(order, nodes.size)
    alpha, beta = np.zeros(order), np.zeros(order)
    vector = np.sqrt(weights)
    basis = [vector]
    for step in range(order):
        product = nodes * basis[-1]
        alpha[step] = basis[-1] @ product
        for (
            known
        ) in basis:  # full orthogonalisation, twice: the plain recurrence loses it after some ten steps
            product = product - (known @ product) * known
        for known in basis:
            product = product - (known @ product) * known
        length = float(np.linalg.norm(product))
        if step + 1 == order:
            break
        if length < 1e-12:
            alpha, beta = alpha[: step + 1], beta[: step + 1]
            break
        beta[step] = length
        basis.append(product / length)
    matrix = np.diag(alpha) + np.diag(beta[: alpha.size - 1], 1) + np.diag(beta[: alpha.size - 1], -1)
    found, vectors = np.linalg.eigh(matrix)
    return found, vectors[0] ** 2
