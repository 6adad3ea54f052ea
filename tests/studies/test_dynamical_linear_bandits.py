from __future__ import annotations

import json

import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.studies.dynamical_linear_bandits import AGENTS
from doxa.testing import FaultServer
from doxa.worlds.linear_bandits import experiments
from doxa.worlds.linear_bandits.report import PUBLISHED_REAL, RADIUS

SLUG = "dynamical-linear-bandits"
LAST = 1_000_000
CONTROLS = {
    *("reversal", "same-without-memory", "no-memory-no-lock", "clairvoyant"),
    *("identify-nothing", "crowd-reversal", "confident-nobody-stays"),
    *("room-choices", "room-regret-dynlin-ucb", "room-regret-linucb"),
}
SLOPES = {"DynLin-UCB": 0.62, "DynLin-UCB, λ = 1": 0.55, "UCB1": 0.95}


def test_the_study_names_the_agents_that_there_are():
    assert AGENTS == experiments.AGENTS


def told(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    value = {
        "slope": 0.62,
        "spread": 1.0,
        "linucb quiet": 60_000.0,
        "linucb slope": 0.99,
        "away": 0.002,
        "away locked": 0.4,
        "baseline slope": 0.97,
        "linucb loud": 2700.0,
        "differ": 0.0,
        "static": 500.0,
        "clairvoyant": 0.0,
        "radius slope": 0.6,
        "radius none": 30_000.0,
        "radius linucb": 30_000.0,
        "radius power": 1.2,
        "real": 0.0,
        "real slope": 0.8,
        "expert": 200_000.0,
        "rival": 150_000.0,
        "markov": 1e-10,
        "h error": 0.005,
        "lost": 0.0,
        "radius found": 0.21,
        "memory": 0.001,
        "linearity": 1e-8,
        "crowd slope": 0.62,
        "crowd linucb": 18_000.0,
        "crowd loud": 900.0,
        "crowd ucb1": 6000.0,
        "reach": 0.48,
        "room differ": 0.0,
        "room dynlin": 1.0,
        "room linucb": 1.0,
        "unit ridge": 12_000.0,
        "random": 0.40,
        "held": 0.34,
        "ucb1 held": 0.40,
        "nobody": 0.3,
        **shift,
    }
    return Tables.concat(part for seed in range(6) for part in _trial(value, seed))


def _trial(value, seed):
    wobble = 1 + 1e-3 * (seed - 2.5)
    recorder = Recorder("synthetic", seed)
    _synthetic(recorder, value, seed, wobble)
    _radius(recorder, value, wobble)
    _real(recorder, value, wobble)
    for record in experiments.IDENTIFIED:
        about = {"subject": "synthetic", "record": record}
        recorder.measure("markov error", value["markov"], **about)
        recorder.measure("h error", value["h error"] * wobble, **about)
        recorder.measure("lost", value["lost"], **about)
        recorder.measure("radius found", value["radius found"] * wobble, **about)
        recorder.measure("memory", value["memory"] * wobble, subject="no memory", record=record)
    _crowd(recorder, value, wobble)
    yield recorder.tables()


def regret(recorder, name, system, sigma, value):
    recorder.measure(
        "regret", value, subject=name, axis="round", time=LAST, system=system, sigma=sigma, kind="pseudo"
    )


def _synthetic(recorder, value, seed, wobble):
    for sigma in (0.001, 0.01, 0.1):
        spread = 1 + (value["spread"] - 1) * (seed - 2.5)
        regret(recorder, "DynLin-UCB", "synthetic", sigma, 9800 * wobble * spread)
        linucb = {0.001: value["linucb quiet"], 0.01: 20_000.0, 0.1: value["linucb loud"]}[sigma]
        regret(recorder, "LinUCB", "synthetic", sigma, linucb * wobble)
        regret(recorder, "clairvoyant", "synthetic", sigma, value["clairvoyant"])
        regret(recorder, "DynLin-UCB, λ = 1", "synthetic", sigma, value["unit ridge"])
        for name in AGENTS:
            slope = value["slope"] if name == "DynLin-UCB" else value["baseline slope"]
            if name == "LinUCB" and sigma == 0.001:
                slope = value["linucb slope"]
            if name != "clairvoyant":
                about = {"subject": name, "system": "synthetic", "sigma": sigma}
                recorder.measure("slope", slope * wobble, **about)
                recorder.measure("locked", float(name == "LinUCB"), **about)
        for name, away in (("DynLin-UCB", value["away"]), ("LinUCB", value["away locked"])):
            about = {"subject": name, "system": "synthetic", "sigma": sigma}
            recorder.measure("away", away * wobble, axis="round", time=LAST, **about)
            recorder.measure("share", 1.0, axis="round", time=LAST, arm=0, **about)
        recorder.measure("differ", value["differ"], subject="DynLin-UCB", sigma=sigma)
        recorder.measure("static regret", 10_000 * wobble, subject="DynLin-UCB", sigma=sigma)
        recorder.measure("static regret", value["static"], subject="LinUCB", sigma=sigma)


def _radius(recorder, value, wobble):
    for radius in experiments.RADII:
        for ratio in experiments.RATIOS:
            about = {"subject": "DynLin-UCB", "radius": radius, "ratio": ratio}
            if ratio * radius >= 1.0:
                recorder.measure("radius regret", None, missing="refused", **about)
                recorder.measure("radius slope", None, missing="refused", **about)
                continue
            right = 8000 * (1 - radius) ** -value["radius power"]
            paid = value["radius none"] if ratio == 0.0 else right
            recorder.measure("radius regret", paid * wobble, **about)
            recorder.measure("radius slope", value["radius slope"] * wobble, **about)
        recorder.measure("radius regret", value["radius linucb"], subject="LinUCB", radius=radius)


def _real(recorder, value, wobble):
    for name, number in (*PUBLISHED_REAL.items(), (RADIUS, 0.6669)):
        recorder.measure("real number", number + value["real"], subject="system", which=name)
    recorder.measure("slope", value["real slope"] * wobble, subject="DynLin-UCB", system="real", sigma=0.01)
    regret(recorder, "DynLin-UCB", "real", 0.01, 75_000 * wobble)
    regret(recorder, "expert", "real", 0.01, value["expert"])
    for name in ("LinUCB", "D-LinUCB", "EXP3", "B-EXP3", "UCB1"):
        regret(recorder, name, "real", 0.01, value["rival"])


def _crowd(recorder, value, wobble):
    recorder.measure("linearity", value["linearity"], subject="DeGroot")
    for sigma, linucb in ((0.001, value["crowd linucb"]), (0.01, value["crowd loud"])):
        recorder.measure(
            "slope", value["crowd slope"] * wobble, subject="DynLin-UCB", system="crowd", sigma=sigma
        )
        regret(recorder, "DynLin-UCB", "crowd", sigma, 3000 * wobble)
        regret(recorder, "LinUCB", "crowd", sigma, linucb)
        regret(recorder, "UCB1", "crowd", sigma, value["crowd ucb1"])
    for name, ratio in (("DynLin-UCB", value["room dynlin"]), ("LinUCB", value["room linucb"])):
        recorder.measure("room differ", value["room differ"], subject=name)
        recorder.measure("room regret", 100.0 * wobble, subject=name, kind="shaken")
        recorder.measure("room regret", 100.0 * ratio * wobble**2, subject=name, kind="room")
    for kind in ("as given", "reversed", "nobody stays"):
        recorder.measure("agreement", value["random"], subject="at random", kind=kind, best=0.48)
        for name, reached in (
            ("DynLin-UCB", value["reach"]),
            ("LinUCB", value["held"]),
            ("UCB1", value["ucb1 held"]),
        ):
            still = value["nobody"] if name == "LinUCB" else 0.3
            mean = still if kind == "nobody stays" else reached
            recorder.measure("agreement", mean * wobble, subject=name, kind=kind, best=0.48)
            recorder.measure("course", mean, subject=name, kind=kind, axis="round", time=10)
        recorder.measure("held", 0.48, subject="0.6", kind=kind)


def judged(tables):
    study = find_study(SLUG)
    return {one.id: one for one in study.code.findings(tables, study.configure())}


def test_the_effect_and_its_controls_are_told_apart():
    found = judged(told())
    assert {one.verdict for one in found.values()} == {"holds"}, [
        one for one in found.values() if one.verdict != "holds"
    ]
    assert {name for name, one in found.items() if one.control} == CONTROLS
    study = find_study(SLUG)
    drawn = {figure.id: figure for figure in study.code.figures(told(), study.configure())}
    for figure in drawn.values():
        json.dumps(figure.spec, allow_nan=False)
    regimes = drawn["two-regimes"]
    panels = {row["noise"].split(" = ")[1] for row in regimes.spec["data"]["values"]}
    assert panels == {"0.001", "0.1"}
    assert "DynLin-UCB 0.62" in regimes.caption


SHIFTS = [
    ({"slope": 0.9}, {"slope-0-001", "slope-0-01", "slope-0-1"}),
    ({"spread": 1.1}, {"spread"}),
    ({"linucb quiet": 5000.0}, {"linucb-locks", "linucb-worse"}),
    ({"linucb slope": 0.5}, {"locked-slope"}),
    ({"away": 0.1}, {"estimate"}),
    ({"away locked": 0.001}, {"estimate-locked"}),
    (
        {"baseline slope": 0.5},
        {f"linear-{name}" for name in ("linucb", "d-linucb", "exp3", "b-exp3", "ar2", "ucb1")},
    ),
    ({"linucb loud": 30_000.0}, {"reversal"}),
    ({"differ": 0.1}, {"same-without-memory"}),
    ({"static": 30_000.0}, {"no-memory-no-lock"}),
    ({"clairvoyant": 1.0}, {"clairvoyant"}),
    ({"radius slope": 1.0}, {"radius-up-to-twice"}),
    ({"radius none": 100.0}, {"radius-zero", "radius-zero-linucb"}),
    ({"radius linucb": 5000.0}, {"radius-zero-linucb"}),
    ({"radius power": 2.0}, {"radius-grows"}),
    ({"real": 0.1}, {"real-numbers"}),
    ({"real slope": 1.0}, {"real-slope"}),
    ({"expert": 100.0}, {"real-expert"}),
    (
        {"rival": 100.0},
        {f"real-{name}" for name in ("linucb", "d-linucb", "exp3", "b-exp3", "ucb1")},
    ),
    ({"markov": 1e-3}, {"identify-exact"}),
    ({"h error": 0.2}, {"identify-year"}),
    ({"lost": 0.2}, {"identify-best"}),
    ({"radius found": 0.8}, {"identify-radius"}),
    ({"memory": 0.1}, {"identify-nothing"}),
    ({"linearity": 0.1}, {"crowd-is-linear"}),
    ({"crowd slope": 1.0}, {"crowd-slope"}),
    ({"crowd linucb": 100.0}, {"crowd-locks"}),
    ({"crowd loud": 9000.0}, {"crowd-reversal"}),
    ({"crowd ucb1": 100.0}, {"crowd-ucb1"}),
    ({"room differ": 0.1}, {"room-choices"}),
    ({"room dynlin": 1.5}, {"room-regret-dynlin-ucb"}),
    ({"room linucb": 0.5}, {"room-regret-linucb"}),
    ({"unit ridge": 9000.0}, {"lambda-0-001", "lambda-0-01", "lambda-0-1"}),
    ({"reach": 0.45}, {"confident-reach"}),
    ({"held": 0.6}, {"confident-linucb", "confident-linucb-reversed"}),
    ({"ucb1 held": 0.6}, {"confident-ucb1", "confident-ucb1-reversed"}),
    ({"nobody": 0.4}, {"confident-nobody-stays"}),
]
"""What is shifted, and the findings that must then fail and no other."""
BATCHES = 7


@pytest.mark.parametrize("batch", range(BATCHES))
def test_each_finding_can_fail(batch):
    """Shifts that stand side by side above touch the same findings; every seventh does not."""
    shift, failing = {}, set()
    for shifted, failed in SHIFTS[batch::BATCHES]:
        shift |= shifted
        failing |= failed
    found = judged(told(**shift))
    assert {name for name, one in found.items() if one.verdict == "fails"} == failing


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert all("doxa data get" in found[name].note for name in found if name.startswith("real-"))
    study = find_study(SLUG)
    assert study.code.figures(Tables.empty(), study.configure()) == []


@pytest.mark.slow
def test_the_quick_run(quick_runs, trust_data):
    overrides = {"horizon": 200_000, "radius_horizon": 20_000}  # a fifth of the rounds shows most
    result = run_study(SLUG, preset="quick", overrides=overrides, out=quick_runs)
    found = {one.id: one for one in result.findings}
    for name in (
        *("slope-0-001", "slope-0-01", "slope-0-1", "spread", "same-without-memory"),
        *("clairvoyant", "identify-exact", "crowd-is-linear", "crowd-locks", "real-numbers"),
        *("room-choices", "room-regret-dynlin-ucb"),
    ):
        assert found[name].verdict == "holds", name
    ids = [figure.id for figure in result.figures]
    for name in (
        *("regret-synthetic-0-001", "growth-synthetic-0-1", "two-regimes", "side-by-side", "estimate"),
        *("shares-dynlin-ucb-0-001", "radius", "regret-real-0-01", "confident-as-given"),
    ):
        assert name in ids
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


def test_without_the_data_the_real_system_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "real" not in {cell.condition for cell in plan(SLUG).cells.values()}


def test_one_cell_to_each_experiment_and_trial(trust_data):
    cells = plan(SLUG).cells.values()
    names = {cell.condition for cell in cells}
    assert {"radius", "real", "identification", "persuasion"} < names
    assert len(names) == 4 + 3  # and one for each noise level
    few, more = (plan(SLUG, overrides={"parts": "radius", "seeds": n}) for n in (10, 11))
    assert {cell.condition for cell in few.cells.values()} == {"radius"}
    assert set(few.cells) < set(more.cells)


ASKED = {"people": 2, "rounds": 6, "pilot": 4, "max_tokens": 30}


def test_a_served_model_is_persuaded(tmp_path):
    def rater(asked):
        said = asked["messages"][-1]["content"]
        return f"<number>{80 if 'clinic' in said else 30}</number>"

    with FaultServer(rater, faults=0.0) as server:
        overrides = {**ASKED, "subject": f"{server.url}#model"}
        result = run_study(SLUG, overrides=overrides, out=tmp_path)
        assert run_study(SLUG, overrides=overrides, out=tmp_path).computed == 0
    found = {one.id: one for one in result.findings}
    assert found["readable"].verdict == "holds"
    assert found["messages-differ"].estimate == pytest.approx(0.5)
    assert "β" in found["theory-vacuous"].note or "beta_scale" in found["theory-vacuous"].note
    assert [figure.id for figure in result.figures] == ["agreement"]


def test_what_will_be_asked_is_counted_before(tmp_path):
    overrides = {**ASKED, "subject": "http://localhost:9/v1#model"}
    expected = expect_missing(plan(SLUG, overrides=overrides), tmp_path)
    assert 0 < expected.subjects["http://localhost:9/v1#model"].calls <= 2 * (4 * 4 + 2 * 6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"subject": "http://localhost:9/v1#m", "seeds": "3"}, "has no effect on a subject's population"),
        ({"rounds": "100"}, "has no effect on the embedded experiments"),
        ({"parts": "radios"}, "did you mean 'radius'"),
        ({"agents": "DynLinUCB"}, "did you mean 'DynLin-UCB'"),
        ({"horizon": "10"}, "horizon=10: must be >= 1000"),
        ({"noises": "0"}, "noises=0"),
        ({"subject": "organism:sound"}, "speaks micro-English"),
        ({"subject": "http://localhost:9/v1#m", "messages": "none.txt"}, "cannot be read"),
        ({"subject": "http://localhost:9/v1#m", "beta_scale": "0"}, "beta_scale=0"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan(SLUG, overrides=overrides)
