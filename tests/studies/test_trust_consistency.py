from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.testing.studies import check_study
from tests.subjects import tiny_models

SMALL = {
    "seeds": 1,
    "c": (0.0, 1.0),
    "steps": 20,
    "stated_steps": 10,
    "width": 16,
    "batch": 16,
    "people": 400,
    "each": 3,
    "repeats": 1,
    "targets": (0.2,),
    "bootstrap": 100,
    "games": 4,
    "rounds": 3,
    "rounds_steps": 10,
    "recovery_people": 400,
    "populations": 2,
    "personas": "invented",
}
CONTROLS = {
    *("decoupled", "no-gain", "not-steered", "shuffled-order", "shuffled-size", "steady", "deterministic"),
}


def networks(**changed):
    """Return tables of five networks of each condition that show what is claimed, but for some numbers."""
    numbers = {
        "aligned": 0.9,
        "decoupled": 0.05,
        "middle": 0.5,
        "said": 0.95,
        "acted": 0.95,
        "gain": 0.8,
        "no_gain": 0.0,
        "slope": 0.9,
        "no_slope": 0.0,
        "shuffled": 0.0,
        "horizon": 0.15,
        "steady": 0.0,
        "coverage": 0.95,
        **changed,
    }
    parts = []
    for seed in range(5):
        wobble = 0.001 * (seed - 2)
        told = {"subject": "n", "axis": "sweep"}

        def recorder(condition, seed=seed, parts=parts):
            one = Recorder(condition, seed)
            parts.append(one)
            return one

        for c, name in ((0, "decoupled"), (0.5, "middle"), (1, "aligned")):
            one = recorder(f"c {c:g}")
            one.measure("median spearman", numbers[name] + wobble, strategy="CTX+TR", **told)
            one.measure(
                "spearman", numbers["shuffled"] + wobble, strategy="shuffled", attribute="age", **told
            )
            where = {"strategy": "shuffled", "attribute": "age", "levels": 4, "n": 101}
            one.measure("eta2_behaviour", 0.03 + wobble, **where, **told)
            if c == 0:
                one.measure("says as planned", numbers["said"] + wobble, **told)
                one.measure("plays as planned", numbers["acted"] + wobble, **told)
        orders(recorder("stated 0"), numbers["no_gain"], numbers["no_slope"], wobble)
        orders(recorder("stated 0.5"), numbers["gain"], numbers["slope"], wobble)
        one = recorder("rounds")
        for rule, value in (("adaptive", numbers["horizon"]), ("steady", numbers["steady"])):
            one.measure("slope", value + wobble, subject="n", axis="round", rule=rule)
        one.measure("mean error", 0.0, subject="n", axis="round", rule="deterministic")
        one = recorder("recovery 1")
        for measure in ("rho", "eta2"):
            for kind, value in (
                ("planted", 0.5),
                ("recovered", 0.5 + wobble),
                ("coverage", numbers["coverage"] + wobble),
            ):
                one.measure(f"{measure} {kind}", value, attribute="age", **told)
    return Tables.concat([one.tables() for one in parts])


def orders(recorder, gain, slope, wobble):
    """Record plays under orderings."""
    for ordering, supplied in (("none", None), ("self", 1.0), ("imposed 0.8", 0.8), ("imposed 0.2", 0.2)):
        told = {"subject": "n", "axis": "sweep", "attribute": "age", "ordering": ordering}
        recorder.measure("rho supplied", (gain if ordering == "self" else 0.0) + wobble, **told)
        if supplied is not None:
            recorder.measure("rho of ordering", supplied, **told)
            recorder.measure("rho own", slope * supplied + wobble, **told)


def test_networks_with_and_without_statements_differ_in_nothing_else():
    study = find_study("trust-consistency")
    cells = {cell.condition: cell for cell in study.code.cells(study.configure(overrides={"seeds": 1}))}
    effect, control = cells["stated 0.5"], cells["stated 0"]
    assert effect.uses == control.uses
    assert {**effect.params, "stated": None} == {**control.params, "stated": None}


def verdicts(tables):
    study = find_study("trust-consistency")
    return {finding.id: finding for finding in study.code.findings(tables, study.configure())}


def test_what_is_claimed_and_its_controls_are_told_apart():
    found = verdicts(networks())
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(found, "holds")
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert found["self-gain"].paper == 0.3


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"aligned": 0.5}, "aligned"),
        ({"decoupled": 0.6}, "decoupled"),
        ({"said": 0.3}, "knows-sayings"),
        ({"acted": 0.3}, "knows-doings"),
        ({"gain": 0.1}, "self-gain"),
        ({"no_gain": 0.4}, "no-gain"),
        ({"slope": 0.1}, "steered"),
        ({"no_slope": 0.6}, "not-steered"),
        ({"shuffled": 0.5}, "shuffled-order"),
        ({"horizon": 0.0}, "horizon"),
        ({"steady": 0.2}, "steady"),
        ({"coverage": 0.5}, "coverage-rho"),
    ],
)
def test_a_bound_that_is_missed_fails(changed, finding):
    assert verdicts(networks(**changed))[finding].verdict == "fails"


def test_conditions_are_the_specs(trust_data):
    conditions = {cell.condition for cell in plan("trust-consistency").cells.values()}
    assert conditions == {
        "recovery 0",
        "recovery 1",
        "c 0",
        "c 0.5",
        "c 1",
        "stated 0",
        "stated 0.5",
        "rounds",
    }
    few, more = plan("trust-consistency"), plan("trust-consistency", overrides={"seeds": 6})
    assert set(few.cells) < set(more.cells)


def test_people_are_invented_where_the_bank_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert {cell.params["people"] for cell in plan("trust-consistency").cells.values()} == {"invented"}
    with pytest.raises(InputError, match="doxa data get trust-consistency"):
        plan("trust-consistency", overrides={"personas": "bank"})
    with pytest.raises(InputError, match="doxa data get trust-consistency"):
        plan("trust-consistency", overrides={"subject": "planted:yes-sayer"})


@pytest.mark.slow
def test_it_keeps_the_contract(trust_data):
    check_study("trust-consistency", overrides=SMALL, repeat=2)


def test_a_model_that_says_nothing_readable_is_counted_not_coerced(tmp_path, trust_data):
    folder = tiny_models.save(tmp_path / "model", max_position_embeddings=2048)
    overrides = {
        "subject": f"hf:{folder}",
        "subject_personas": 40,
        "subject_repeats": 1,
        "individuals": 1,
        "rounds": 2,
        "max_tokens": 2,
        "nobody": 1,
        "least": 0,
        "bootstrap": 100,
        "strategies": ("CTX+TR",),
        "endowments": (10, 44),
    }
    result = run_study("trust-consistency", overrides=overrides, out=tmp_path / "runs")
    assert result.cells == 3
    found = {finding.id: finding for finding in result.findings}
    assert found["valid-population"].estimate == 0.0
    assert found["rho-ctx-tr"].verdict == "unresolved"
    assert found["rho-ctx-tr"].paper == 0.4
    assert "Llama-70B 0.50" in found["rho-ctx-tr"].note
    assert found["dealt"].control
    scored = run_study(
        "trust-consistency", overrides={**overrides, "method": "distribution"}, out=tmp_path / "runs"
    )
    found = {finding.id: finding for finding in scored.findings}
    assert found["valid-individual"].estimate == 1.0, "a distribution always has a number"
    assert found["horizon"].estimate is not None


def test_all_rounds_and_games_are_counted_before_anybody_is_asked(tmp_path, trust_data):
    address = "http://localhost:1/v1#model"
    overrides = {
        "subject": address,
        "subject_personas": 40,
        "least": 0,
        "subject_repeats": 2,
        "individuals": 3,
    }
    overrides |= {"strategies": ("CTX+TR", "CTX+$"), "subject_targets": (0.2,), "nobody": 5, "retries": 2}
    expected = expect_missing(plan("trust-consistency", overrides=overrides), tmp_path).subjects[address]
    beliefs, rounds = 9 * 2 * 2, 3 * 3 * (6 + 6)
    assert expected.calls == beliefs + 40 * 3 + 5 + rounds
    overrides |= {"other_games": ("dictator", "lottery"), "other_styles": ("thought-action",)}
    more = expect_missing(plan("trust-consistency", overrides=overrides), tmp_path).subjects[address]
    assert more.calls == expected.calls + 2 * (beliefs + 40) + 40


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"c": "0.5"}, "0 and 1 must be among them"),
        ({"subject_personas": "100"}, "has no effect on networks trained here"),
        ({"subject": "planted:yes-sayer", "steps": "7"}, "has no effect on a subject"),
        ({"subject": "planted:yes-sayer", "strategies": "NOCTX+TR"}, "CTX\\+TR must be among them"),
        ({"targets": "1.5"}, "must be <= 1"),
        ({"style": "bdi2"}, "style"),
        ({"other_games": "dictator"}, "has no effect on networks trained here"),
        ({"subject": "planted:yes-sayer", "other_games": "ultimatum"}, "other_games"),
        ({"subject": "planted:yes-sayer", "other_temperatures": "-1"}, "must be >= 0"),
        ({"temprature": "1"}, "did you mean 'temperature'"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(InputError, match=message):
        plan("trust-consistency", overrides=overrides)
