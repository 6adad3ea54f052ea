from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.inference import mean_t_interval
from doxa.errors import InputError
from doxa.lab.record import Recorder, completed
from doxa.lab.view import series
from doxa.lab.view.run_data import RunData, whole
from doxa.lab.view.series import (
    Question,
    averaged,
    counted,
    equal_to,
    extra_field,
    remembered,
)
from tests.lab.view.belief_runs import SEEDS, write_beliefs
from tests.lab.view.sample_runs import cell_tables, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunData(write_beliefs(tmp_path_factory.mktemp("runs")).path)


def whole_table(run: RunData, table: str) -> pl.DataFrame:
    return pl.concat([run.folder.read_table(cell.key, table) for cell in run.cells()])


@pytest.mark.parametrize("value", ["log_odds", "credence"])
def test_means_and_intervals_are_those_of_polars(run, value):
    question = Question(
        "beliefs", value, {"facet": "condition", "readout": "readout"}, equal_to("beliefs", {})
    )
    found = averaged(run, question)
    beliefs = completed(whole_table(run, "beliefs"))
    assert (found.seeds, found.moments) == (SEEDS, None)
    assert sum(row["rows"] for row in found.means) == beliefs.height
    keys = ("condition", "readout", "time")
    groups = dict(beliefs.group_by(keys))
    assert len(found.means) == len(groups)
    for row in found.means:
        part = groups[row["facet"], row["readout"], row["time"]]
        finite = part.filter(pl.col(value).is_finite())
        by_seed = finite.group_by("seed").agg(pl.col(value).mean())[value].to_numpy()
        wanted = mean_t_interval(by_seed)
        assert row["missing"] == part[value].null_count()
        assert row["endless"] == part[value].is_infinite().sum()
        assert row["seeds"] == wanted.n
        if wanted.n:
            assert row["mean"] == pytest.approx(wanted.estimate)
        if wanted.n > 1:
            assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high))
        else:
            assert (row["low"], row["high"]) == (None, None)
    single = (
        beliefs.filter(pl.col(value).is_finite()).group_by(*keys, "seed").agg(pl.col(value).mean()).to_dicts()
    )
    held = {(row["facet"], row["readout"], row["time"], row["seed"]): row["mean"] for row in found.singles}
    assert {key: mean for key, mean in held.items() if mean is not None} == pytest.approx(
        {tuple(row[name] for name in (*keys, "seed")): row[value] for row in single}
    )


def test_a_long_run_sends_some_thousands_of_points_and_loses_no_row(tmp_path):
    recorder = Recorder("long", 0)
    for turn in range(20_000):
        recorder.measure("x", float(turn), subject="s", axis="step", time=turn)
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    found = averaged(run, Question("measures", "value", {"line": "measure"}, equal_to("measures", {})))
    assert found.moments is not None
    assert len(found.means) == found.moments <= 5000
    assert sum(row["rows"] for row in found.means) == 20_000
    assert all(row["mean"] == pytest.approx(row["time"]) for row in found.means)
    times = [row["time"] for row in found.means]
    assert times == sorted(times)
    few = averaged(run, Question("measures", "value", {"line": "measure"}, equal_to("measures", {}), most=7))
    assert len(few.means) == 7
    assert [row["middle"] for row in few.means] == pytest.approx(
        [19_999 / 7 * (place + 0.5) for place in range(7)]
    )


@settings(max_examples=12, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([math.inf, -math.inf])),
        min_size=1,
        max_size=30,
    )
)
def test_every_row_is_counted_once(tmp_path_factory, values):
    recorder = Recorder("c", 0)
    for place, value in enumerate(values):
        recorder.measure("x", value, subject="s", time=place % 3, missing="because")
    run = RunData(write_run(tmp_path_factory.mktemp("runs"), cells={"k": recorder.tables()}).path)
    found = averaged(run, Question("measures", "value", {"line": "measure"}, equal_to("measures", {})))
    known = [value for value in values if value is not None and math.isfinite(value)]
    assert sum(row["rows"] for row in found.means) == len(values)
    assert sum(row["missing"] for row in found.means) == values.count(None)
    assert sum(row["rows"] - row["missing"] - row["endless"] for row in found.means) == len(known)
    run.close()


def test_a_number_alone_keeps_the_interval_recorded_with_it(tmp_path):
    recorder = Recorder("c", 0)
    recorder.measure("x", 0.5, subject="s", low=0.4, high=0.7)
    recorder.measure("y", 0.5, subject="s", low="none")
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    question = Question("measures", "value", {"line": "measure"}, equal_to("measures", {}), recorded=True)
    found = {row["line"]: (row["low"], row["high"]) for row in averaged(run, question).means}
    assert found == {"x": (0.4, 0.7), "y": (None, None)}


def test_nothing_is_a_series_without_points(run):
    question = Question(
        "beliefs", "credence", {"r": "readout"}, equal_to("beliefs", {"condition": "none such"})
    )
    assert averaged(run, question).means == []


def test_rows_are_counted_by_columns(run):
    rows = counted(run, "beliefs", ["readout", "condition"])
    frame = whole_table(run, "beliefs").group_by("readout", "condition").len()
    assert {(row["readout"], row["condition"]): row["rows"] for row in rows} == {
        (row["readout"], row["condition"]): row["len"] for row in frame.to_dicts()
    }


def test_what_was_made_of_the_same_cells_is_made_once(run):
    made: list[int] = []
    for _ in range(3):
        remembered(run, ("a test",), lambda: made.append(1) or len(made))
    assert made == [1]


def test_a_cell_that_was_damaged_and_is_computed_again_counts(tmp_path):
    folder = write_run(tmp_path)
    path = folder.cells / "plain01" / "beliefs.parquet"
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    run = RunData(folder.path)
    assert [row["rows"] for row in counted(run, "beliefs", ["condition"])] == [24, 12]
    folder.set_aside("plain01")
    about = {"study": "kable", "condition": "plain", "seed": 1, "params": {}}
    folder.write("plain01", about, cell_tables("plain", 1))
    assert [row["rows"] for row in counted(run, "beliefs", ["condition"])] == [24, 24]


def test_what_is_remembered_is_bounded(run, monkeypatch):
    monkeypatch.setattr(series, "_KEPT_ROWS", 100)
    made: list[str] = []

    def make(name: str) -> list[int]:
        made.append(name)
        return [0] * 40

    for name in ("a", "b", "b", "c", "a"):
        remembered(run, ("bounded", name), lambda name=name: make(name))
    assert made == ["a", "b", "c", "a"]


@pytest.mark.parametrize("text", ["", "x", "1.5", "²", "9" * 30, "--1"])
def test_no_whole_number(text):
    with pytest.raises(InputError, match="seed="):
        whole(text, "seed")


def test_a_column_or_field_that_is_none(run):
    with pytest.raises(InputError, match="conditoin"):
        equal_to("beliefs", {"conditoin": "x"})
    for name in ("a'b", "a b", "", "$.x", "x" * 41):
        with pytest.raises(InputError, match="field="):
            extra_field(name)


def test_a_broken_extra_field_is_no_error(tmp_path):
    recorder = Recorder("c", 0)
    recorder.measure("x", 1.0, subject="s", layer=2)
    tables = recorder.tables()
    broken = tables._replace(
        measures=pl.concat([tables.measures, tables.measures.with_columns(extra=pl.lit("{oh"))])
    )
    run = RunData(write_run(tmp_path, cells={"k": broken}).path)
    rows = run.sql(f"SELECT {extra_field('layer', number=True)} AS layer FROM measures ORDER BY layer")
    assert [row["layer"] for row in rows] == [2.0, None]
