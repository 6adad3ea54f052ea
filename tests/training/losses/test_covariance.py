from __future__ import annotations

import math

import pytest
import torch

from doxa.streams import torch_stream
from doxa.training.losses.covariance import clip_cov_loss, kl_cov_loss
from doxa.training.losses.surrogate import policy_gradient_loss, ppo_clip_loss
from tests.training.losses import official
from tests.training.losses.batch import batch, gradient

WIDE = {"clip_low": 1.0, "clip_high": 1.0}


def choice(seed: int = 0) -> torch.Generator:
    return torch_stream(seed, "choice")


@pytest.mark.parametrize("seed", range(5))
def test_clip_cov_is_the_slow_definition(seed: int):
    one = batch(seed, drift=0.8)
    for ratio, band in ((0.1, (0.0, 1.0)), (2e-4, (0.5, 5.0)), (1.0, (-0.3, 0.3))):
        out = clip_cov_loss(*one.four, ratio=ratio, lb=band[0], ub=band[1], generator=choice(seed))
        chosen = (out.weights == 0) & (one.mask > 0)
        adv = one.adv[:, None].expand_as(one.logp)
        slow, candidates, wanted = official.clip_cov(
            one.logp, one.old_logp, adv, one.mask, ratio, band, chosen
        )
        assert int(chosen.sum()) == wanted
        assert {tuple(place) for place in chosen.nonzero().tolist()} <= set(candidates)
        torch.testing.assert_close(out.loss, slow)
        torch.testing.assert_close(gradient(out.loss, one.logp), gradient(slow, one.logp))
        assert float(out.metrics["fraction_selected"]) == pytest.approx(wanted / float(one.mask.sum()))


def test_an_empty_band_is_ppo_exactly():
    one = batch()
    out = clip_cov_loss(*one.four, ratio=0.5, lb=3.0, ub=3.0, generator=choice())
    assert torch.equal(out.per_token, ppo_clip_loss(*one.four, **WIDE).per_token)


def test_the_widest_band_takes_every_gradient_that_ppo_leaves():
    one = batch(drift=1.5)
    out = clip_cov_loss(*one.four, ratio=1.0, lb=-math.inf, ub=math.inf, generator=choice())
    slope = gradient(out.loss, one.logp)
    assert torch.equal(slope, torch.zeros_like(slope))
    assert (ppo_clip_loss(*one.four, **WIDE).metrics["clip_fraction_high"] > 0).item()


def test_the_choice_hangs_on_the_generator_alone():
    one = batch()
    state = torch.get_rng_state()
    first, again, other = (
        clip_cov_loss(*one.four, ratio=0.2, lb=-9.0, ub=9.0, generator=choice(seed)).weights
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k_percent", [0.02, 5.0, 40.0])
def test_kl_cov_is_the_slow_definition(seed: int, k_percent: float):
    one = batch(seed)
    out = kl_cov_loss(*one.four, fraction=k_percent / 100, coef=0.7)
    adv = one.adv[:, None].expand_as(one.logp)
    slow = official.kl_cov(one.logp, one.old_logp, adv, one.mask, k_percent, 0.7)
    torch.testing.assert_close(out.loss, slow)
    torch.testing.assert_close(gradient(out.loss, one.logp), gradient(slow, one.logp))


def test_penalising_every_token():
    one = batch()
    out = kl_cov_loss(*one.four, fraction=1.0, coef=0.5)
    drift = ((one.logp - one.old_logp) * one.mask).detach()
    expected = -one.adv[:, None] * one.mask * (one.logp - one.old_logp).exp() + 0.5 * drift.abs()
    torch.testing.assert_close(out.per_token, expected)
    assert float(out.metrics["kl_abs"]) == pytest.approx(float(drift.abs().sum() / one.mask.sum()))


def test_no_penalty_is_the_unclipped_policy_gradient_exactly():
    one = batch()
    assert torch.equal(
        kl_cov_loss(*one.four, fraction=0.3, coef=0.0).per_token, policy_gradient_loss(*one.four).per_token
    )


def test_on_the_first_update_kl_cov_does_nothing():
    one = batch(drift=0.0)
    slopes = [
        gradient(out.loss, one.logp)
        for out in (kl_cov_loss(*one.four, fraction=1.0), policy_gradient_loss(*one.four))
    ]
    assert torch.equal(*slopes)


def test_the_control_takes_as_many_tokens_at_random():
    one = batch(rows=20)
    top = kl_cov_loss(*one.four, fraction=0.1)
    random = kl_cov_loss(*one.four, fraction=0.1, select="random", generator=choice())
    assert random.metrics["fraction_selected"] == top.metrics["fraction_selected"]
    assert random.metrics["covariance_selected"] < top.metrics["covariance_selected"]
    band = clip_cov_loss(*one.four, ratio=0.1, lb=0.5, ub=9.0, generator=choice())
    control = clip_cov_loss(*one.four, ratio=0.1, lb=0.5, ub=9.0, select="random", generator=choice())
    assert control.metrics["fraction_selected"] == band.metrics["fraction_selected"]
    assert control.metrics["covariance_selected"] < band.metrics["covariance_selected"]


def test_a_share_of_29_in_100_is_29_tokens():
    rng = torch_stream(0, "twenty-nine")
    logp = -torch.rand(10, 10, generator=rng)
    out = kl_cov_loss(logp, logp - 0.1, torch.randn(10, generator=rng), torch.ones(10, 10), fraction=0.29)
    assert float(out.metrics["fraction_selected"]) == pytest.approx(0.29)
