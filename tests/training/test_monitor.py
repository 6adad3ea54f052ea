from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.batch_covariance import batch_of, covariance_of, covariances
from doxa.training.entropy_readings import expected_change, sampled_change, tied_share
from doxa.training.entropy_warnings import Limits
from doxa.training.monitor import EntropyMonitor


def falling(monitor, *, rate=0.95, steps=100, a=0.1, b=0.9, start=1.6, **more):
    for step in range(steps):
        entropy = start * rate**step
        monitor.update(step, entropy, b - a * math.exp(entropy), **more)
    return [(warning.kind, warning.step) for warning in monitor.warnings]


def test_what_is_spent_and_what_is_left():
    monitor = EntropyMonitor()
    told = dict(falling(monitor))
    assert told == {"ceiling": 43, "spent": 59}
    # 0.95^59 is the first power below 0.05; expm1(1.6·0.95^43) the first below 5 % of expm1(1.6)
    assert 0.95**58 > 0.05 > 0.95**59
    assert math.expm1(1.6 * 0.95**43) < 0.05 * math.expm1(1.6) < math.expm1(1.6 * 0.95**42)
    assert monitor.law().ceiling == pytest.approx(0.8)
    assert "forecast ceiling 0.8" in monitor.warnings[0].text


def test_a_target_above_the_ceiling_is_told_as_soon_as_the_law_can_be_fitted():
    told = falling(EntropyMonitor(target=0.85), steps=30)
    assert told == [("target", 9)]
    assert falling(EntropyMonitor(target=0.75), steps=30) == []


def test_a_law_that_explains_nothing_gives_no_ceiling():
    monitor, noise = EntropyMonitor(target=2.0), stream(0, "noise").random(40)
    for step in range(40):
        monitor.update(step, 1.6 * 0.97**step, float(noise[step]))
    assert monitor.ceiling() is None
    assert monitor.warnings == []


def test_collapse_and_surge_are_told_once_until_they_are_over():
    monitor = EntropyMonitor()
    for step, entropy in enumerate([1.0] * 12 + [0.4] * 14 + [1.0] * 14 + [0.4] * 5):
        monitor.update(step, entropy)
    assert [(one.kind, one.step) for one in monitor.warnings] == [
        ("collapse", 12),
        ("surge", 26),
        ("collapse", 40),
    ]


def test_a_steady_run_is_told_nothing():
    monitor = EntropyMonitor()
    for step in range(50):
        assert monitor.update(step, 1.0 + 0.1 * math.sin(step), 0.5) == []
    assert monitor.readings[-1].spent == pytest.approx(1 - (1 + 0.1 * math.sin(49)) / 1.0)


def test_covariance_by_hand_and_its_warning():
    logp, adv = [[-2.0, -1.0], [-4.0, -3.0]], [1.0, -1.0]
    batch = batch_of(logp, adv)
    np.testing.assert_allclose(covariances(batch), [[0.5, 1.5], [1.5, 0.5]])
    seen = covariance_of(batch)
    assert seen.mean == 1.0
    assert seen.top == {0.0002: 1.5, 0.002: 1.5, 0.02: 1.5}
    assert seen.share_of_top == 1.5 / 4.0
    (warning,) = EntropyMonitor().update(0, 1.0, logp=logp, adv=adv)
    assert warning.kind == "covariance"
    assert "38%" in warning.text


@given(seed=some.integers(0, 1000), constant=some.floats(-3, 3))
def test_covariance_is_centred_jointly_and_blind_to_padding(seed, constant):
    rng = stream(seed, "batch")
    logp, adv = -rng.exponential(size=(4, 6)), rng.standard_normal((4, 6))
    mask = rng.random((4, 6)) < 0.7
    mask[0, 0] = True
    own = covariances(batch_of(logp, adv, mask))
    expected = np.cov(logp[mask], adv[mask], ddof=0)[0, 1] if mask.sum() > 1 else 0.0
    assert own.sum() == pytest.approx(mask.sum() * expected, abs=1e-9)
    np.testing.assert_allclose(covariances(batch_of(logp, np.full((4, 6), constant), mask)), 0.0, atol=1e-12)
    other = np.where(mask, logp, 99.0), np.where(mask, adv, math.nan)
    np.testing.assert_array_equal(covariances(batch_of(*other, mask)), own)


def test_tensors_are_taken_as_they_are():
    logp, adv, mask = (
        torch.full((2, 3), -1.0, requires_grad=True),
        torch.tensor([1.0, -1.0]),
        torch.ones(2, 3),
    )
    monitor = EntropyMonitor()
    monitor.update(0, 0.5, logp=logp.bfloat16(), adv=adv, mask=mask.bool())
    assert monitor.readings[0].covariance.mean == 0.0
    assert monitor.readings[0].covariance.tokens == 6


def test_expected_change_is_that_of_finite_differences():
    rng = stream(0, "logits")
    logits, change = rng.standard_normal((5, 7)), rng.standard_normal((5, 7))

    def entropy(z):
        p = np.exp(z - z.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return float(-(p * np.log(p)).sum(-1).mean())

    errors = [
        abs(entropy(logits + eta * change) - entropy(logits) - expected_change(logits, eta * change))
        for eta in (0.02, 0.01)
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)
    monitor = EntropyMonitor()
    monitor.update(0, 1.0, logits=logits, dlogits=change)
    assert monitor.readings[0].change == pytest.approx(expected_change(logits, change))


def test_sampled_change_is_that_of_a_small_step_on_each_token():
    rng = stream(1, "logits")
    logits, tokens, adv = rng.standard_normal((2, 3, 7)), rng.integers(7, size=(2, 3)), np.array([1.0, -0.5])
    mask = np.array([[1, 1, 1], [1, 1, 0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    unit = adv[:, None, None] * (np.eye(7)[tokens] - p)
    assert sampled_change(logits, tokens, adv, mask) == pytest.approx(expected_change(logits, unit, mask))
    monitor = EntropyMonitor()
    monitor.update(
        0, 1.0, logits=torch.from_numpy(logits), tokens=torch.from_numpy(tokens), adv=adv, mask=mask
    )
    assert monitor.readings[0].change == pytest.approx(sampled_change(logits, tokens, adv, mask))


def test_groups_whose_rewards_nearly_tie():
    rewards, group = [1.0, 1.0, 1.0, 0.99, 0.0, 1.0, 0.5, 0.5], [0, 0, 1, 1, 2, 2, 3, 3]
    assert tied_share(rewards, group, 0.05) == 0.25
    (warning,) = EntropyMonitor().update(0, 1.0, rewards=rewards, group=group)
    assert warning.kind == "tied-groups"
    assert EntropyMonitor().update(0, 1.0, rewards=[1.0, 0.0, 0.3, 0.3], group=[0, 0, 1, 1]) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"entropy": math.nan}, "entropy=nan at step 5"),
        ({"entropy": -0.1}, "entropy=-0.1"),
        ({"entropy": 300.0}, "a mean over tokens"),
        ({"step": 3}, "step=3: must be after 4"),
        ({"logp": [[-1.0]]}, "logp and adv belong together"),
        ({"rewards": [1.0]}, "rewards and group belong together"),
        ({"logp": [[-1.0, -2.0]], "adv": [[1.0]], "mask": [[0, 0]]}, "no response tokens"),
        ({"logp": [[-1.0, 2.0]], "adv": [1.0]}, "logp reaches 2"),
        ({"logp": [[-1.0, -2.0]], "adv": [math.nan]}, "adv holds NaN"),
        ({"logp": [[-1.0, -2.0]], "adv": [[1.0, 2.0, 3.0]]}, "adv of shape"),
        ({"logp": [[-1.0, -2.0]], "adv": [1.0], "mask": [[1]]}, "mask of shape"),
        ({"rewards": [1.0], "group": [1, 2]}, "1 rewards for 2 groups"),
        ({"logits": np.zeros((2, 3)), "dlogits": np.zeros((2, 2))}, "dlogits of shape"),
        ({"logits": np.zeros((2, 3))}, "give either dlogits"),
        ({"dlogits": np.zeros((2, 3))}, "need the logits before"),
        ({"adv": [1.0]}, "adv says nothing alone"),
        ({"logits": np.zeros((2, 3)), "tokens": [0, 1], "adv": [1.0, 0.0]}, r"must be \(B, T, V\)"),
    ],
)
def test_bad_updates(call, message):
    monitor = EntropyMonitor()
    monitor.update(4, 1.0)
    with pytest.raises(InputError, match=message):
        monitor.update(**{"step": 5, "entropy": 1.0, **call})
    assert len(monitor.readings) == 1


@pytest.mark.parametrize("limits", [{"spent": 95}, {"surge": 0.5}, {"window": 0}, {"scores": 2}])
def test_bad_limits(limits):
    with pytest.raises(InputError, match="must be"):
        Limits(**limits)
