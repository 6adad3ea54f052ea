from __future__ import annotations

import json

import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.society.herding.embedded_report import EXAMPLES

CONTROLS = {
    *(
        "convex",
        "bounded",
        "bounded-shows",
        "dear-altruistic",
        "dear-biased",
        "free",
        "cascades",
        "martingale",
    ),
    *("time-to-cascade", "learns-nothing", "coincide", "network-coincide"),
}


def simulated(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    value = {
        "form": 1e-8,
        "hidden outside": 0.0,
        "altruistic": -0.15,
        "biased in B": -10.7,
        "biased in G": -0.75,
        "myopic": -2.4,
        "bounded in B": -4.5,
        "bounded hides": 0.0,
        "dear": -2.4,
        "certain": 1.0,
        "cascade": 0.5,
        "distance": 0.02,
        "dealt": 0.2,
        "hybrid": -3.0,
        "same": 0.0,
        "weight": 0.01,
        "network": 1.5,
        "bayesian network": 0.03,
        **shift,
    }
    parts = [_exact(value)]
    for seed in range(5):
        parts += [_sequences(value, seed), _learned(value, seed), _networks(value, seed)]
    return Tables.concat(parts)


def _exact(value):
    recorder = Recorder("exact", 0)
    recorder.measure("error", value["form"], subject="solver", form="stop")
    for name, (number, _) in EXAMPLES.items():
        recorder.measure("example", number, subject="solver", example=name)
    recorder.measure("example", 0.0, subject="solver", example="fall of slope (k = 0.5)")
    recorder.measure("example", value["hidden outside"], subject="solver", example="outside (1/2, p]")
    for size in (100, 200, 400):
        recorder.measure("grid error", size**-2.0, subject="solver", time=size, place="away from kinks")
    for ratio, own in ((0.8, -2.0), (1.0, value["hybrid"] + value["same"])):
        for name, worth in (("hybrid", value["hybrid"]), ("re-optimised", own)):
            recorder.measure("worth", worth, subject=name, aim="biased", herding=ratio, k=2.0)
    return recorder.tables()


def _sequences(value, seed):
    recorder, wobble = Recorder("sequences", seed), 1e-3 * (seed - 2)
    worth = {
        "no control": (-1.3, -3.8),
        "altruistic": (value["altruistic"],) * 2,
        "altruistic, myopic": (value["myopic"],) * 2,
        "highest precision": (-1.5, -1.5),
        "biased": (value["biased in G"], value["biased in B"]),
        "biased, never below p": (-0.4, value["bounded in B"]),
        "altruistic, too dear": (-1.3 + value["dear"] + 2.4, -3.8),
        "biased, too dear": (-1.3, -3.8),
    }
    for k in (0.5, 2.0):
        for planner, numbers in worth.items():
            for state, number in zip("GB", numbers, strict=True):
                about = {"subject": planner, "k": k, "state": state}
                recorder.measure("welfare", number + wobble, **about)
                recorder.measure("hidden", value["bounded hides"], **about)
    for state in "GB":
        about = {"subject": "altruistic, free", "k": 0.5, "state": state}
        recorder.measure("certain at once", value["certain"], **about)
    for tie in ("own_signal", "coin"):
        recorder.measure("cascade error", value["cascade"], subject="n", tie=tie, kind="right")
        recorder.measure("martingale", value["cascade"], subject="n", tie=tie)
    recorder.measure("agents to cascade", 3.45 + wobble, subject="n", known=3.448)
    return recorder.tables()


def _learned(value, seed):
    recorder, wobble = Recorder("learned", seed), 1e-3 * (seed - 2)
    for aim in ("altruistic", "biased"):
        recorder.measure("distance", value["distance"] + wobble, subject="l", aim=aim, rewards="its own")
        recorder.measure("loss", 0.01, subject="learner", aim=aim, rewards="its own")
    recorder.measure("distance", value["dealt"] + wobble, subject="l", aim="biased", rewards="dealt out")
    return recorder.tables()


def _networks(value, seed):
    recorder, wobble = Recorder("networks", seed), 1e-3 * (seed - 2)
    for source in ("parametric", "network"):
        recorder.measure(
            "weight", 1.0 + value["weight"] + wobble, subject="n", source=source, planted=1.0, weight="alpha"
        )
    for agents, gain in (("planted", value["network"]), ("Bayesian", value["bayesian network"])):
        recorder.measure("worth", -3.0, subject="hybrid", agents=agents)
        recorder.measure("worth", -3.0 + gain + wobble, subject="re-optimised", agents=agents)
    return recorder.tables()


def judged(tables):
    study = find_study("steering-herd")
    return {one.id: one for one in study.code.findings(tables, study.configure())}


def test_the_effect_and_its_controls_are_told_apart():
    found = judged(simulated())
    assert {one.verdict for one in found.values()} == {"holds"}
    assert {name for name, one in found.items() if one.control} == CONTROLS


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        ({"form": 1e-3}, {"closed-forms"}),
        ({"hidden outside": 0.1}, {"obfuscation-place"}),
        ({"altruistic": -9.0}, {"altruistic-helps", "not-always-most", "myopic-worse"}),
        ({"biased in B": -3.0}, {"biased-hurts", "biased-loss", "biased-loss-dear", "bounded"}),
        ({"biased in G": -2.0}, {"biased-right"}),
        ({"bounded hides": 0.2}, {"bounded-shows"}),
        ({"dear": -3.0}, {"dear-altruistic"}),
        ({"certain": 0.5}, {"free"}),
        ({"cascade": 2.0}, {"cascades", "martingale"}),
        ({"distance": 0.1}, {"learns-altruistic", "learns-biased"}),
        ({"dealt": 0.01}, {"learns-nothing"}),
        ({"hybrid": -1.0}, {"hybrid-loses"}),
        ({"same": 0.1}, {"coincide"}),
        ({"weight": 0.5}, {"recovered", "network-weights"}),
        ({"network": 0.0}, {"network-hybrid", "network-more"}),
        ({"bayesian network": 0.8}, {"network-coincide"}),
    ],
)
def test_each_finding_can_fail(shift, failing):
    found = judged(simulated(**shift))
    assert {name for name, one in found.items() if one.verdict == "fails"} == failing


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert all(one.note for one in found.values())
    assert (
        find_study("steering-herd").code.figures(Tables.empty(), find_study("steering-herd").configure())
        == []
    )


@pytest.mark.slow
def test_the_quick_run(quick_runs):
    result = run_study("steering-herd", preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    for name in (
        "closed-forms",
        "examples",
        "refinement",
        "obfuscation-place",
        "convex",
        "hybrid-loses",
        "coincide",
    ):
        assert found[name].verdict == "holds", name
    for name in (
        "altruistic-helps",
        "biased-hurts",
        "biased-loss",
        "bounded",
        "dear-biased",
        "free",
        "cascades",
    ):
        assert found[name].verdict == "holds", name
    assert "fails" not in {one.verdict for one in result.findings}
    ids = [figure.id for figure in result.figures]
    for name in (
        "precision-biased-0-5",
        "value",
        "phases-altruistic",
        "paths-biased",
        "welfare",
        "learnt",
        "hybrid",
    ):
        assert name in ids
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


ASKED = {
    "subject": "organism:sound",
    "beliefs": "0.3,0.7",
    "precisions": "0.6,0.8",
    "repeats": 1,
    "messages": 1,
}


@pytest.mark.slow
def test_a_small_model_in_every_seat(tmp_path):
    overrides = {**ASKED, "sequences": 2, "sequence_agents": 2, "max_tokens": 8}
    result = run_study("steering-herd", overrides=overrides, out=tmp_path)
    assert result.tables.transcripts.height >= 4 + 4 + 8 + 4
    found = {one.id: one for one in result.findings}
    assert found["tips-validated"].verdict == "unresolved"
    assert found["altruistic-helps"].verdict == "unresolved"
    assert found["readable"].n == 8
    assert run_study("steering-herd", overrides=overrides, out=tmp_path).computed == 0


def test_what_will_be_asked_is_counted_before(tmp_path):
    overrides = {
        "subject": "http://localhost:9/v1#a",
        "reader": "http://localhost:9/v1#b",
        **{name: ASKED[name] for name in ("beliefs", "precisions", "repeats", "messages")},
        "sequences": 2,
        "sequence_agents": 3,
    }
    expected = expect_missing(plan("steering-herd", overrides=overrides), tmp_path)
    calls = {address[-1]: one.calls for address, one in expected.subjects.items()}
    tables = 4 + 8 + 2 * 2  # tips, agents, planners of either aim
    assert calls["a"] >= tables
    assert calls["b"] >= 1


def test_one_cell_to_what_is_solved_and_to_a_replicate():
    cells = plan("steering-herd").cells.values()
    assert sorted({cell.condition for cell in cells}) == ["exact", "learned", "networks", "sequences"]
    some = plan("steering-herd", overrides={"parts": "learned"}).cells.values()
    assert {cell.condition for cell in some} == {"learned"}
    few, more = plan("steering-herd"), plan("steering-herd", overrides={"seeds": 6})
    assert set(few.cells) < set(more.cells)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"subject": "planted:yes-sayer", "runs": "500"},
            "runs=500: has no effect on a subject in the seats",
        ),
        ({"k": "2"}, "has no effect on the embedded experiments"),
        ({"parts": "learnt"}, "did you mean 'learned'"),
        ({"subject": "planted:yes-sayer", "beliefs": "0.7,0.3"}, "give two or more, increasing"),
        ({"subject": "planted:yes-sayer", "beliefs": "0.1,0.3"}, "above 0.5"),
        ({"subject": "planted:yes-sayer", "precisions": "0.4,0.8"}, "precisions=0.4"),
        ({"baselines": "1.0"}, "baselines=1.0"),
        ({"discounts": "1.0"}, "discounts=1.0"),
        ({"costs": "-1"}, "costs=-1"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("steering-herd", overrides=overrides)
