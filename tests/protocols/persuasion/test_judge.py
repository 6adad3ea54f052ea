from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from doxa.belief.inference import Interval
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.protocols.persuasion.bank import SKEPTICS, ArgumentBank
from doxa.protocols.persuasion.judge import (
    EmbeddedSkeptic,
    _weighted_auc,
    folds,
    held_out,
    shuffled_within_difficulty,
)
from doxa.protocols.persuasion.replay import record_permuted, smallest, warmth
from doxa.streams import stream
from tests.protocols.persuasion.data import FOLDER


@pytest.fixture(scope="module")
def bank():
    return ArgumentBank.load(FOLDER)


def small(n=4, **changed):
    rows = [
        {"argument_id": f"trust-{k}", "dimension": "trust", "argument": f"Believe me, {k}."} for k in range(n)
    ]
    rows[0] |= changed
    return rows


def test_the_bank_is_as_released(bank):
    assert len(bank.ids) == 1100
    assert bank.outcomes.height == 3299
    assert np.linalg.norm(bank.embeddings, axis=1) == pytest.approx(np.ones(1100))
    assert len(bank.of_dimension("trust")) == 100
    share = bank.outcomes.filter(pl.col("difficulty") == "baseline", pl.col("dimension") == "trust")
    assert share["convinced"].mean() == 0.65


def test_bad_rows_are_named():
    vectors = np.ones((4, 3))
    with pytest.raises(InputError, match="must be one of baseline"):
        ArgumentBank.of(small(dimension="charm"), vectors, [])
    with pytest.raises(InputError, match="is empty"):
        ArgumentBank.of(small(argument=" "), vectors, [])
    with pytest.raises(InputError, match="mixed up"):
        ArgumentBank.of(small(argument="Yes, I am convinced."), vectors, [])
    with pytest.raises(InputError, match="one argument_id"):
        ArgumentBank.of(small(argument_id="trust-1"), vectors, [])
    with pytest.raises(InputError, match="one row to each"):
        ArgumentBank.of(small(), vectors[:2], [])
    with pytest.raises(InputError, match="no direction"):
        ArgumentBank.of(small(), np.zeros((4, 3)), [])
    for outcome, said in (
        ({"argument_id": "fun-1", "skeptic": "easy", "convinced": "1"}, "not among"),
        ({"argument_id": "trust-1", "skeptic": "mild", "convinced": "1"}, "must be one of easy"),
        ({"argument_id": "trust-1", "skeptic": "easy", "convinced": "yes"}, "must be 0 or 1"),
    ):
        with pytest.raises(InputError, match=said):
            ArgumentBank.of(small(), vectors, [outcome])


def test_a_planted_direction_is_learned_and_said():
    rng = stream(0, "plant")
    vectors = rng.normal(size=(600, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    difficulty = rng.integers(3, size=600)
    chance = 1 / (1 + np.exp(-(6 * vectors[:, 0] + np.array([1.0, 0.0, -1.0])[difficulty])))
    judge = EmbeddedSkeptic.fit(vectors, difficulty, rng.random(600) < chance)
    assert judge.weights[0] > 5 * np.abs(judge.weights[1:]).max()
    assert np.all(np.diff(judge.skeptics) < 0)
    said = judge.respond(vectors[0], "hard", rng)
    assert said.after - said.before == pytest.approx(float(judge.argument_log_odds(vectors[:1])[0]))
    draws = [judge.respond(vectors[0], "easy", rng).convinced for _ in range(400)]
    assert np.mean(draws) == pytest.approx(
        1 / (1 + math.exp(-judge.respond(vectors[0], "easy", rng).after)), abs=0.08
    )
    with pytest.raises(InputError, match="must be one of easy"):
        judge.respond(vectors[0], "mild", rng)
    with pytest.raises(InputError, match="nothing to learn"):
        EmbeddedSkeptic.fit(vectors, difficulty, np.ones(600, dtype=bool))


def test_an_argument_is_never_judged_by_who_saw_it():
    rng = stream(1, "arguments")
    read = [
        {"argument_id": f"trust-{k}", "skeptic": skeptic, "convinced": str(int(rng.random() < 0.5))}
        for k in range(40)
        for skeptic in SKEPTICS
    ]
    bank = ArgumentBank.of(small(40), rng.normal(size=(40, 3)), read)
    group = folds(40, 5, stream(1, "folds"))
    assert np.bincount(group).tolist() == [8] * 5
    said = held_out(bank, bank.readings.convinced, group)
    for number in range(5):
        own = said.fold == number
        assert set(bank.readings.argument[own]).isdisjoint(bank.readings.argument[~own])
        judge = EmbeddedSkeptic.fit(
            bank.embeddings[bank.readings.argument[~own]],
            bank.readings.difficulty[~own],
            bank.readings.convinced[~own],
        )
        seen = bank.embeddings[bank.readings.argument[own]]
        assert said.log_odds[own] == pytest.approx(judge.log_odds(seen, bank.readings.difficulty[own]))
    with pytest.raises(InputError, match="n_folds"):
        folds(4, 5, stream(1, "folds"))


def test_the_weighted_area_is_that_of_repeated_rows():
    rng = stream(2, "auc")
    score, truth, times = (
        rng.integers(5, size=60).astype(float),
        rng.random(60) < 0.4,
        rng.integers(3, size=60),
    )
    repeated = roc_auc_score(np.repeat(truth, times), np.repeat(score, times))
    assert _weighted_auc(score, truth, times.astype(float)) == pytest.approx(repeated)


def test_dealing_out_keeps_every_skeptics_share(bank):
    dealt = shuffled_within_difficulty(bank.readings, stream(3, "deal"))
    for number in range(len(SKEPTICS)):
        own = bank.readings.difficulty == number
        assert dealt[own].sum() == bank.readings.convinced[own].sum()
    assert (dealt != bank.readings.convinced).any()


def test_warmth_is_the_lower_of_two_differences(bank):
    found = warmth(bank.readings)
    assert found.estimate == pytest.approx(0.64 - 0.22)
    assert found.low < 0.42 < found.high
    assert math.isnan(smallest([Interval(math.nan, math.nan, math.nan, 0)]).estimate)


def test_names_dealt_out_reject_as_often_as_they_should(bank):
    recorder = Recorder("replay", 0)
    record_permuted(recorder, bank.readings, stream(5, "names"), 400, subject="agent")
    row = recorder.tables().measures.row(0, named=True)
    assert 0.02 <= row["value"] <= 0.09
