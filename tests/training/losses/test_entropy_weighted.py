from __future__ import annotations

import pytest
import torch

from doxa.streams import torch_stream
from doxa.training.entropy_change import entropy_change, steer_weights
from doxa.training.losses.entropy_weighted import steer_loss, top_entropy_loss
from doxa.training.losses.surrogate import dual_clip_loss, ppo_clip_loss
from tests.training.losses import official
from tests.training.losses.batch import Batch, batch, gradient

PUBLISHED = {"clip_low": 0.2, "clip_high": 0.28, "dual_clip": 10.0}


def places(one: Batch) -> list[list[int]]:
    return torch.nonzero(one.mask > 0).tolist()


def test_official_steer_is_the_slow_definition():
    one = batch(drift=0.5, dtype=torch.float32)
    entropy = one.statistics.entropy.detach()
    for linear, low, high in ((False, 0.8, 1.0), (True, 0.8, 1.2)):
        out = steer_loss(
            *one.four, entropy, kind="linear" if linear else "exp", lambda_min=low, lambda_max=high
        )
        omegas = [
            official.steer_omega(
                *(float(x[i, t]) for x in (one.logp.detach(), one.old_logp)),
                float(one.adv[i]),
                float(entropy[i, t]),
            )
            for i, t in places(one)
        ]
        expected = official.steer_weights(omegas, low, high, linear)
        got = [float(out.weights[i, t]) for i, t in places(one)]
        assert got == pytest.approx(expected, rel=1e-4)
        plain = dual_clip_loss(*one.four, **PUBLISHED)
        torch.testing.assert_close(
            gradient(out.loss, one.logp), gradient(plain.loss, one.logp) * out.weights, rtol=1e-5, atol=1e-7
        )
        assert float(out.metrics["lambda_mean"]) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_change_has_exactly_the_least_weight(dtype: torch.dtype):
    one = batch(dtype=dtype)
    out = steer_loss(*one.four, statistics=one.statistics, lambda_min=0.3)
    assert out.metrics["lambda_min"] == torch.tensor(0.3, dtype=dtype)
    assert out.loss.dtype == dtype


def test_exact_steer_weighs_by_the_exact_change():
    one = batch(drift=0.5)
    out = steer_loss(*one.four, statistics=one.statistics, estimator="exact", lambda_min=0.5)
    ratio = (one.logp - one.old_logp).exp().detach()
    adv = one.adv[:, None].expand_as(ratio)
    gone = ((adv > 0) & (ratio > 1.28)) | ((adv < 0) & (ratio < 0.8)) | ((adv < 0) & (ratio > 10.0))
    assert gone[one.mask > 0].any()
    change = entropy_change(one.logits.detach(), one.tokens, adv, ratio, gone)
    torch.testing.assert_close(out.weights, steer_weights(change, one.mask, 0.5))


def test_weight_one_is_the_dual_clip_bit_for_bit():
    one = batch()
    plain = dual_clip_loss(*one.four, **PUBLISHED)
    for options in ({}, {"kind": "linear", "lambda_max": 1.0}, {"estimator": "exact"}):
        out = steer_loss(*one.four, statistics=one.statistics, lambda_min=1.0, **options)
        assert torch.equal(out.per_token, plain.per_token)
        assert torch.equal(out.loss, plain.loss)
    given = steer_loss(*one.four, weights=torch.full_like(one.mask, 0.5))
    assert torch.equal(given.per_token, plain.per_token * 0.5)


def test_no_advantage_no_change():
    one = batch()
    for estimator in ("official", "squared", "own_logit", "exact"):
        out = steer_loss(
            one.logp, one.old_logp, torch.zeros(6), one.mask, statistics=one.statistics, estimator=estimator
        )
        assert torch.equal(out.weights, one.mask)
        assert float(out.loss.detach()) == 0.0


def test_permuted_weights_are_the_same_weights_elsewhere():
    one = batch()
    plain = steer_loss(*one.four, statistics=one.statistics)
    permuted = steer_loss(
        *one.four, statistics=one.statistics, permute=True, generator=torch_stream(0, "permute")
    )
    assert not torch.equal(plain.weights, permuted.weights)
    assert torch.equal(plain.weights.flatten().sort().values, permuted.weights.flatten().sort().values)
    assert torch.equal(permuted.weights > 0, one.mask > 0)


def test_top_entropy_keeps_the_tokens_of_highest_entropy():
    one = batch(rows=20)
    entropy = one.statistics.entropy.detach()
    out = top_entropy_loss(*one.four, entropy=entropy)
    valid = one.mask > 0
    kept = valid & (entropy >= entropy[valid].quantile(0.8))
    assert float(out.metrics["fraction_selected"]) == pytest.approx(0.2, abs=0.02)
    assert torch.equal(out.weights > 0, kept)
    torch.testing.assert_close(out.per_token, ppo_clip_loss(*one.four).per_token * kept)
    assert torch.equal(top_entropy_loss(*one.four, entropy=entropy, fraction=1.0).weights, one.mask)
