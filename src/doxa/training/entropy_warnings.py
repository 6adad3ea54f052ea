"""What a monitor of policy entropy warns of, when, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from doxa.errors import InputError
from doxa.training.entropy_law import FEWEST

Kind: TypeAlias = Literal["spent", "ceiling", "target", "collapse", "surge", "covariance", "tied-groups"]


@dataclass(frozen=True)
class Limits:
    """When a monitor warns.

    Attributes:
        spent: share of the first entropy that is used. The paper finds 95 % used in a third of a run.
        left: share of the gain that the law allows from the first entropy on and that is still to be had.
        covariance: mean over the tokens of a batch, in nats times units of the advantage; the paper reports 0.017
            early and 0.002 late in a run.
        collapse: share of entropy lost within ``window`` updates.
        surge: factor by which entropy grew within ``window`` updates.
        window: updates that make a collapse or a surge.
        spread: standard deviation of the rewards of a group, below which their differences are taken for ties.
        tied: share of groups with rewards that differ by less than that, and not by nothing.
        scores: points the law needs before its ceiling is told.
        r2: what the law must explain before its ceiling is told.
    """

    spent: float = 0.95
    left: float = 0.05
    covariance: float = 0.1
    collapse: float = 0.5
    surge: float = 2.0
    window: int = 10
    spread: float = 0.05
    tied: float = 0.25
    scores: int = 10
    r2: float = 0.5

    def __post_init__(self) -> None:
        for name in ("spent", "left", "collapse", "tied", "r2"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise InputError(f"{name}={value}: must be a share in (0, 1]")
        if self.window < 1 or self.scores < FEWEST or self.surge <= 1.0 or self.spread < 0.0:
            raise InputError(
                f"window={self.window}, scores={self.scores}, surge={self.surge}, spread={self.spread}: must be >= 1, "
                f">= {FEWEST}, > 1 and >= 0"
            )


class EntropyWarning(NamedTuple):
    """Something to look at.

    Attributes:
        kind: what it is.
        step: at which it was seen.
        value: the number seen.
        limit: the limit it passed.
        text: what it means and what others do about it.
    """

    kind: Kind
    step: float
    value: float
    limit: float
    text: str


BELOW: tuple[Kind, ...] = ("ceiling", "target")
"""Kinds that warn below their limit; the others do at or above it."""

MEANING: dict[Kind, str] = {
    "spent": "{value:.0%} of the entropy the run began with is used: by the law little is left to gain; what others do "
    "earlier in a run: a smaller learning rate, an entropy bonus, Clip-Cov or KL-Cov",
    "ceiling": "{value:.1%} of the gain that the law allows is left (forecast ceiling {more:.3g}): more steps of this "
    "kind buy little",
    "target": "the law's ceiling {more:.3g} (at most {value:.3g}) lies below the target {limit:g}: this run will not "
    "reach it as it goes",
    "collapse": "entropy fell by {value:.0%} within {more} updates: look at the learning rate and at how many updates "
    "are made of one rollout",
    "surge": "entropy grew {value:.1f} times within {more} updates: an instability, or a bonus that wins; fewer "
    "updates to a rollout and larger micro-batches are what the authors advise",
    "covariance": "mean covariance {value:.3g} of advantage and log-probability: entropy is being spent fast; the "
    "largest 2 % of the tokens make {more:.0%} of what is above 0",
    "tied-groups": "in {value:.0%} of the groups rewards differ by less than {more:g}, and dividing by their deviation "
    "makes full advantages of it: do not scale by groups, or add more to the deviation",
}
"""What a warning means."""
