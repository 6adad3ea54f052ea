"""The ways to train that are compared: GRPO, the published remedies at several ratios, slower GRPO, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from doxa.errors import InputError
from doxa.training.policy_plan import Variant

Kind: TypeAlias = Literal[
    "GRPO", "slower GRPO", "Clip-higher", "KL-Cov", "Clip-Cov", "entropy bonus", "control"
]

GRPO, PLAIN, BETA_ZERO, SHUFFLED = "GRPO", "policy gradient", "KL-Cov, β = 0", "shuffled advantages"
RANDOM = ", random tokens"
SHUFFLED_SLOW = f"{SHUFFLED}, slowest rate"
JUDGED = {"KL-Cov": 0.02, "Clip-Cov": 0.05}
"""The shares of tokens that the claims and the random choices are about, where they are among those run."""


class Method(NamedTuple):
    """A way to train and what it is compared as."""

    kind: Kind
    variant: Variant

    @property
    def name(self) -> str:
        """What it is called in tables and figures."""
        return self.variant.name


@dataclass(frozen=True)
class Ratios:
    """How strongly each remedy acts.

    Attributes:
        rate: learning rate of all but the slower ones.
        slower: factors of the rate of slower GRPO.
        clip_high: ε above 1 of Clip-higher.
        kl_fractions: shares of tokens that KL-Cov penalises, β = 1.
        clip_ratios: shares of tokens whose gradient Clip-Cov takes.
        band: bounds of the covariance of those.
        bonus: c of the entropy bonus.
        mini_batches: updates made of one rollout.
    """

    rate: float = 1e-3
    slower: tuple[float, ...] = (0.5, 0.25, 0.1)
    clip_high: float = 0.28
    kl_fractions: tuple[float, ...] = (0.002, 0.01, 0.02, 0.1)
    clip_ratios: tuple[float, ...] = (0.005, 0.02, 0.05)
    band: tuple[float, ...] = (0.5, 5.0)
    bonus: float = 0.02
    mini_batches: int = 4

    def __post_init__(self) -> None:
        if not (self.slower and self.kl_fractions and self.clip_ratios):
            raise InputError("slower, kl_fractions and clip_ratios: give at least one value each")
        if any(not 0.0 < factor < 1.0 for factor in self.slower):
            raise InputError(f"slower={self.slower}: must be factors in (0, 1), as 0.5")
        if len(self.band) != 2 or not self.band[0] < self.band[1]:
            raise InputError(
                f"band={self.band}: must be two bounds of the covariance, the lower first, as 0.5,5"
            )
        if self.mini_batches < 2:
            raise InputError(
                f"mini_batches={self.mini_batches}: must be >= 2; with one update to a rollout KL-Cov has no effect"
            )


def methods(ratios: Ratios) -> list[Method]:
    """Return all ways to train."""

    def of(
        kind: Kind, name: str, loss: str = "ppo-clip", advantage: str = "grpo", factor: float = 1.0
    ) -> Method:
        return Method(
            kind,
            Variant(name, loss, advantage, rate=ratios.rate * factor, mini_batches=ratios.mini_batches),
        )

    low, high = ratios.band
    band = f"lb={low:g}&ub={high:g}"
    fraction, ratio = _judged("KL-Cov", ratios.kl_fractions), _judged("Clip-Cov", ratios.clip_ratios)
    return [
        of("GRPO", GRPO),
        *(
            of("slower GRPO", f"{GRPO}, rate × {factor:g}", factor=factor)
            for factor in _falling(ratios.slower)
        ),
        of("Clip-higher", "Clip-higher", f"ppo-clip?clip_high={ratios.clip_high:g}"),
        *(
            of("KL-Cov", share_name("KL-Cov", share), f"kl-cov?fraction={share:g}")
            for share in sorted(set(ratios.kl_fractions))
        ),
        *(
            of("Clip-Cov", share_name("Clip-Cov", share), f"clip-cov?ratio={share:g}&{band}")
            for share in sorted(set(ratios.clip_ratios))
        ),
        of("entropy bonus", "entropy bonus", f"ppo-clip?entropy_bonus={ratios.bonus:g}"),
        of("control", share_name("KL-Cov", fraction) + RANDOM, f"kl-cov?fraction={fraction:g}&select=random"),
        of(
            "control",
            share_name("Clip-Cov", ratio) + RANDOM,
            f"clip-cov?ratio={ratio:g}&{band}&select=random",
        ),
        of("control", SHUFFLED, advantage="shuffled"),
        of("control", SHUFFLED_SLOW, advantage="shuffled", factor=min(ratios.slower)),
        of("control", PLAIN, "policy-gradient"),
        of("control", BETA_ZERO, f"kl-cov?fraction={fraction:g}&coef=0"),
    ]


def share_name(method: str, share: float) -> str:
    """Return a method's name with the share of tokens it acts on.

    >>> share_name("KL-Cov", 0.002)
    'KL-Cov 0.2 %'
    """
    return f"{method} {100 * share:g} %"


def claimed(found: Sequence[Method], method: Literal["KL-Cov", "Clip-Cov"]) -> str:
    """Return the name of the KL-Cov or Clip-Cov that claims and random choices are about."""
    return next(
        one.name.removesuffix(RANDOM) for one in found if one.name.startswith(method) and RANDOM in one.name
    )


def _judged(method: str, shares: Sequence[float]) -> float:
    return JUDGED[method] if JUDGED[method] in shares else max(shares)


def named(found: Sequence[Method], kind: Kind) -> list[str]:
    """Return the names of all methods of a kind, in their order."""
    return [method.name for method in found if method.kind == kind]


def _falling(factors: Sequence[float]) -> list[float]:
    return sorted(set(factors), reverse=True)
