"""The micro form against planted subjects whose drift is known exactly."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import CapabilityError, InputError
from doxa.protocols.context_drift.micro import READINGS, SCHEMA, draw_contexts, micro_drift
from doxa.subjects.addresses import open_subject
from doxa.worlds.micro import COUPLED_TOPICS, TOPICS, UNCOUPLED_TOPICS
from tests.protocols.drift_subjects import Scripted

SOME = ("tax", "court", "opera")


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_recovers_the_planted_rate_exactly(rate):
    rows = micro_drift(
        open_subject(f"planted:drifting?rate={rate}"), contexts_per_point=2, topics=SOME, rng=rng()
    )
    told = rows.filter(pl.col("reading") == "one-sided")
    expected = pl.when(pl.col("coupled")).then(rate * pl.col("n") * pl.col("side")).otherwise(0.0)
    assert told.select((pl.col("stated_log_odds") - expected).abs().max()).item() < 1e-9
    acted = told.filter(pl.col("coupled"), pl.col("n") == 8, pl.col("side") == 1)["behavioural_log_odds"][0]
    stance = 1 / (1 + np.exp(-8 * rate))
    option = stance * 0.7 + (1 - stance) * 0.3
    assert acted == pytest.approx(np.log(option / (1 - option)))


def test_controls_move_nothing():
    rows = micro_drift(
        open_subject("planted:drifting?rate=1.0"), contexts_per_point=2, topics=SOME, rng=rng()
    )
    still = rows.filter(pl.col("reading").is_in(["mixed", "uncoupled", "none"]))
    assert still["stated_log_odds"].abs().max() < 1e-9
    assert rows.filter(pl.col("reading") == "resampled", pl.col("coupled"))["stated_log_odds"].abs().min() > 1


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(TOPICS), st.integers(0, 9), st.integers(1, 3), st.integers(0, 99))
def test_contexts_never_mention_the_asked_topic(topic, n, per_point, seed):
    drawn = draw_contexts(
        n_statements=(0, n), topics=(topic,), contexts_per_point=per_point, rng=np.random.default_rng(seed)
    )
    for context in drawn:
        pool = UNCOUPLED_TOPICS if context.reading == "uncoupled" else COUPLED_TOPICS
        assert len(context.statements) == context.n
        assert all(said.topic in pool and said.topic != topic for said in context.statements)
        support = sum(said.support for said in context.statements)
        if context.reading == "mixed":
            assert abs(2 * support - n) <= n % 2
        elif context.side:
            assert support == (context.n if context.side > 0 else 0)


def test_rows_are_complete_and_asked_at_once():
    subject = Scripted(lambda c, s: "", score=lambda query: [np.log(0.8), np.log(0.2)], form="micro")
    rows = micro_drift(subject, n_statements=(0, 3), topics=("tax", "opera"), contexts_per_point=4, rng=rng())
    assert dict(rows.schema) == SCHEMA
    assert rows.height == 2 + 2 * 4 * (2 + 2 + 1 + 2)
    assert set(rows["reading"]) == {"none", *READINGS}
    assert subject.batches == [2 * rows.height]
    assert rows["stated_log_odds"].to_list() == pytest.approx([np.log(4)] * rows.height)
    # each question stands on its own copy: none is ever part of another's conversation
    assert all(
        sum("?" in turn.content or "vote" in turn.content for turn in asked) == 1 for asked in subject.asked
    )


def test_a_belief_that_is_certain_is_missing():
    subject = Scripted(lambda c, s: "", score=lambda query: [0.0, -np.inf], form="micro")
    rows = micro_drift(subject, n_statements=(0,), topics=("tax",), contexts_per_point=1, rng=rng())
    assert rows["stated_log_odds"].to_list() == [None]
    assert rows["missing"][0] == "no finite log-odds: stated, behavioural"


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": ("taxi",)},
        {"topics": ()},
        {"n_statements": (-1,)},
        {"contexts_per_point": 0},
        {"readings": ("none",)},
    ],
)
def test_bad_input(changes):
    subject = Scripted(lambda c, s: "", score=lambda query: [0.0, 0.0], form="micro")
    with pytest.raises(InputError):
        micro_drift(subject, rng=rng(), **changes)


def test_needs_scores():
    with pytest.raises(CapabilityError):
        micro_drift(Scripted(lambda c, s: ""), rng=rng())
