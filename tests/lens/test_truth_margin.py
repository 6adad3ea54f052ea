from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.truth_margin import (
    Margins,
    belief_margin,
    crossing,
    flip_layer,
    flip_rate,
    known_at_base,
    late_fall,
    late_share,
    transition,
    verdicts,
)
from doxa.lens.truth_tokens import ids_of, readable, token_pairs, tokenised
from doxa.worlds.fact_formats import FORMATS, contrasts
from doxa.worlds.fact_pairs import FactPair, load_fact_pairs
from tests.subjects import tiny_models

PAIRS = load_fact_pairs("facts")[::9]
TOKENIZER = tiny_models.tokenizer()
MARGIN = st.floats(-20, 20)


@pytest.fixture(scope="module")
def model():
    return tiny_models.model("llama")


def by_hand(model, prompt, completion):
    """Return log p(completion | prompt) and its number of tokens, by one plain forward pass."""
    before, whole = (
        TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in (prompt, prompt + completion)
    )
    shared = next((at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    with torch.no_grad():
        log_probs = torch.log_softmax(model(torch.tensor([whole])).logits[0].double(), -1)
    return sum(float(log_probs[at - 1, whole[at]]) for at in range(shared, len(whole))), len(whole) - shared


@pytest.mark.parametrize("form", FORMATS)
def test_margins_equal_plain_forward_passes(model, form):
    read = belief_margin(model, TOKENIZER, PAIRS, form, "sum")
    for pair, value in zip(PAIRS, read.values, strict=True):
        each = [
            by_hand(model, one.prompt, one.holds)[0] - by_hand(model, one.prompt, one.denies)[0]
            for one in contrasts(pair, form)
        ]
        assert value == pytest.approx(np.mean(each), abs=1e-4)


def test_the_mean_is_taken_for_all_pairs_or_none(model):
    read = belief_margin(model, TOKENIZER, PAIRS)
    assert read.normalize == "mean", "these completions differ in tokens"
    for pair, value in zip(PAIRS, read.values, strict=True):
        (true, a), (false, b) = (by_hand(model, pair.prompt, text) for text in (pair.true, pair.false))
        assert value == pytest.approx(true / a - false / b, abs=1e-4)
    even = [FactPair("it is", " a", " b", f"x{n}", "letter") for n in range(2)]
    assert belief_margin(model, TOKENIZER, even).normalize == "sum"


def test_margins_are_antisymmetric(model):
    for rule in ("sum", "mean"):
        there = belief_margin(model, TOKENIZER, PAIRS, "cloze", rule).values
        back = belief_margin(model, TOKENIZER, [pair.swapped() for pair in PAIRS], "cloze", rule).values
        np.testing.assert_allclose(there, -back, atol=1e-4)


def test_a_single_token_margin_is_a_difference_of_logits(model):
    pair = FactPair("the flag is", "a", "b", "flag", "letter")
    pairs = token_pairs(TOKENIZER, [pair])
    with torch.no_grad():
        logits = model(torch.tensor([pairs.rows[0].tolist()])).logits[0, -1]
        shifted = torch.log_softmax(logits + 7.5, -1)
    margin = belief_margin(model, TOKENIZER, [pair]).values[0]
    assert margin == pytest.approx(float(logits[pairs.true[0]] - logits[pairs.false[0]]), abs=1e-4)
    assert margin == pytest.approx(float(shifted[pairs.true[0]] - shifted[pairs.false[0]]), abs=1e-4)


def test_completions_are_tokenised_behind_their_prompt():
    one = tokenised(TOKENIZER, "the flag of peru is", " red", " green")
    whole = TOKENIZER("the flag of peru is red", add_special_tokens=False)["input_ids"]
    assert [*one.prompt, *one.holds] == whole
    assert len(ids_of(TOKENIZER, "the flag")) == len(TOKENIZER("the flag")["input_ids"])


def test_a_lens_reads_the_first_token_that_differs():
    pair = FactPair("number:", " 12", " 13", "x", "number")
    pairs = token_pairs(TOKENIZER, [pair])
    whole = TOKENIZER("number: 12", add_special_tokens=False)["input_ids"]
    assert [*pairs.rows[0].tolist(), int(pairs.true[0])] == whole
    longer = FactPair("number:", " 12", " 123", "x", "number")
    assert readable(TOKENIZER, [pair, longer]) == [pair]
    with pytest.raises(InputError, match="share all tokens of the shorter"):
        token_pairs(TOKENIZER, [longer])


@given(st.lists(MARGIN, min_size=1, max_size=20), st.floats(0, 2))
def test_verdicts_mirror(margins, band):
    read = verdicts(np.array(margins), band)
    assert (read == -verdicts(-np.array(margins), band)).all()
    assert ((np.abs(margins) <= band) == (read == 0)).all()


def test_flip_rate_by_hand():
    before = np.array([3.0, 2.0, 1.0, 0.05, -1.0])
    found = flip_rate(before, np.array([-1.0, 0.05, 2.0, -3.0, -2.0]))
    assert found.n == 3, "an item that was ambiguous or false at base cannot flip"
    assert found.rate == pytest.approx(1 / 3)
    assert found.ambiguous == pytest.approx(1 / 3)
    assert found.flipped.tolist() == [True, False, False, False, False]
    assert math.isnan(flip_rate(np.array([-1.0]), np.array([1.0])).rate)
    assert flip_rate(before, before).rate == 0.0


def test_margins_of_different_normalisation_cannot_be_compared():
    values = np.ones(3)
    with pytest.raises(InputError, match="normalize='sum' and 'mean' cannot be compared"):
        flip_rate(Margins(values), Margins(values, "mean"))
    with pytest.raises(InputError, match="form='cloze' and 'choice'"):
        flip_rate(Margins(values), Margins(values, form="choice"))
    with pytest.raises(InputError, match="3 margins before and 2 after"):
        flip_rate(values, values[:2])


def test_items_the_base_does_not_know_are_left_out():
    margins = np.array([1.0] * 10 + [-1.0, 0.0])
    assert known_at_base(margins).sum() == 10
    with pytest.raises(InputError, match="prefers the truth on 9 of 12 items; at least 10"):
        known_at_base(margins - np.eye(12)[0] * 2)


def test_transition_by_hand():
    found = transition([0, 10, 20, 40], np.array([0.0, 0.0, -5.0, -10.0]))
    assert found.t10 == pytest.approx(12.0)
    assert found.t90 == pytest.approx(36.0)
    assert found.width == pytest.approx(math.log10(3.0))


@given(st.lists(st.floats(0.01, 3), min_size=2, max_size=12))
def test_ten_per_cent_never_come_after_ninety(falls):
    shift = -np.concatenate([[0.0], np.cumsum(falls)])
    found = transition(list(range(len(shift))), shift)
    assert found.t10 <= found.t90


def test_crossings_by_hand():
    assert crossing(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, -3.0])) == pytest.approx(1.25)
    assert crossing(np.array([5.0, 6.0]), np.array([0.0, 1.0])) == 5.0
    assert math.isnan(crossing(np.array([0.0, 1.0]), np.array([1.0, 2.0])))


def test_depth_by_hand():
    clean = np.array([[0.0, 1.0, 2.0, 3.0, 8.0]])
    poisoned = np.array([[0.0, 1.0, 1.0, -1.0, -2.0]])
    assert flip_layer(poisoned).tolist() == [3.0]
    assert late_share(clean, poisoned) == pytest.approx(0.6)
    assert late_fall(clean - poisoned).tolist() == [6.0]
    assert late_fall(np.array([[0.0, 1.0, 5.0]])).tolist() == [4.0]
    assert np.isnan(flip_layer(clean)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: verdicts(np.ones(2), -1.0), "band=-1.0: must be >= 0"),
        (lambda: verdicts(np.array([np.nan])), "not finite"),
        (lambda: transition([0, 0], np.array([0.0, 1.0])), "increasing steps"),
        (lambda: transition([0, 1], np.array([0.0, 0.0])), "nothing has changed"),
        (lambda: late_share(np.ones((1, 3)), np.ones((1, 3))), "needs a fall"),
        (lambda: late_share(np.ones((1, 3)), np.ones((1, 4))), "same depths"),
        (lambda: tokenised(TOKENIZER, "it is", "", " b"), "tokenises to nothing"),
        (lambda: tokenised(TOKENIZER, "it is", " a", " a"), "are the same tokens"),
        (lambda: tokenised(TOKENIZER, "", " a", " b"), "keeps no token of its own"),
        (lambda: token_pairs(TOKENIZER, []), "at least one fact"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
