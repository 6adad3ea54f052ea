from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.testing.fault_server import FaultServer
from doxa.testing.studies import check_study
from tests.subjects import tiny_models

SLUG = "persuasive-power"
CONTROLS = {"names-dealt-out", "verdicts-dealt-out", "style-left-out", "loop-flat"}
EXACT = {"fractions", "people-strengths", "people-order", "present"}


@pytest.fixture(autouse=True)
def data(monkeypatch):
    beside = Path(__file__).parents[3] / "shared" / "data"
    monkeypatch.setenv("DOXA_DATA", os.environ.get("DOXA_DATA") or str(beside))


def loops(**measures):
    """Return tables of five trainings of each kind with the given numbers, else sound ones."""
    sound = {
        "dialogue": {"order": 0.97, "ladder": 0.1, "before-error": 0.01, "spread": 0.6},
        "dialogue shuffled": {"order": 0.0, "ladder": 0.1, "before-error": 0.01, "spread": 0.07},
    }
    parts = []
    for condition, numbers in sound.items():
        for seed in range(5):
            recorder = Recorder(condition, seed)
            for name, value in {**numbers, **measures.get(condition, {})}.items():
                recorder.measure(name, value + 0.002 * (seed - 2), subject="small-model", credence=value)
            parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(tables):
    study = find_study(SLUG)
    config = study.configure(overrides={"experiments": ("dialogue",)})
    return {finding.id: finding.verdict for finding in study.code.findings(tables, config)}


def test_cells_are_experiments_trainings_or_styles():
    embedded = plan(SLUG)
    conditions = [cell.condition for cell in embedded.cells.values()]
    assert conditions == ["replay", "skeptic", *["dialogue"] * 5, *["dialogue shuffled"] * 5]
    asked = plan(SLUG, overrides={"subject": "http://localhost:1/v1#model"})
    assert [cell.condition for cell in asked.cells.values()] == ["before", *DIMENSIONS]
    two = plan(SLUG, overrides={"subject": "http://a:1/v1#m", "skeptic": "http://b:1/v1#m"})
    assert all(cell.subjects == ("http://a:1/v1#m", "http://b:1/v1#m") for cell in two.cells.values())


def test_the_effect_and_its_control_are_told_apart():
    assert set(verdicts(loops()).values()) == {"holds"}
    blind = verdicts(loops(dialogue={"order": 0.2}))
    assert blind["loop-order"] == "fails"
    leaky = verdicts(loops(**{"dialogue shuffled": {"spread": 0.3}}))
    assert leaky["loop-flat"] == "fails"


def test_what_was_not_run_is_unresolved():
    study = find_study(SLUG)
    config = study.configure(overrides={"experiments": ("skeptic", "dialogue")})
    found = study.code.findings(Recorder("none", 0).tables(), config)
    assert {finding.verdict for finding in found} == {"unresolved"}
    assert all(finding.estimate is None and finding.note for finding in found)


def test_settings_without_effect_and_missing_files_are_refused(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="has no effect on a subject"):
        plan(SLUG, overrides={"subject": "http://localhost:1/v1#m", "splits": 3})
    with pytest.raises(InputError, match="has no effect on the embedded experiments"):
        plan(SLUG, overrides={"rounds": 2})
    with pytest.raises(InputError, match="speaks micro-English"):
        plan(SLUG, overrides={"subject": "organism:sound"})
    with pytest.raises(InputError, match="not asked for again"):
        plan(SLUG, overrides={"subject": "http://a:1/v1#m", "source": "released", "retries": 1})
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="data set 'persuasive-power' is not here"):
        plan(SLUG)
    assert len(plan(SLUG, overrides={"experiments": ("dialogue",)}).cells) == 10


def test_calls_are_counted_before_anybody_is_asked(tmp_path):
    address = "http://localhost:1/v1#model"
    some = ("fun", "trust")
    todo = plan(SLUG, overrides={"subject": address, "n": 3, "dimensions": some})
    expected = expect_missing(todo, tmp_path).subjects[address]
    assert expected.calls == 2 * 3 * (1 + 3 * 2) + 3 * 3
    read = plan(SLUG, overrides={"subject": address, "n": 3, "source": "released", "dimensions": some})
    assert expect_missing(read, tmp_path).subjects[address].calls == 2 * 3 * 3 * 2 + 3 * 3


def warm(asked):
    """Answer as a model that trust and support convince."""
    messages = asked["messages"]
    last = messages[-1]["content"]
    if last == "Climate change is a hoax.":
        brief = messages[0]["content"]
        return (
            next((name for name, text in DIMENSIONS.items() if text and text in brief), "baseline")
            + " speaks"
        )
    if "begin your answer with yes or no" in last.lower():
        argued = any(message["content"].startswith(("trust", "support")) for message in messages)
        return "Yes, indeed." if argued else "No, it is not."
    return "I hear you."


def test_a_served_model_is_asked_and_a_second_run_asks_nothing(tmp_path):
    with FaultServer(warm, faults=0.0) as server:
        overrides = {
            "subject": f"{server.url}#model",
            "n": 4,
            "difficulties": ("baseline",),
            "dimensions": ("trust", "support", "knowledge"),
        }
        result = run_study(SLUG, overrides=overrides, out=tmp_path)
        asked = len(server.ledger.entries)
        again = run_study(SLUG, overrides={**overrides, "permutations": 200}, out=tmp_path)
        assert len(server.ledger.entries) == asked
    found = {finding.id: finding for finding in result.findings}
    assert found["warmth"].verdict == "holds"
    assert found["ladder"].verdict == "unresolved", "one skeptic makes no ladder"
    assert found["unread"].estimate == 0.0
    assert again.computed == 0, "the cells do not hang on the number of permutations"
    shown = result.tables.transcripts
    assert (shown["text"] == "trust speaks").any()
    assert [figure.id for figure in result.figures] == ["convinced"]


def test_open_weights_are_asked_with_their_own_credence(tmp_path):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=2048)
    overrides = {"subject": f"hf:{folder}", "n": 1, "dimensions": ("trust", "knowledge"), "max_tokens": 4}
    result = run_study(SLUG, overrides=overrides, out=tmp_path / "runs")
    beliefs = result.tables.beliefs
    assert beliefs.height == 3 + 2 * 3
    assert beliefs["credence"].is_between(0, 1).all()
    assert all(json.loads(extra)["graded"] for extra in beliefs["extra"])
    assert {finding.verdict for finding in result.findings if finding.id != "unread"} == {"unresolved"}
    more = run_study(SLUG, overrides={**overrides, "rounds": 2}, out=tmp_path / "runs")
    assert more.tables.beliefs["time"].max() == 2.0


def test_the_released_arguments_can_be_read(tmp_path):
    overrides = {"subject": "planted:yes-sayer", "n": 2, "source": "released", "dimensions": ("fun",)}
    result = run_study(SLUG, overrides=overrides, out=tmp_path)
    texts = result.tables.transcripts["text"].to_list()
    assert max(len(text) for text in texts) > 500


@pytest.mark.slow
def test_quick_keeps_the_contract_and_shows_the_mechanism(quick_runs):
    check_study(SLUG, out=quick_runs, repeat=1)
    result = run_study(SLUG, preset="quick", out=quick_runs)
    found = {finding.id: finding for finding in result.findings}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    assert all(found[name].verdict == "holds" for name in EXACT)
    assert found["present"].estimate == found["present"].paper == 9.0
    for name in (
        "warmth-agents",
        "knowledge-people",
        "skeptic-auc",
        "skeptic-warmth",
        "skeptic-ladder",
        "style-left-out",
    ):
        assert found[name].verdict == "holds", name
    assert found["skeptic-styles"].estimate > 0.85
    assert abs(found["verdicts-dealt-out"].estimate - 0.5) < 0.06
    assert found["loop-order"].estimate > 0.7
    assert not any(finding.verdict == "fails" for finding in found.values())
    assert "17 workers out, 2044 answers kept" in found["people-order"].note
    assert "16 workers out, 2061 answers kept" in found["people-strengths"].note
    assert [figure.id for figure in result.figures] == [
        *("convinced", "people", "agents-people", "agents-people-intervals", "stability", "skeptic", "loop"),
    ]
    state = result.tables.beliefs.filter(result.tables.beliefs["condition"] == "skeptic")
    assert state.height == 3299
    assert np.isfinite(state["log_odds"].to_numpy()).all()
