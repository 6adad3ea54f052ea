from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.information import expit
from doxa.elicit.answers import from_readings, from_scores
from doxa.elicit.questions import Question
from doxa.elicit.reading import Found, Refusal, Unparsed
from doxa.lab.record import Recorder

YES_NO = Question("q", "p", "?")
LOGITS = st.lists(st.floats(-30, 30), min_size=3, max_size=3)


def scored(rows, shares=(1.0, 0.0), values=("yes", "no")):
    return from_scores([YES_NO], "e", values, shares, np.array([rows], dtype=float))[0]


def read(readings, **more):
    return from_readings(YES_NO, "e", [("yes", 1.0), ("no", 0.0)], readings, ["raw"] * len(readings), **more)


def test_scores_by_hand():
    found = scored([[math.log(0.3), math.log(0.1)]])
    assert (found.kind, found.value, found.n) == ("answer", "yes", 1)
    assert found.log_odds == pytest.approx(math.log(3))
    assert found.probabilities == pytest.approx({"yes": 0.75, "no": 0.25})
    assert math.exp(found.log_mass) == pytest.approx(0.4)


@given(LOGITS, LOGITS, st.floats(-300, 300))
@settings(deadline=None)
def test_probabilities_add_to_one_and_log_odds_agree_with_them(first: list, second: list, shift: float):
    rows = np.array([first, second])
    found = scored(rows, (1.0, 0.3, None), ("a", "b", "c"))
    assert math.fsum(found.probabilities.values()) == pytest.approx(1.0)
    p = found.probabilities
    affirmed = (p["a"] + 0.3 * p["b"]) / (p["a"] + p["b"])
    assert expit(found.log_odds) == pytest.approx(affirmed, rel=1e-6, abs=1e-12)
    moved = scored(rows + shift, (1.0, 0.3, None), ("a", "b", "c"))
    assert moved.log_odds == pytest.approx(found.log_odds, abs=1e-9)


@given(LOGITS, LOGITS)
@settings(deadline=None)
def test_a_bias_of_the_place_cancels_over_the_orders(belief: list, bias: list):
    """Order k shows option i in place (i - k) mod 3, where the bias adds to it."""
    rows = [[belief[i] + bias[(i - k) % 3] for i in range(3)] for k in range(3)]
    found = scored(rows, (1.0, 0.0, None), ("a", "b", "c"))
    assert found.log_odds == pytest.approx(belief[0] - belief[1], abs=1e-9)


def test_what_was_not_scored_is_missing():
    assert scored([[math.nan, 0.0]]).reason == "an option was not scored"
    assert scored([[-math.inf, -math.inf]]).kind == "missing"
    assert scored([[-math.inf, 0.0], [0.0, -math.inf]]).kind == "missing"
    certain = scored([[0.0, -math.inf]])
    assert (certain.log_odds, certain.credence) == (math.inf, 1.0)
    tie = scored([[0.0, 0.0]])
    assert (tie.kind, tie.value, tie.log_odds) == ("answer", None, 0.0)


def test_many_questions_at_once_are_answered_as_one_by_one():
    rows = np.log(np.array([[[0.2, 0.7]], [[0.5, 0.5]], [[np.nan, 0.1]], [[0.9, 0.05]]]))
    together = from_scores([YES_NO] * 4, "e", ("yes", "no"), (1.0, 0.0), rows)
    assert together == [scored(row) for row in rows]
    assert [one.kind for one in together] == ["answer", "answer", "missing", "answer"]


def test_a_distribution_over_numbers_gives_its_mean():
    found = scored([[math.log(0.5), -math.inf, math.log(0.5)]], (0.0, 0.5, 1.0), (1, 2, 3))
    assert (found.value, found.credence) == (2.0, 0.5)


def test_replies_are_counted():
    found = read(
        [
            Found("yes", (0, 1)),
            Found("yes", (0, 1)),
            Found("no", (0, 1)),
            Refusal("no", (0, 1)),
            Unparsed("x"),
        ]
    )
    assert (found.kind, found.value, found.n, found.refusals, found.missing) == ("answer", "yes", 3, 1, 1)
    assert found.credence == pytest.approx(2 / 3)
    assert found.log_odds == pytest.approx(math.log(2.5 / 1.5))
    assert found.interval is None
    assert read([Found("yes", (0, 1))] * 4, sampled=True).interval.low == pytest.approx(0.51, abs=0.01)


def test_refusing_is_not_missing():
    assert read([Refusal("won't", (0, 1)), Unparsed("x")]).kind == "refusal"
    assert read([Unparsed("x"), Unparsed("x"), Refusal("won't", (0, 1))]).reason == "x"
    assert read([]).kind == "missing"


def test_two_answers_equally_frequent_are_no_value_but_a_credence():
    found = read([Found("yes", (0, 1)), Found("no", (0, 1))])
    assert (found.kind, found.value, found.credence, found.log_odds) == ("answer", None, 0.5, 0.0)


def test_numbers_are_averaged_on_their_scale():
    found = read([Found(60.0, (0, 1)), Found(80.0, (0, 1))], scale=(0.0, 100.0), sampled=True)
    assert (found.value, found.credence) == (70.0, pytest.approx(0.7))
    assert found.interval.n == 2
    assert read([Found(100, (0, 1))], scale=(0.0, 100.0)).log_odds == math.inf


def test_answers_go_into_the_record():
    recorder = Recorder("c", 0)
    for answer in (scored([[0.0, -1.0]]), read([Refusal("won't", (0, 1))]), read([Found("yes", (0, 1))])):
        recorder.belief(subject="s", **answer.as_belief())
    beliefs = recorder.tables().beliefs
    assert beliefs["log_odds"].to_list()[0] == pytest.approx(1.0)
    assert beliefs["credence"].to_list()[1] is None
    assert "refusal: won't" in beliefs["extra"][1]
    assert beliefs["credence"][2] == 1.0
