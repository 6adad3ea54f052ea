"""Opinions as Yes or No and as ratings, before and after, and models compared in both seats."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.parts import keep_none
from doxa.lab.record import Recorder
from doxa.protocols.persuasion.asking import asked_readings, record_before, record_style
from doxa.protocols.persuasion.dialogues import Argument, Convincer, Skeptic, ask_before, read_arguments
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS
from doxa.protocols.persuasion.opinions import normalised_change, opinion_form
from doxa.protocols.persuasion.pairs import effectiveness, mean_draws, pair_changes, susceptibility
from doxa.protocols.persuasion.published_report import published_findings
from doxa.streams import stream
from doxa.subjects.base import Capability, Reply, Sampling
from tests.protocols.dialogue.scripted_subject import ScriptedSubject

SAMPLING = Sampling(temperature=1.0, max_tokens=30)
STYLES = ("trust", "support", "knowledge")
DRAWN = {
    "difficulties": ("easy", "baseline"), "n": 6, "max_tokens": 20, "temperature": 1.0, "seed": 0, "keep": keep_none,
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "text", "level"),
    [
        ("yes-no", "**Yes**, I am", 1.0),
        ("yes-no", "no.", 0.0),
        ("yes-no", "Based on that, yes", None),
        ("agreement", "The answer is: 1.", 0.0),
        ("agreement", "The answer is: 4", 0.75),
        ("agreement", "5/5", 1.0),
        ("agreement", "The answer is: 7", None),
        ("rating", "The answer is: 7", 1.0),
        ("rating", "7/7", 1.0),
        ("rating", "The answer is: 2", 1 / 6),
        ("rating", "I'm sorry, I cannot say.", None),
    ],
)
def test_answers_are_read_as_a_share_of_agreement(answer, text, level):
    found = opinion_form(CLIMATE, answer).read(Reply(text))
    assert found == (None if level is None else pytest.approx(level))


def test_a_fault_and_a_refusal_of_the_server_are_no_rating():
    form = opinion_form(CLIMATE, "rating")
    assert form.read(Reply("", "fault", fault="timeout")) is None
    assert form.read(Reply("7", "refusal")) is None


def test_the_rating_names_its_ends_its_middle_and_the_claim():
    text = opinion_form(CLIMATE, "rating").text
    assert CLIMATE.statement in text
    assert '1 means "completely disagree", 4 means "neither agree nor disagree", 7 means' in text
    with pytest.raises(InputError, match="did you mean 'rating'"):
        opinion_form(CLIMATE, "ratings")
    with pytest.raises(InputError, match="no statement to be rated"):
        opinion_form(replace(CLIMATE, statement=""), "agreement")


def test_credence_is_the_mean_level_under_the_scores():
    form = opinion_form(CLIMATE, "agreement")
    weights = np.array([0.1, 0.1, 0.2, 0.2, 0.4])
    halves = np.log(np.repeat(weights / 2, 2))  # each number with a space and without
    assert form.credence(halves) == pytest.approx(weights @ [0.0, 0.25, 0.5, 0.75, 1.0])
    assert form.credence(np.where(np.arange(10) < 2, np.nan, halves)) is None
    assert opinion_form(CLIMATE).credence(np.log([0.8, 0.1])) == pytest.approx(8 / 9)


def test_the_change_is_a_part_of_the_way_left():
    assert normalised_change(0.25, [1.0]) == 1.0
    assert normalised_change(0.25, [0.0]) == -1.0
    assert normalised_change(0.5, [0.75, 0.75]) == 0.5
    assert normalised_change(1.0, [1.0]) == 0.0


class Rater(ScriptedSubject):
    """Writes arguments that name it; rates 2 before, more after those of the good speaker, much more if soft."""

    def __init__(self, name, soft):
        super().__init__(name, self.say)
        self.address = name
        self.soft = soft

    def say(self, shown, sampling):
        last = shown[-1].content
        if last == CLIMATE.claim:
            return f"{self.address} says so, {sampling.branch}"
        if "whole number" in last:
            heard = " ".join(message.content for message in shown[:-1])
            jitter = len(sampling.branch) % 2
            gain = 0 if "says so" not in heard else 1 + 2 * self.soft + 2 * ("good says so" in heard)
            return f"The answer is: {2 + gain + (jitter if gain else 0)}"
        return "I hear you"


class ScoringRater(Rater):
    capabilities = frozenset({Capability.REPLY, Capability.SAMPLE, Capability.SCORE})

    def score(self, queries):
        self.scored = list(queries)
        return [np.log(np.full(len(query.options), 0.05)) for query in queries]


def test_a_rating_is_asked_for_before_and_after_and_scored_with_its_opening():
    reader = ScoringRater("r", soft=False)
    skeptics = [Skeptic(reader, "easy", SAMPLING)]
    [(_, before, _)] = ask_before(skeptics, 1, CLIMATE, answer="rating")
    assert (before.level, before.convinced) == (pytest.approx(1 / 6), False)
    assert before.credence == pytest.approx(0.5)
    assert {query.opening for query in reader.scored} == {"The answer is:"}
    convincer = Convincer(Rater("good", soft=False), "fun", SAMPLING)
    [after] = read_arguments([Argument(convincer, 0, "good says so")], skeptics, CLIMATE, answer="rating")
    assert after.opinions[0].level == pytest.approx(4 / 6)
    assert after.convinced is True
    assert after.skeptic.model is reader


def recorded(models, answer):
    recorder = Recorder("subject", 0)
    record_before(recorder, models, answer=answer, **DRAWN)
    for dimension in STYLES:
        record_style(recorder, models, models, dimension, answer=answer, **DRAWN)
    return recorder.tables()


@pytest.fixture(scope="module")
def tables():
    return recorded([Rater("good", soft=False), Rater("soft", soft=True)], "rating")


def judged(tables, models):
    return {
        one.id: one
        for one in published_findings(
            tables.beliefs,
            tables.measures,
            stream(0, "findings"),
            fractions=dict.fromkeys(DIMENSIONS, 0.1),
            permutations=50,
            models=models,
            answer="rating",
        )
    }


def test_each_model_argues_with_each_and_is_told_apart(tables):
    asked = asked_readings(tables.beliefs)
    after = asked.filter(pl.col("dimension") != "")
    counts = after.group_by("convincer", "skeptic").len()
    assert counts["len"].to_list() == [3 * 6 * 2] * 4
    found = judged(tables, ["good", "soft"])
    assert found["effectiveness"].verdict == "holds"
    assert found["effectiveness"].estimate == pytest.approx(2 / 6, abs=0.05)
    assert found["susceptibility"].verdict == "fails"
    assert found["susceptibility"].estimate < -0.1
    assert "good 0." in found["effectiveness"].note
    assert (
        "names no number from 1 to 7; a rating above the middle counts as convinced" in found["unread"].note
    )
    assert "of the way that was left" in found["change"].note
    own = after.filter(convincer="good", skeptic="good")["credence"].mean()
    assert found["change"].estimate == pytest.approx(own - 1 / 6)
    turned = judged(tables, ["soft", "good"])
    assert turned["susceptibility"].verdict == "holds"
    assert turned["effectiveness"].estimate == pytest.approx(-found["effectiveness"].estimate)


def test_one_model_is_compared_with_nobody(tables):
    assert not {"effectiveness", "susceptibility"} & set(judged(tables, ()))


def test_means_over_pairs_are_means_over_both_sides(tables):
    changes = pair_changes(asked_readings(tables.beliefs), stream(0, "pairs"))
    by_hand = {pair: change.estimate for pair, change in changes.items()}
    assert effectiveness(changes)["good"].estimate == pytest.approx(
        (by_hand["good", "good"] + by_hand["good", "soft"]) / 2
    )
    assert susceptibility(changes)["good"].estimate == pytest.approx(
        (by_hand["good", "good"] + by_hand["soft", "good"]) / 2
    )


def test_draws_of_a_mean_spread_as_they_should():
    rng = stream(0, "draws")
    values = rng.random(50)
    assert mean_draws(values, False, rng).std() == pytest.approx(values.std() / math.sqrt(50), rel=0.1)
    assert mean_draws(np.zeros(20), False, rng).std() > 0.02, "verdicts all alike leave room for others"
    assert mean_draws(np.full(20, 0.3), True, rng).std() == pytest.approx(0.0, abs=1e-12)
