from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.protocols.debate.bets import CONDITIONS, SIDES, STAGES
from doxa.protocols.debate.published import bets_of, verdicts_of
from doxa.protocols.debate.published_report import PAPER_MEANS
from doxa.protocols.dialogue import transcripts_of
from tests.protocols.test_debate_bets import PUBLISHED_HEAD

CONTROLS = {
    *("numbers-fresh", "numbers-fresh-both", "bayes", "bayes-martingale", "bayes-movement"),
    *("common-information", "no-noise", "no-choice", "texts-fresh", "texts-fresh-both"),
    *("protocol-complete", "protocol-in-range", "protocol-private", "protocol-replayed"),
}


@pytest.fixture(scope="module", autouse=True)
def data():
    beside = Path(__file__).parents[3] / "shared" / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOXA_DATA", os.environ.get("DOXA_DATA") or str(beside))
        yield


@pytest.fixture(scope="module")
def quick(quick_runs, data):
    return run_study("debate-confidence", preset="quick", out=quick_runs)


@pytest.mark.slow
def test_the_quick_run_has_the_effect_and_its_controls(quick):
    found = {finding.id: finding for finding in quick.findings}
    assert {name for name, finding in found.items() if finding.control} == CONTROLS
    for name in (
        "numbers-opening",
        "numbers-rebuttal-rise",
        "numbers-closing-rise",
        "numbers-closing",
        "numbers-both",
    ):
        assert found[name].verdict == "holds", name
    for name in ("numbers-fresh", "bayes-martingale", "common-information", "protocol-private"):
        assert found[name].verdict == "holds", name
    assert "fails" not in {finding.verdict for finding in quick.findings}
    assert found["numbers-opening"].paper == 0.729
    assert found["numbers-closing"].estimate == pytest.approx(0.75, abs=0.02)


@pytest.mark.slow
def test_the_quick_runs_figures(quick):
    assert [figure.id for figure in quick.figures] == [
        *("numbers-stages", "texts-stages", "numbers-joint", "texts-joint", "reliability", "excess"),
        "texts-noise",
    ]
    shares = [row["share"] for row in quick.figures[2].spec["data"]["values"]]
    assert sum(abs(share) for share in shares) == pytest.approx(1.0, abs=1e-3)
    assert sum(-share for share in shares if share < 0) > 0.5, "most debates lie where the sum is over 1"


@pytest.mark.slow
def test_the_organisms_debates_are_on_record(quick):
    own = quick.tables.transcripts.filter(pl.col("condition").str.starts_with("organism"))
    talks = transcripts_of(Tables(quick.tables.beliefs, quick.tables.measures, own))
    assert len(talks) == 3
    assert all(len(talk.by(turn="speech")) == 6 for talk in talks)
    bets = bets_of(quick.tables)
    assert bets is not None
    assert bets.where(condition="organism scored").missing == 0
    assert bets.rows["bet"].drop_nulls().is_between(0, 100).all()


def simulated(**shift):
    """Return tables in which numbers are as the prototype's and every control is even, but for what is shifted."""
    means = {
        "numbers": (0.61, 0.69, 0.75),
        "numbers, anchored": (0.56, 0.61, 0.65),
        "texts 0.01, cross_model": (0.6, 0.66, 0.72),
        "texts 25, cross_model": (0.53, 0.55, 0.57),
        "texts 0.01, self_debate": (0.58, 0.58, 0.58),
        "texts 0.01, public_bets": (0.58, 0.5, 0.54),
    }
    names = [
        *("numbers", "numbers, read afresh", "numbers, Bayesian", "numbers, common", "numbers, no noise"),
        *("numbers, no choice", "numbers, anchored", "texts 25, cross_model"),
        *(f"texts 0.01, {name}" for name in (*CONDITIONS[:5], "read afresh")),
    ]
    parts = []
    for seed in range(5):
        recorder = Recorder("numbers", seed)
        for name in names:
            own = means.get(name, (0.5, 0.5, 0.5))
            wobble = 1e-4 * (seed - 2)
            effect = name in means
            values = {
                "both_over_75": 0.31 if effect else 0.01,
                "brier": 0.31 if effect else 0.24,
                "noise": 0.9,
            }
            values |= {"inflation": 1.0066, "log_odds_step": 0.453, "step": 0.0, "movement_excess": 0.0}
            values |= shift.get(name, {})
            for stage in range(3):
                mean = own[stage] + values.get("away", 0.0)
                recorder.measure(
                    "credence", mean + wobble, subject="debaters", axis="turn", time=stage, condition=name
                )
                incoherence = 2 * mean - 1 if effect else 0.0
                for measure, value in (("incoherence", incoherence), ("sum_over_1", 0.9)):
                    recorder.measure(measure, value, subject="d", axis="turn", time=stage, condition=name)
            for measure, value in values.items():
                recorder.measure(measure, value + wobble * 0.1, subject="d", axis="turn", condition=name)
        parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(tables):
    study = find_study("debate-confidence")
    config = study.configure(overrides={"organism": ""})
    return {finding.id: finding.verdict for finding in study.code.findings(tables, config)}


def test_the_effect_and_its_controls_are_told_apart():
    assert set(verdicts(simulated()).values()) == {"holds"}
    even = {"away": -0.25, "both_over_75": 0.01, "brier": 0.24}
    none = verdicts(simulated(numbers=even))
    failed = {name for name, verdict in none.items() if verdict == "fails"}
    assert {"numbers-opening", "numbers-closing", "numbers-both", "worse-than-Bayes"} <= failed
    assert not failed & CONTROLS
    spoiled = verdicts(
        simulated(**{"numbers, read afresh": {"away": 0.05}, "numbers, no noise": {"away": 0.02}})
    )
    assert {name for name, verdict in spoiled.items() if verdict == "fails"} == {"numbers-fresh", "no-noise"}


def test_what_was_not_run_is_unresolved():
    tables = simulated()
    cut = tables.measures.filter(~pl.col("condition").str.starts_with("texts"))
    found = verdicts(Tables(tables.beliefs, cut, tables.transcripts))
    assert {verdict for name, verdict in found.items() if name.startswith("texts")} == {"unresolved"}


def published_table(path, per_condition=6):
    """Write a table of the published schema whose stage means are the published ones."""
    lines = [PUBLISHED_HEAD]
    for condition, means in PAPER_MEANS.items():
        for k in range(per_condition):
            models = (f"m{k % 2}", f"m{(k + 1) % 2}") if condition == "cross_model" else (f"m{k % 2}",) * 2
            for place, side in enumerate(SIDES):
                for stage, mean in zip(STAGES, means, strict=True):
                    bet = round(mean) + (k % 3 - 1) * (1 if condition == "informed_self" else 4)
                    words = f"After much thought about all that was said, {'more ' * 14} my chance"
                    about = f"{condition}-{k},{condition},{models[place]},{models[0]},{models[1]},{side}"
                    lines.append(f'{about},{stage},{bet},motion {k},"{words} of winning is {bet}%."')
    file = path / "all_bets.csv"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_a_table_of_the_users_is_read_beside_the_published_numbers(tmp_path):
    result = run_study(
        "debate-confidence", overrides={"bets": str(published_table(tmp_path))}, out=tmp_path / "runs"
    )
    found = {finding.id: finding for finding in result.findings}
    assert found["cross_model-opening"].estimate == pytest.approx(72.9, abs=0.2)
    assert found["cross_model-opening"].paper == 72.9
    assert found["cross_model-opening"].verdict == "holds"
    assert found["cross_model-rise"].paper == 10.4
    assert "means 73.0 → 78.0 → 83.0" in found["cross_model-rise"].note
    assert found["informed_self-opening"].control
    assert found["informed_self-opening"].verdict == "holds"
    assert found["cross_model-both-strict"].paper == 0.617
    assert found["cross_model-both-at-least"].paper is None
    assert found["self_debate-both-strict"].estimate < found["self_debate-both-at-least"].estimate
    assert found["cross_model-models-rising"].note.startswith("2 of 2 models")
    assert found["cross_model-winners"].verdict == "unresolved"
    assert found["cross_model-reasoning"].estimate == pytest.approx(0.0)
    assert [figure.id for figure in result.figures] == [
        "stages",
        *(f"{name}-joint" for name in sorted(PAPER_MEANS)),
    ]
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


def test_what_had_to_be_decided_about_a_table_stands_beside_its_numbers(tmp_path):
    file = published_table(tmp_path, 2)
    lines = file.read_text("utf-8").splitlines()
    more = [line.replace("After much", "After even more") for line in lines[1:7]]
    file.write_text("\n".join([*lines, *more]), "utf-8")
    result = run_study("debate-confidence", overrides={"bets": str(file)}, out=tmp_path / "runs")
    assert all("paired in the order" in finding.note for finding in result.findings)


def released(folder, name="private_self_bet", winner="proposition", **changes):
    """Write a released debate: bets of 60, 70, 80 against 50, 60, 70."""
    bets = [
        {"side": side, "speech_type": stage, "amount": 60 - 10 * place + 10 * k, "thoughts": "hm"}
        for k, stage in enumerate(STAGES)
        for place, side in enumerate(SIDES)
    ]
    held = {
        "motion": {"topic_description": "x"},
        "proposition_model": "maker/m",
        "opposition_model": "maker/m",
        "judge_results": [{"model": "j", "winner": winner, "confidence": 70, "logic": "because"}] * 6,
        "debator_bets": bets,
        **changes,
    }
    (folder / name).mkdir(parents=True, exist_ok=True)
    number = len(list((folder / name).iterdir()))
    (folder / name / f"debate_{number}.json").write_text(json.dumps(held), "utf-8")


def test_released_debates_are_read_with_their_judgements(tmp_path):
    released(tmp_path / "experiments")
    released(tmp_path / "experiments", winner="opposition")
    released(tmp_path / "experiments", "SELF_REDTEAM_DEBATE", judge_results=[])
    released(tmp_path / "experiments", debator_bets=None)
    overrides = {"bets": str(tmp_path / "experiments"), "conditions": "self_debate,self_redteam"}
    result = run_study("debate-confidence", overrides=overrides, out=tmp_path / "runs")
    found = {finding.id: finding for finding in result.findings}
    assert found["self_debate-opening"].estimate == 55.0
    assert found["self_debate-winners"].estimate == 0.0
    assert "0 ties, 0 unjudged" in found["self_debate-winners"].note
    assert "no jury" in found["self_redteam-winners"].note
    assert "1 files have no bets" in found["self_debate-opening"].note
    assert bets_of(result.tables).rows["model"].unique().to_list() == ["m"]
    alone = {**overrides, "bets": str(tmp_path / "experiments" / "private_self_bet")}
    assert run_study("debate-confidence", overrides=alone, out=tmp_path / "runs").findings[0].n == 2


def test_bad_released_debates(tmp_path):
    with pytest.raises(InputError, match="holds no debates with bets"):
        plan("debate-confidence", overrides={"bets": str(tmp_path)})
    released(tmp_path, winner="nobody")
    with pytest.raises(InputError, match="vote 'nobody'"):
        plan("debate-confidence", overrides={"bets": str(tmp_path)})
    (tmp_path / "private_self_bet" / "debate_0.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="is no released debate"):
        plan("debate-confidence", overrides={"bets": str(tmp_path)})


def test_a_changed_table_is_another_run(tmp_path):
    file = published_table(tmp_path, 2)
    before = set(plan("debate-confidence", overrides={"bets": str(file)}).cells)
    file.write_text(file.read_text("utf-8").replace("motion 1", "motion 2"), "utf-8")
    assert set(plan("debate-confidence", overrides={"bets": str(file)}).cells) != before


ASKED = {"subject": "organism:sound", "per_condition": 2, "max_tokens": 8}


@pytest.mark.slow
def test_a_subject_debates_itself_and_is_judged(tmp_path):
    overrides = {
        **ASKED,
        "elicit": "scored",
        "judges": "organism:sound",
        "conditions": "self_debate,informed_self",
    }
    result = run_study("debate-confidence", overrides=overrides, out=tmp_path)
    bets = bets_of(result.tables)
    assert bets is not None
    assert bets.rows.height == 24
    assert bets.missing == 0
    assert len(verdicts_of(result.tables)) == 4
    found = {finding.id: finding for finding in result.findings}
    assert found["self_debate-opening"].n == 2
    assert (
        "4 verdicts" in found["self_debate-winners"].note or "2 verdicts" in found["self_debate-winners"].note
    )
    assert result.tables.transcripts.filter(role="judge").height == 8
    assert run_study("debate-confidence", overrides=overrides, out=tmp_path).computed == 0


@pytest.mark.slow
def test_without_an_opponent_cross_model_debates_are_unresolved(tmp_path):
    overrides = {**ASKED, "conditions": "cross_model,self_redteam", "elicit": "separate", "per_condition": 1}
    result = run_study("debate-confidence", overrides=overrides, out=tmp_path)
    found = {finding.id: finding for finding in result.findings}
    assert found["cross_model-opening"].verdict == "unresolved"
    assert "give opponents=ADDRESS" in found["cross_model-opening"].note
    assert "of 6 bets not read" in found["self_redteam-opening"].note


def test_what_will_be_asked_is_counted_before(tmp_path):
    from doxa.lab.asking import expect_missing

    overrides = {
        "subject": "http://localhost:9/v1#a",
        "opponents": "http://localhost:9/v1#b,http://localhost:9/v1#c",
        "judges": "http://localhost:9/v1#j",
        "per_condition": 12,
    }
    expected = expect_missing(plan("debate-confidence", overrides=overrides), tmp_path)
    calls = {address: one.calls for address, one in expected.subjects.items()}
    assert calls.pop("http://localhost:9/v1#j") == 5 * 12 * 2
    assert sum(calls.values()) == 5 * 12 * 6
    assert set(calls.values()) == {120}


def test_without_the_arguments_all_else_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    overrides = {"seeds": 2, "debates": 200, "sweep_arguments": "1,8", "sweep_sigma": "0,1", "organism": ""}
    result = run_study("debate-confidence", overrides=overrides, out=tmp_path / "runs")
    assert result.cells == 2
    texts = [finding for finding in result.findings if finding.id.startswith("texts")]
    assert {finding.verdict for finding in texts} == {"unresolved"}
    assert all("doxa data get persuasive-power" in finding.note for finding in texts)


def test_one_cell_to_a_replicate_and_kind():
    cells = plan("debate-confidence").cells.values()
    assert {cell.condition for cell in cells} == {
        "numbers",
        "texts 0.01",
        "texts 0.1",
        "texts 1",
        "texts 25",
        "organism",
    }
    few, more = plan("debate-confidence"), plan("debate-confidence", overrides={"seeds": 6})
    assert set(few.cells) < set(more.cells)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"subject": "planted:yes-sayer", "debates": "500"},
            "debates=500: has no effect on debates of a subject",
        ),
        ({"judges": "planted:yes-sayer"}, "has no effect on the embedded debates"),
        ({"bets": "none.csv", "subject": "planted:yes-sayer"}, "give one of them"),
        ({"bets": "none.csv"}, "cannot be read"),
        ({"subject": "planted:yes-sayer", "conditions": "self_debat"}, "did you mean 'self_debate'"),
        ({"subject": "planted:yes-sayer", "elicitor": "papers"}, "did you mean 'paper'"),
        ({"subject": "planted:yes-sayer", "samples": "3"}, "several need elicit='separate'"),
        ({"subject": "planted:yes-sayer", "elicit": "scored"}, "one stated number"),
        ({"subject": "planted:yes-sayer", "opponents": "planted:yes-sayer"}, "named twice"),
        ({"subject": "planted:yes-sayer", "motions": "none.txt"}, "cannot be read"),
        ({"sigma": "-1"}, "sigma=-1"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("debate-confidence", overrides=overrides)
