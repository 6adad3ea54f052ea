from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.streams import stream
from doxa.testing import check_findings
from doxa.training.entropy_mechanism.exact_tables import NAMES, STEPS
from doxa.training.entropy_mechanism.methods import (
    BETA_ZERO,
    GRPO,
    PLAIN,
    RANDOM,
    SHUFFLED,
    SHUFFLED_SLOW,
    Ratios,
    methods,
)
from tests.hostile_texts import ATTACKS

SLUG = "entropy-mechanism"
EVALUATIONS = np.arange(0, 121, 8)
CONTROLS = {
    *("no-advantage", "kl-cov-random", "clip-cov-random", "shuffled-covariance", "shuffled-entropy"),
    *("shuffled-slow-entropy", "shuffled-score", "beta-zero", "entropy-itself", "distinct-itself"),
}


def simulated(**shift):
    """Return tables in which all is as claimed and every method keeps more at equal score, but for what is shifted."""
    value = {
        "correlation": 0.999,
        "order": 4.0,
        "flat": 0.0,
        "left": 0.05,
        "noise": 0.0,
        "bend": 0.08,
        "early": 3.0,
        "peak": 11.0,
        "end": 3.0,
        "covariance": 0.05,
        "easy": 0.1,
        "tracks": 1.0,
        "kept": 0.6,
        "random": 0.1,
        "shuffled covariance": 0.0,
        "shuffled left": 0.99,
        "slow left": 0.99,
        "shuffled gain": 0.0,
        "distance": 0.0,
        "more": 0.3,
        **shift,
    }
    return Tables.concat(
        [part for seed in range(3) for part in (_tables(value, seed), _training(value, seed))]
    )


def _tables(value, seed):
    recorder, wobble = Recorder("tables", seed), 1e-4 * (seed - 1)
    for name in NAMES.values():
        for eta in STEPS:
            power = math.log2(value["order"])
            recorder.measure(
                "error of theorem", eta**power * (1 + wobble), subject=name, axis="sweep", time=eta
            )
        for measure in ("correlation of theorem", "correlation of steps"):
            recorder.measure(measure, value["correlation"] + wobble, subject=name)
        recorder.measure("change without advantage", value["flat"], subject=name)
        recorder.measure("table state", -0.01, subject=name, predicted=-0.01)
    return recorder.tables()


def _training(value, seed):
    recorder, rng = Recorder("training", seed), stream(seed, "simulated")
    share = EVALUATIONS / 120.0
    way = 1.0 - (1.0 - share) ** value["early"]
    entropy = 1.8 * value["left"] ** way
    for method in methods(Ratios()):
        score = 0.9 - 0.12 * np.exp(entropy) + value["bend"] * share**6
        kept, distinct = entropy, np.interp(way, [0.0, 0.5, 1.0], [6.0, value["peak"], value["end"]])
        if method.kind == "control":
            left = {SHUFFLED: value["shuffled left"], SHUFFLED_SLOW: value["slow left"]}.get(method.name)
            if left is not None:
                kept, score = 1.8 * left**share, 0.2 + value["shuffled gain"] * share
            elif RANDOM in method.name:
                kept = np.maximum(entropy, value["random"])
        elif method.name != GRPO:
            kept, distinct = entropy + value["more"], distinct + 20.0 * value["more"]
            kept[-1] = value["kept"] if "Cov" in method.name else kept[-1]
        score = score + value["noise"] * rng.standard_normal(share.size)
        for place, step in enumerate(EVALUATIONS):
            about = {"subject": method.name, "time": float(step), "kind": method.kind}
            recorder.measure("score", score[place], **about)
            recorder.measure("H", kept[place] * (1 + 1e-3 * seed), **about)
            recorder.measure("distinct", distinct[place], **about)
        if method.name not in (GRPO, SHUFFLED):
            continue
        mean = value["shuffled covariance"] if "shuffled" in method.name else value["covariance"]
        for step in range(60):
            about = {"subject": method.name, "time": float(step)}
            own = mean + 0.01 * math.sin(step / 5) + 1e-4 * seed
            recorder.measure("step covariance", own, **about)
            recorder.measure(
                "step entropy_change", -value["tracks"] * own + 1e-4 * rng.standard_normal(), **about
            )
            recorder.measure("step covariance_top_0.002", 3.0, **about)
            for name, more in (("easy", value["easy"]), ("medium", 0.05), ("hard", 0.0)):
                recorder.measure(f"step covariance_{name}", more + 1e-4 * seed, **about)
    recorder.measure("distance of weights", value["distance"], subject=BETA_ZERO, other=PLAIN)
    return recorder.tables()


def judged(tables, **settings):
    study = find_study(SLUG)
    return {one.id: one for one in study.code.findings(tables, study.configure(overrides=settings))}


def open_questions(found):
    return {
        name
        for name in found
        if name.startswith(("entropy-", "distinct-")) and name.endswith(("-grpo", "-slower"))
    }


def test_the_effect_and_its_controls_are_told_apart():
    found = judged(simulated())
    check_findings(list(found.values()))
    asked = open_questions(found)
    assert {one.verdict for name, one in found.items() if name not in asked} == {"holds"}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert {found[name].verdict for name in asked if name.endswith("-grpo")} == {"holds"}


@pytest.mark.parametrize(
    ("shift", "failing"),
    [
        ({"correlation": 0.98}, {"theorem-pg", "theorem-npg", "theorem-run-pg", "theorem-run-npg"}),
        ({"order": 2.0}, {"theorem-order-pg", "theorem-order-npg"}),
        ({"flat": 1e-3}, {"no-advantage"}),
        ({"noise": 2.0}, {"law"}),
        ({"bend": 0.4}, {"forecast", "law"}),
        ({"early": 0.5}, {"spent-early"}),
        ({"peak": 6.5}, {"distinct-rises"}),
        ({"end": 11.0}, {"distinct-collapses"}),
        ({"covariance": -0.05}, {"covariance-positive"}),
        ({"easy": -0.1}, {"easy-prompts"}),
        ({"tracks": -1.0}, {"covariance-tracks"}),
        ({"kept": 0.2}, {"kl-cov-keeps", "clip-cov-keeps"}),
        ({"random": 0.5}, {"kl-cov-random", "clip-cov-random"}),
        ({"kept": 0.05}, {"kl-cov-choice", "clip-cov-choice", "kl-cov-keeps", "clip-cov-keeps"}),
        ({"shuffled covariance": 0.1}, {"shuffled-covariance"}),
        ({"shuffled left": 0.3}, {"shuffled-entropy"}),
        ({"slow left": 0.3}, {"shuffled-slow-entropy"}),
        ({"shuffled gain": 0.3}, {"shuffled-score"}),
        ({"distance": 0.1}, {"beta-zero"}),
    ],
)
def test_each_finding_can_fail(shift, failing):
    found = judged(simulated(**shift))
    failed = {name for name, one in found.items() if one.verdict == "fails"} - open_questions(found)
    assert failing <= failed
    assert not (failed - failing) & CONTROLS


def test_at_equal_score_less_is_told_from_more():
    found = judged(simulated(more=-0.3))
    assert {found[name].verdict for name in open_questions(found) if name.endswith("-grpo")} == {"fails"}


def test_what_was_not_run_is_unresolved():
    found = judged(Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert all(one.note for one in found.values())
    assert find_study(SLUG).code.figures(Tables.empty(), find_study(SLUG).configure()) == []


def test_figures_of_all_parts():
    study = find_study(SLUG)
    drawn = study.code.figures(simulated(), study.configure())
    assert [figure.id for figure in drawn] == [
        *("score", "entropy", "distinct", "frontier", "distinct-frontier", "kept-entropy", "kept-distinct"),
        *("covariance", "theorem", "theorem-error"),
    ]
    for figure in drawn:
        json.dumps(figure.spec, allow_nan=False)


@pytest.mark.slow
def test_the_quick_run(quick_runs):
    result = run_study(SLUG, preset="quick", out=quick_runs)
    found = {one.id: one for one in result.findings}
    assert found["beta-zero"].estimate == 0.0
    assert found["no-advantage"].estimate == 0.0
    assert found["theorem-pg"].estimate > 0.99
    assert found["theorem-npg"].estimate > 0.99
    assert found["covariance-positive"].estimate > 0.0
    assert result.tables.measures.filter(measure="H", subject=GRPO).height == 11


@pytest.mark.slow
def test_a_seed_alone_is_that_of_a_run_of_several(tmp_path):
    few = {"steps": 6, "base_steps": 10, "group": 4, "samples": 4, "evaluate_every": 3, "parts": "training"}
    both = run_study(SLUG, preset="quick", overrides={**few, "seeds": 2}, out=tmp_path / "both")
    run_study(SLUG, preset="quick", overrides=few, out=tmp_path / "grown")
    grown = run_study(SLUG, preset="quick", overrides={**few, "seeds": 2}, out=tmp_path / "grown")
    assert grown.computed == 1
    assert grown.tables.measures.equals(both.tables.measures)


def log_file(folder, *, noise=0.01, rate=0.95, name="log.csv"):
    rng = stream(1, "log")
    rows = ["step,entropy,reward"]
    for step in range(60):
        entropy = 1.6 * rate**step
        rows.append(f"{step},{entropy},{0.9 - 0.1 * math.exp(entropy) + noise * rng.standard_normal()}")
    (folder / name).write_text("\n".join(rows))
    return folder / name


def test_a_log_is_read_fitted_and_warned_of(tmp_path):
    result = run_study(
        SLUG, overrides={"log": str(log_file(tmp_path)), "target": 0.85}, out=tmp_path / "runs"
    )
    found = {one.id: one for one in result.findings}
    assert found["law"].verdict == "holds"
    assert "score reward against entropy entropy" in found["law"].claim
    assert "a = 0.1" in found["law"].note
    assert found["ceiling"].verdict == "fails"
    assert found["ceiling"].estimate == pytest.approx(0.8, abs=0.01)
    assert found["forecast"].verdict == "holds"
    assert found["target-in-reach"].verdict == "fails"
    assert found["entropy-left"].estimate == pytest.approx(0.95**59)
    assert found["gain-left"].note.startswith("step 43:")
    assert found["no-collapse"].estimate == pytest.approx(1 - 0.95**10)
    assert found["no-surge"].verdict == "holds"
    assert [figure.id for figure in result.figures] == ["law", "entropy", "score"]
    again = run_study(SLUG, overrides={"log": str(log_file(tmp_path)), "target": 0.85}, out=tmp_path / "runs")
    assert again.computed == 0
    log_file(tmp_path, rate=0.9)
    assert run_study(SLUG, overrides={"log": str(tmp_path / "log.csv")}, out=tmp_path / "runs").computed == 1


def test_a_log_without_scores_still_says_what_it_can(tmp_path):
    (tmp_path / "log.jsonl").write_text(
        "\n".join(json.dumps({"step": s, "entropy": 2.0 * 0.7**s}) for s in range(30))
    )
    found = judged_log(tmp_path / "log.jsonl", tmp_path)
    assert found["law"].verdict == "unresolved"
    assert "name their column with score_column=" in found["law"].note
    assert found["gain-left"].verdict == "unresolved"
    assert found["no-collapse"].verdict == found["entropy-left"].verdict == "fails"


def test_a_score_that_does_not_follow_is_no_law(tmp_path):
    found = judged_log(log_file(tmp_path, noise=2.0), tmp_path)
    assert found["law"].verdict == "fails"
    assert found["gain-left"].verdict == "unresolved"


def test_an_event_file_is_a_log(tmp_path):
    shutil.copy(
        Path(__file__).parents[1] / "training" / "logs" / "data" / "torch.tfevents", tmp_path / "e.tfevents"
    )
    found = judged_log(tmp_path, tmp_path / "runs")
    assert found["law"].estimate == pytest.approx(1.0, abs=1e-9)
    assert "guessed: TRL GRPO" in found["law"].note


def judged_log(path, folder):
    result = run_study(SLUG, overrides={"log": str(path)}, out=folder / "runs")
    check_findings(result.findings)
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)
    return {one.id: one for one in result.findings}


def dump_file(folder, tokens):
    rng = stream(0, "dump")
    rows = []
    for place in range(24):
        good = place % 2 == 0
        logp = (-rng.exponential(size=6) - (0.0 if good else 1.0)).tolist()
        entropy = (0.2 + rng.random(6)).tolist()
        texts = [tokens[(place + column) % len(tokens)] for column in range(6)]
        rows.append(
            json.dumps({"logp": logp, "adv": 1.0 if good else -1.0, "entropy": entropy, "tokens": texts})
        )
    (folder / "dump.jsonl").write_text("\n".join(rows))
    return str(folder / "dump.jsonl")


def test_a_dump_names_the_tokens_that_spend_entropy(tmp_path):
    path = dump_file(tmp_path, ["Let", " me", " think", "\n"])
    result = run_study(SLUG, overrides={"dump": path, "listed": 5}, out=tmp_path / "runs")
    found = {one.id: one for one in result.findings}
    assert found["covariance"].verdict == found["covariance-dealt"].verdict == "holds"
    tokens = result.tables.measures.filter(measure="top token")
    assert tokens.height == 5
    assert tokens["value"].to_list() == sorted(tokens["value"], reverse=True)
    assert [figure.id for figure in result.figures] == ["top-tokens", "kinds-of-token", "quadrants"]


def test_a_dumps_tokens_are_escaped_in_the_report(tmp_path):
    result = run_study(SLUG, overrides={"dump": dump_file(tmp_path, list(ATTACKS))}, out=tmp_path / "runs")
    page = result.report.read_text("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_one_more_seed_recomputes_nothing():
    few, more = (plan(SLUG, overrides={"seeds": seeds}) for seeds in (2, 3))
    assert set(few.cells) < set(more.cells)
    assert {cell.condition for cell in plan(SLUG, overrides={"parts": "tables"}).cells.values()} == {"tables"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"log": "a.csv", "dump": "b.npz"}, "give one of them"),
        ({"log": "nowhere.csv"}, "log=nowhere.csv: no such file"),
        ({"dump": "nowhere.npz"}, "dump=nowhere.npz: no such file"),
        ({"target": "0.5"}, "target=0.5: has no effect on the embedded experiments"),
        ({"kl_fractions": "0.2,20"}, "kl_fractions=20"),
        ({"slower": "2"}, "must be factors in"),
        ({"band": "5,1"}, "band="),
        ({"mini_batches": "1"}, "mini_batches=1: must be >= 2"),
        ({"parts": "table"}, "did you mean 'tables'"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan(SLUG, overrides=overrides)


def test_a_column_that_is_not_there_is_said_before_anything_runs(tmp_path):
    path = log_file(tmp_path)
    with pytest.raises(InputError, match="did you mean 'entropy'"):
        plan(SLUG, overrides={"log": str(path), "entropy_column": "entropi"})
