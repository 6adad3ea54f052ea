"""Measures on records small enough to know the answer, and against a slow version in plain Python."""

from __future__ import annotations

import json
import math
from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.measures import drift, entropy, measures
from doxa.errors import InputError
from doxa.lab.record import Recorder, Tables


def record(*beliefs: tuple[str, float, float | None]) -> Tables:
    recorder = Recorder("c", 3)
    for proposition, time, log_odds in beliefs:
        recorder.belief(
            subject="a",
            proposition=proposition,
            readout="stated",
            time=time,
            log_odds=log_odds,
            **({"missing": "refused"} if log_odds is None else {}),
        )
    return recorder.tables()


def told(rows: pl.DataFrame) -> list[dict]:
    return [json.loads(text) for text in rows["extra"]]


def test_drift_is_last_minus_first_whatever_came_between_and_in_whatever_order_it_was_recorded():
    rows = drift(record(("p", 2, 1.5), ("p", 0, 0.5), ("p", 1, -9.0), ("q", 1, 0.0), ("q", 3, -2.0)))
    assert rows["value"].to_list() == [1.0, -2.0]
    assert rows["time"].to_list() == [2.0, 3.0]
    assert told(rows) == [
        {"proposition": "p", "readout": "stated", "since": 0.0},
        {"proposition": "q", "readout": "stated", "since": 1.0},
    ]
    assert set(rows["seed"]) == {3}
    assert set(rows["condition"]) == {"c"}


def test_several_readings_at_one_time_are_one_belief():
    assert drift(record(("p", 0, 0.0), ("p", 0, 2.0), ("p", 1, 4.0)))["value"].to_list() == [3.0]


@pytest.mark.parametrize(
    ("beliefs", "reason"),
    [
        ([("p", 0, None), ("p", 1, None)], "never read"),
        ([("p", 0, 1.0), ("p", 1, None)], "read at one time only"),
        ([("p", 0, math.inf), ("p", 1, math.inf)], "certain at both times"),
    ],
)
def test_a_drift_that_cannot_be_known_is_missing_and_says_why(beliefs, reason):
    rows = drift(record(*beliefs))
    assert rows["value"].to_list() == [None]
    assert told(rows)[0]["missing"] == reason


def test_a_drift_to_certainty_is_infinite():
    assert drift(record(("p", 0, 0.0), ("p", 1, -math.inf)))["value"].to_list() == [-math.inf]


def test_entropy_is_ln_2_where_nothing_is_decided_and_0_where_all_is():
    rows = entropy(record(("p", 0, 0.0), ("q", 0, 0.0), ("p", 1, math.inf), ("q", 1, None), ("q", 2, None)))
    assert rows["value"].to_list() == [pytest.approx(math.log(2)), 0.0, None]
    assert [(note["n"], note["unread"]) for note in told(rows)] == [(2, 0), (1, 1), (0, 1)]
    assert told(rows)[2]["missing"] == "no belief was read"


BELIEF = st.tuples(
    st.sampled_from("pq"), st.integers(0, 3).map(float), st.one_of(st.none(), st.floats(-30, 30))
)


@given(st.lists(BELIEF, max_size=12))
@settings(max_examples=40, deadline=None)
def test_both_equal_a_slow_version(beliefs):
    by_proposition, by_time = defaultdict(lambda: defaultdict(list)), defaultdict(list)
    for proposition, time, log_odds in beliefs:
        if log_odds is not None:
            by_proposition[proposition][time].append(log_odds)
            c = 1.0 / (1.0 + math.exp(-log_odds))
            by_time[time].append(-sum(p * math.log(p) for p in (c, 1.0 - c) if p > 0.0))
    tables = record(*beliefs)
    rows = drift(tables)
    moved = {
        note["proposition"]: value
        for note, value in zip(told(rows), rows["value"], strict=True)
        if value is not None
    }
    expected = {
        proposition: sum(at[max(at)]) / len(at[max(at)]) - sum(at[min(at)]) / len(at[min(at)])
        for proposition, at in by_proposition.items()
        if len(at) > 1
    }
    assert moved == pytest.approx(expected, abs=1e-9)
    found = entropy(tables).drop_nulls("value")
    assert dict(zip(found["time"], found["value"], strict=True)) == pytest.approx(
        {time: sum(values) / len(values) for time, values in by_time.items()}, abs=1e-9
    )


def test_an_unknown_measure_suggests_the_nearest():
    with pytest.raises(InputError, match="no measures called 'drfit'; did you mean 'drift'"):
        measures.get("drfit")
