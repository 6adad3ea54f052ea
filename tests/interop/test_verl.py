"""verl's registries: its signatures as recorded, a stand-in that calls as it does, and its formulas written anew."""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.interop.verl import advantage_estimator, offering, policy_loss, register
from doxa.training.losses.surrogate import dual_clip_loss
from doxa.training.objectives import open_loss
from doxa.training.tokens import TokenStatistics
from tests.training.losses import official
from tests.training.losses.batch import Batch, batch, gradient

POLICY_LOSS = (  # what verl calls a policy loss with, by keyword
    "old_log_prob",
    "log_prob",
    "advantages",
    "response_mask",
    "loss_agg_mode",
    "config",
    "rollout_is_weights",
)
ADVANTAGE = ("token_level_rewards", "response_mask", "config", "index")


def core_algos(*, four: bool = False) -> Any:
    """Return a stand-in of ``verl.trainer.ppo.core_algos`` with the two registries and the aggregation."""

    def with_metrics() -> tuple[torch.Tensor, dict[str, Any]]: ...

    def with_four() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]: ...

    def agg_loss(
        loss_mat: torch.Tensor,
        loss_mask: torch.Tensor,
        loss_agg_mode: str,
        dp_size: int = 1,
        batch_num_tokens: float | None = None,
    ) -> torch.Tensor:
        total = (loss_mat * loss_mask).sum()
        if loss_agg_mode == "token-mean":
            return total / (loss_mask.sum() if batch_num_tokens is None else batch_num_tokens) * dp_size
        assert loss_agg_mode == "seq-mean-token-sum"
        return total / len(loss_mat)

    made = SimpleNamespace(losses={}, advantages={}, agg_loss=agg_loss)
    made.compute_policy_loss_vanilla = with_four if four else with_metrics
    made.register_policy_loss = lambda name: lambda function: made.losses.setdefault(name, function)
    made.register_adv_est = lambda name: lambda function: made.advantages.setdefault(name, function)
    return made


def called(function: Any, one: Batch, **other: Any) -> Any:
    given = {
        "old_log_prob": one.old_logp,
        "log_prob": one.logp,
        "advantages": one.adv[:, None] * one.mask,
        "response_mask": one.mask,
        "loss_agg_mode": "token-mean",
        "config": SimpleNamespace(global_batch_info={}),
        "rollout_is_weights": None,
    }
    return function(**{**given, **other})


def test_signatures_are_those_that_verl_calls():
    loss = inspect.signature(policy_loss("kl-cov", core_algos()))
    loss.bind(**dict.fromkeys(POLICY_LOSS))
    assert tuple(loss.parameters)[: len(POLICY_LOSS)] == POLICY_LOSS
    advantage = inspect.signature(advantage_estimator("grpo"))
    advantage.bind(**dict.fromkeys(ADVANTAGE))
    advantage.bind(**dict.fromkeys((*ADVANTAGE, "reward_baselines")))


@pytest.mark.parametrize("seed", range(3))
def test_kl_cov_is_the_published_formula(seed: int):
    one = batch(seed)
    loss, metrics = called(policy_loss("kl-cov?fraction=0.1", core_algos()), one)
    adv = one.adv[:, None].expand_as(one.logp)
    slow = official.kl_cov(one.logp, one.old_logp, adv, one.mask, 10.0, 1.0)
    torch.testing.assert_close(loss, slow)
    torch.testing.assert_close(gradient(loss, one.logp), gradient(slow, one.logp))
    assert all(isinstance(value, float) for value in metrics.values())
    drift = (one.logp - one.old_logp).detach()
    assert metrics["actor/ppo_kl"] == pytest.approx(float(official.masked_mean(-drift, one.mask)), rel=1e-5)
    assert {"actor/pg_clipfrac", "actor/pg_clipfrac_lower", "actor/covariance"} <= set(metrics)


def test_clip_cov_is_the_published_formula_for_the_tokens_it_chose():
    one = batch(1, drift=0.8)
    made = policy_loss("clip-cov?ratio=0.1&lb=0&ub=1", core_algos())
    adv = one.adv[:, None].expand_as(one.logp)
    losses = {round(float(called(made, one)[0].detach()), 12) for _ in range(30)}
    _, candidates, wanted = official.clip_cov(
        one.logp, one.old_logp, adv, one.mask, 0.1, (0.0, 1.0), torch.zeros_like(one.mask) > 0
    )
    possible: set[float] = set()
    for places in itertools.combinations(candidates, wanted):
        chosen = torch.zeros_like(one.mask) > 0
        for place in places:
            chosen[place] = True
        slow = official.clip_cov(one.logp, one.old_logp, adv, one.mask, 0.1, (0.0, 1.0), chosen)[0]
        possible.add(round(float(slow.detach()), 12))
    assert len(losses) > 1
    assert losses <= possible


def test_vanilla_is_the_dual_clip():
    one = batch(drift=1.0)
    loss, metrics = called(policy_loss("dual-clip?dual_clip=3", core_algos()), one)
    torch.testing.assert_close(loss, dual_clip_loss(*one.four).loss)
    assert metrics["actor/pg_clipfrac"] > 0
    before = called(policy_loss("dual-clip?dual_clip=3", core_algos(four=True)), one)
    assert len(before) == 4
    assert torch.equal(before[0], loss)
    assert [float(value) for value in before[1:]] == pytest.approx(
        [metrics["actor/pg_clipfrac"], metrics["actor/ppo_kl"], metrics["actor/pg_clipfrac_lower"]], rel=1e-5
    )


def test_tokens_are_put_together_by_verl():
    one = batch()
    made = policy_loss("ppo-clip", core_algos())
    per_token = open_loss("ppo-clip")(*one.four).per_token
    weights = torch.rand_like(per_token)
    split = SimpleNamespace(global_batch_info={"dp_size": 2, "batch_num_tokens": 100.0})
    torch.testing.assert_close(called(made, one, config=split)[0], per_token.sum() / 50)
    torch.testing.assert_close(
        called(made, one, rollout_is_weights=weights)[0], (per_token * weights).sum() / one.mask.sum()
    )
    torch.testing.assert_close(
        called(made, one, loss_agg_mode="seq-mean-token-sum", config=None)[0], per_token.sum() / 6
    )


@pytest.mark.parametrize("four", [False, True])
def test_a_micro_batch_of_padding_has_no_loss(four: bool):
    one = batch()
    found = called(policy_loss("kl-cov", core_algos(four=four)), one, response_mask=0 * one.mask)
    assert torch.equal(gradient(found[0], one.logp), 0 * one.mask)
    said = found[1:] if four else found[1].values()
    assert [float(value) for value in said] == [0.0] * 3


def test_entropies_are_offered_or_missed():
    one = batch()
    made = policy_loss("steer", core_algos())
    entropy = one.statistics.entropy.detach()
    plain = open_loss("steer")(*one.four, entropy=entropy).loss
    with pytest.raises(InputError, match="calculate_entropy=True"):
        called(made, one)
    torch.testing.assert_close(called(made, one, entropy=entropy)[0], plain)
    with offering(entropy=entropy):
        torch.testing.assert_close(called(made, one)[0], plain)
    with offering(statistics=one.statistics):
        exact, _ = called(policy_loss("steer?estimator=exact", core_algos()), one)
    torch.testing.assert_close(
        exact, open_loss("steer?estimator=exact")(*one.four, statistics=one.statistics).loss
    )
    with offering(entropy=one.statistics.entropy):
        bonus, _ = called(policy_loss("ppo-clip?entropy_bonus=0.1", core_algos()), one)
    statistics = TokenStatistics(one.logp, one.statistics.entropy)
    torch.testing.assert_close(
        bonus, open_loss("ppo-clip?entropy_bonus=0.1")(*one.four, statistics=statistics).loss
    )
    with pytest.raises(InputError, match="got none"):
        called(made, one)


def slow_grpo(rewards: torch.Tensor, index: np.ndarray, mask: torch.Tensor) -> torch.Tensor:
    scores = rewards.sum(-1)
    found = torch.zeros_like(scores)
    for i, name in enumerate(index):
        others = scores[[k for k, other in enumerate(index) if other == name]]
        mean, deviation = (others.mean(), others.std()) if len(others) > 1 else (0.0, 1.0)
        found[i] = (scores[i] - mean) / (deviation + 1e-6)
    return found[:, None] * mask


def test_advantages_are_verls():
    one = batch(rows=9)
    index = np.array(["a", "b", "a", "c", "b", "a", "b", "a", "a"], dtype=object)
    rewards = torch.rand(9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * one.mask
    made = advantage_estimator("grpo")
    advantages, returns = made(token_level_rewards=rewards, response_mask=one.mask, index=index, config=None)
    torch.testing.assert_close(advantages, slow_grpo(rewards, index, one.mask))
    assert torch.equal(advantages, returns)
    mixed, _ = advantage_estimator("shuffled")(rewards, one.mask, index=index)
    torch.testing.assert_close(mixed[:, 0].sort().values, advantages[:, 0].sort().values)
    assert not torch.equal(mixed, advantages)
    with pytest.raises(InputError, match="needs index"):
        made(rewards, one.mask)
    with pytest.raises(InputError, match="gives its estimators none"):
        advantage_estimator("entropy-aware")
    with pytest.raises(InputError, match="leave agg out"):
        policy_loss("ppo-clip?agg=token-mean", core_algos())


def test_registering():
    made = core_algos()
    register(core_algos=made)
    assert {"doxa_kl_cov", "doxa_clip_cov", "doxa_steer", "doxa_ppo_clip"} <= set(made.losses)
    assert set(made.advantages) == {"doxa_grpo", "doxa_opo", "doxa_rloo", "doxa_shuffled"}
    other = core_algos()
    register({"mine": "kl-cov?fraction=0.5"}, {"my_grpo": "grpo?scale=none"}, core_algos=other)
    assert set(other.losses) == {"mine"}
    one = batch()
    assert called(other.losses["mine"], one)[1]["actor/fraction_selected"] == pytest.approx(0.5, abs=0.05)


def test_one_module_registers_everything(monkeypatch: pytest.MonkeyPatch):
    made = core_algos()
    for name in ("verl", "verl.trainer", "verl.trainer.ppo"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "verl.trainer.ppo.core_algos", made)
    importlib.import_module("doxa.interop.verl.registered")
    assert "doxa_kl_cov" in made.losses
