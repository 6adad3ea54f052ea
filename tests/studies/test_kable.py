from __future__ import annotations

import json
import math
import os
from pathlib import Path

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import load, plan, run_study
from doxa.protocols import kable
from tests.subjects import tiny_models

SMALL = {
    "n_entities": 6,
    "n_values": 3,
    "steps": 12,
    "batch": 32,
    "seeds": 2,
    "sweep_seeds": 1,
    "shares": (0.34,),
    "q_first": (0.05,),
    "phi": (0.0, 0.02),
    "know_false": (0.0, 0.5),
    "precision": "float32",
}
CONDITIONS = {
    *("share 0.96", "share 0.34", "share 0.8", "asked 0.002", "asked 0.01", "asked 0.05"),
    *("cue 0", "cue 0.02", "cue 0.5", "know 0", "know 0.02", "know 0.1", "know 0.5"),
}
CONTROLS = {
    *("no-gap-alike", "no-gap-asked", "cue-third", "cue-removed-0.02", "cue-removed-0.5"),
    "factivity-removed",
}


@pytest.fixture(autouse=True)
def data(monkeypatch):
    beside = Path(__file__).parents[3] / "shared" / "data"
    monkeypatch.setenv("DOXA_DATA", os.environ.get("DOXA_DATA") or str(beside))


def trainings(**measures):
    """Return tables in which every condition has eight trainings with the given outcomes, else sound ones."""
    sound = {"third_false": 1.0, "first_false": 1.0, "first_true": 1.0, "facts": 1.0, "person_gap": 0.0}
    sound |= {"truth_gap": 0.0, "frame_effect": 0.0, "third_frame_effect": 0.0, "factivity": 0.0}
    parts = []
    for condition in sorted(CONDITIONS):
        for seed in range(8):
            recorder = Recorder(condition, seed)
            for name, value in {**sound, **measures.get(condition, {})}.items():
                wobble = 0.001 * (seed - 3.5) if value not in (0.0, 1.0) else 0.0
                recorder.measure(name, value + wobble, subject="belief-world")
            parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(tables):
    study = find_study("kable")
    return {finding.id: finding.verdict for finding in study.code.findings(tables, study.configure())}


def test_a_cell_is_one_training_and_more_seeds_leave_the_others_as_they_are():
    few, more = plan("kable", overrides={"seeds": 8}), plan("kable", overrides={"seeds": 12})
    assert {cell.condition for cell in few.cells.values()} == CONDITIONS
    main = [cell for cell in few.cells.values() if cell.condition == "share 0.96"]
    assert [cell.seed for cell in main] == list(range(8))
    assert set(few.cells) < set(more.cells)


def test_conditions_are_the_specs():
    worlds = {cell.condition: cell.params["world"] for cell in plan("kable").cells.values()}
    assert worlds["share 0.96"] == {"share_first": 0.96}
    assert worlds["asked 0.05"] == {"share_first": 0.96, "q_first": 0.05}
    assert worlds["cue 0"] == {"share_first": 0.96, "q_first": 0.65, "phi": 0.0}
    assert worlds["know 0.1"] == {"share_first": 0.96, "q_first": 0.65, "know_false": 0.1}


def test_the_effect_and_its_controls_are_told_apart():
    effect = {
        "share 0.96": {"person_gap": 0.4, "truth_gap": 0.4, "first_false": 0.6},
        "share 0.8": {"person_gap": 0.2},
        "cue 0": {"frame_effect": 0.3},
        "know 0": {"factivity": 0.5},
    }
    assert set(verdicts(trainings(**effect)).values()) == {"holds"}
    none = verdicts(trainings())
    assert none["some-gap"] == "unresolved", "no training shows it, and eight cannot say that none would"
    assert {name for name, verdict in none.items() if verdict == "fails"} == {
        *("person-gap", "truth-gap", "cue", "factivity"),
    }
    assert {name for name, verdict in none.items() if verdict == "holds"} > CONTROLS
    spoiled = verdicts(trainings(**effect, **{"asked 0.05": {"person_gap": 0.2}}))
    assert spoiled["no-gap-asked"] == "fails"


def person_gaps(condition, gaps):
    """Return sound tables, but for the person gaps of the trainings of one condition."""
    tables = trainings()
    others = tables.measures.filter(
        ~((pl.col("condition") == condition) & (pl.col("measure") == "person_gap"))
    )
    parts = [Tables(tables.beliefs, others, tables.transcripts)]
    for seed, value in enumerate(gaps):
        recorder = Recorder(condition, seed)
        recorder.measure("person_gap", value, subject="belief-world")
        parts.append(recorder.tables())
    return Tables.concat(parts)


def test_the_cure_must_work_in_every_training():
    assert verdicts(person_gaps("asked 0.05", [0.019] * 8))["no-gap-asked"] == "holds"
    one = [*[0.0] * 15, 0.021]
    assert verdicts(person_gaps("asked 0.05", one))["no-gap-asked"] == "fails", "though the mean is far below"
    assert verdicts(person_gaps("share 0.34", one))["no-gap-alike"] == "holds"


def test_one_training_with_a_gap_is_some():
    study = find_study("kable")
    tables = person_gaps("share 0.8", [*[0.0] * 7, 0.15])
    found = {finding.id: finding for finding in study.code.findings(tables, study.configure())}["some-gap"]
    assert (found.verdict, found.estimate, found.n) == ("holds", 0.125, 8)


def test_a_condition_left_out_is_unresolved():
    tables = trainings()
    study = find_study("kable")
    cut = Tables(tables.beliefs, tables.measures.filter(pl.col("condition") != "cue 0"), tables.transcripts)
    found = {finding.id: finding for finding in study.code.findings(cut, study.configure())}
    assert found["cue"].verdict == "unresolved"
    assert found["cue"].note == "cue 0 was left out"


def test_controls_and_paper_numbers_are_marked():
    study = find_study("kable")
    found = {finding.id: finding for finding in study.code.findings(trainings(), study.configure())}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    assert found["person-gap"].paper == pytest.approx(0.95 - 0.626)
    assert found["truth-gap"].paper == pytest.approx(0.343)


@pytest.mark.slow
def test_a_small_run_makes_findings_and_figures_and_is_resumed(tmp_path):
    result = run_study("kable", overrides=SMALL, out=tmp_path)
    assert result.cells == result.computed == 10
    assert len(result.findings) == 12
    assert all(finding.estimate is not None for finding in result.findings)
    assert [figure.id for figure in result.figures] == [
        *("tasks", "seeds", "share-curve", "asked-curve", "cue-curve", "know-curve"),
    ]
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)
    again = run_study("kable", overrides={**SMALL, "seeds": 3}, out=tmp_path)
    assert again.computed == 3, "blocks of the first experiment that have a seed more"
    seeds = again.tables.measures.filter(condition="share 0.96", measure="person_gap")["seed"]
    assert seeds.to_list() == [0, 1, 2]


def test_a_subject_is_asked_task_by_task(tmp_path):
    overrides = {"subject": "planted:yes-sayer", "limit": 1}
    result = run_study("kable", overrides=overrides, out=tmp_path)
    assert result.cells == 13
    tables = load(result.folder)
    assert tables.beliefs.height == 260
    assert tables.beliefs["proposition"].n_unique() == 260
    assert tables.transcripts.is_empty()
    assert {finding.verdict for finding in result.findings} == {"unresolved"}
    assert all("near-constant answers (100.0% A)" in finding.note for finding in result.findings)
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["factual"].estimate == 1.0
    assert by_id["person-gap"].estimate == 0.0
    assert [figure.id for figure in result.figures] == [
        *("tasks", "subjects-factual", "subjects-false", "answers", "undecided", "contrasts"),
    ]
    assert run_study("kable", overrides=overrides, out=tmp_path).computed == 0


def test_a_folder_of_open_weights_is_asked_in_both_ways(tmp_path):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=2048)
    overrides = {"subject": f"hf:{folder}", "limit": 1, "tasks": kable.FIRST_PERSON, "key": "paper"}
    scored = run_study("kable", overrides=overrides, out=tmp_path / "runs")
    rows = kable.rows_from_beliefs(scored.tables.beliefs)
    assert rows.height == 20
    assert rows["margin"].is_finite().all()
    assert rows["brier"].is_between(0, 1).all()
    note = {finding.id: finding for finding in scored.findings}["first-person"].note
    assert "logprob, chat framing, paper key" in note
    assert "share of Yes" in note
    share = rows["answer"].value_counts()["count"].max() / rows.height
    assert (share >= 0.95) == ("near-constant answers" in note)
    said = run_study(
        "kable", overrides={**overrides, "method": "generate", "max_tokens": 4}, out=tmp_path / "runs"
    )
    assert said.tables.transcripts.height == 40
    assert {finding.verdict for finding in said.findings} == {"unresolved"}, (
        "four random tokens are no answer"
    )


def test_findings_come_from_the_recorded_rows_alone(tmp_path):
    overrides = {"subject": "planted:noise?p_yes=0.4", "limit": 2, "method": "generate"}
    result = run_study("kable", overrides=overrides, out=tmp_path)
    rows = kable.rows_from_beliefs(result.tables.beliefs)
    assert rows.height == 520
    table = kable.accuracy_table(rows)
    factual = table.filter(pl.col("type") == "factual")
    found = {finding.id: finding for finding in result.findings}["factual"]
    assert found.estimate == pytest.approx(factual["accuracy"].mean())
    assert result.tables.transcripts.height == 1040
    assert result.tables.transcripts["role"].to_list()[:2] == ["user", "assistant"]


def test_a_task_can_be_asked_alone(tmp_path):
    overrides = {"subject": "planted:yes-sayer", "limit": 1, "tasks": "confirmation-of-first-person-belief"}
    result = run_study("kable", overrides=overrides, out=tmp_path)
    assert result.cells == 1
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["third-person"].estimate is None or math.isnan(by_id["third-person"].estimate)
    assert "not asked" in by_id["third-person"].note


def test_without_the_data_nothing_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="doxa data get kable"):
        run_study("kable", overrides={"subject": "planted:yes-sayer"}, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"share_first": "1.2"}, "share_first=1.2: must be <= 1"),
        ({"method": "chat"}, "method='chat'"),
        ({"key": "papre"}, "did you mean 'paper'"),
        ({"tasks": "direct-fact"}, "did you mean"),
        ({"limit": "-1"}, "limit=-1: must be >= 0"),
        ({"sead": "1"}, "did you mean 'seed'"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("kable", overrides=overrides)


def test_no_sentence_of_the_data_stands_in_the_repository():
    from doxa.lab.data import locate

    sentences = {item.sentence for item in kable.load(locate("kable"), tasks=["direct-fact-verification"])}
    root = Path(__file__).parents[2]
    texts = [
        path.read_text("utf-8", "replace")
        for folder in ("src", "docs", "tests", "bench")
        for path in (root / folder).rglob("*")
        if path.suffix in (".py", ".md", ".json", ".jsonl", ".yaml", ".txt")
    ]
    assert [sentence for sentence in sentences if any(sentence in text for text in texts)] == []
