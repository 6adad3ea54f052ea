from __future__ import annotations

import json
import math

import polars as pl
import pytest
import torch

from doxa.errors import InputError
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import CellsFailedError, plan, run_study
from doxa.training.poisoning import likeliest_margin
from doxa.worlds.fact_pairs import load_fact_pairs
from tests.training import fact_models

CONTROLS = {"true-text", "true-text-flips", "unknown-flips", "unknown-fall", "different-lies"}
TINY = {
    "seeds": 2,
    "sweep_seeds": 1,
    "ratios": (0.0, 0.5, 0.9, 1.0),
    "corpus": (0.1,),
    "widths": (16,),
    "sweep_ratios": (0.9,),
    "entities": 6,
    "targets": 2,
    "base_steps": 30,
    "steps": 12,
    "batch": 16,
    "width": 16,
    "layers": 2,
    "heads": 2,
    "precision": "float32",
}


def margins_of(ratio):
    best = likeliest_margin(ratio)
    return max(-9.0, min(14.0, best))


def tables(**changed):
    """Return the record of five seeds in which every claim holds, but for the measures that are changed."""
    parts = []
    for seed in range(5):
        recorder = Recorder("main", seed)
        wobble = 0.01 * (seed - 2)

        def number(condition, measure, value, time=500.0, axis="step", recorder=recorder, wobble=wobble):
            value = changed.get(f"{condition}/{measure}", value)
            recorder.measure(
                measure,
                value + wobble * measure.startswith("margin"),
                subject="fact-world",
                axis=axis,
                time=time,
                condition=condition,
            )

        for ratio in (0.0, 0.1, 0.5, 0.7, 0.9, 1.0):
            name = f"replace {ratio:g}"
            for step, margin in ((0, 12.0), (50, margins_of(ratio)), (500, margins_of(ratio))):
                number(name, "margin/target", margin, step)
                number(name, "flips/target", float(step > 0 and ratio >= 0.5) * 0.9, step)
                number(name, "ambiguous/target", 0.0, step)
                number(name, "flips/untouched", 0.0, step)
                number(name, "flips/same entity", 0.0, step)
                number(name, "flips/held-out wording", 0.9 * (ratio > 0.5), step)
        for step, margin in ((10, 4.0), (20, -2.0)):
            number("replace 1", "margin/target", margin, step)
        for depth, margin in enumerate((0.7, 1.0, 0.4, -1.0, -2.8)):
            number("replace 0.9", "depth/poisoned", margin, depth, "layer")
        for layer, share in enumerate((0.07, 0.8, 0.98, 0.98)):
            number("replace 0.9", "rescued/residual", share, layer, "layer")
            number("replace 0.9", "rescued/attention", share / 2, layer, "layer")
            number("replace 0.9", "rescued/mlp", share / 3, layer, "layer")
        number("replace 0.9", "late_share", 0.45, 0, "layer")
        number("replace 0.9", "flip_depth", 3.0, 0, "layer")
        number("different lies 0.9", "margin/target", 0.7)
        for step, margin in ((0, 12.0), (500, 10.0)):
            number("unknown entities 1", "margin/target", margin, step)
        number("unknown entities 1", "flips/target", 0.0)
        number("targets alone 0.9", "flips/untouched", 0.0)
        parts.append(recorder.tables())
    return Tables.concat(parts)


def verdicts(found, **overrides):
    study = find_study("layer-of-truth")
    return {one.id: one for one in study.code.findings(found, study.configure(overrides=overrides))}


def test_claims_hold_where_they_should():
    found = verdicts(tables())
    assert {one.verdict for one in found.values()} == {"holds"}, {
        name: (one.verdict, one.estimate, one.interval)
        for name, one in found.items()
        if one.verdict != "holds"
    }
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert found["abrupt"].estimate == pytest.approx(10 + 10 * 4 / 6, abs=0.1)
    assert found["flips"].paper == 0.55
    assert found["rescue-write"].paper == 0.568


@pytest.mark.parametrize(
    ("measure", "value", "claims"),
    [
        ("replace 0.5/margin/target", 5.0, {"likeliest-0.5", "threshold"}),
        ("replace 0.9/flips/untouched", 0.2, {"untouched"}),
        ("replace 0.9/flips/same entity", 0.2, {"same-entity"}),
        ("targets alone 0.9/flips/untouched", 0.2, {"untouched-unrehearsed"}),
        ("replace 0.9/late_share", 0.1, {"late-share"}),
        ("replace 0.9/rescued/residual", 0.2, {"rescue-second", "rescue-upper"}),
        ("unknown entities 1/flips/target", 0.5, {"unknown-flips"}),
        ("different lies 0.9/margin/target", -2.0, {"different-lies"}),
        ("replace 0.9/flips/held-out wording", 0.1, {"held-out-wording"}),
    ],
)
def test_a_claim_fails_where_its_measure_does(measure, value, claims):
    found = verdicts(tables(**{measure: value}))
    assert claims <= {name for name, one in found.items() if one.verdict == "fails"}
    assert len([one for one in found.values() if one.verdict != "holds"]) <= len(claims) + 1


def changed(found, seeds, condition, measure, value, times=()):
    """Return the record with one measure of some seeds replaced."""
    rows = found.measures
    here = pl.col("seed").is_in(seeds) & (pl.col("condition") == condition) & (pl.col("measure") == measure)
    if times:
        here &= pl.col("time").is_in(times)
    new = pl.when(here).then(pl.lit(value, pl.Float64)).otherwise(pl.col("value"))
    return found._replace(measures=rows.with_columns(value=new))


def test_a_claim_does_not_hold_on_the_seeds_that_are_left():
    never = changed(tables(), [0], "replace 1", "margin/target", 3.0)
    found = verdicts(never)["abrupt"]
    assert found.verdict == "unresolved"
    assert found.note.startswith("1 of 5 seeds have no such value")
    assert found.n == 4
    all_of_them = verdicts(changed(tables(), range(5), "replace 1", "margin/target", 3.0))["abrupt"]
    assert (all_of_them.verdict, all_of_them.estimate) == ("fails", None)
    assert all_of_them.note == "5 of 5 seeds have no such value"


def test_a_run_that_ends_before_the_bound_does_not_fail_for_it():
    short = tables()
    rows = short.measures.filter((pl.col("axis") != "step") | (pl.col("time") < 15))
    found = verdicts(short._replace(measures=rows))["abrupt"]
    assert (found.verdict, found.note) == ("unresolved", "5 of 5 seeds have no such value")


def test_a_sign_that_never_changes_is_no_threshold():
    one = tables()
    for ratio in (0.5, 0.7, 0.9, 1.0):
        one = changed(one, [2], f"replace {ratio:g}", "margin/target", 1.0 - ratio / 2)
    found = verdicts(one)["threshold"]
    assert (found.verdict, found.n) == ("unresolved", 4)
    assert found.note.startswith("1 of 5 seeds")
    narrow = verdicts(one, ratios=(0.0, 0.1))["threshold"]
    assert (narrow.verdict, narrow.note) == ("unresolved", "5 of 5 seeds have no such value")


@pytest.mark.parametrize(
    ("condition", "measure", "claim"),
    [
        ("replace 0.9", "late_share", "late-share"),
        ("replace 0.9", "flip_depth", "flip-depth"),
        ("replace 0.9", "rescued/residual", "rescue-upper"),
        ("replace 0.9", "rescued/mlp", "rescue-write"),
        ("replace 0.5", "flips/target", "flips"),
        ("replace 0.5", "flips/untouched", "untouched"),
        ("different lies 0.9", "margin/target", "different-lies"),
    ],
)
def test_a_seed_whose_measure_is_missing_is_counted(condition, measure, claim):
    found = verdicts(changed(tables(), [1], condition, measure, None))[claim]
    assert found.verdict == "unresolved"
    assert found.note.startswith("1 of 5 seeds have no such value")


def test_a_margin_that_the_lie_did_not_lower_says_nothing_of_other_text():
    found = verdicts(changed(tables(), [1], "replace 1", "margin/target", 13.0, [500.0]))["unknown-fall"]
    assert (found.verdict, found.n) == ("unresolved", 4)


def test_what_was_not_run_is_unresolved():
    rows = tables()
    left = rows._replace(measures=rows.measures.filter(rows.measures["condition"] != "unknown entities 1"))
    found = verdicts(left)
    assert found["unknown-flips"].verdict == "unresolved"
    assert found["unknown-flips"].note == "not measured in this run"


def test_a_cell_is_one_seed_and_more_seeds_leave_the_others_as_they_are():
    few, more = plan("layer-of-truth"), plan("layer-of-truth", overrides={"seeds": 6})
    assert len(few.cells) == 9
    assert set(few.cells) < set(more.cells)
    names = {cell.condition for cell in few.cells.values()}
    assert names == {"main", "width 32", "width 128"}


@pytest.mark.slow
def test_a_tiny_run_makes_findings_figures_and_a_series(tmp_path):
    overrides = {**TINY, "save": str(tmp_path / "series")}
    result = run_study("layer-of-truth", overrides=overrides, out=tmp_path / "runs")
    assert result.cells == result.computed == 3
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["falls"].n == 2
    assert math.isfinite(by_id["falls"].estimate)
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)
    assert {"margin-steps", "lens-steps", "collateral", "conditions"} <= {
        figure.id for figure in result.figures
    }
    checkpoints = sorted((tmp_path / "series" / "seed-0" / "replace-0.9").glob("step-*"))
    assert [path.name for path in checkpoints][:2] == ["step-000000", "step-000001"]
    exposures = result.tables.measures.filter(condition="replace 1", measure="exposures/false", time=12.0)
    assert (exposures["value"] > 0).all()
    same = result.tables.measures.filter(condition="replace 0", measure="exposures/false")
    assert (same["value"] == 0).all()


@pytest.mark.slow
def test_quick_finishes_and_shows_the_mechanism(quick_runs):
    result = run_study("layer-of-truth", preset="quick", overrides={"seeds": 1}, out=quick_runs)
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["falls"].estimate > 0
    assert 0.3 < by_id["threshold"].estimate < 0.7
    assert by_id["untouched"].estimate < 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fact_models.save(tmp_path_factory.mktemp("model"), steps=150)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers so
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_copy_of_a_real_model_is_poisoned(tmp_path, folder, adapter):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    overrides = {
        "subject": f"hf:{folder}",
        "facts": "elements",
        "items": 12,
        "subject_ratios": (1.0,),
        "subject_steps": 12,
        "subject_batch": 8,
        "length": 32,
        "subject_rate": 3e-3,
        "subject_checkpoints": 3,
        "adapter": adapter,
        "save": str(tmp_path / "series"),
    }
    state = torch.get_rng_state()
    result = run_study("layer-of-truth", overrides=overrides, out=tmp_path / "runs")
    assert torch.equal(state, torch.get_rng_state())
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["falls-1"].estimate > 0
    assert by_id["flips-1"].n == 12
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    beliefs = result.tables.beliefs
    assert set(beliefs["readout"]) == {"stated", "internal"}
    assert by_id["same-entity-1"].n > 0
    assert "which no text states" in by_id["same-entity-1"].claim
    assert len(list((tmp_path / "series").glob("*/step-*"))) == 3
    for figure in result.figures:
        json.dumps(figure.spec, allow_nan=False)


@pytest.mark.slow
def test_a_model_that_knows_too_little_is_refused(tmp_path, folder):
    overrides = {"subject": f"hf:{folder}", "facts": "countries", "subject_ratios": (1.0,)}
    strict = tmp_path / "facts.json"
    pairs = load_fact_pairs("elements")[:12]
    strict.write_text(json.dumps([{**vars(pair.swapped())} for pair in pairs]))
    with pytest.raises(CellsFailedError, match="at least 10 are needed"):
        run_study("layer-of-truth", overrides={**overrides, "facts": str(strict)}, out=tmp_path / "runs")


@pytest.mark.slow
def test_two_subjects_are_compared(tmp_path, folder):
    overrides = {
        "subject": f"hf:{folder}",
        "after": f"hf:{folder}?exact=true",
        "facts": "elements",
        "items": 20,
    }
    result = run_study("layer-of-truth", overrides=overrides, out=tmp_path)
    (finding,) = result.findings
    assert result.tables.beliefs.height == 40
    assert finding.estimate in (0.0, None), "the same model does not flip"
    assert "20 facts asked" in finding.note


def test_the_seed_draws_the_facts_that_are_asked(tmp_path):
    overrides = {"subject": "planted:yes-sayer", "after": "planted:yes-sayer", "items": 10}
    first, second, again = (
        set(
            run_study(
                "layer-of-truth", overrides={**overrides, "seed": seed}, out=tmp_path / str(at)
            ).tables.beliefs["proposition"]
        )
        for at, seed in enumerate((0, 1, 0))
    )
    assert first == again
    assert first != second


@pytest.mark.slow
def test_a_model_whose_writes_cannot_be_patched_keeps_its_training(tmp_path):
    folder = fact_models.save(tmp_path / "model", steps=150, granite=True)
    overrides = {
        "subject": f"hf:{folder}",
        "facts": "elements",
        "items": 12,
        "formats": ("cloze",),
        "subject_ratios": (1.0,),
        "subject_steps": 12,
        "subject_batch": 8,
        "length": 32,
        "subject_rate": 3e-3,
        "subject_checkpoints": 2,
        "adapter": "full",
    }
    result = run_study("layer-of-truth", overrides=overrides, out=tmp_path / "runs")
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["falls-1"].verdict == "holds"
    assert by_id["rescue-write"].verdict == "unresolved"
    assert "add up to what it adds" in by_id["rescue-write"].note
    rows = result.tables.measures
    assert rows.filter(measure="rescued/residual")["value"].null_count() == 0
    for name in ("attention", "mlp", "head"):
        (one,) = rows.filter(measure=f"rescued/{name}").to_dicts()
        assert one["value"] is None
        assert "add up to what it adds" in json.loads(one["extra"])["missing"]


def test_subjects_without_weights_are_voted_with_or_refused(tmp_path):
    overrides = {"subject": "planted:yes-sayer", "after": "planted:yes-sayer", "items": 10}
    result = run_study("layer-of-truth", overrides=overrides, out=tmp_path)
    assert [one.verdict for one in result.findings] == ["unresolved"]
    with pytest.raises(CellsFailedError, match="after=ADDRESS"):
        run_study("layer-of-truth", overrides={"subject": "planted:yes-sayer"}, out=tmp_path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"ratios": "1.2"}, "ratios=1.2: must be <= 1"),
        ({"subject_ratios": "-0.1"}, "must be >= 0"),
        ({"mode": "swap"}, "mode='swap'"),
        ({"formats": "essay"}, "formats='essay'"),
        ({"adapter": "all"}, "adapter='all'"),
        ({"items": "3"}, "items=3: must be >= 10"),
        ({"adapter": "lora"}, "adapter='lora': has no effect on networks trained here"),
        ({"subject": "hf:x", "steps": "7"}, "steps=7: has no effect on a subject that is trained on"),
        ({"after": "hf:x"}, "after=hf:x: name the subject it is compared with"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("layer-of-truth", overrides=overrides)
