from __future__ import annotations

import json

import altair
import polars as pl
import pytest

import doxa
from doxa.errors import InputError
from doxa.lab.loaded import FINDINGS, Loaded
from doxa.lab.record import Recorder
from doxa.lab.run import run_study
from doxa.lab.store import RunFolder
from tests.lab.studies import coin


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs, one of them of a study of beliefs over time, and one that is not finished."""
    folder = tmp_path_factory.mktemp("loaded")
    study = coin(folder, "coin-loaded-anew")
    run_study(study, out=folder / "runs", overrides={"seeds": 2})
    run_study(study, out=folder / "runs", overrides={"seeds": 3})
    begun = RunFolder(folder / "runs" / "coin-begun")
    begun.write_json("manifest.json", {"study": "coin", "cells": ["a"]})
    return folder / "runs"


def finished(runs):
    return sorted(path.parent.name for path in runs.glob("*/findings.json"))


def test_findings_are_a_frame_with_the_ends_of_the_interval(runs):
    name = finished(runs)[0]
    loaded = doxa.load(name, runs)
    assert dict(loaded.findings.schema) == FINDINGS
    [told] = json.loads((runs / name / "findings.json").read_text())["findings"]
    [row] = loaded.findings.rows(named=True)
    assert (row["run"], row["claim"], row["verdict"]) == (name, told["claim"], told["verdict"])
    assert [row["low"], row["high"]] == told["interval"]
    assert {name: row[name] for name in told if name != "interval"} == {
        name: value for name, value in told.items() if name != "interval"
    }


def test_several_runs_are_one_record(runs):
    names = finished(runs)
    together = doxa.load(names, runs)
    assert together.beliefs["run"].unique().sort().to_list() == names
    assert together.beliefs.height == 5
    assert together.findings.height == 2
    with pytest.warns(UserWarning, match="coin-begun: is not finished"):
        pattern = doxa.load(f"{runs}/coin-*")
    for one, other in zip(together, pattern, strict=True):
        assert one.equals(other)
    assert together.findings.equals(pattern.findings)


def test_a_pattern_below_here_is_one_too(runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    name = finished(runs)[0]
    assert doxa.load(f"runs/{name[:-1]}?").beliefs["run"].unique().to_list() == [name]


def test_what_names_no_finished_run_is_refused(runs):
    with pytest.raises(InputError, match="name at least one run"):
        doxa.load([], runs)
    with pytest.raises(InputError, match="1 runs, none of them finished"):
        doxa.load(f"{runs}/coin-begun*")
    with pytest.raises(InputError, match="0 runs, none of them finished"):
        doxa.load(f"{runs}/nothing-*")


def beliefs() -> Loaded:
    recorder = Recorder("calm", 0)
    for readout, values in {"stated": (0.2, 0.4), "behavioural": (0.6, None)}.items():
        for time, value in enumerate(values):
            missing = {} if value is not None else {"missing": "no answer"}
            recorder.belief(
                subject="a", proposition="p", readout=readout, time=time, credence=value, **missing
            )
    recorder.belief(subject="a", proposition="q", readout="stated", time=0, credence=0.6)
    return Loaded(*recorder.tables())


def test_course_is_the_mean_of_what_could_be_read():
    course = beliefs().course("readout")
    assert course.columns == ["readout", "axis", "time", "credence", "sd", "n"]
    assert course.select("readout", "time", "n").rows() == [
        ("behavioural", 0.0, 1),
        ("stated", 0.0, 2),
        ("stated", 1.0, 1),
    ]
    assert course["credence"].to_list() == pytest.approx([0.6, 0.4, 0.4])
    assert course["sd"].to_list() == [None, pytest.approx(0.08**0.5), None]
    assert beliefs().course().columns[:3] == ["condition", "subject", "readout"]
    for wrong in ("redout", "credence", "time"):
        with pytest.raises(InputError, match="must be a column that tells beliefs apart"):
            beliefs().course(wrong)


def test_frames_plot_in_one_line(runs):
    loaded = doxa.load(finished(runs), runs)
    charts = [
        loaded.beliefs.plot.line(x="time", y="credence", color="readout"),
        loaded.course("readout").plot.line(x="time", y="credence", color="readout"),
        loaded.measures.plot.point(x="time", y="value", color="measure"),
        loaded.findings.plot.bar(x="estimate", y="claim", color="verdict"),
    ]
    for chart in charts:
        assert isinstance(chart, altair.Chart)
        assert chart.to_dict()["data"]


def test_tables_without_a_run_have_no_findings():
    assert beliefs().findings.equals(pl.DataFrame(schema=FINDINGS))
