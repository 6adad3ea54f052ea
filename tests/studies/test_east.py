from __future__ import annotations

import json

import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import CellsFailedError, plan, run_study
from doxa.lens.steering import SteeringVector
from doxa.protocols.bandit.published_report import subject_findings
from doxa.protocols.bandit.student_folder import save_student
from doxa.streams import stream
from tests.subjects import tiny_models

CONTROLS = {"shuffled", "random", "shuffled-entropies", "uncentred"}
SMALL = {
    "steps": 200,
    "batch": 32,
    "peak_rate": 1e-2,
    "width": 16,
    "layers": 2,
    "runs": 6,
    "rounds": 10,
    "samples": 8,
    "prompts": 8,
    "prompt_samples": 3,
    "control_draws": 5,
    "played": 3,
    "trace_samples": 2,
    "temperatures": (2.0,),
    "multipliers": (-0.5, 0.5, 1.0),
    "seeds": 2,
}
ASKED = {
    "subject_rounds": 4,
    "subject_runs": 2,
    "subject_samples": 3,
    "held_runs": 4,
    "subject_prompts": 8,
    "subject_prompt_samples": 3,
    "subject_multipliers": (1.0,),
    "subject_temperatures": (1.5,),
    "subject_played": 2,
}


def recorded(*, gain: float, control: float, heated: float, later: float, kept: float) -> Tables:
    """Return the record of five networks in which steering gains so much, and so on."""
    parts = []
    for seed in range(5):
        recorder, wobble = Recorder("embedded", seed), 0.001 * (seed - 2)

        def number(name, value, condition, time=0.0, axis="sweep", recorder=recorder, wobble=wobble, **more):
            told = {"subject": "s", "condition": condition, "axis": axis, "time": time, **more}
            recorder.measure(name, value + wobble, **told)

        for name, value in (("correlation", 0.9), ("validity", 0.996)):
            number(name, value, "imitation")
        recorder.measure("chosen layer", 1.0, subject="s", condition="choice")
        for name in ("entropy", "validity", "doubt"):
            plain = 0.996 if name == "validity" else 0.3
            number(name, plain, "temperature", 1.0)
            for step in (-0.5, 0.5, 1.0):
                number(name, plain if name == "validity" else plain + gain * step, "sweep", step, layer=1)
                number(name, 0.0, "sweep", step, layer=0)
        for step in (-0.5, 0.5, 1.0):
            number("gain", gain * step, "sweep", step, layer=1)
        for kind in ("shuffled", "random", "entropies", "uncentred"):
            number("gain", control, f"control {kind}", 0.5)
        for source, other in ("AA", "AB", "BA", "BB"):
            number("gain", gain if source == other else kept * gain, f"vector of {source} in {other}", 0.5)
        number("gain", gain, "matched steered")
        number("gain", heated, "matched heated")
        for step in range(20):
            number("entropy", 0.6 if step < 5 else 0.3, "log", step, "round")
        for kind, more in (("plain", 0.0), ("steered", later)):
            number("commitment", 8.0 + more, f"{kind}, equal")
            number("time-averaged entropy", 0.3 + more / 50, f"{kind}, equal")
            for side in ("first better", "second better"):
                number("regret", 2.0, f"{kind}, {side}")
        parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(tables):
    study = find_study("east")
    return {finding.id: finding for finding in study.code.findings(tables, study.configure())}


def test_the_effect_and_its_controls_are_told_apart():
    found = verdicts(recorded(gain=0.2, control=0.01, heated=0.1, later=4.0, kept=0.8))
    assert {finding.verdict for finding in found.values()} == {"holds"}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    none = verdicts(recorded(gain=0.0, control=0.1, heated=0.1, later=0.0, kept=0.0))
    for name in (*CONTROLS, "gain", "matched-validity"):
        assert none[name].verdict == "fails", name
    for name in ("rises", "falls", "doubt-words", "commitment", "exploring"):
        assert none[name].verdict != "holds", name
    assert (
        verdicts(recorded(gain=0.2, control=0.0, heated=0.0, later=1.0, kept=0.3))["transfer-a-b"].verdict
        == "fails"
    )


def test_numbers_are_read_at_the_chosen_layer():
    found = verdicts(recorded(gain=0.2, control=0.0, heated=0.1, later=4.0, kept=0.8))
    assert found["rises"].estimate == pytest.approx(0.1)
    assert found["falls"].estimate == pytest.approx(0.1)
    assert found["steered-valid"].estimate == pytest.approx(0.996)
    assert found["regret"].estimate == pytest.approx(0.4)
    assert found["matched-validity"].estimate == pytest.approx(0.1)


def test_nothing_measured_is_unresolved():
    found = verdicts(Tables.empty())
    assert {finding.verdict for finding in found.values()} == {"unresolved"}


def test_a_cell_is_one_network_and_more_seeds_leave_the_others_as_they_are():
    few, more = plan("east"), plan("east", overrides={"seeds": 7})
    assert len(few.cells) == 5
    assert set(few.cells) < set(more.cells)


@pytest.mark.slow
def test_a_small_run_makes_findings_and_figures_and_is_resumed(tmp_path):
    result = run_study("east", overrides=SMALL, out=tmp_path)
    assert result.cells == result.computed == 2
    assert len(result.findings) == 18
    names = [figure.id for figure in result.figures]
    assert names[:4] == ["multipliers", "temperatures", "gain-map", "validity-map"]
    assert {"rounds", "trajectories-unsteered", "trajectories-steered", "trace", "words"} <= set(names)
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)
    assert run_study("east", overrides={**SMALL, "seeds": 3}, out=tmp_path).computed == 1


@pytest.mark.slow
def test_a_network_that_reads_rounds_trains_too(tmp_path):
    overrides = {**SMALL, "history": "rounds", "seeds": 1}
    assert run_study("east", overrides=overrides, out=tmp_path).computed == 1


@pytest.mark.slow
def test_the_quick_preset_finds_the_direction(quick_runs):
    result = run_study("east", preset="quick", out=quick_runs)
    found = {finding.id: finding for finding in result.findings}
    assert found["tracks"].estimate > 0.6
    assert found["valid"].estimate > 0.95
    assert found["gain"].estimate > found["shuffled"].estimate


@pytest.mark.slow
def test_a_users_folder_is_logged_steered_and_played(tmp_path):
    folder = save_student(tmp_path / "student", seed=100, steps=500, batch=64, width=24)
    told = {**ASKED, "subject": f"hf:{folder}", "subject_history": "summary", "max_tokens": 5}
    vectors = tmp_path / "vectors"
    result = run_study(
        "east", overrides={**told, "traced": 1, "vectors": str(vectors)}, out=tmp_path / "runs"
    )
    found = {finding.id: finding for finding in result.findings}
    assert found["valid"].estimate > 0.9
    assert found["gain"].n == 2, "half of the episodes are chosen on"
    assert found["gain"].note.startswith("layer ")
    assert run_study("east", overrides=told, out=tmp_path / "untraced").findings
    saved = SteeringVector.load(vectors / "buttons.safetensors")
    assert saved.layers == (0, 1, 2) or len(saved.layers) == 2
    texts = result.tables.transcripts
    assert texts.filter(role="assistant").height == 3 * texts.filter(role="user").height
    assert {"multipliers", "temperatures", "rounds", "trace"} <= {figure.id for figure in result.figures}


def test_a_model_that_never_names_an_arm_is_not_steered_and_says_why(tmp_path):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=4096)
    told = {**ASKED, "subject": f"hf:{folder}", "max_tokens": 4}
    result = run_study("east", overrides=told, out=tmp_path / "runs")
    found = {finding.id: finding for finding in result.findings}
    assert found["valid"].verdict == "fails"
    assert found["gain"].verdict == "unresolved"
    assert "no entropies" in found["gain"].note


def test_a_subject_without_weights_is_heated_and_says_that_it_is_not_steered(tmp_path):
    told = {**ASKED, "subject": "planted:yes-sayer", "max_tokens": 8}
    result = run_study("east", overrides=told, out=tmp_path / "runs")
    found = {finding.id: finding for finding in result.findings}
    assert "only the weights of organism: and hf: subjects are open" in found["gain"].note
    with pytest.raises(CellsFailedError, match="no open weights"):
        run_study("east", overrides={**told, "subject_layers": (1,)}, out=tmp_path / "other")


def test_findings_of_a_subject_rest_on_episodes_that_were_not_chosen_on():
    recorder = Recorder("subject", 0)
    told = {"subject": "m", "axis": "sweep"}
    for name, value in (("layer", 4.0), ("multiplier", 2.0), ("temperature", 1.5)):
        recorder.measure(f"chosen {name}", value, condition="choice", **told)
    rng = stream(0, "test", "east")
    for run in range(8):
        for prompt in range(run * 5, run * 5 + 5):
            base = 0.3 + 0.02 * rng.standard_normal()
            for condition, time, gain in (
                ("temperature", 1.0, 0.0),
                ("temperature", 1.5, 0.01),
                ("sweep", 2.0, 0.2 if run % 2 else -0.2),
                ("control shuffled", 2.0, 0.0),
            ):
                more = {"layer": 4} if condition != "temperature" else {}
                where = {**told, "condition": condition, "time": time, "run": run, "prompt": prompt, **more}
                recorder.measure("entropy", base + gain, **where)
                recorder.measure("validity", 1.0, **where)
    found = {
        one.id: one
        for one in subject_findings(
            recorder.tables(), least_validity=0.95, tolerance_nats=0.05, rng=stream(0, "test", "bootstrap")
        )
    }
    assert found["gain"].estimate == pytest.approx(0.2)
    assert found["gain"].n == 4
    assert found["matched-validity"].estimate == pytest.approx(0.19)
    for name in ("valid", "heat", "gain", "shuffled", "matched-validity"):
        assert found[name].verdict == "holds", name
    assert found["commitment"].verdict == "unresolved"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"multiplier": "0.3"}, "0.3 must be among them"),
        ({"multipliers": "0.5,1"}, "-0.5 must be among them"),
        ({"wording": "machines"}, "wording='machines': has no effect on networks trained here"),
        ({"subject": "hf:x", "steps": "7"}, "steps=7: has no effect on a subject"),
        ({"history": "sumary"}, "did you mean 'summary'"),
        ({"control_draws": "2"}, "control_draws=2: must be >= 5"),
        ({"temperatures": "0"}, "temperatures=0"),
        ({"multipliers": "nan,0.5,1,-0.5"}, "must be finite"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("east", overrides=overrides)
