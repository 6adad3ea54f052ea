from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.inference import mean_t_interval
from doxa.errors import InputError, StoreError
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import compare
from doxa.lab.store import RunFolder
from doxa.lab.view import pairing
from doxa.lab.view.pairing import KEYS, LINE, pair

CellRows = tuple[int, list[tuple[str, str, str, float, float | None]]]
"""Seed, then condition, subject, what, time and number (None is missing) of each row."""

rows = st.lists(
    st.tuples(
        st.sampled_from("xy"),
        st.sampled_from(["s", "t"]),
        st.sampled_from("pq"),
        st.sampled_from([0.0, 1.0]),
        st.none() | st.floats(0.0, 1.0),
    ),
    max_size=6,
)
cells = st.lists(st.tuples(st.integers(0, 2), rows), max_size=4)


def write(folder: Path, run: list[CellRows]) -> list[str]:
    """Write a run of such cells; return their keys."""
    keys = [f"{place:024x}" for place in range(len(run))]
    for key, (seed, lines) in zip(keys, run, strict=True):
        recorder = Recorder("x", seed)
        for condition, subject, what, time, number in lines:
            why = {} if number is not None else {"missing": "no answer"}
            recorder.belief(
                condition=condition, subject=subject, proposition=what, readout="stated", axis="day", time=time,
                credence=number, **why,
            )  # fmt: skip
            recorder.measure(what, number, condition=condition, subject=subject, axis="day", time=time, **why)
        RunFolder(folder).write(
            key, {"study": "s", "condition": "x", "seed": seed, "params": {}}, recorder.tables()
        )
    RunFolder(folder).write_json("manifest.json", {"study": "s", "cells": keys, "command": "doxa run s"})
    return keys


def files(folder: Path, keys: list[str], table: str) -> list[Path]:
    return [folder / "cells" / key / f"{table}.parquet" for key in keys]


def expected(paired: Tables, table: str, value: str, *, by_time: bool) -> dict[tuple[Any, ...], Any]:
    """Return the differences from what ``doxa.compare`` pairs, line by line, in plain Python."""
    frame = getattr(paired, table)
    turn = pl.int_range(pl.len()).over(list(KEYS[table])) + 1
    line = [*LINE[table], *(("time", "turn") if by_time else ())]
    both = frame.with_columns(turn=turn).filter(
        pl.col("extra_a").is_not_null(), pl.col("extra_b").is_not_null()
    )
    found: dict[tuple[Any, ...], Any] = {}
    for key, own in both.group_by(line):
        seeds = []
        for _, seed in own.group_by("seed", maintain_order=True):
            ends = seed.select(a=f"{value}_a", b=f"{value}_b")
            usable = ends.filter(pl.col("a").is_finite(), pl.col("b").is_finite())
            if usable.height:
                seeds.append((usable["a"] - usable["b"]).mean())
        usable = own.filter(pl.col(f"{value}_a").is_finite(), pl.col(f"{value}_b").is_finite()).height
        found[key] = (mean_t_interval(seeds), usable, own.height - usable)
    return found


numbers = st.sampled_from([("beliefs", "credence"), ("beliefs", "log_odds"), ("measures", "value")])


@settings(max_examples=10, deadline=None)  # each writes two runs
@given(cells, cells, numbers, st.booleans(), st.booleans())
def test_pairing_is_that_of_compare(a, b, number, by_time, alike):
    table, value = number
    b = (
        [(seed, [(*line[:4], line[4] and line[4] / 2) for line in lines]) for seed, lines in a]
        if alike
        else b
    )
    with TemporaryDirectory() as place:
        one, two = Path(place) / "a[1]*", Path(place) / "it's b?"  # names that a pattern or SQL could misread
        keys = write(one, a), write(two, b)
        paired = compare(one, two)
        found = pair(
            files(one, keys[0], table), files(two, keys[1], table), table, value=value, by_time=by_time
        )
        wanted = expected(paired, table, value, by_time=by_time)
        assert {tuple(line.key.values()) for line in found.differences} == set(wanted)
        for line in found.differences:
            mean, usable, missing = wanted[tuple(line.key.values())]
            assert (line.pairs, line.missing, line.mean.n) == (usable, missing, mean.n)
            assert line.mean == pytest.approx(mean, nan_ok=True, abs=1e-9)
        frame = getattr(paired, table)
        gone = {"a": frame["extra_b"].is_null().sum(), "b": frame["extra_a"].is_null().sum()}
        assert found.only == gone
        assert found.paired == frame.height - gone["a"] - gone["b"]
        assert sum(one.rows for one in found.single) == sum(gone.values())
        part = pair(
            files(one, keys[0], table), files(two, keys[1], table), table, value=value, by_time=by_time,
            where={"condition": "y"},
        )  # fmt: skip
        assert repr(part.differences) == repr(
            [line for line in found.differences if line.key["condition"] == "y"]
        )
        assert part.single == [line for line in found.single if line.key["condition"] == "y"]


def test_the_largest_difference_comes_first_and_one_seed_has_no_interval(tmp_path):
    a = [(0, [("x", "s", "p", 0.0, 0.5), ("x", "s", "q", 0.0, 0.1), ("x", "s", "r", 0.0, None)])]
    b = [(0, [("x", "s", "p", 0.0, 0.4), ("x", "s", "q", 0.0, 0.9), ("x", "s", "r", 0.0, 0.2)])]
    one, two = tmp_path / "a", tmp_path / "b"
    found = pair(files(one, write(one, a), "measures"), files(two, write(two, b), "measures"), "measures")
    assert [line.key["measure"] for line in found.differences] == ["q", "p", "r"]
    assert [line.mean.ends for line in found.differences] == [None] * 3
    assert found.differences[0].mean.estimate == pytest.approx(-0.8)
    assert (found.differences[0].a, found.differences[0].b) == (0.1, 0.9)
    assert (found.differences[2].pairs, found.differences[2].missing) == (0, 1)


def test_bad_input_is_named(tmp_path, monkeypatch):
    one = tmp_path / "a"
    both = files(one, write(one, [(0, [("x", "s", "p", float(day), 0.5) for day in range(9)])]), "measures")
    with pytest.raises(InputError, match="value='credence': measures have value"):
        pair(both, both, "measures", value="credence")
    with pytest.raises(InputError, match="extra: measures are not paired on it"):
        pair(both, both, "measures", where={"extra": "x"})
    monkeypatch.setattr(pairing, "MOST_LINES", 8)
    assert len(pair(both, both, "measures").differences) == 1
    with pytest.raises(InputError, match="more than 8 differences; pick a condition"):
        pair(both, both, "measures", by_time=True)
    with pytest.raises(StoreError, match="could not be compared"):
        pair([tmp_path / "gone.parquet"], both, "measures")
    assert pair([], [], "beliefs").differences == []
