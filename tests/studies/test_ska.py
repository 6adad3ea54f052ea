from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab import data
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study

CONTROLS = {
    "fixed-steps",
    "noise-order",
    "text-sign",
    "double-precision",
    "dealt-out",
    "monitor-reads",
    "watching",
}
PUBLISHED = {
    *("crossing-1", "crossing-3", "flow-peak-1", "flow-peak-2", "flow-peak-3", "flow-4", "net-2", "net-4"),
    *("norm-1", "norm-2", "norm-3", "text-sign", "double-precision"),
}
EFFECTS = {
    *(
        "order",
        "order-flow",
        "halving",
        "same-events",
        "same-events-fine",
        "same-zeros",
        "same-zeros-fine",
        "events-kept",
    ),
    *("sum-error", "sum-order", "lagrangian-order", "midpoint-order", "null-lagrangian", "euler-lagrange"),
    *(PUBLISHED - CONTROLS),
    *("pattern-recurs", "onset-recurs", "flow-peak-1-recurs", "flow-peak-2-recurs", "flow-peak-3-recurs"),
    *("growth-raw", "growth-halved", "growth-centred", "half-the-pixels", "time-halved", "time-centred"),
    *(
        "clusters",
        "clusters-centred",
        "probe-1",
        "probe-2",
        "probe-3",
        "probe-4",
        "against-pca",
        "backprop-learns",
    ),
    *("classifier-learns", "classifier-closed-form", "classifier-crosses"),
    *("language-learns", "language-closed-form", "language-crosses"),
}
ETAS = (0.02, 0.01, 0.005, 0.001)
ZEROS = {1: 25, 3: 24}
PEAKS = {1: 29, 2: 17, 3: 25, 4: 48}


class Rows(Recorder):
    """A recorder whose rows are of the published images unless they say otherwise."""

    def measure(self, measure, value, *, subject="mnist", **rest):
        super().measure(measure, value, subject=subject, **rest)


def simulated(**shift):
    """Return tables in which all is as the paper says, but for what is shifted."""
    value = {
        "order": 1.0,
        "event": 0.0,
        "crossing": 0.0,
        "lost": False,
        "steps": 1.0,
        "noise": 0.2,
        "sum": 0.05,
        "sum order": 1.0,
        "lagrangian order": 1.0,
        "midpoint order": 2.0,
        "path": 1e-7,
        "residual": 1e-15,
        "zero": 0,
        "others": 0,
        "peak": 0,
        "other peak": 0,
        "flow left": 0.99,
        "net least": 5.0,
        "norm": 1.0,
        "text": 8,
        "double": 1e-5,
        "growth": 0.9,
        "quarter": 0.27,
        "turn": 3.0,
        "gain": 0.1,
        "backprop": 0.8,
        "dealt": 0.1,
        "off": 1e-6,
        "watching": 0.0,
        "learnt": 2.0,
        "closed": 0.01,
        "crosses": 1.0,
        **shift,
    }
    tables = [_time(value, seed) for seed in (42, 0, 1, 2)] + [_net(value, seed) for seed in (42, *range(12))]
    for seed in range(4):
        tables += [_clock(value, seed), _structure(value, seed), _monitor(value, seed)]
    exact = Rows("exact", 0)
    exact.measure("path", value["path"], subject="paths", kind="bent")
    exact.measure("residual", value["residual"], subject="paths")
    return Tables.concat([*tables, exact.tables()])


def _time(value, seed):
    recorder = Rows("time", seed)
    wobble = 1.0 + 1e-3 * (seed % 3)

    def errors(kind, etas, size, power):
        for eta in etas:
            about = {"axis": "sweep", "time": eta, "layer": "mean", "kind": kind, "eta": eta, "steps": 50}
            recorder.measure("overlap", wobble * size * (eta - min(etas)) ** power, curve="entropy", **about)

    errors("budget", ETAS, 10.0, value["order"])
    errors("budget, three runs", (0.02, 0.01, 0.005), 10.0, 1.0)
    errors("steps", (0.02, 0.01, 0.005), 100.0 * value["steps"], 1.0)
    for kind, order in (("budget", value["order"]), ("noise", value["noise"])):
        for curve in ("entropy", "flow_norm"):
            recorder.measure("order", wobble * order, kind=kind, curve=curve)
    for eta in ETAS:
        late = 1.0 + (0.02 * wobble if eta > 0.001 else 0.0)
        for kind, layer, at, moved in (
            ("flow peak", 1, 0.3, value["event"]),
            ("entropy minimum", 2, 0.17, value["event"]),
            ("crossing, code", 1, 0.25, value["crossing"]),
        ):
            if value["lost"] and kind == "crossing, code" and eta == 0.02:
                continue
            time = at * (late + (moved if eta == 0.01 else 0.0))
            recorder.measure("event", time, kind=kind, layer=layer, eta=eta, interior=True)
        for kind, power in (
            ("entropy", "sum order"),
            ("lagrangian", "lagrangian order"),
            ("midpoint", "midpoint order"),
        ):
            size = value["sum"] * wobble * (eta / 0.01) ** (wobble * value[power])
            recorder.measure("sum error", size, axis="sweep", time=eta, eta=eta, kind=kind)
    return recorder.tables()


def _net(value, seed):
    recorder = Rows("tensor-net", seed)
    own = seed == 42
    wobble = 0 if own else seed % 2

    def event(kind, layer, step, norm):
        about = {"layer": layer, "step": step, "eta": 0.01, "knowledge_norm": norm, "interior": True}
        recorder.measure("event", step / 100, subject="mnist", axis="step", time=step, kind=kind, **about)

    norms = {1: 600.0 * value["norm"], 3: 450.0 * value["norm"]}
    for layer, step in ZEROS.items():
        event(
            "crossing, code", layer, step + (value["zero"] if own else value["others"] + wobble), norms[layer]
        )
        event("crossing, text", layer, value["text"], 1.0)
    for layer, step in PEAKS.items():
        event("flow peak", layer, step + (value["peak"] if own else value["other peak"] + wobble), 1.0)
    event("net peak", 2, 26, 1250.0 * value["norm"])
    if own:
        recorder.measure("flow left", value["flow left"], subject="mnist", layer=4)
        recorder.measure("net least", value["net least"], subject="mnist", layer=2)
        recorder.measure("net most", -value["net least"], subject="mnist", layer=4)
        recorder.measure("double precision", value["double"], subject="mnist")
    return recorder.tables()


def _clock(value, seed):
    recorder, wobble = Rows("clock", seed), 1e-3 * seed
    for kind, growth, turn in (
        ("raw", 1.0, 1.0),
        ("halved", value["quarter"], value["turn"]),
        ("centred", 0.1, value["turn"]),
    ):
        recorder.measure("growth", growth * (1 + wobble), kind=kind)
        recorder.measure("growth share", value["growth"] + wobble, kind=kind)
        recorder.measure("rate", growth, kind=kind)
        recorder.measure("rate of steps", growth, kind=kind)
        recorder.measure("turn", turn + (wobble if kind != "raw" else 0.0), kind=kind, interior=True)
    return recorder.tables()


def _structure(value, seed):
    recorder, wobble = Rows("structure", seed), 1e-3 * seed
    for kind, step, level in (
        ("untrained", 0, 0.4),
        ("forward-only", 50, 0.4 + value["gain"]),
        ("PCA", 50, 0.4),
        ("backprop", 50, value["backprop"]),
    ):
        extra = wobble if step else 0.0
        for layer in (1, 2, 3, 4):
            recorder.measure(
                "probe", level + extra * (1 + (kind == "PCA") / 2), kind=kind, layer=layer, step=step
            )
        for centred in (False, True):
            recorder.measure("nmi", level + extra, kind=kind, step=step, centred=centred)
            recorder.measure("purity", level, kind=kind, step=step, centred=centred)
    recorder.measure("probe", value["dealt"] + wobble, kind="dealt-out labels", layer=4, step=50)
    return recorder.tables()


def _monitor(value, seed):
    recorder, wobble = Rows("monitor", seed), 1e-3 * seed
    recorder.measure("monitor off", value["off"] * (1 + wobble), kind="forward-only")
    recorder.measure("watching changes", value["watching"] * (1 + wobble), kind="classifier")
    for kind in ("classifier", "language"):
        recorder.measure("loss fell", value["learnt"] + wobble, kind=kind)
        for layer in range(1, 5):
            recorder.measure("midpoint error", value["closed"], kind=kind, layer=layer)
            recorder.measure("crosses", value["crosses"], kind=kind, layer=layer, sign="code", at=3)
    return recorder.tables()


def judged(tables, **settings):
    study = find_study("ska")
    return {one.id: one for one in study.code.findings(tables, study.configure(overrides=settings))}


def test_a_world_as_the_paper_says_and_its_controls_are_told_apart():
    found = judged(simulated())
    assert {name: (one.estimate, one.interval) for name, one in found.items() if one.verdict != "holds"} == {}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert set(found) == CONTROLS | EFFECTS
    assert {name for name, one in found.items() if one.paper is not None} == (
        PUBLISHED - {"flow-4", "net-2", "net-4", "text-sign", "double-precision"}
    ) | {"flow-peak-1-recurs", "flow-peak-2-recurs", "flow-peak-3-recurs"}


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        ({"order": 0.3}, {"order", "order-flow", "halving"}),
        ({"event": 0.2}, {"same-events", "same-events-fine"}),
        ({"crossing": 0.2}, {"same-zeros", "same-zeros-fine"}),
        ({"lost": True}, {"events-kept"}),
        ({"steps": 0.01}, {"fixed-steps"}),
        ({"noise": 1.0}, {"noise-order"}),
        ({"sum": 0.2}, {"sum-error"}),
        ({"sum order": 2.0}, {"sum-order"}),
        ({"lagrangian order": 2.0}, {"lagrangian-order"}),
        ({"midpoint order": 1.0}, {"midpoint-order"}),
        ({"path": 0.1}, {"null-lagrangian"}),
        ({"residual": 0.1}, {"euler-lagrange"}),
        ({"zero": 3}, {"crossing-1", "crossing-3"}),
        ({"others": 5}, {"onset-recurs"}),
        ({"peak": 5}, {"flow-peak-1", "flow-peak-2", "flow-peak-3"}),
        ({"other peak": 5}, {"flow-peak-1-recurs", "flow-peak-2-recurs", "flow-peak-3-recurs"}),
        ({"flow left": 0.5}, {"flow-4"}),
        ({"net least": -5.0}, {"net-2", "net-4"}),
        ({"norm": 1.5}, {"norm-1", "norm-2", "norm-3"}),
        ({"text": 24.5}, {"text-sign"}),
        ({"double": 0.1}, {"double-precision"}),
        ({"growth": 1.2}, {"growth-raw", "growth-halved", "growth-centred"}),
        ({"quarter": 0.5}, {"half-the-pixels"}),
        ({"turn": 1.0}, {"time-halved", "time-centred"}),
        (
            {"gain": -0.1},
            {"clusters", "clusters-centred", "probe-1", "probe-2", "probe-3", "probe-4", "against-pca"},
        ),
        ({"backprop": 0.4}, {"backprop-learns"}),
        ({"dealt": 0.4}, {"dealt-out"}),
        ({"off": 0.1}, {"monitor-reads"}),
        ({"watching": 0.1}, {"watching"}),
        ({"learnt": 0.0}, {"classifier-learns", "language-learns"}),
        ({"closed": 0.5}, {"classifier-closed-form", "language-closed-form"}),
    ],
)
def test_each_finding_can_fail(shift, failing):
    found = judged(simulated(**shift))
    assert {name for name, one in found.items() if one.verdict == "fails"} == failing


def test_other_images_and_networks_are_not_held_against_the_paper():
    found = judged(simulated(), layers=(16, 8, 8, 4))
    assert {found[name].verdict for name in PUBLISHED} == {"unresolved"}
    assert all("doxa data get ska" in found[name].note for name in PUBLISHED)


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    study = find_study("ska")
    assert study.code.figures(Tables.empty(), study.configure()) == []
    assert set(judged(Tables.empty(), parts="clock")) < set(found)


@pytest.mark.slow
def test_the_quick_run(quick_runs):
    result = run_study("ska", preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    assert set(found) == CONTROLS | EFFECTS
    if data.check("ska").good:
        assert {found[name].verdict for name in PUBLISHED} == {"holds"}
    for name in (
        "null-lagrangian",
        "euler-lagrange",
        "order",
        "noise-order",
        "fixed-steps",
        "monitor-reads",
        "watching",
    ):
        assert found[name].verdict == "holds"
    assert {figure.id for figure in result.figures} >= {
        "budget-entropy",
        "steps-entropy",
        "net-code",
        "phase",
        "clock",
    }
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


def test_without_the_published_images_the_digits_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    overrides = {"parts": "tensor-net", "networks": 2, "layers": (6, 4)}
    result = run_study("ska", overrides=overrides, out=tmp_path)
    assert result.tables.measures["subject"].unique().to_list() == ["digits"]
    found = {one.id: one for one in result.findings}
    assert found["crossing-1"].verdict == "unresolved"
    assert "doxa data get ska" in found["crossing-1"].note


def test_images_of_the_users_make_cells_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.npz"
    overrides = {"parts": "clock", "seeds": 2, "layers": (4,), "data": str(path), "images": 60}
    np.savez(path, images=rng.random((60, 9)))
    result = run_study("ska", overrides=overrides, out=tmp_path)
    assert result.tables.measures["subject"].unique().to_list() == ["mine"]
    assert {one.id: one for one in result.findings}["half-the-pixels"].estimate is not None
    np.savez(path, images=rng.random((60, 9)))
    assert run_study("ska", overrides=overrides, out=tmp_path).computed == 2


@pytest.mark.slow
def test_an_organism_is_fine_tuned_and_watched(tmp_path):
    overrides = {"subject": "organism:sound", "updates": 3, "watched": "*.mlp.up_proj"}
    result = run_study("ska", overrides=overrides, out=tmp_path)
    assert {one.id for one in result.findings} == {"learns", "closed-form", "moves", "crosses"}
    assert {figure.id for figure in result.figures} == {"subject-flow-norm", "subject-tensor-net"}
    assert run_study("ska", overrides=overrides, out=tmp_path).computed == 0


def test_one_cell_to_a_network_and_experiment():
    cells = plan("ska").cells.values()
    assert {cell.condition for cell in cells} == {
        "exact",
        "time",
        "tensor-net",
        "clock",
        "structure",
        "monitor",
    }
    few, more = plan("ska"), plan("ska", overrides={"seeds": 6, "networks": 22})
    assert set(few.cells) < set(more.cells)
    assert 42 not in [cell.seed for cell in cells if cell.condition == "clock"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"etas": (0.02, 0.01)}, "etas=.*give 0.02, 0.01, 0.005"),
        ({"etas": (0.02, 0.01, 0.005)}, "at least one smaller"),
        ({"budget": 0.05}, "less than 4 steps"),
        ({"layers": ()}, "layers"),
        ({"layers": (4, 0)}, "layers=0: must be >= 1"),
        ({"data": "images.pt"}, "pickle"),
        ({"data": "nowhere.npz"}, "cannot be read"),
        ({"updates": 5}, "updates=5: has no effect on the embedded experiments"),
        ({"subject": "organism:sound", "networks": 5}, "networks=5: has no effect on a watched subject"),
        ({"subject": "organism:sound", "texts": "nowhere"}, "no file of texts"),
        ({"parts": "tensornet"}, "did you mean 'tensor-net'"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("ska", overrides=overrides)
