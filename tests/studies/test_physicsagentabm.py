from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.society.clusters.recording import put

CONTROLS = {"no-motifs", "tie", "shuffled", "identical", "floor"}


@pytest.fixture(scope="module", autouse=True)
def data():
    beside = Path(__file__).parents[3] / "shared" / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOXA_DATA", os.environ.get("DOXA_DATA") or str(beside))
        yield


@pytest.fixture(scope="module")
def quick(quick_runs, data):
    return run_study("physicsagentabm", preset="quick", out=quick_runs)


@pytest.mark.slow
def test_the_quick_run_has_the_effects_and_their_controls(quick):
    found = {finding.id: finding for finding in quick.findings}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    assert {name for name, finding in found.items() if finding.estimate is None} == set()
    assert found["identical"].estimate == 0.0
    assert found["calls"].estimate > 6
    assert found["loss"].estimate < 0.02
    assert found["floor"].estimate > 0
    assert found["clusters"].estimate > 0.6
    assert found["no-motifs"].estimate < 0.2
    assert found["after-the-shift"].estimate > 0
    assert found["weight"].estimate > 0
    assert [figure.id for figure in quick.figures] == [
        *("states", "weights", "reliability", "map", "frontier", "ablations", "weeks"),
    ]


def simulated(spoil: str = "") -> Tables:
    """Return tables of six seeds in which everything is as claimed, but for what is spoilt."""
    parts = []
    for seed in range(6):
        wobble = 1e-5 * (seed - 2.5)
        main = Recorder("epidemic", seed)
        nll = {
            "symbolic": 0.218,
            "neural": 0.219,
            "fused": 0.216,
            "by confidence": 0.217,
            "true probabilities": 0.215,
        }
        if spoil == "fusion":
            nll["fused"] = 0.2185
        for name, value in nll.items():
            put(main, "nll", value + wobble, path=name)
            put(main, "nll after the shift", value + wobble * 0.5, path=name)
            put(main, "ece", 0.004 + wobble, path=name)
            put(main, "eete", (2.0 if name == "fused" else 2.1) + wobble, path=name)
        put(main, "coverage", 0.93 + wobble, path="fused", level=0.9)
        for day, weight in ((45, 0.6), (70, 0.9 if spoil == "weight" else 0.3)):
            put(main, "weight", weight + wobble * day, time=day, transition="susceptible→exposed")
        rand = {"ANCHOR": 0.95, "graph only, spectral": 0.0, "no motifs": 0.0, "no contrastive": 0.9}
        for name, value in rand.items():
            put(main, "rand", value + wobble * len(name), clustering=name)
        loss = 0.23 if spoil == "loss" else 0.216
        for way, calls, value in (
            ("ANCHOR", 20.0, loss),
            ("each agent, by its own record", 580.0, 0.217),
            ("each agent, by its own record and cluster", 580.0, 0.2165),
        ):
            put(main, "frontier", value + wobble * len(way) / 10, calls=calls + seed, way=way)
        put(main, "run calls", 6460.0 + seed, way="ANCHOR")
        put(main, "run calls", 48_000.0, way="each agent")
        put(main, "nll of labels", 0.218 + 2 * wobble, labels="shuffled")
        put(main, "identical", 0.0)
        mild = Recorder("mild", seed)
        other = Recorder("attention", seed)
        for recorder in (mild, other):
            put(recorder, "nll", 0.2 + wobble, path="symbolic")
            put(recorder, "nll", 0.205, path="neural")
            put(recorder, "nll", 0.21 if spoil == "tie" else 0.2001, path="fused")
        parts += [main.tables(), mild.tables(), other.tables()]
    series = Recorder("series", 0)
    for number in range(9):
        for path, value in (("symbolic", 9.0), ("last week", 9.2), ("fused", 8.5)):
            put(
                series,
                "nll of weeks",
                value + 0.01 * number * len(path),
                path=path,
                unit_name=f"unit {number}",
            )
        put(series, "coverage of weeks", 0.9 + 0.002 * (number - 4), path="fused", unit_name=f"unit {number}")
    return Tables.concat([*parts, series.tables()])


def verdicts(tables: Tables) -> dict[str, str]:
    study = find_study("physicsagentabm")
    return {finding.id: finding.verdict for finding in study.code.findings(tables, study.configure())}


def test_what_is_claimed_holds_and_what_is_spoilt_fails():
    assert set(verdicts(simulated()).values()) == {"holds"}
    for spoil, name in (("fusion", "fused"), ("weight", "weight"), ("loss", "loss"), ("tie", "tie")):
        assert verdicts(simulated(spoil))[name] == "fails", spoil


def test_what_was_not_measured_says_what_helps():
    cut = simulated()
    measures = cut.measures.filter(pl.col("condition") != "series")
    study = find_study("physicsagentabm")
    found = study.code.findings(Tables(cut.beliefs, measures, cut.transcripts), study.configure())
    series = [finding for finding in found if finding.id.startswith("series")]
    assert {finding.verdict for finding in series} == {"unresolved"}
    assert all("doxa data get physicsagentabm" in finding.note for finding in series)


def test_cells_are_planned_by_part():
    todo = plan("physicsagentabm", overrides={"seeds": 2, "series": "none"})
    assert sorted(cell.condition for cell in todo.cells.values()) == sorted(
        ["epidemic", "mild", "attention"] * 2
    )
    with pytest.raises(InputError, match="asked_days=3: has no effect"):
        plan("physicsagentabm", overrides={"asked_days": 3})
    with pytest.raises(InputError, match="paths"):
        plan("physicsagentabm", overrides={"subject": "planted:calibrated", "paths": 12})


@pytest.mark.slow
def test_a_subject_that_speaks_no_json_is_left_to_the_mechanism(quick_runs):
    overrides = {"subject": "organism:sound", "sampled": 8, "asked_days": 2, "samples": 2, "retries": 0}
    result = run_study("physicsagentabm", preset="quick", overrides=overrides, out=quick_runs)
    found = {finding.id: finding for finding in result.findings}
    assert found["read"].estimate == 1.0
    assert found["mind"].estimate == pytest.approx(0.0)
    assert found["dealt"].control
