"""Agents that hear evidence of known strength and report a credence: Bayesian, or discounting it and anchored.

In log-odds ℓ a Bayesian adds the evidence u_t = ln P(e|H) / P(e|¬H). An agent that takes every likelihood to the
power λ < 1 adds λ u_t, and one that is anchored goes back to where it began: ℓ_t = (1 - κ)(ℓ_{t-1} + λ u_t) + κ ℓ_0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.updating import evidence_log_odds
from doxa.errors import InputError


@dataclass(frozen=True)
class DiscountingAgent:
    """How an agent updates.

    Attributes:
        power: λ, what likelihoods are taken to; 1 is Bayes, below discounts.
        anchor: κ in [0, 1), share of the way back to the first belief at each step; 0 is Bayes.
        noise: standard deviation of a report, in nats of log-odds.
    """

    power: float = 1.0
    anchor: float = 0.0
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no agent."""
        if not self.power >= 0.0:
            raise InputError(f"power={self.power}: must be >= 0; 1 is Bayes")
        if not 0.0 <= self.anchor < 1.0:
            raise InputError(f"anchor={self.anchor}: must be in [0, 1); 0 is Bayes")
        if not self.noise >= 0.0:
            raise InputError(f"noise={self.noise}: must be >= 0 nats")

    def update(
        self,
        log_odds: Float[np.ndarray, "*n"],
        evidence: Float[np.ndarray, "*n"],
        first: Float[np.ndarray, "*n"],
    ) -> Float[np.ndarray, "*n"]:
        """Return the belief after one piece of evidence, in nats."""
        heard = log_odds + self.power * evidence
        return (1.0 - self.anchor) * heard + self.anchor * first


BAYESIAN = DiscountingAgent()
"""Takes evidence for what it is worth."""


class Reports(NamedTuple):
    """Simulated agents.

    Attributes:
        observed: reported log-odds in nats [N, T, 1].
        inputs: the evidence heard before each report, in nats [N, T, 1].
        states: the log-odds held, without noise [N, T, 1].
    """

    observed: Float[np.ndarray, "N T 1"]
    inputs: Float[np.ndarray, "N T 1"]
    states: Float[np.ndarray, "N T 1"]


def simulate_agents(
    rng: np.random.Generator,
    agents: int,
    steps: int = 40,
    *,
    agent: DiscountingAgent = BAYESIAN,
    reliability: tuple[float, float] = (0.55, 0.8),
    spread: float = 1.0,
) -> Reports:
    """Return reports of agents that hear witnesses of known reliability on a proposition each.

    Args:
        rng: draws truths, witnesses, first beliefs and noise.
        agents: how many, N.
        steps: witnesses each hears, T.
        agent: how they update.
        reliability: each witness says the truth with a chance that is even between these, in (0, 1).
        spread: standard deviation of first beliefs, in nats.

    Raises:
        InputError: a size is < 1, the spread is < 0, or reliabilities are not 0 < low <= high < 1.
    """
    if agents < 1 or steps < 1:
        raise InputError(f"agents={agents}, steps={steps}: both must be >= 1")
    low, high = reliability
    if not 0.0 < low <= high < 1.0:
        raise InputError(f"reliability={reliability}: must be 0 < low <= high < 1")
    if not spread >= 0.0:
        raise InputError(f"spread={spread}: must be >= 0 nats")
    sure = rng.uniform(low, high, (agents, steps))
    true = rng.random((agents, 1)) < 0.5
    says_true = (rng.random((agents, steps)) < sure) == true
    evidence = evidence_log_odds(says_true, sure)
    first = spread * rng.standard_normal(agents)
    states = np.empty((agents, steps, 1))
    held = first
    for t in range(steps):
        held = agent.update(held, evidence[:, t], first)
        states[:, t, 0] = held
    observed = states + agent.noise * rng.standard_normal(states.shape)
    return Reports(observed, evidence[..., None], states)
