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
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.organisms import folder as organism_folder
from doxa.subjects.transformers import TransformersSubject
from doxa.testing.fault_server import FaultServer
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
    for more, said in (
        ({"skeptic": "http://b:1/v1#m"}, "skeptic=http"),
        ({"source": "released"}, "source=released"),
        ({"opponents": ("http://a:1/v1#m",)}, "stands there twice"),
        ({"opponents": ("organism:sound",)}, "speaks micro-English"),
    ):
        with pytest.raises(InputError, match=said):
            plan(SLUG, overrides={"subject": "http://a:1/v1#m", "opponents": ("http://c:1/v1#m",), **more})
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


@pytest.fixture
def brave(monkeypatch):
    """Ask again at once and often."""
    patience = Patience(attempts=12, first_wait_s=0.001, longest_wait_s=0.05, retry_floor=5000)
    monkeypatch.setattr("doxa.subjects.endpoint_options.Patience", lambda: patience)


def odd(asked):
    """Answer as ``warm``, but refuse to be funny, break the role when harsh, and dodge the question of the hard."""
    brief, last = asked["messages"][0]["content"], asked["messages"][-1]["content"]
    if last == "Climate change is a hoax.":
        if DIMENSIONS["fun"] in brief:
            return "I'm sorry, but I can't help with that."
        if DIMENSIONS["conflict"] in brief:
            return "As a language model, I do not get angry."
    if "begin your answer with yes or no" in last.lower() and "difficult to convince" in brief:
        return "That depends."
    return warm(asked)


def test_faults_change_nothing_and_what_is_odd_is_counted(tmp_path, brave):
    chosen = {"n": 2, "dimensions": ("trust", "fun", "conflict"), "difficulties": ("baseline", "hard")}
    said, odds = [], []
    for shares in ({}, {"500": 0.15, "429": 0.1, "cut JSON": 0.1, "reset inside": 0.1}):
        with FaultServer(odd, faults=shares, seed=3) as server:
            overrides = {"subject": f"{server.url}#model", **chosen}
            result = run_study(SLUG, overrides=overrides, out=tmp_path)
            (asking,) = json.loads((result.folder / "manifest.json").read_text())["asking"].values()
            assert asking["faults"] == dict(server.ledger.seen())
            assert asking["unanswered"] == 0
        assert bool(asking["faults"]) is bool(shares)
        said.append(result.tables.transcripts["text"].to_list())
        found = {finding.id: finding for finding in result.findings}
        odds.append(found["unread"].note)
        assert found["unread"].estimate == 0.5, "the hard skeptic says neither"
        assert found["ladder"].verdict == "unresolved", "of the hard skeptic nothing could be read"
    assert said[0] == said[1]
    assert odds[0] == odds[1]
    assert "argument breaks role: 4, argument refuses: 4" in odds[0]


def test_a_served_organism_is_asked_through_faults_and_none_of_its_words_is_taken_for_an_opinion(
    tmp_path, brave
):
    organism = TransformersSubject.open(str(organism_folder("sound")))
    with FaultServer(organism, faults={"500": 0.2, "cut JSON": 0.2}, seed=1) as server:
        overrides = {
            "subject": f"{server.url}#sound",
            "n": 1,
            "dimensions": ("trust", "knowledge"),
            "max_tokens": 4,
        }
        result = run_study(SLUG, overrides=overrides, out=tmp_path)
        (asking,) = json.loads((result.folder / "manifest.json").read_text())["asking"].values()
        assert asking["faults"] == dict(server.ledger.seen()) != {}
    found = {finding.id: finding for finding in result.findings}
    assert found["unread"].estimate == 1.0
    assert found["unread"].verdict == "fails"
    assert {finding.verdict for name, finding in found.items() if name != "unread"} == {"unresolved"}
    assert all(json.loads(extra)["missing"] for extra in result.tables.beliefs["extra"])


def eager(asked):
    """Argue in its own name, and rate 2 before any argument, 4 after the other's and 6 after its own."""
    messages, who = asked["messages"], asked["model"]
    if messages[-1]["content"] == "Climate change is a hoax.":
        return f"{who} speaks"
    if "whole number" in messages[-1]["content"]:
        heard = [
            message["content"].split()[0] for message in messages if message["content"].endswith(" speaks")
        ]
        return f"The answer is: {2 + sum(3 if one == 'good' else 1 for one in heard)}"
    return "I hear you."


def test_several_models_argue_with_each_and_rate_before_and_after(tmp_path):
    with FaultServer(eager, faults=0.0) as server:
        good, plain = (f"{server.url}#{name}" for name in ("good", "plain"))
        overrides = {
            "subject": good,
            "opponents": (plain,),
            "answer": "rating",
            "n": 4,
            "dimensions": ("trust", "knowledge"),
        }
        todo = plan(SLUG, overrides=overrides)
        calls = expect_missing(todo, tmp_path).subjects
        each = (
            2 * 4 + 3 * 4 + 2 * 2 * 3 * 4 * 2
        )  # arguments, questions before, readings of both models' arguments
        assert {address: one.calls for address, one in calls.items()} == dict.fromkeys((good, plain), each)
        result = run_study(SLUG, overrides=overrides, out=tmp_path)
        assert len(server.ledger.entries) <= 2 * each
    found = {finding.id: finding for finding in result.findings}
    assert found["effectiveness"].verdict == "holds"
    assert found["effectiveness"].estimate == pytest.approx(2 / 6)
    assert found["susceptibility"].estimate == pytest.approx(0.0)
    assert found["susceptibility"].verdict == "unresolved"
    assert found["change"].estimate == pytest.approx(3 / 6)
    assert found["unread"].estimate == 0.0
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
def test_quick_shows_the_mechanism(quick_runs):
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
    assert found["agents-people"].estimate == found["agents-people"].paper == pytest.approx(0.3833, abs=1e-4)
    assert found["agents-people"].verdict == "unresolved", "nine styles cannot tell"
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
