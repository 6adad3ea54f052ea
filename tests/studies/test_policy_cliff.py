from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.training.reward_policy.exact_study import SIZES
from doxa.training.reward_policy.learners_study import PLAIN, grid
from doxa.worlds.decision_examples import two_routes

CONTROLS = {
    *("soft-size", "soft-no-cliff", "inside-radius", "shaping", "constant"),
    *("soft-learner-01-minus", "soft-learner-01-plus", "soft-learner-05-minus", "soft-learner-05-plus"),
    *("plain-size", "language-plain"),
}
EFFECTS = {
    *("bounds", "tight", "round-trip", "hard-jump", "uniform-jump-2", "uniform-jump-3", "uniform-jump-4"),
    *("hard-size", "two-routes", "slack", "beyond-radius"),
    *("normalised-plus", "normalised-minus", "normalised-size"),
    *("language-jump", "language-bonus", "language-amplified", "language-learns"),
}


def simulated(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    value = {
        "violations": 0.0,
        "tightness": 1.0 - 1e-6,
        "round trip": 1e-14,
        "greedy": 1.0,
        "uniform": 0.0,
        "power": 1.0,
        "soft": 2.0,
        "route": 0.0,
        "mismatch": 0.0,
        "inside the radius": 0.0,
        "shaping": 0.0,
        "constant": 0.0,
        "beyond the radius": 100.0,
        "learner": 0.0,
        "plain power": 1.0,
        "normalised": 0.49,
        "normalised power": 0.0,
        "jump": 0.4,
        "zero": 0.0,
        "plain jump": 0.01,
        "learnt": 0.6,
        **shift,
    }
    parts = [_exact(value)]
    parts += [_learners(value, seed) for seed in range(5)] + [_language(value, seed) for seed in range(5)]
    return Tables.concat(parts)


def _exact(value):
    recorder = Recorder("exact", 0)
    told = {"gamma": 0.0, "pairs": 10, "nearest": 0.9}
    recorder.measure("violations", value["violations"], subject="pairs", bound="values", **told)
    recorder.measure("round trip", value["round trip"], subject="pairs")
    recorder.measure("tightness", value["tightness"], subject="bandit")
    for eps in SIZES:
        about = {"subject": "tied", "axis": "sweep", "time": eps, "change": eps}
        for ways in (2, 3, 4):
            jump = (ways - 1) / ways + value["uniform"]
            for kind, alpha, far in (
                ("greedy", 0.0, value["greedy"]),
                ("uniform", 0.0, jump),
                ("soft", 0.1, value["soft"] * eps ** value["power"]),
            ):
                ends = {"least": far, "most": far, "bound": 5.0 * eps}
                recorder.measure("distance", far, kind=kind, alpha=alpha, ways=ways, **about, **ends)
    for eps in (-1e-6, 0.0, 1e-6):
        share = 0.5 if value["route"] else float(eps < 0.0)
        recorder.measure("route", share, subject="routes", time=eps, kind="uniform", alpha=0.0)
    recorder.measure("slack mismatch", value["mismatch"], subject="slack", tried=100)
    recorder.measure("losing", 0.7, subject="slack", tried=100)
    for kind in ("inside the radius", "shaping", "constant", "beyond the radius"):
        recorder.measure("changed", value[kind], subject="processes", kind=kind, gamma=0.0, tried=100)
    return recorder.tables()


def _learners(value, seed):
    recorder, wobble = Recorder("learners", seed), 1e-3 * (seed - 2)
    for one in grid():
        known = None if one.entropy == 0.0 else float(1 / (1 + np.exp(-one.bonus / one.entropy)))
        size = abs(one.bonus) / 0.01
        if one.normaliser == PLAIN:
            reach = 0.025 if one.entropy == 0.1 else 0.005
            share = 0.5 + np.sign(one.bonus) * (
                reach * size ** value["plain power"] * (1 + wobble) + value["learner"]
            )
        else:
            share = 0.5 + np.sign(one.bonus) * (
                value["normalised"] * size ** value["normalised power"] + wobble
            )
        recorder.measure("second arm", float(share), subject="bandit learner", known=known, **one._asdict())
    return recorder.tables()


def _language(value, seed):
    recorder, wobble = Recorder("language", seed), 1e-3 * (seed - 2)
    recorder.measure("right", 0.2, subject="sums", advantage="base", bonus=0.0)
    for advantage, jump in (("normalised", value["jump"]), ("plain", value["plain jump"])):
        for bonus in (-0.01, 0.0, 0.01):
            about = {"subject": "sums", "advantage": advantage, "bonus": bonus}
            share = (
                0.5 + np.sign(bonus) * jump / 2 + wobble * (1 + bonus) + (value["zero"] if not bonus else 0.0)
            )
            recorder.measure("short", float(share), answers=100, **about)
            recorder.measure("right", 0.2 + value["learnt"] + wobble, **about)
    return recorder.tables()


def judged(tables, **settings):
    study = find_study("policy-cliff")
    return {one.id: one for one in study.code.findings(tables, study.configure(overrides=settings))}


def test_the_effect_and_its_controls_are_told_apart():
    found = judged(simulated())
    assert {name: one.verdict for name, one in found.items() if one.verdict != "holds"} == {}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert set(found) == CONTROLS | EFFECTS


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        ({"violations": 1.0}, {"bounds"}),
        ({"tightness": 0.5}, {"tight"}),
        ({"round trip": 1e-6}, {"round-trip"}),
        ({"greedy": 0.5}, {"hard-jump"}),
        ({"uniform": 1e-3}, {"uniform-jump-2", "uniform-jump-3", "uniform-jump-4"}),
        ({"power": 0.5}, {"soft-size", "soft-no-cliff"}),
        ({"route": 1.0}, {"two-routes"}),
        ({"mismatch": 2.0}, {"slack"}),
        ({"inside the radius": 1.0}, {"inside-radius"}),
        ({"shaping": 1.0}, {"shaping"}),
        ({"constant": 1.0}, {"constant"}),
        ({"beyond the radius": 10.0}, {"beyond-radius"}),
        ({"plain power": 0.5}, {"plain-size"}),
        ({"normalised": 0.3}, {"normalised-plus", "normalised-minus"}),
        ({"normalised power": 0.2}, {"normalised-size"}),
        ({"jump": -0.4}, {"language-jump", "language-bonus", "language-amplified"}),
        ({"zero": 0.4}, {"language-bonus"}),
        ({"plain jump": 0.3}, {"language-plain"}),
        ({"plain jump": 0.6}, {"language-plain", "language-amplified"}),
        ({"learnt": -0.1}, {"language-learns"}),
    ],
)
def test_each_finding_can_fail(shift, failing):
    found = judged(simulated(**shift))
    assert {name for name, one in found.items() if one.verdict == "fails"} == failing


def test_soft_learners_can_fail():
    found = judged(simulated(learner=0.1))
    wrong = {
        name for name, one in found.items() if name.startswith("soft-learner") and one.verdict == "fails"
    }
    assert wrong == {name for name in CONTROLS if name.startswith("soft-learner")}


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert all(one.note for one in found.values())
    study = find_study("policy-cliff")
    assert study.code.figures(Tables.empty(), study.configure()) == []
    assert set(judged(Tables.empty(), parts="exact")) < set(found)


@pytest.mark.slow
def test_the_quick_run(quick_runs):
    result = run_study("policy-cliff", preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    exact = (CONTROLS | EFFECTS) - {name for name in found if name.startswith("language")} - {"plain-size"}
    assert {found[name].verdict for name in exact} == {"holds"}
    assert found["language-jump"].estimate > 0.5
    assert found["bounds"].n == 1000
    ids = {figure.id for figure in result.figures}
    assert ids == {
        *("cliff", "level-1", "level-2", "level-3", "libraries", "routes", "weights", "tie-set"),
        *("tie-rate-bandit-learner", "tie-rate-sum-composition"),
    }
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


@pytest.fixture
def process(tmp_path):
    mdp = two_routes().mdp
    path = tmp_path / "grid.json"
    path.write_text(json.dumps({"P": mdp.P.tolist(), "R": mdp.R.tolist(), "gamma": mdp.gamma}), "utf-8")
    return path


def test_a_process_of_the_users(tmp_path, process):
    result = run_study("policy-cliff", overrides={"mdp": str(process)}, out=tmp_path)
    found = {one.id: one for one in result.findings}
    assert found["ties"].estimate == 1.0
    assert found["flip"].verdict == "holds"
    assert run_study("policy-cliff", overrides={"mdp": str(process)}, out=tmp_path).computed == 0
    held = json.loads(process.read_text("utf-8"))
    held["R"][0][1] += 0.5
    process.write_text(json.dumps(held), "utf-8")
    again = run_study("policy-cliff", overrides={"mdp": str(process)}, out=tmp_path)
    assert again.computed == 1
    assert {one.id: one for one in again.findings}["flip"].verdict == "unresolved"


def test_scores_and_a_log_of_the_users(tmp_path):
    scores, log = tmp_path / "scores.jsonl", tmp_path / "log.csv"
    lines = [
        json.dumps(
            {
                "prompt": f"p{k}",
                "answer": answer,
                "exact": right,
                "other": right + 0.1 * (k % 3) * len(answer),
            }
        )
        for k in range(20)
        for answer, right in (("x", 1.0), ("xx", 1.0), ("y", 0.0))
    ]
    scores.write_text("\n".join(lines), "utf-8")
    log.write_text("step,tie_rate\n" + "\n".join(f"{k},0.5" for k in range(6)), "utf-8")
    found = run_study("policy-cliff", overrides={"scores": str(scores)}, out=tmp_path).findings
    told = {one.id: one for one in found}
    assert told["tie-rate"].estimate == 1.0
    assert told["top-other"].estimate == pytest.approx(13 / 20)
    found = run_study("policy-cliff", overrides={"log": str(log)}, out=tmp_path).findings
    assert [(one.id, one.verdict) for one in found] == [("amplified", "holds")]


@pytest.mark.slow
def test_a_small_models_answers(tmp_path):
    overrides = {"subject": "organism:sound", "tasks": 2, "samples": 2, "max_tokens": 8}
    result = run_study("policy-cliff", overrides=overrides, out=tmp_path)
    found = {one.id: one for one in result.findings}
    assert found["answered"].n == 4
    assert result.tables.transcripts.height == 4
    assert run_study("policy-cliff", overrides=overrides, out=tmp_path).computed == 0


def test_what_will_be_asked_is_counted_before(tmp_path):
    address = "http://localhost:9/v1#a"
    overrides = {"subject": address, "tasks": 3, "samples": 4}
    expected = expect_missing(plan("policy-cliff", overrides=overrides), tmp_path)
    assert expected.subjects[address].calls == 12


def test_one_cell_to_what_is_exact_and_to_a_replicate():
    cells = plan("policy-cliff").cells.values()
    assert sorted({cell.condition for cell in cells}) == ["exact", "language", "learners"]
    few, more = plan("policy-cliff"), plan("policy-cliff", overrides={"seeds": 30, "language_seeds": 7})
    assert set(few.cells) < set(more.cells)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"scores": "a", "mdp": "b"}, "scores and mdp: are audited apart"),
        ({"mdp": "nowhere.json"}, "mdp=nowhere.json: no such file"),
        ({"scores": "nowhere"}, "scores=nowhere: no such file"),
        ({"log": "nowhere"}, "log=nowhere: no such file"),
        ({"subject": "planted:yes-sayer", "prompts": "nowhere"}, "prompts=nowhere: no such file"),
        (
            {"subject": "planted:yes-sayer", "updates": 5},
            "updates=5: has no effect on rewards on a subject's answers",
        ),
        ({"noise": "0.3"}, "has no effect on the embedded experiments"),
        ({"alpha": 0.0, "mdp": "x"}, "alpha=0.0: must be >= 1e-06"),
        ({"parts": "exakt"}, "did you mean 'exact'"),
        ({"seeds": 1}, "seeds=1"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("policy-cliff", overrides=overrides)
