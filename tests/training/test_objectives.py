from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.losses.base import LossOutput, losses
from doxa.training.losses.surrogate import ppo_clip_loss
from doxa.training.objectives import TokenLoss, open_loss
from tests.training.losses.batch import Batch, batch, gradient

ADDRESSES = (
    "policy-gradient",
    "ppo-clip?clip_high=0.28",
    "ppo-clip?entropy_bonus=0.02",
    "dual-clip?agg=seq-mean-token-mean",
    "clip-cov?ratio=0.1&lb=-1&ub=1",
    "clip-cov?ratio=0.1&select=random",
    "kl-cov?fraction=0.1&coef=2",
    "kl-cov?fraction=0.1&select=random",
    "steer",
    "steer?estimator=exact&lambda_min=0.5",
    "steer?estimator=squared&kind=linear&lambda_max=1.2",
    "steer?estimator=own_logit&permute=true",
    "top-entropy?fraction=0.5",
    "quadrant-weighted?positive_rare=2&negative_likely=0.5",
)


def called(loss: TokenLoss, one: Batch, **other: torch.Tensor) -> LossOutput:
    statistics = one.statistics
    if "entropy" in other:
        statistics = statistics._replace(entropy=other["entropy"])
    return loss(
        other.get("logp", one.logp),
        other.get("old_logp", one.old_logp),
        other.get("adv", one.adv),
        other.get("mask", one.mask),
        entropy=statistics.entropy.detach(),
        statistics=statistics,
        generator=torch_stream(0, "choice"),
    )


def test_needs():
    found = {address: open_loss(address).needs for address in ADDRESSES}
    assert found["policy-gradient"] == frozenset()
    assert found["ppo-clip?entropy_bonus=0.02"] == {"entropy_gradient"}
    assert found["clip-cov?ratio=0.1&lb=-1&ub=1"] == {"generator"}
    assert found["kl-cov?fraction=0.1&coef=2"] == frozenset()
    assert found["kl-cov?fraction=0.1&select=random"] == {"generator"}
    assert found["steer"] == {"entropy"}
    assert found["steer?estimator=exact&lambda_min=0.5"] == {"entropy", "concentration"}
    assert found["steer?estimator=own_logit&permute=true"] == {"entropy", "generator"}
    assert found["top-entropy?fraction=0.5"] == {"entropy"}
    assert found["quadrant-weighted?positive_rare=2&negative_likely=0.5"] == {"entropy"}
    assert {address.partition("?")[0] for address in ADDRESSES} == set(losses.names())


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_masked_changes_nothing(address: str):
    one, loss = batch(), open_loss(address)
    plain = called(loss, one)
    slope = gradient(plain.loss, one.logp)
    padding = one.mask == 0
    adv = one.adv[:, None].expand_as(one.logp)
    for rubbish in (math.nan, math.inf, 7.0):
        dirty = {
            "logp": torch.where(padding, rubbish, one.logp),
            "old_logp": torch.where(padding, rubbish, one.old_logp),
            "adv": torch.where(padding, rubbish, adv),
            "entropy": torch.where(padding, rubbish, one.statistics.entropy),
        }
        out = called(loss, one, **dirty)
        assert torch.equal(out.loss, plain.loss)
        assert torch.equal(out.per_token, plain.per_token)
        assert torch.equal(gradient(out.loss, one.logp), slope)
        assert {k: float(v) for k, v in out.metrics.items()} == {
            k: float(v) for k, v in plain.metrics.items()
        }


@pytest.mark.parametrize("address", ADDRESSES)
def test_columns_of_padding_change_nothing(address: str):
    one, loss = batch(), open_loss(address)
    wider = Batch(
        *(torch.nn.functional.pad(x, (0, 3)) if x.shape == one.mask.shape else x for x in one[:6]),
        one.statistics,
    )
    statistics = one.statistics._replace(
        entropy=torch.nn.functional.pad(one.statistics.entropy, (0, 3)),
        concentration=torch.nn.functional.pad(one.statistics.concentration, (0, 3)),
    )
    got, plain = called(loss, wider._replace(statistics=statistics)), called(loss, one)
    torch.testing.assert_close(got.loss, plain.loss)
    torch.testing.assert_close(got.per_token[:, :8], plain.per_token)
    torch.testing.assert_close(got.weights[:, :8], plain.weights)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_loss_gives_back(address: str, dtype: torch.dtype):
    one = batch(dtype=dtype)
    loss = open_loss(address)
    out = called(loss, one)
    assert out.loss.dtype == out.per_token.dtype == out.weights.dtype == dtype
    assert out.loss.isfinite()
    assert out.loss.requires_grad
    assert not out.weights.requires_grad
    assert (out.weights[one.mask == 0] == 0).all()
    assert all(not value.requires_grad and value.ndim == 0 for value in out.metrics.values())
    broadcast = called(loss, one, adv=one.adv[:, None].expand_as(one.logp))
    assert torch.equal(broadcast.loss, out.loss)


@pytest.mark.parametrize("address", ADDRESSES)
def test_gradients_are_those_of_finite_differences(address: str):
    one, loss = batch(rows=3, time=4), open_loss(address)
    slope = torch.autograd.grad(called(loss, one).loss, one.logp, retain_graph=True)[0]
    logp = one.logp.detach()
    step = 1e-6
    kinks = {"policy-gradient", "ppo-clip", "dual-clip", "kl-cov", "top-entropy"}
    if address.partition("?")[0] not in kinks:
        return  # their choices and weights move with the log-probabilities and carry no gradient, by definition
    for i, t in torch.nonzero(one.mask > 0).tolist():
        ends = [logp.clone() for _ in range(2)]
        ends[0][i, t] -= step
        ends[1][i, t] += step
        low, high = (float(called(loss, one, logp=end).loss.detach()) for end in ends)
        assert (high - low) / (2 * step) == pytest.approx(float(slope[i, t]), abs=1e-7)


BAD: tuple[tuple[str, str, Callable[[Batch], dict[str, torch.Tensor]]], ...] = (
    ("ppo-clip", "no response tokens", lambda one: {"mask": torch.zeros_like(one.mask)}),
    ("ppo-clip", "old_logp requires a gradient", lambda one: {"old_logp": one.logp}),
    ("ppo-clip", "log-probabilities are at most 0", lambda one: {"logp": -one.logp}),
    ("ppo-clip", "old_logp reaches", lambda one: {"old_logp": -one.old_logp}),
    ("ppo-clip", "logits of a whole vocabulary", lambda one: {"logp": one.logits}),
    ("ppo-clip", "all three must be", lambda one: {"mask": one.mask[:, :-1]}),
    ("ppo-clip", "advantages of shape", lambda one: {"adv": one.adv[:-1]}),
    ("ppo-clip", "an advantage is NaN", lambda one: {"adv": one.adv.log()}),
    ("ppo-clip", "logp is NaN where the mask is 1", lambda one: {"logp": one.logp * math.nan}),
    ("ppo-clip", "old_logp is NaN", lambda one: {"old_logp": one.old_logp * math.nan}),
    ("kl-cov?fraction=2", "2 % of the tokens is fraction=0.02", lambda one: {}),
    ("clip-cov?ratio=20", "20 % of the tokens is ratio=0.2", lambda one: {}),
    ("top-entropy?fraction=0", "must be a fraction", lambda one: {}),
    ("kl-cov?coef=-1", "coef=-1", lambda one: {}),
    ("ppo-clip?clip_low=1.5", "clip_low=1.5", lambda one: {}),
    ("dual-clip?dual_clip=1", "dual_clip=1", lambda one: {}),
    ("steer?lambda_min=0", r"lambda_min=0: must be in \(0, 1\]", lambda one: {}),
    ("steer?lambda_min=1.1", "lambda_min=1.1", lambda one: {}),
    ("steer?kind=linear&lambda_min=1.2", "min <= max", lambda one: {}),
    ("steer?floor=0", "floor=0", lambda one: {}),
    ("steer", "at least 0 nats", lambda one: {"entropy": -one.statistics.entropy}),
    ("steer?vocabulary=2", "at most ln 2", lambda one: {}),
    ("steer?estimator=exact&vocabulary=2", "at most ln 2", lambda one: {}),
    ("quadrant-weighted", "entropy of shape", lambda one: {"entropy": one.statistics.entropy[:, 1:]}),
    ("steer", "entropy of shape", lambda one: {"entropy": one.statistics.entropy[:, 1:]}),
)


@pytest.mark.parametrize(("address", "message", "other"), BAD, ids=[f"{one[0]}-{one[1][:20]}" for one in BAD])
def test_bad_input_is_named(address: str, message: str, other: Callable[[Batch], dict[str, torch.Tensor]]):
    one = batch()
    with pytest.raises(InputError, match=message):
        called(open_loss(address), one, **other(one))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("clip-cov", "generator"),
        ("kl-cov?select=random", "generator"),
        ("steer", "compute_entropy=True"),
        ("steer?estimator=exact", "concentration=True"),
        ("steer?permute=true", "compute_entropy=True"),
        ("top-entropy", "calculate_entropy=True"),
        ("ppo-clip?entropy_bonus=0.1", "with their gradient"),
    ],
)
def test_what_is_missing_is_named(address: str, message: str):
    one = batch()
    with pytest.raises(InputError, match=message):
        open_loss(address)(*one.four)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("kl_cov", "did you mean 'kl-cov'"),
        ("kl-cov?fractoin=0.1", "did you mean 'fraction'"),
        ("kl-cov?fraction=two", "must be a number"),
        ("kl-cov?entropy=1", "has no option 'entropy'"),
        ("ppo-clip?agg=token_mean", "did you mean 'token-mean'"),
        ("steer?permute=yes", "true or false"),
        ("kl-cov?fraction", "options are name=value"),
    ],
)
def test_a_wrong_address_is_named(address: str, message: str):
    with pytest.raises(InputError, match=message):
        open_loss(address)


def test_a_loss_of_ones_own():
    def hopeful(
        logp: torch.Tensor, old_logp: Any, adv: Any, mask: Any, *, entropy: Any, power: float = 2.0
    ) -> Any:
        """Weigh by a power of the entropy."""
        return ppo_clip_loss(logp, old_logp, adv * entropy.mean() ** power, mask)

    losses.add("hopeful-for-tests", hopeful)
    try:
        loss = open_loss("hopeful-for-tests?power=0")
        assert loss.needs == {"entropy"}
        one = batch()
        assert torch.equal(called(loss, one).loss, ppo_clip_loss(*one.four).loss)
    finally:
        del losses._known["hopeful-for-tests"]
