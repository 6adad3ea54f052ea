from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.dynamics.physics_guided.variants import (
    BAYESIAN_AGENTS,
    GUIDED,
    KALMAN,
    NETWORK,
    OPEN_LOOP,
    OTHER_SYSTEM,
    PHYSICS,
    SIMPLE_PHYSICS,
    SIMPLE_PLATES,
    WRONG_SIGN,
)
from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.streams import stream
from doxa.worlds.discounting_agents import DiscountingAgent, simulate_agents

SLUG = "pgdmm"
CONTROLS = {
    *("pendulum-wrong-sign-share", "pendulum-wrong-sign-gain"),
    *("pendulum-other-system-share", "pendulum-other-system-gain"),
    *("linear-no-gain", "linear-bound", "crack-no-gain"),
    *("silverbox-other-system-gain", "silverbox-other-system-share"),
    *("belief-response-bayes", "belief-share-bayes"),
}


def simulated(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    value = {
        "velocity": 0.97,
        "network velocity": 0.02,
        "network aligned": 0.8,
        "forecast": 0.3,
        "coverage": 0.95,
        "other share": 0.3,
        "other forecast": 0.6,
        "exact": 1.05,
        "linear forecast": 0.2,
        "bound": 1.0,
        "rate": 0.7,
        "simple": 0.4,
        "gap": 0.03,
        "open loop": 0.0,
        "one-step": 0.01,
        "silverbox velocity": 3.0,
        "alpha": 0.6,
        "response": 0.57,
        "bayesian response": 1.0,
        "bayesian share": 0.01,
        "share": 0.3,
        "bayesian alpha": 0.95,
        **shift,
    }
    return Tables.concat(
        [make(value, seed) for seed in range(4) for make in (_pendulum, _linear, _crack, _silver, _belief)]
    )


class Rows:
    """A recorder that lets numbers differ a little from seed to seed."""

    def __init__(self, world, seed):
        self.recorder, self.wobble = Recorder(world, seed), 1.0 + 1e-4 * (seed - 1.5)

    def add(self, measure, value, subject, **told):
        self.recorder.measure(measure, value * self.wobble, subject=subject, **told)

    def latent(self, measure, value, subject, coordinate, aligned="as it is", splits=("train", "test")):
        for split in splits:
            self.add(measure, value, subject, split=split, coordinate=coordinate, aligned=aligned)

    def ahead(self, value, subject, coverage=0.95):
        self.add("forecast rmse", value, subject, split="test")
        self.add("forecast coverage", coverage, subject, split="test")
        for step in (1, 2):
            self.add("forecast error", value * step, subject, split="test", time=float(step))


def _pendulum(value, seed):
    rows = Rows("pendulum", seed)
    rows.latent("r2", value["velocity"], GUIDED, "velocity")
    rows.latent("r2", value["network velocity"], NETWORK, "velocity")
    rows.latent("r2", value["network aligned"], NETWORK, "velocity", "aligned")
    rows.latent("probe r2", 0.1, NETWORK, "velocity")
    rows.latent("coverage", value["coverage"], GUIDED, "velocity")
    for model, off in ((GUIDED, value["forecast"]), (NETWORK, 0.6), (PHYSICS, 0.4)):
        rows.ahead(off, model)
    for model, share in (
        (GUIDED, 0.8),
        (WRONG_SIGN, value["other share"]),
        (OTHER_SYSTEM, value["other share"]),
    ):
        rows.add("share of the prior", share, model)
        for step in (10, 20):
            rows.recorder.measure("alpha", share, subject=model, time=float(step))
    for model in (WRONG_SIGN, OTHER_SYSTEM):
        rows.ahead(value["other forecast"], model)
    for model in (GUIDED, NETWORK):
        for split in ("train", "test"):
            for name in ("angle", "velocity"):
                for step in range(1, 5):
                    rows.recorder.measure(
                        "latent", 0.1 * step, subject=model, unit="rad", time=float(step), coordinate=name, sequence=0,
                        split=split, std=0.1, truth=0.1 * step,
                    )  # fmt: skip
    return rows.recorder.tables()


def _linear(value, seed):
    rows = Rows("linear", seed)
    for name in ("angle", "velocity"):
        rows.latent("rmse", value["exact"], GUIDED, name)
        rows.recorder.measure("rmse", 1.0, subject=KALMAN, split="test", coordinate=name, aligned="as it is")
    rows.latent("coverage", value["coverage"], GUIDED, "velocity")
    for model, off in ((GUIDED, value["linear forecast"]), (PHYSICS, 0.2), (KALMAN, 0.19)):
        rows.recorder.measure("forecast rmse", off, subject=model, split="test")
    for model, bound in ((KALMAN, value["bound"] + value["gap"]), (GUIDED, value["bound"])):
        rows.add("bound", bound, model, split="test")
    return rows.recorder.tables()


def _crack(value, seed):
    rows = Rows("crack", seed)
    rows.latent("r2", value["rate"], GUIDED, "rate")
    for model, off in ((GUIDED, value["forecast"]), (NETWORK, 0.6), (PHYSICS, 0.4)):
        rows.ahead(off, model, value["coverage"])
    rows.ahead(value["simple"], SIMPLE_PLATES)
    rows.ahead(0.4, SIMPLE_PHYSICS)
    return rows.recorder.tables()


def _silver(value, seed):
    rows = Rows("silverbox", seed)
    for split, known in (("train", 0.0187), ("test", 0.0201)):
        rows.recorder.measure(
            "open loop rmse", known + value["open loop"], subject=OPEN_LOOP, split=split, model="released"
        )
    for model, factor in ((GUIDED, 1.0), (NETWORK, 2.0), (PHYSICS, 1.3)):
        off = value["one-step"] if model == GUIDED else 0.01
        rows.add("one-step rmse", off * factor, model, split="test")
        rows.ahead(value["forecast"] if model == GUIDED else 0.31 * factor, model)
    rows.ahead(value["other forecast"], OTHER_SYSTEM)
    rows.add("share of the prior", value["other share"], OTHER_SYSTEM)
    for aligned in ("as it is", "aligned"):
        rows.latent("rmse", value["silverbox velocity"], GUIDED, "velocity", aligned)
        rows.latent("rmse", 9.0, NETWORK, "velocity", aligned)
    rows.latent("coverage", value["coverage"], GUIDED, "velocity")
    rows.add("share of the prior", value["alpha"], GUIDED)
    return rows.recorder.tables()


def _belief(value, seed):
    rows = Rows("belief", seed)
    for model, kind in ((GUIDED, ""), (BAYESIAN_AGENTS, "bayesian ")):
        rows.add("response", value[f"{kind}response"], model, split="test")
        rows.add("share of the network", value[f"{kind}share"], model, split="test")
        rows.add("share of the prior", value.get(f"{kind}alpha", 0.5) if kind else 0.5, model)
    for model, off in ((GUIDED, value["forecast"]), (NETWORK, 0.6), (PHYSICS, 0.4)):
        rows.ahead(off, model)
    rows.latent("coverage", value["coverage"], GUIDED, "log-odds")
    return rows.recorder.tables()


def judged(tables, **overrides):
    study = find_study(SLUG)
    return {one.id: one for one in study.code.findings(tables, study.configure(overrides=overrides))}


def test_the_effects_and_their_controls_are_told_apart():
    found = judged(simulated())
    assert {name: one.verdict for name, one in found.items() if one.verdict != "holds"} == {}
    assert {name for name, one in found.items() if one.control} == CONTROLS


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        ({"velocity": 0.7}, {"pendulum-velocity", "pendulum-velocity-train", "pendulum-aligned"}),
        ({"network velocity": 0.6}, {"pendulum-network"}),
        ({"network aligned": 0.99}, {"pendulum-aligned"}),
        (
            {"forecast": 0.5},
            {
                "pendulum-physics-forecast",
                "crack-physics-forecast",
                "silverbox-physics-forecast",
                "belief-physics-forecast",
            },
        ),
        (
            {"coverage": 0.6},
            {
                *("pendulum-bands-train", "pendulum-bands-test", "linear-bands-test", "crack-bands"),
                *("silverbox-bands-train", "silverbox-bands-test", "belief-bands-test"),
            },
        ),
        (
            {"other share": 0.9},
            {"pendulum-wrong-sign-share", "pendulum-other-system-share", "silverbox-other-system-share"},
        ),
        (
            {"other forecast": 0.2},
            {"pendulum-wrong-sign-gain", "pendulum-other-system-gain", "silverbox-other-system-gain"},
        ),
        ({"exact": 1.5}, {"linear-angle", "linear-velocity"}),
        ({"linear forecast": 0.1}, {"linear-no-gain"}),
        ({"gap": -0.1}, {"linear-bound"}),
        ({"gap": 0.3}, {"linear-gap"}),
        ({"simple": 0.2}, {"crack-no-gain"}),
        ({"rate": -0.5}, {"crack-rate"}),
        ({"open loop": 0.002}, {"silverbox-open-loop-train", "silverbox-open-loop-test"}),
        ({"one-step": 0.03}, {"silverbox-one-step"}),
        ({"silverbox velocity": 12.0}, {"silverbox-velocity", "silverbox-velocity-aligned"}),
        ({"alpha": 0.995}, {"silverbox-inside"}),
        ({"alpha": 0.2}, {"silverbox-other-system-share"}),
        ({"response": 0.9}, {"belief-response"}),
        ({"bayesian response": 0.6}, {"belief-response-bayes"}),
        ({"bayesian share": 0.4}, {"belief-share", "belief-share-bayes"}),
        ({"bayesian alpha": 0.2}, {"belief-alpha"}),
    ],
)
def test_each_finding_can_fail(shift, failing):
    found = judged(simulated(**shift))
    assert {name for name, one in found.items() if one.verdict == "fails"} == failing


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert all(one.note for one in found.values())
    study = find_study(SLUG)
    assert study.code.figures(Tables.empty(), study.configure()) == []


def test_figures_of_a_world():
    study = find_study(SLUG)
    drawn = {one.id: one for one in study.code.figures(simulated(), study.configure())}
    assert {
        "pendulum-velocity",
        "pendulum-phase",
        "pendulum-recovery",
        "pendulum-ahead",
        "pendulum-alpha",
    } <= set(drawn)
    for figure in drawn.values():
        json.dumps(figure.spec, allow_nan=False)


def test_without_the_record_its_findings_are_unresolved_and_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = run_study(SLUG, overrides={"parts": "silverbox", "seeds": 1}, out=tmp_path / "runs")
    assert {one.verdict for one in result.findings} == {"unresolved"}
    assert any("doxa data get pgdmm" in one.note for one in result.findings)
    absent = set(plan(SLUG, overrides={"parts": "silverbox", "seeds": 1}).cells)
    monkeypatch.undo()
    assert absent.isdisjoint(plan(SLUG, overrides={"parts": "silverbox", "seeds": 1}).cells)


def test_one_cell_to_a_replicate_of_a_world():
    some = plan(SLUG, overrides={"parts": "belief,linear"}).cells.values()
    assert {cell.condition for cell in some} == {"belief", "linear"}
    few, more = plan(SLUG), plan(SLUG, overrides={"seeds": 6})
    assert set(few.cells) < set(more.cells)
    other = plan(SLUG, overrides={"power": 0.5})
    kept = {cell.condition for key, cell in few.cells.items() if key in other.cells}
    assert kept == {"pendulum", "linear", "crack", "silverbox"}


@pytest.mark.slow
def test_the_quick_run(quick_runs):
    result = run_study(SLUG, preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    for name in ("silverbox-open-loop-train", "silverbox-open-loop-test", "linear-bound"):
        assert found[name].verdict == "holds", name
    assert {figure.id for figure in result.figures} >= {
        "pendulum-velocity",
        "silverbox-ahead",
        "belief-alpha",
    }
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


@pytest.fixture
def table(tmp_path):
    """Return a table of two dozen agents' reports with the truth, of unequal lengths and with a gap."""
    agent = DiscountingAgent(power=0.6, anchor=0.05)
    reports = simulate_agents(stream(0, "own"), 24, 20, agent=agent)
    lines = ["sequence,x,u,truth"]
    for row in range(24):
        for step in range(20 - row % 3):
            seen = "" if (row, step) == (3, 4) else f"{reports.observed[row, step, 0]:.6f}"
            lines.append(
                f"agent {row},{seen},{reports.inputs[row, step, 0]:.6f},{reports.states[row, step, 0]:.6f}"
            )
    path = tmp_path / "reports.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_series_of_ones_own(tmp_path, table):
    overrides = {"csv": str(table), "own_steps": 10, "horizon": 4, "seeds": 1}
    result = run_study(SLUG, overrides=overrides, out=tmp_path / "runs")
    found = {one.id: one for one in result.findings}
    assert {"csv-network-forecast", "csv-physics-forecast", "csv-share", "csv-bands", "csv-z1"} <= set(found)
    rows = result.tables.measures.filter(result.tables.measures["measure"] == "latent")
    assert rows.filter(rows["subject"] == GUIDED).height == sum(20 - row % 3 for row in range(24))
    assert np.isfinite(rows["value"].to_numpy()).all()
    assert run_study(SLUG, overrides=overrides, out=tmp_path / "runs").computed == 0
    changed = table.read_text().replace("agent 0,", "agent zero,")
    table.write_text(changed)
    assert run_study(SLUG, overrides=overrides, out=tmp_path / "runs").computed == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"parts": "pendulums"}, "did you mean 'pendulum'"),
        ({"watched": "picture"}, "watched"),
        ({"horizon": "5"}, "horizon=5: has no effect on the embedded experiments"),
        ({"csv": "none.csv"}, "none.csv: cannot be read as CSV"),
        ({"csv": "none.csv", "power": "0.5"}, "power=0.5: has no effect on series of one's own"),
        ({"rate": "0"}, "rate=0"),
        ({"anchor": "1"}, "anchor=1"),
        ({"sequences": "3"}, "sequences=3"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan(SLUG, overrides=overrides)


def test_bad_files_are_refused_before_anything_is_written(table):
    with pytest.raises(InputError, match="give at most 14"):
        plan(SLUG, overrides={"csv": str(table), "horizon": 18})
    with pytest.raises(InputError, match="neither 'bayes' nor a JSON file"):
        plan(SLUG, overrides={"csv": str(table), "prior": "none.json"})
