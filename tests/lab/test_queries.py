from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import doxa
from doxa.errors import InputError, StoreError
from doxa.lab.queries import HOLDER, _selection, beliefs_as_of, trajectory
from doxa.lab.record import SCHEMAS, Recorder, Tables
from doxa.lab.run import run_study
from tests.lab.studies import coin

ROW = st.fixed_dictionaries(
    {
        "condition": st.sampled_from(["a", "b"]),
        "seed": st.sampled_from([-1, 0, 2**40]),
        "subject": st.sampled_from(["s", "t", ""]),
        "proposition": st.sampled_from(["p", "q"]),
        "axis": st.sampled_from(["turn", "step"]),
        "time": st.sampled_from([-math.inf, -1.0, 0.0, 1.0, 2.0, math.inf]),
        "readout": st.sampled_from(["stated", "behavioural"]),
        "credence": st.none() | st.floats(0, 1),
    }
)


def tables_of(rows: list[dict[str, Any]]) -> Tables:
    beliefs = pl.DataFrame(
        [{"log_odds": None, "n": place, "extra": "{}", **row} for place, row in enumerate(rows)],
        schema=SCHEMAS["beliefs"],
    )
    return Tables.empty()._replace(beliefs=beliefs)


def slow_as_of(rows: list[dict[str, Any]], time: float, axis: str | None, readout: str | None) -> list[int]:
    """Walk through the rows one by one; return the places of those that stand."""
    stand: dict[tuple[Any, ...], int] = {}
    for place, row in enumerate(rows):
        if row["time"] > time or (axis or row["axis"], readout or row["readout"]) != (
            row["axis"],
            row["readout"],
        ):
            continue
        holder = tuple(row[name] for name in HOLDER)
        if holder not in stand or row["time"] >= rows[stand[holder]]["time"]:
            stand[holder] = place
    return sorted(stand.values())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ROW, max_size=30),
    st.sampled_from([-math.inf, -1.0, 0.5, 1.0, math.inf]),
    st.sampled_from([None, "turn", "layer"]),
    st.sampled_from([None, "stated"]),
    st.booleans(),
)
def test_what_was_believed_at_a_time_equals_a_walk_through_the_rows(rows, time, axis, readout, in_order):
    if in_order:
        rows = sorted(rows, key=lambda row: row["time"])
    tables = tables_of(rows)
    found = beliefs_as_of(tables, time=time, axis=axis, readout=readout)
    assert found.equals(tables.beliefs[slow_as_of(rows, time, axis, readout)])


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, max_size=30), st.sampled_from([None, "turn"]), st.sampled_from([None, "stated"]))
def test_a_trajectory_equals_a_stable_sort_of_the_rows(rows, axis, readout):
    tables = tables_of(rows)
    wanted = [
        place
        for place, row in enumerate(rows)
        if row["proposition"] == "p" and axis in (None, row["axis"]) and readout in (None, row["readout"])
    ]
    wanted.sort(key=lambda place: (*(rows[place][name] for name in HOLDER), rows[place]["time"]))
    assert trajectory(tables, proposition="p", axis=axis, readout=readout).equals(tables.beliefs[wanted])


def test_by_hand_a_tie_a_missing_belief_and_one_that_comes_later():
    recorder = Recorder("c", 0)
    about = {"subject": "s", "proposition": "p", "readout": "stated"}
    recorder.belief(**about, time=0, credence=0.2)
    recorder.belief(**about, time=1, credence=0.4)
    recorder.belief(**about, time=1, credence=0.6)
    recorder.belief(**about, time=2, missing="refused")
    recorder.belief(**about, time=3, credence=0.9)
    tables = recorder.tables()
    credences = [beliefs_as_of(tables, time=time)["credence"].to_list() for time in (-1, 0, 1, 2.5, math.inf)]
    assert credences == [[], [0.2], [0.6], [None], [0.9]]
    assert trajectory(tables, proposition="p")["credence"].to_list() == [0.2, 0.4, 0.6, None, 0.9]
    assert trajectory(tables, proposition="nobody asked").is_empty()


def test_many_holders_in_and_out_of_order():
    rows = [
        {
            "condition": f"c{place % 7}",
            "seed": place % 3 * 10**9,
            "subject": f"s{place % 501}",
            "proposition": "p",
        }
        | {"axis": "step", "time": float(place * 7919 % 97), "readout": "stated", "credence": 0.5}
        for place in range(5_000)
    ]
    tables = tables_of(rows)
    for time in (3.0, 50.0, 96.0):
        assert beliefs_as_of(tables, time=time).equals(tables.beliefs[slow_as_of(rows, time, None, None)])


def test_a_run_is_read_cell_by_cell_and_gives_what_its_tables_give(tmp_path):
    result = run_study(coin(tmp_path, "coin-asked"), out=tmp_path)
    assert beliefs_as_of(result.folder, time=0).equals(beliefs_as_of(result.tables, time=0))
    whole = doxa.trajectory(result.run, proposition="heads", out=tmp_path)
    assert whole.equals(trajectory(result.tables, proposition="heads"))
    assert doxa.beliefs_as_of(doxa.load(result.folder), time=0)["run"].unique().to_list() == [result.run]
    victim = next((result.folder / "cells").glob("*/beliefs.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=r"beliefs\.parquet: damaged"):
        beliefs_as_of(result.folder, time=0)


def test_two_runs_in_one_table_are_two_holders():
    one = tables_of(
        [
            {"condition": "c", "seed": 0, "subject": "s", "proposition": "p", "axis": "turn"}
            | {"time": 0.0, "readout": "stated", "credence": 0.5}
        ]
    )
    both = Tables.empty()._replace(
        beliefs=pl.concat([one.beliefs.with_columns(pl.lit(name).alias("run")) for name in ("r", "s")])
    )
    assert beliefs_as_of(both, time=0)["run"].to_list() == ["r", "s"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(InputError, match="time=nan"):
        beliefs_as_of(Tables.empty(), time=math.nan)
    for asked in (("hour", None), (None, "said")):
        with pytest.raises(InputError, match=r"='(hour|said)': must be one of"):
            _selection(*asked)
