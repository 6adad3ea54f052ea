"""What is trained on each world: the guided model, its two halves alone, and controls."""

from __future__ import annotations

from typing import NamedTuple

GUIDED, NETWORK, PHYSICS = "PgDMM", "DMM", "physics only"
WRONG_SIGN, OTHER_SYSTEM = "wrong sign", "other system"
BAYESIAN_AGENTS = "Bayesian agents"
SIMPLE_PLATES, SIMPLE_PHYSICS = "PgDMM, simple plates", "physics only, simple plates"
KALMAN, OPEN_LOOP = "Kalman smoother", "open loop"


class Variant(NamedTuple):
    """How a model is made.

    Attributes:
        physics: whether there is a stream driven by the prior.
        alpha: its share at the start.
        learn_alpha: whether the share is learnt; at a frozen share of 1 there is no other stream.
        prior: which other prior it is given; empty takes the problem's own.
    """

    physics: bool = True
    alpha: float = 0.5
    learn_alpha: bool = True
    prior: str = ""


TRAINED = {
    GUIDED: Variant(),
    NETWORK: Variant(physics=False),
    PHYSICS: Variant(alpha=1.0, learn_alpha=False),
    WRONG_SIGN: Variant(prior=WRONG_SIGN),
    OTHER_SYSTEM: Variant(prior=OTHER_SYSTEM),
    BAYESIAN_AGENTS: Variant(),
    SIMPLE_PLATES: Variant(),
    SIMPLE_PHYSICS: Variant(alpha=1.0, learn_alpha=False),
}
"""Every model that is trained, by the name its rows carry."""
THREE = (GUIDED, NETWORK, PHYSICS)
_OF_WORLD = {
    "pendulum": (*THREE, WRONG_SIGN, OTHER_SYSTEM),
    "linear": (GUIDED, PHYSICS, KALMAN),
    "crack": (*THREE, SIMPLE_PLATES, SIMPLE_PHYSICS),
    "silverbox": (*THREE, OTHER_SYSTEM, OPEN_LOOP),
    "belief": (*THREE, BAYESIAN_AGENTS),
    "csv": THREE,
}


def variants_of(world: str) -> tuple[str, ...]:
    """Return the names of what is trained or computed on a world."""
    return _OF_WORLD[world]
