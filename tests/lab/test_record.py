from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lab.record import Recorder, Tables, judge


def test_log_odds_and_credence_are_each_others():
    recorder = Recorder("c", 0)
    recorder.belief(subject="s", proposition="p", readout="stated", credence=0.8)
    recorder.belief(subject="s", proposition="p", readout="stated", log_odds=math.log(4))
    rows = recorder.tables().beliefs
    assert rows["log_odds"].to_list() == pytest.approx([math.log(4)] * 2)
    assert rows["credence"].to_list() == pytest.approx([0.8] * 2)


@given(st.floats(-700, 700))
def test_credence_is_the_logistic_of_log_odds(log_odds):
    recorder = Recorder("c", 0)
    recorder.belief(subject="s", proposition="p", readout="stated", log_odds=log_odds)
    credence = recorder.tables().beliefs["credence"][0]
    assert 0 <= credence <= 1
    assert credence == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-15)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"credence": 1.2}, "must be in"),
        ({"log_odds": math.nan}, "missing='reason'"),
        ({}, "missing='reason'"),
        ({"credence": 0.5, "why": math.inf}, "finite"),
    ],
)
def test_what_is_no_belief_is_refused(given, message):
    fields = {"subject": "s", "proposition": "p", "readout": "stated"} | given
    with pytest.raises(InputError, match=message):
        Recorder("c", 0).belief(**fields)


def test_missing_says_why():
    recorder = Recorder("c", 0)
    recorder.belief(subject="s", proposition="p", readout="stated", missing="refused")
    recorder.measure("m", None, subject="s", missing="no data")
    tables = recorder.tables()
    assert tables.beliefs["credence"][0] is None
    assert tables.beliefs["extra"][0] == '{"missing":"refused"}'
    with pytest.raises(InputError, match="say why"):
        recorder.measure("m", None, subject="s")


def test_a_reason_beside_a_value_is_not_recorded():
    recorder = Recorder("c", 0)
    recorder.measure("m", 0.5, subject="s", missing="no data")
    assert recorder.tables().measures["extra"].to_list() == ["{}"]


def test_tables_with_other_columns_are_refused():
    tables = Tables.empty()
    with pytest.raises(InputError, match="table 'beliefs' has columns"):
        tables._replace(beliefs=tables.measures).check()


@pytest.mark.parametrize(
    ("interval", "bounds", "verdict"),
    [
        ((0.2, 0.4), {"above": 0.1}, "holds"),
        ((0.05, 0.4), {"above": 0.1}, "unresolved"),
        ((0.0, 0.1), {"above": 0.1}, "fails"),
        ((0.2, 0.4), {"above": 0.1, "below": 0.3}, "unresolved"),
        ((0.2, 0.25), {"above": 0.1, "below": 0.3}, "holds"),
        ((-math.inf, 0.2), {"below": 0.3}, "holds"),
        ((-math.inf, math.inf), {"above": 0.0}, "unresolved"),
        (None, {"above": 0.0}, "unresolved"),
        ((math.nan, 1.0), {"above": 0.0}, "unresolved"),
    ],
)
def test_verdicts_come_from_intervals(interval, bounds, verdict):
    assert judge(interval, **bounds) == verdict


def test_what_is_given_is_kept_and_only_the_other_computed():
    recorder = Recorder("c", 0)
    recorder.belief(subject="s", proposition="p", readout="stated", log_odds=0.25, credence=0.9)
    recorder.belief(subject="s", proposition="p", readout="stated", credence=0.1)
    rows = recorder.tables().beliefs
    assert rows["log_odds"][0] == 0.25
    assert rows["credence"].to_list() == [0.9, 0.1]


def test_half_a_surrogate_pair_is_kept_as_text() -> None:
    recorder = Recorder("a", 0)
    recorder.utterance(subject="s", conversation="c", turn=0, role="assistant", text="é \ud800 ✓")
    assert recorder.tables().transcripts["text"].to_list() == ["é \\ud800 ✓"]
