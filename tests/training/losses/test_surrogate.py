from __future__ import annotations

import math

import pytest
import torch

from doxa.training.losses.surrogate import dual_clip_loss, policy_gradient_loss, ppo_clip_loss
from tests.training.losses import official
from tests.training.losses.batch import batch, gradient


def test_by_hand():
    ratio = torch.tensor([[0.5, 1.0, 1.5], [0.5, 1.0, 5.0]], dtype=torch.float64)
    adv, mask, old = (
        torch.tensor([1.0, -1.0], dtype=torch.float64),
        torch.ones(2, 3),
        torch.full((2, 3), -2.0),
    )
    logp = (old.double() + ratio.log()).requires_grad_()
    ppo = ppo_clip_loss(logp, old.double(), adv, mask)
    torch.testing.assert_close(
        ppo.per_token, torch.tensor([[-0.5, -1.0, -1.2], [0.8, 1.0, 5.0]], dtype=torch.float64)
    )
    assert float(ppo.loss.detach()) == pytest.approx((-2.7 + 6.8) / 6)
    assert float(ppo.metrics["clip_fraction_high"]) == pytest.approx(1 / 6)
    assert float(ppo.metrics["clip_fraction_low"]) == pytest.approx(1 / 6)
    dual = dual_clip_loss(logp, old.double(), adv, mask)
    assert float(dual.per_token[1, 2].detach()) == 3.0
    assert float(dual.metrics["dual_clip_fraction"]) == pytest.approx(1 / 6)
    plain = policy_gradient_loss(logp, old.double(), adv, mask)
    torch.testing.assert_close(plain.per_token, -adv[:, None] * ratio)
    assert plain.weights.tolist() == [[1.0] * 3] * 2
    assert float(plain.metrics["ratio_max"]) == pytest.approx(5.0)


@pytest.mark.parametrize("loss", [policy_gradient_loss, ppo_clip_loss, dual_clip_loss])
def test_on_policy_the_gradient_is_minus_the_advantage_over_the_tokens(loss):
    one = batch(drift=0.0)
    out = loss(*one.four)
    torch.testing.assert_close(gradient(out.loss, one.logp), -one.adv[:, None] * one.mask / one.mask.sum())


@pytest.mark.parametrize("seed", range(3))
def test_dual_clip_is_the_slow_loop(seed: int):
    one = batch(seed, drift=2.0)
    out = dual_clip_loss(*one.four, clip_high=0.28, dual_clip=2.0)
    for place in torch.nonzero(one.mask > 0).tolist():
        i, t = place
        slow = official.dual_clip(
            float(one.logp[i, t].detach()), float(one.old_logp[i, t]), float(one.adv[i]), 0.2, 0.28, 2.0
        )
        assert float(out.per_token[i, t].detach()) == pytest.approx(slow)


def test_a_bound_of_infinity_is_plain_ppo():
    one = batch(drift=2.0)
    assert torch.equal(
        dual_clip_loss(*one.four, dual_clip=math.inf).per_token, ppo_clip_loss(*one.four).per_token
    )


def test_the_entropy_bonus_is_the_mean_entropy():
    one = batch()
    plain, with_bonus = (
        ppo_clip_loss(*one.four, statistics=one.statistics, entropy_bonus=c) for c in (0.0, 0.1)
    )
    mean = (one.statistics.entropy * one.mask).sum() / one.mask.sum()
    torch.testing.assert_close(with_bonus.loss, plain.loss - 0.1 * mean)
    torch.testing.assert_close(
        torch.autograd.grad(with_bonus.loss, one.logits, retain_graph=True)[0],
        torch.autograd.grad(plain.loss - 0.1 * mean, one.logits)[0],
    )
