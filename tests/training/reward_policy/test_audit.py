from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.training.reward_policy import reward_audit
from doxa.training.reward_policy.audit import (
    audit_prompt,
    best_of_n,
    distinct,
    soft_selection,
    weight_sweep,
)

SAMPLES = {
    "tie": ["long right", "right", "wrong", "right "],
    "clear": ["right", "wrong", "wrong", "wrong"],
    "one": ["right", "right"],
}


def correct(prompt, answer):
    return float("right" in answer)


def shorter(prompt, answer):
    return correct(prompt, answer) + 1e-3 * (len(answer) < 8)


def test_by_hand():
    audit = reward_audit(SAMPLES, correct, shorter, 0.5)
    assert audit.prompts == ("tie", "clear", "one")
    assert [row.top_changed for row in audit.rows] == [True, False, False]
    assert audit.margins.tolist() == [0.0, 1.0, np.inf]
    assert audit.share_changed == audit.tie_rate == pytest.approx(1 / 3)
    assert audit.rows[0].best_tv == pytest.approx(1 / 3)  # two of three right samples are short
    assert audit.rows[0].bound == pytest.approx(1e-3)
    assert audit.violations == 0


def test_a_constant_changes_nothing():
    audit = reward_audit(SAMPLES, correct, lambda p, a: correct(p, a) + 7.0, 0.1)
    assert audit.share_changed == 0.0
    assert max(row.soft_tv for row in audit.rows) < 1e-12


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 12),
    size=st.sampled_from([1e-4, 0.1, 3.0]),
    alpha=st.sampled_from([0.05, 1.0]),
)
def test_softness_is_bounded_and_margins_protect(seed, n, size, alpha):
    rng = np.random.default_rng(seed)
    found = distinct([str(one) for one in rng.integers(6, size=n)])
    before = rng.integers(3, size=len(found.answers)).astype(float)
    after = before + size * rng.uniform(-1, 1, size=len(found.answers))
    row = audit_prompt(found, before, after, alpha)
    assert row.soft_tv <= row.bound + 1e-9
    if row.margin > 2 * row.change + 1e-5:
        assert not row.top_changed
        assert row.best_tv == 0.0
    samples = np.repeat(np.arange(len(found.answers)), found.counts)
    picked = samples[before[samples] == before.max()]
    slow = np.array([np.mean(picked == k) for k in range(len(found.answers))])
    assert best_of_n(found.counts, before) == pytest.approx(slow)
    weights = np.exp(before[samples] / alpha - before.max() / alpha)
    slow = np.array([weights[samples == k].sum() for k in range(len(found.answers))]) / weights.sum()
    assert soft_selection(found.counts, before, alpha) == pytest.approx(slow)


def test_a_sweep_of_weights_meets_the_crossing():
    first, second = [np.array([1.0, 0.0]), np.array([1.0, 0.5])], [np.array([0.0, 1.0]), np.array([1.0, 0.0])]
    sweep = weight_sweep(first, second, np.linspace(0, 1, 11))
    assert sweep.changed.tolist() == pytest.approx([0.0] * 6 + [0.5] * 5)
    assert sweep.flips.sum(1).tolist() == [1, 0]
    assert np.flatnonzero(sweep.flips[0]).tolist() == [
        5
    ]  # between weights 0.5, where both are equal, and 0.6


@pytest.mark.parametrize("given", ["0.5", None, float("nan"), [1.0], float("inf")])
def test_a_scorer_must_return_a_number(given):
    with pytest.raises(InputError, match=r"prompt 'tie', answer 'long right': the score is"):
        reward_audit(SAMPLES, lambda p, a: given, correct, 1.0)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: reward_audit({}, correct, correct, 1.0), "has no answers"),
        (lambda: reward_audit({"p": []}, correct, correct, 1.0), "prompt 'p' has no answers"),
        (lambda: reward_audit(SAMPLES, correct, correct, 0.0), "alpha=0.0"),
        (lambda: weight_sweep([np.ones(2)], [np.ones(3)], np.array([0.0])), "same answers"),
        (lambda: weight_sweep([np.ones(2)], [np.ones(2)], np.array([1.5])), r"in \[0, 1\]"),
    ],
)
def test_bad_input(ask, message):
    with pytest.raises(InputError, match=message):
        ask()
