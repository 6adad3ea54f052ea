"""What is trained side by side: plain GRPO, its slower versions, weighted losses, baselines and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doxa.training.policy_plan import PolicyWorld, Variant
from doxa.worlds.sum_composition import SumComposition

GRPO, UNREWARDED, UNWEIGHTED, PERMUTED = (
    "GRPO",
    "STEER, no rewards",
    "STEER, λ = 1",
    "STEER, weights permuted",
)
OFFICIAL, EXTREME, EXTREME_WEIGHTED = "STEER, official", "GRPO, wide clip", "STEER, exact, wide clip"
NUDGED = "GRPO, rate × 1.0001"
"""The same training but for rounding: how far chance alone carries."""
PLAIN = "dual-clip?clip_low=0.2&clip_high=0.28&dual_clip=10"
WIDE = "clip_low=0.99&clip_high=5"
"""The published range that provokes a collapse."""
QUADRANTS = ("positive_likely", "positive_rare", "negative_likely", "negative_rare")
BASELINES = {
    "GRPO, clip .2": "dual-clip?clip_low=0.2&clip_high=0.2&dual_clip=10",
    "entropy bonus .02": f"{PLAIN}&entropy_bonus=0.02",
    "top-entropy tokens": "top-entropy?fraction=0.2&clip_high=0.28",
    "Clip-Cov": "clip-cov?ratio=0.05&lb=0.5&ub=5",
    "KL-Cov": "kl-cov?fraction=0.02&coef=1",
}
"""Other remedies under the same loop, at the settings of the entropy mechanism's embedded runs."""
ADVANTAGES = {
    "positive half": "positive-weighted?weight=0.5",
    "entropy-aware": "entropy-aware?coef=0.4",
}


@dataclass(frozen=True)
class Regimes:
    """Which regimes are trained, and how.

    Attributes:
        lambdas: smallest weights λ_min of the exact estimator.
        main: the one that claims are about, one of them; the official estimator and the controls take it too.
        rate: learning rate.
        slower: factors of the rate for plain GRPO.
        mini_batches: updates of a rollout.
        quadrants: factors that each quadrant's tokens are weighed by, one quadrant at a time; none leaves them out.
        baselines: whether the other remedies are trained.
    """

    lambdas: tuple[float, ...] = (0.3, 0.5, 0.8)
    main: float = 0.5
    rate: float = 1e-3
    slower: tuple[float, ...] = (0.5, 0.25, 0.1)
    mini_batches: int = 4
    quadrants: tuple[float, ...] = (0.5, 2.0)
    baselines: bool = True

    def variants(self) -> list[Variant]:
        """Return all of them, plain GRPO first."""

        def one(name: str, loss: str = PLAIN, advantage: str = "grpo", rate: float = 1.0) -> Variant:
            return Variant(name, loss, advantage, rate=self.rate * rate, mini_batches=self.mini_batches)

        exact = f"steer?estimator=exact&lambda_min={self.main}"
        found = [
            one(GRPO),
            one(NUDGED, rate=1.0001),
            *(one(slower(factor), rate=factor) for factor in self.slower),
        ]
        found += [one(weighted(least), f"steer?estimator=exact&lambda_min={least}") for least in self.lambdas]
        found += [
            one(OFFICIAL, f"steer?estimator=official&lambda_min={self.main}"),
            one(PERMUTED, f"{exact}&permute=true"),
            one(UNWEIGHTED, "steer?estimator=exact&lambda_min=1"),
            one(UNREWARDED, exact),
            one(EXTREME, f"dual-clip?{WIDE}&dual_clip=10"),
            one(EXTREME_WEIGHTED, f"{exact}&{WIDE}"),
        ]
        for quadrant in QUADRANTS:
            found += [
                one(reweighted(quadrant, factor), f"quadrant-weighted?{quadrant}={factor}")
                for factor in self.quadrants
            ]
        if self.baselines:
            found += [one(name, loss) for name, loss in BASELINES.items()]
            found += [one(name, PLAIN, advantage) for name, advantage in ADVANTAGES.items()]
        return found


def slower(factor: float) -> str:
    """Return the name of plain GRPO at a share of its learning rate."""
    return f"GRPO, rate × {factor:g}"


def weighted(least: float) -> str:
    """Return the name of the exact estimator's weights with their smallest."""
    return f"STEER, exact, λ ≥ {least:g}"


def reweighted(quadrant: str, factor: float) -> str:
    """Return the name of plain GRPO with one quadrant's tokens weighed by a factor."""
    return f"{quadrant.replace('_', ' ')} × {factor:g}"


@dataclass(frozen=True)
class Unrewarded(SumComposition):
    """The same prompts and right answers, and nothing is ever paid."""

    def reward(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Float[np.ndarray, " rows"]:
        """Return 0 for every response."""
        return 0.0 * super().reward(prompt, tokens)


def worlds_of(variants: Sequence[Variant], world: SumComposition) -> Mapping[str, PolicyWorld]:
    """Return each regime's world."""
    unrewarded = Unrewarded(world.low, world.high, world.most)
    return {one.name: unrewarded if one.name == UNREWARDED else world for one in variants}
