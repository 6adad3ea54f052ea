"""How beliefs are trained: continued training and what it does to what a model knows; policies and their objectives.

Names load their modules, and with them torch, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.training.advantages import grpo_advantage, opo_advantage, rloo_advantage
    from doxa.training.aggregation import aggregate_loss, masked_mean
    from doxa.training.batches import ObjectiveWarning, warn_far_ratio
    from doxa.training.dashboard import training_figures
    from doxa.training.entropy_change import (
        covariance_law,
        covariance_metrics,
        entropy_change_first_order,
        measure_entropy_change,
        official_omega,
        quadrants,
        steer_weights,
        token_covariance,
    )
    from doxa.training.entropy_law import EntropyLaw
    from doxa.training.evaluation import evaluate_policy, majority_at_k, pass_at_k
    from doxa.training.losses.base import LossOutput
    from doxa.training.losses.covariance import clip_cov_loss, kl_cov_loss
    from doxa.training.losses.entropy_weighted import steer_loss, top_entropy_loss
    from doxa.training.losses.surrogate import dual_clip_loss, policy_gradient_loss, ppo_clip_loss
    from doxa.training.monitor import EntropyMonitor
    from doxa.training.objectives import Advantage, TokenLoss, open_advantage, open_loss, warn_few_updates
    from doxa.training.policy_loop import PolicyRun, train_policy
    from doxa.training.policy_plan import PolicyPlan, PolicyWorld, Variant
    from doxa.training.tokens import TokenStatistics, token_entropy, token_log_probs, token_statistics

__all__ = [
    "Advantage",
    "EntropyLaw",
    "EntropyMonitor",
    "LossOutput",
    "ObjectiveWarning",
    "PolicyPlan",
    "PolicyRun",
    "PolicyWorld",
    "TokenLoss",
    "TokenStatistics",
    "Variant",
    "aggregate_loss",
    "clip_cov_loss",
    "covariance_law",
    "covariance_metrics",
    "dual_clip_loss",
    "entropy_change_first_order",
    "evaluate_policy",
    "grpo_advantage",
    "kl_cov_loss",
    "majority_at_k",
    "masked_mean",
    "measure_entropy_change",
    "official_omega",
    "open_advantage",
    "open_loss",
    "opo_advantage",
    "pass_at_k",
    "policy_gradient_loss",
    "ppo_clip_loss",
    "quadrants",
    "rloo_advantage",
    "steer_loss",
    "steer_weights",
    "token_covariance",
    "token_entropy",
    "token_log_probs",
    "token_statistics",
    "top_entropy_loss",
    "train_policy",
    "training_figures",
    "warn_far_ratio",
    "warn_few_updates",
]

__getattr__ = loader(
    __name__,
    {
        "Advantage": "objectives",
        "EntropyLaw": "entropy_law",
        "EntropyMonitor": "monitor",
        "LossOutput": "losses.base",
        "ObjectiveWarning": "batches",
        "PolicyPlan": "policy_plan",
        "PolicyRun": "policy_loop",
        "PolicyWorld": "policy_plan",
        "TokenLoss": "objectives",
        "TokenStatistics": "tokens",
        "Variant": "policy_plan",
        "aggregate_loss": "aggregation",
        "clip_cov_loss": "losses.covariance",
        "covariance_law": "entropy_change",
        "covariance_metrics": "entropy_change",
        "dual_clip_loss": "losses.surrogate",
        "entropy_change_first_order": "entropy_change",
        "evaluate_policy": "evaluation",
        "grpo_advantage": "advantages",
        "kl_cov_loss": "losses.covariance",
        "majority_at_k": "evaluation",
        "masked_mean": "aggregation",
        "measure_entropy_change": "entropy_change",
        "official_omega": "entropy_change",
        "open_advantage": "objectives",
        "open_loss": "objectives",
        "opo_advantage": "advantages",
        "pass_at_k": "evaluation",
        "policy_gradient_loss": "losses.surrogate",
        "ppo_clip_loss": "losses.surrogate",
        "quadrants": "entropy_change",
        "rloo_advantage": "advantages",
        "steer_loss": "losses.entropy_weighted",
        "steer_weights": "entropy_change",
        "token_covariance": "entropy_change",
        "token_entropy": "tokens",
        "token_log_probs": "tokens",
        "token_statistics": "tokens",
        "top_entropy_loss": "losses.entropy_weighted",
        "train_policy": "policy_loop",
        "training_figures": "dashboard",
        "warn_far_ratio": "batches",
        "warn_few_updates": "objectives",
    },
)
