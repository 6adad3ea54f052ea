"""The map from rewards to policies: how a small change of the reward moves what is optimal, and what is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.training.reward_policy.audit import RewardAudit, reward_audit
    from doxa.training.reward_policy.maps import StabilityCurve, reward_policy_map
    from doxa.training.reward_policy.perturbation import (
        cliff_perturbation,
        effective_reward,
        incomplete_reward_gap,
        lipschitz_bound,
        potential_shaping,
        stability_radius,
    )

__all__ = [
    "RewardAudit",
    "StabilityCurve",
    "cliff_perturbation",
    "effective_reward",
    "incomplete_reward_gap",
    "lipschitz_bound",
    "potential_shaping",
    "reward_audit",
    "reward_policy_map",
    "stability_radius",
]

__getattr__ = loader(
    __name__,
    {
        "RewardAudit": "audit",
        "StabilityCurve": "maps",
        "cliff_perturbation": "perturbation",
        "effective_reward": "perturbation",
        "incomplete_reward_gap": "perturbation",
        "lipschitz_bound": "perturbation",
        "potential_shaping": "perturbation",
        "reward_audit": "audit",
        "reward_policy_map": "maps",
        "stability_radius": "perturbation",
    },
)
