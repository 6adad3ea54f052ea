from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from doxa.canonical import digest
from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.subjects.organisms import folder as organism_folder
from doxa.subjects.transformers import TransformersSubject
from doxa.testing import FaultServer, doxa_command, run_files
from doxa.testing.processes import kill_after

SLUG = "fps"
CONTROLS = {"reader-dealt", "deaf-flat", "deaf-denials", "dealt-anew"}
SMALL = {"days": 3, "n_susceptible": 8}


@pytest.fixture(autouse=True)
def data(trust_data):
    return trust_data


def made(changed=None):
    """Return tables of five groups, numbers replaced by measure and what stands beside it, else sound ones."""
    areas = {"none": 200.0, "day 1": 40.0, "day 5": 160.0, "day 10": 195.0, "every 5 days": 30.0, "every 3 days": 20.0,
             "every 2 days": 15.0, "daily": 8.0}  # fmt: skip
    costs = {"none": 0, "every 5 days": 3, "every 3 days": 5, "every 2 days": 8, "daily": 15}
    sound = {
        "reader": [("reader-accuracy", 0.9, {}), ("reader-dealt", 0.5, {})],
        "topics": [
            row
            for topic, prior, final in (("politics", -0.6, 0.9), ("science", -1.5, 0.0))
            for row in (
                ("prior", prior, {"topic": topic}),
                ("final", final, {"topic": topic}),
                ("sis-r2", 0.97 if final else 0.2, {"topic": topic}),
            )
        ],
        "sweep": [("final", value, {"prior": prior}) for prior, value in ((-2.0, 0.0), (0.0, 1.0))],
        "denials": [
            ("area", area, {"policy": name, "cost": costs.get(name, 1)}) for name, area in areas.items()
        ],
        "memory": [
            (f"distinct-{n}", value, {"memory": name})
            for more in ("", ", nobody listens")
            for name, values in ((f"full{more}", (0.05, 0.5)), (f"no short memory{more}", (0.04, 0.4)))
            for n, value in zip((1, 2), values, strict=True)
        ],
        "controls": [
            ("deaf-slope", 0.0, {}),
            *(("beyond-direct", 0.001, {"policy": name}) for name in ("none", "every 3 days")),
            *(("area-share", 0.9, {"graph": graph}) for graph in ("everybody", "dealt anew")),
            *(("half-peak-day", day, {"graph": graph}) for graph, day in (("everybody", 2.0), ("ring", 2.5))),
        ],
    }
    parts = []
    for condition, rows in sound.items():
        for seed in range(5):
            recorder = Recorder(condition, seed)
            for name, usual, about in rows:
                value = (changed or {}).get((name, *about.values()), usual)
                jitter = 0.0 if name in ("prior", "deaf-slope") else 0.001 * (seed - 2) * abs(value or 0.01)
                recorder.measure(name, value + jitter, subject="made", **about)
            parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(tables):
    study = find_study(SLUG)
    return {one.id: one.verdict for one in study.code.findings(tables, study.configure())}


def test_sound_groups_hold_and_without_items_their_findings_say_what_is_needed():
    study = find_study(SLUG)
    found = {one.id: one for one in study.code.findings(made(), study.configure())}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert {one.verdict for name, one in found.items() if not name.startswith("plausible")} == {"holds"}
    assert "doxa data get fps" in found["plausible"].note
    assert found["distinct-1"].paper == 0.017


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({("reader-accuracy",): 0.7}, "reader"),
        ({("reader-dealt",): 0.7}, "reader-dealt"),
        ({("sis-r2", "politics"): 0.6}, "sis-curve"),
        ({("final", "science"): 0.3}, "dies-out"),
        ({("final", 0.0): 0.2}, "critical"),
        ({("area", "day 1", 1): 170.0}, "earlier"),
        ({("area", "day 1", 1): 150.0}, "day-one"),
        ({("area", "every 5 days", 3): 195.0}, "diminishing"),
        ({("distinct-1", "full"): 0.03}, "distinct-1"),
        ({("distinct-2", "full"): 0.3}, "distinct-2"),
        ({("distinct-2", "full, nobody listens"): 0.3}, "distinct-same"),
        ({("deaf-slope",): 0.02}, "deaf-flat"),
        ({("beyond-direct", "every 3 days"): -0.05}, "deaf-denials"),
        ({("area-share", "dealt anew"): 0.5}, "dealt-anew"),
        ({("half-peak-day", "ring"): 1.5}, "ring"),
    ],
)
def test_each_finding_can_fail(changed, finding):
    found = verdicts(made(changed))
    assert found[finding] == "fails"
    others = {name for name, verdict in found.items() if verdict == "fails"} - {finding}
    assert others <= {"day-one", "earlier", "diminishing"}, "these share their numbers"


def test_only_what_was_run_is_judged():
    study = find_study(SLUG)
    config = study.configure(overrides={"experiments": ("memory",)})
    found = [one.id for one in study.code.findings(made(), config)]
    assert found == ["reader", "reader-dealt", "distinct-1", "distinct-2", "distinct-same"]


def test_cells_are_experiments_of_groups_or_populations_of_a_subject(monkeypatch, tmp_path):
    embedded = [cell.condition for cell in plan(SLUG).cells.values()]
    assert embedded == ["plausibility", *["reader", "topics", "sweep", "denials", "memory", "controls"] * 5]
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    without = [cell.condition for cell in plan(SLUG).cells.values()]
    assert without == [name for name in embedded if name not in ("plausibility", "topics")]
    monkeypatch.undo()
    asked = {
        "subject": "http://localhost:1/v1#model",
        "topics": ("politics", "science"),
        "policies": ("none", "daily"),
        "short_memory": ("full", "no short memory"),
        "populations": 2,
    }
    conditions = [(cell.condition, cell.seed) for cell in plan(SLUG, overrides=asked).cells.values()]
    assert conditions == [
        (name, seed)
        for name in ("politics", "science", "politics, daily", "politics, no short memory")
        for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"runs": 3, "subject": "http://localhost:1/v1#m"}, "runs=3: has no effect on a subject"),
        ({"populations": 3}, "populations=3: has no effect on the embedded experiments"),
        ({"contacts": 30}, "contacts=30: must be at least 1 and below the 30 agents"),
        ({"days": 0}, "days=0: must be >= 1"),
        ({"n_infected": -1}, "n_infected=-1"),
        (
            {"policies": ("none", "day 10"), "days": 9, "subject": "http://localhost:1/v1#m"},
            "policies='day 10': is after the last day, 9",
        ),
        ({"topics": ("sport",), "subject": "http://localhost:1/v1#m"}, "topics='sport'"),
        ({"fused": True, "subject": "planted:bayesian"}, "speaks micro-English"),
        ({"item": "the moon fell", "subject": "organism:sound"}, "answers its own question"),
        (
            {"fused": True, "short_memory": ("no short memory",), "subject": "http://localhost:1/v1#m"},
            "leave out one of both",
        ),
        ({"prompts": "none.yaml", "subject": "http://localhost:1/v1#m"}, "prompts none.yaml: cannot be read"),
        ({"subject": "openal/gpt"}, "did you mean"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(overrides, message):
    with pytest.raises(InputError, match=re.escape(message)):
        plan(SLUG, overrides=overrides)


def test_a_rehearsal_counts_three_calls_of_each_agent_and_day(tmp_path):
    address = "http://localhost:1/v1#model"
    for changes, calls in (({}, 1350), ({"fused": True}, 450), ({"belief": "probability"}, 1800)):
        where = address if "belief" not in changes else "http://localhost:1/v1?scores=true#model"
        todo = plan(SLUG, overrides={"subject": where, **changes})
        assert expect_missing(todo, tmp_path).subjects[where].calls == calls


def test_an_organism_is_the_mind_of_every_agent(tmp_path):
    overrides = {"subject": "organism:sound", "policies": ("none", "daily"), **SMALL, "n_infected": 4}
    result = run_study(SLUG, overrides=overrides, out=tmp_path)
    beliefs = result.tables.beliefs
    assert beliefs["credence"].is_between(0, 1).all()
    assert beliefs.height == 2 * 12 * 4
    assert set(beliefs["proposition"]) == {"open question"}, "it was not asked about an item"
    found = {one.id: one for one in result.findings}
    assert found["unread"].estimate == 0.0
    assert found["denied-daily"].verdict == "unresolved", "one population"
    said = result.tables.transcripts
    assert said.filter(pl.col("text").str.contains("the atlas says no .")).height
    assert set(said["role"]) == {"user", "assistant"}
    assert [figure.id for figure in result.figures] == ["courses", "opinions", "histogram"]


class Speaker:
    """Answers all that the study asks, and halts after a number of questions until it may go on."""

    def __init__(self):
        self.asked = []
        self.halt_at = 0
        self.reached = Path()
        self.go_on = threading.Event()

    def __call__(self, asked):
        self.asked.append(digest(asked))
        if len(self.asked) == self.halt_at:
            self.reached.touch()
            self.go_on.wait(60.0)
        number = int(digest(asked["messages"], length=8), 16)
        if '"belief"' not in asked["messages"][-1]["content"]:
            return f"summary {number}"
        return json.dumps({"tweet": f"tweet {number % 50}", "belief": number % 2, "reasoning": "so"})


def test_a_killed_run_of_a_served_model_goes_on_where_it_was(tmp_path):
    speaker = Speaker()
    with FaultServer(speaker, faults=0.0) as server:
        overrides = {"subject": f"{server.url}#model", **{name: str(value) for name, value in SMALL.items()}}
        whole = run_study(SLUG, overrides=overrides, out=tmp_path / "whole")
        questions = set(speaker.asked)
        assert len(speaker.asked) == len(questions), "two who heard the same are asked for one summary"
        assert 80 < len(questions) <= 10 * 3 * 3
        out = tmp_path / "killed"
        speaker.asked, speaker.halt_at, speaker.reached = [], 50, tmp_path / "halfway"
        settings = [part for name, value in overrides.items() for part in ("--set", f"{name}={value}")]
        ended = kill_after(doxa_command("run", SLUG, *settings, "--out", str(out)), speaker.reached, 0.3)
        assert ended.killed, ended.stderr
        first, speaker.asked, speaker.halt_at = speaker.asked, [], 0
        speaker.go_on.set()
        again = run_study(SLUG, overrides=overrides, out=out)
    assert set(first) | set(speaker.asked) == questions
    assert len(set(speaker.asked)) < len(questions)
    assert run_files(out) == run_files(tmp_path / "whole")
    assert again.findings == whole.findings


def test_faults_and_refusals_are_survived_and_counted(tmp_path, monkeypatch):
    from doxa.subjects.endpoint_exchange import Patience

    patience = Patience(attempts=12, first_wait_s=0.001, longest_wait_s=0.05, retry_floor=5000)
    monkeypatch.setattr("doxa.subjects.endpoint_options.Patience", lambda: patience)

    def shy(asked):
        if '"belief"' not in asked["messages"][-1]["content"]:
            return "a summary"
        if "kind" in asked["messages"][0]["content"]:
            return "I'm sorry, but I can't help with that."
        return json.dumps({"tweet": "no", "belief": 0, "reasoning": "so"})

    told = []
    for shares in ({}, {"500": 0.15, "429": 0.1, "cut JSON": 0.1}):
        with FaultServer(shy, faults=shares, seed=3) as server:
            overrides = {"subject": f"{server.url}#model", "days": 2, "retries": 1, "item": "the moon fell"}
            result = run_study(SLUG, overrides=overrides, out=tmp_path)
        assert "the moon fell" in result.tables.beliefs["proposition"].to_list()
        told.append([one.as_json() for one in result.findings])
        unread = result.findings[-1]
        assert unread.id == "unread"
        refused = int(re.search(r"opinions-refused (\d+)", unread.note)[1])
        assert unread.estimate == pytest.approx(refused / 60)
        assert 0 < refused < 60
        assert f"asked-again {refused}" in unread.note
    assert told[0] == told[1]


def test_a_served_organism_is_never_taken_for_a_believer(tmp_path):
    organism = TransformersSubject.open(str(organism_folder("sound")))
    with FaultServer(organism, faults=0.0) as server:
        overrides = {
            "subject": f"{server.url}#sound",
            "days": 1,
            "n_susceptible": 4,
            "retries": 0,
            "max_tokens": 4,
        }
        result = run_study(SLUG, overrides=overrides, out=tmp_path)
    found = {one.id: one for one in result.findings}
    assert found["unread"].estimate == 1.0
    assert {one.verdict for name, one in found.items() if name != "unread"} == {"unresolved"}


@pytest.mark.slow
def test_quick_shows_the_mechanism(quick_runs):
    result = run_study(SLUG, preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert not any(one.verdict == "fails" for one in found.values())
    assert found["plausible"].estimate == pytest.approx(0.862, abs=0.01)
    assert found["plausible-story"].estimate == pytest.approx(0.578, abs=0.01)
    assert found["plausible-story"].verdict == "unresolved"
    for name in ("reader", "dies-out", "critical", "distinct-1", "distinct-2", "distinct-same"):
        assert found[name].verdict == "holds", name
    assert found["sis-curve"].estimate > 0.9
    assert found["earlier"].estimate > 0
    assert [figure.id for figure in result.figures] == [
        "courses",
        "denials",
        "opinions",
        "histogram",
        "bifurcation",
        "frontier",
        "traits",
        "graphs",
    ]
    assert "not a result" in result.figures[0].caption
    beliefs = result.tables.beliefs.filter(condition="topics")
    assert beliefs.height == 2 * 30 * 16
    assert np.isfinite(beliefs["log_odds"].to_numpy()).all()
    assert result.tables.transcripts.filter(condition="topics").height > 500
