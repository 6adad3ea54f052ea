from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import load, plan, run_study
from doxa.lens.margins import margin, score_answers
from doxa.lens.probes.linear import LinearProbes
from doxa.protocols.roleplay.embedded import mean_apart, share_turned
from doxa.protocols.roleplay.embedded_report import AFTER, CLAIMS, END, OPPOSITE_END
from tests.subjects import tiny_models

SLUG = "conversation-representations"
LAST = 3
CONTROLS = {
    *("robust-opposite-day", "held-out-opposite-day", "generic", "story", "layer-1", "never-played"),
    *("random-direction", "permuted-labels"),
}
SOUND = {
    ("naive", "generic", "opposite-day"): [20.0, 20.0, 0.0, -5.0],
    ("robust", "generic", "opposite-day"): [20.0, 20.0, 22.0, 24.0],
    ("robust", "held out", "opposite-day"): [19.0, 19.0, 20.0, 21.0],
    ("robust", "generic", "role-play"): [21.0, 25.0, 30.0, 35.0, 38.0, 40.0, 42.0],
    ("robust", "relevant", "role-play"): [6.7, -16.2, -19.2, -18.6, -19.4, -19.1, -20.1],
    ("ccs", "relevant", "role-play"): [6.0, -5.0, -5.0, -5.0, -5.0, -5.0, -5.0],
    ("robust", "relevant", "story"): [6.7, 20.0, 30.0, 35.0, 37.0, 37.0, 37.0],
    ("robust", "control", "role-play control"): [35.8, 36.0, 38.0, 40.0, 42.0, 43.0, 43.2],
}
LOWER = {1: [6.9, 6.0, 5.5, 5.0, 4.8, 4.5, 4.4], 2: [6.6, 1.0, -2.0, -3.0, -3.5, -3.8, -3.9]}


def trainings(changed=None, *, held=1.0, permuted=0.5, random=0.01, effect=(0.1, -0.1), seeds=5):
    """Return tables of five trainings with the spec's numbers, but for some changed trajectories."""
    parts = []
    for seed in range(seeds):
        recorder, wobble = Recorder("embedded", seed), 0.01 * (seed - 2)

        def margin(probe, name, talk, layer, values, recorder=recorder, wobble=wobble):
            for turn, value in enumerate(values):
                recorder.measure(
                    f"margin/{probe}/{name}", value + wobble, subject="dialogues", axis="turn", time=turn,
                    condition=talk, layer=layer, low=value - 1, high=value + 1,
                )  # fmt: skip

        for (probe, name, talk), values in {**SOUND, **(changed or {})}.items():
            margin(probe, name, talk, LAST, values)
        for layer, values in LOWER.items():
            margin("robust", "relevant", "role-play", layer, values)
        for turn in range(END + 1):
            place = {"subject": "dialogues", "axis": "turn", "time": turn, "condition": "role-play"}
            for answer in ("factual", "other"):
                recorder.measure(f"phi/relevant/{answer}", wobble, layer=LAST, **place)
        for layer in range(LAST + 1):
            for name, value in (("robust/empty", held), ("permuted/empty", permuted), ("yes/empty", 1.0)):
                recorder.measure(f"held_out/{name}", value, subject="dialogues", axis="layer", time=layer)
            for context, size in zip(("empty", "role-play"), effect, strict=True):
                for strength in (-1.0, 0.0, 1.0):
                    share = 0.5 + strength * (size + 0.1 * wobble) / 2
                    recorder.measure(
                        f"share_yes/{context}",
                        share,
                        subject="dialogues",
                        axis="sweep",
                        time=strength,
                        layer=layer,
                    )
        recorder.measure(
            "random/turned",
            random + 0.1 * wobble,
            subject="dialogues",
            axis="turn",
            time=END,
            condition="role-play",
        )
        recorder.measure("ccs_kept", 0.7 + wobble, subject="dialogues", axis="layer", time=LAST)
        parts.append(recorder.tables())
    return Tables.concat(parts)


def judged(tables):
    study = find_study(SLUG)
    return {finding.id: finding for finding in study.code.findings(tables, study.configure())}


def verdicts(tables):
    return {name: finding.verdict for name, finding in judged(tables).items()}


def test_the_specs_own_numbers_hold_and_controls_are_marked():
    found = judged(trainings())
    assert {finding.verdict for finding in found.values()} == {"holds"}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    assert set(found) == {claim.id for claim in CLAIMS} | {
        *("held-out", "ccs-kept", "steering", "random-direction", "permuted-labels"),
    }
    assert found["ccs-kept"].paper == 0.70
    assert found["role-play"].estimate == pytest.approx(-18.6), "the highest from turn 2 on"
    assert "6.70, -16.20, -19.20" in found["role-play"].note
    assert found["steering"].estimate == pytest.approx(-0.2)
    assert "layer 0" in found["steering"].note, "the first of equally good layers"


@pytest.mark.parametrize(
    ("changed", "fails"),
    [
        ({("robust", "relevant", "role-play"): [6.7, -16.0, 0.5, -18.0, -19.0, -19.0, -20.0]}, {"role-play"}),
        (
            {("robust", "relevant", "role-play"): [-1.0, -16.0, -19.0, -18.0, -19.0, -19.0, -20.0]},
            {"relevant-start"},
        ),
        ({("robust", "relevant", "story"): [6.7, 20.0, -2.0, 35.0, 37.0, 37.0, 37.0]}, {"story"}),
        ({("robust", "generic", "role-play"): [21.0, 25.0, -1.0, 35.0, 38.0, 40.0, 42.0]}, {"generic"}),
        (
            {("robust", "control", "role-play control"): [35.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]},
            {"never-played"},
        ),
        ({("naive", "generic", "opposite-day"): [20.0, 20.0, 20.0, 5.0]}, {"naive-opposite-day"}),
        ({("robust", "generic", "opposite-day"): [20.0, 20.0, 20.0, -5.0]}, {"robust-opposite-day"}),
    ],
)
def test_each_claim_can_fail_alone(changed, fails):
    assert {name for name, verdict in verdicts(trainings(changed)).items() if verdict == "fails"} == fails


def test_other_bounds_and_what_cannot_be_told():
    assert verdicts(trainings(held=0.9))["held-out"] == "fails"
    assert verdicts(trainings(permuted=0.8))["permuted-labels"] == "fails"
    assert verdicts(trainings(random=0.2))["random-direction"] == "fails"
    assert verdicts(trainings(effect=(0.1, 0.1)))["steering"] == "unresolved"
    assert set(verdicts(trainings(seeds=1)).values()) == {"unresolved"}
    assert set(verdicts(Tables.empty()).values()) == {"unresolved"}


def test_random_directions_that_look_turned_are_counted():
    """Where what is true turns round entirely, every pointed direction turns; how many go far hangs on the probe."""
    axis = np.zeros(64)
    axis[0] = 3.0
    rng = lambda: np.random.default_rng(0)  # noqa: E731 (the same directions each time)
    along, aside = LinearProbes(axis, np.asarray(0.0)), np.full(64, 1.0)
    far = share_turned(along, axis, axis, -axis, rng())
    assert far == 0.0, "half the probe's own way is four standard deviations of a random direction"
    aside[0] = 0.1
    poor = share_turned(LinearProbes(aside, np.asarray(0.0)), axis, axis, -axis, rng())
    assert poor > 0.9, "a probe that hardly reads what turns is no better than a random direction"
    assert share_turned(along, axis, axis, axis, rng()) == 0.0, "nothing turned"
    assert share_turned(along, axis, -axis, -axis, rng()) == 0.0, "inverted from the beginning"


def test_the_margin_along_a_direction_is_its_product_with_how_far_answers_lie_apart():
    rng = np.random.default_rng(0)
    acts, truth = rng.standard_normal((6, 2, 5)).astype(np.float32), np.arange(6) % 2 == 0
    probe = LinearProbes(rng.standard_normal(5), np.asarray(0.4))
    expected = margin(score_answers(probe, acts), truth).mean
    assert probe.weights @ mean_apart(acts, truth) == pytest.approx(expected)


def test_figures_are_the_specs():
    study = find_study(SLUG)
    drawn = study.code.figures(trainings(), study.configure())
    assert [figure.id for figure in drawn] == [
        *("margin-role-play", "margin-story", "margin-opposite-day", "margin-role-play-control"),
        *("answers", "layers", "steering"),
    ]
    for figure in drawn:
        json.dumps(figure.spec, allow_nan=False)
    assert AFTER == (2, 3, 4, 5, 6)
    assert OPPOSITE_END == 3


def test_a_cell_is_one_training_and_more_seeds_leave_the_others_as_they_are():
    few, more = plan(SLUG), plan(SLUG, overrides={"seeds": 7})
    assert [cell.seed for cell in few.cells.values()] == [0, 1, 2, 3, 4]
    assert set(few.cells) < set(more.cells)


@pytest.mark.slow
def test_a_small_run_makes_findings_and_figures_and_is_resumed(tmp_path):
    small = {"seeds": 2, "steps": 30, "batch": 8, "width": 16, "heads": 2, "layers": 4, "restarts": 2}
    result = run_study(SLUG, overrides=small, out=tmp_path)
    assert result.cells == result.computed == 2
    assert {finding.id for finding in result.findings} >= {claim.id for claim in CLAIMS}
    assert len(result.figures) == 7
    beliefs = result.tables.beliefs
    assert set(beliefs["readout"]) == {"stated", "internal"}
    again = run_study(SLUG, overrides={**small, "seeds": 3}, out=tmp_path)
    assert again.computed == 1


@pytest.mark.slow
def test_the_mechanism_is_there_at_quick_size(quick_runs):
    result = run_study(SLUG, preset="quick", out=quick_runs)
    found = {finding.id: finding for finding in result.findings}
    sizes = {name: finding.estimate or 0.0 for name, finding in found.items()}
    for name in ("role-play", "layer-2", "ccs"):
        assert sizes[name] < 0, name
    for name in ("robust-opposite-day", "generic", "relevant-start", "story", "never-played"):
        assert sizes[name] > 0, name
    assert sizes["held-out"] == 1.0
    assert sizes["naive-opposite-day"] < sizes["robust-opposite-day"] / 2


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_conversations_are_replayed_on_a_folder_of_open_weights(tmp_path):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=4096)
    overrides = {"subject": f"hf:{folder}", "conversations": "glacier-story,opposite-day", "turns": "ends"}
    result = run_study(SLUG, overrides=overrides, out=tmp_path / "runs")
    assert result.cells == 2
    tables = load(result.folder)
    assert set(tables.beliefs["readout"]) == {"stated", "behavioural", "internal"}
    assert tables.beliefs["log_odds"].is_finite().all()
    names = {finding.id: finding for finding in result.findings}
    assert names["glacier-story/glacier/internal"].control, "a story is not meant to turn anything"
    assert not names["opposite-day/facts/stated"].control
    for name in ("facts", "identity"):
        assert names[f"opposite-day/{name}/internal"].control
        assert not names[f"opposite-day/{name}/internal-naive"].control
    assert "6 questions it was not fitted on" in names["opposite-day/facts/internal"].note
    assert {finding.verdict for finding in result.findings if not finding.control} == {"unresolved"}
    assert (
        "not above chance"
        in names["opposite-day/facts/internal-naive"].note + names["opposite-day/facts/stated"].note
    )
    assert names["opposite-day/facts/stated"].note.endswith("ends at 11.8%")
    assert [figure.id for figure in result.figures] == ["truth-glacier-story", "truth-opposite-day"]
    assert set(tables.measures["measure"]) > {"layer", "held_out/empty", "share_yes/glacier/end"}
    assert run_study(SLUG, overrides=overrides, out=tmp_path / "runs").computed == 0


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_own_words_and_own_files(tmp_path):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=4096)
    table, talk = tmp_path / "mine.csv", tmp_path / "talk.json"
    lines = ["question,answer,split,set"]
    for name in ("sums", "colours"):
        lines += [f"Is {name} {n} so?,{'Yes' if n % 2 else 'No'},,{name}" for n in range(12)]
    table.write_text("\n".join(lines), "utf-8")
    talk.write_text(
        json.dumps({"id": "mine", "relevant": ["colours"], "turns": [{"user": "hi", "assistant": "a"}]})
    )
    overrides = {
        "subject": f"hf:{folder}",
        "conversations": str(talk),
        "questions": str(table),
        "generic": "sums",
    }
    result = run_study(SLUG, overrides={**overrides, "reply_tokens": 3}, out=tmp_path / "runs")
    assert {finding.id for finding in result.findings} == {
        f"mine/{name}/{readout}" for name in ("sums", "colours") for readout in ("stated", "internal")
    }
    assert result.tables.transcripts["role"].to_list() == ["user", "assistant"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"topic": "9"}, "topic=9: must be <= 8"),
        ({"control_topic": "4"}, "control_topic=4: must be >= 9"),
        ({"turns": "some"}, "turns='some'"),
        ({"conversations": "river"}, None),
        ({"penalty": "2.0"}, "penalty=2.0: has no effect on the embedded experiment"),
        ({"subject": "hf:x", "steps": "7"}, "steps=7: has no effect on a subject"),
        ({"subject": "hf:x", "conversations": "rivver"}, "did you mean 'river'"),
        ({"subject": "hf:x", "generic": "fact"}, "did you mean 'facts'"),
        ({"subject": "organism:sound"}, "doxa audit organism:sound"),
        ({"width": "10"}, "width=10"),
    ],
)
def test_bad_settings(overrides, message):
    if message is None:
        message = "conversations=.*has no effect on the embedded experiment"
    with pytest.raises(InputError, match=message):
        plan(SLUG, overrides=overrides)
