from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.asking import expect_missing
from doxa.lab.declaration import find_study
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import plan, run_study
from doxa.protocols.affect import scripts
from doxa.protocols.affect_dynamics.dialogue import (
    ANOTHER,
    FIRST,
    METRICS,
    NEUTRAL,
    NOISE,
    STATELESS,
    STEERED,
    UNRECONCILED,
    UNTOLD,
)
from doxa.protocols.affect_dynamics.embedded import MAIN
from doxa.protocols.affect_dynamics.linear import record_linear, record_sweep
from doxa.studies.affect_dynamics import part_of

MUS = ("momentum 0.8", "momentum 0.95")
TOLD = (FIRST, *MUS)
SHARED = {
    *("follows-first-order", "follows-momentum-08", "follows-momentum-095"),
    *("lags-momentum-08", "lags-momentum-095", "stays-negative-momentum-08", "stays-negative-momentum-095"),
    *("more-negative-momentum-08", "more-negative-momentum-095"),
    *("crosses-stateless", "crosses-first-order", "settles-stateless", "settles-first-order"),
    *("stateless-flips", "coherent", "crosses-momentum-08", "crosses-momentum-095"),
    *("settles-momentum-08", "settles-momentum-095"),
    *("inertia-grows", "inertia-shown", "hysteresis-grows", "hysteresis-shown"),
}
SHARED_CONTROLS = {
    *(
        "not-anothers-state",
        "not-neutral-state",
        "not-noise-heard",
        "not-told",
        "alpha-one",
        "leaks",
        "first-order-turns",
    ),
}
EFFECTS = SHARED | {
    *("numbers", "loop-grows", "peak-grows", "settled", "loop-formula"),
    *("sampled", "note-works", "other-scripts", "reconciliation-momentum-08", "reconciliation-momentum-095"),
    *("instrument", "instrument-bias", "steered", "telling-beats-steering"),
    *("locks-in", "lets-go", "critical-gain", "calmer", "no-sooner", "slower", "momentum-loses"),
}
CONTROLS = SHARED_CONTROLS | {
    *("algebra", "no-memory", "note-removed", "instrument-zero", "hears-others", "loop-not-told"),
}
FOLLOWS = {"follows-first-order", "follows-momentum-08", "follows-momentum-095"}
SHORT = ("momentum-08", "momentum-095")
LAGS = {STATELESS: 0.0, FIRST: 0.0, MUS[0]: 2.0, MUS[1]: 5.0, UNTOLD: 0.0}
LOOPS = {STATELESS: 0.0, FIRST: 0.0, MUS[0]: 1.0, MUS[1]: 2.0}
SETTINGS = {"linear_mus": "0,0.5,0.8,0.95", "sweep_mus": "0,0.5,0.8,0.95", "alphas": "0.2,1"}


def simulated(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    linear = Recorder("linear", 0)
    record_linear(linear, (0.0, 0.5, 0.8, 0.95), 0)
    parts = [linear.tables()]
    for seed in range(2):
        sweep = Recorder("sweep", seed)
        record_sweep(sweep, (0.0, 0.5, 0.8, 0.95), (0.2, 1.0), seed)
        parts.append(sweep.tables())
    parts += [_model(shift, seed) for seed in range(3)]
    return Tables.concat(parts)


def _model(shift, seed):
    value = {
        "follows": 0.9, "control": 0.0, "early": -0.5, "flips": 0.0, "back": 1.0, "lag": 0.0, "loop": 0.0, "mu95": 0.0,
        "leaks": 0.0, "distinct": 1.0, "gap": 1.5, "removed": 0.0, "late": 3.0, "steered": 0.8,
        "locked": 1.5, "others": 0.0, "foretold": 1.0, "planted": 0.0, "alpha": 0.0, **shift,
    }  # fmt: skip
    recorder, wobble = Recorder("model", seed), 1e-3 * (seed - 1)
    kinds = (STATELESS, *TOLD, UNTOLD, NEUTRAL, ANOTHER, NOISE, STEERED)
    for kind in kinds:
        _dialogue(recorder, MAIN, kind, value, wobble)
    for script in (name for name in scripts() if name != MAIN):
        for kind in TOLD:
            _dialogue(recorder, script, kind, value, wobble)
    for kind in TOLD:
        bare = f"{MAIN} {UNRECONCILED}"
        _dialogue(recorder, bare, kind, value, wobble, crossing=16.0 + value["late"])
    recorder.measure("distinct replies", value["distinct"] + wobble, subject="m")
    recorder.measure("told gap", value["gap"] + wobble, subject="m", told=True)
    recorder.measure("told gap", value["removed"] + wobble, subject="m", told=False)
    for heeds in (0.0, 0.5, 1.0):
        slope = heeds + value["planted"] * (1 - heeds) + wobble * heeds
        recorder.measure("planted slope", slope, subject="p", heeds=heeds)
        recorder.measure("planted correlation", heeds * 0.9 + wobble, subject="p", heeds=heeds)
    for gain in (0.2, 0.6, 1.0, 1.4):
        for kind, apart in (
            ("loop", value["locked"] if gain > 0.5 else 0.0),
            ("foretold", 1.5 if gain > 0.5 * value["foretold"] else 0.0),
            ("another's replies", value["others"]),
            ("not told", 0.0),
        ):
            for start, sign in (("low", -0.5), ("high", 0.5)):
                place = sign * apart * (1 + wobble)
                recorder.measure("branch", place, subject="m", gain=gain, start=start, kind=kind)
    for valence in (-1.0, 0.0, 1.0):
        recorder.measure("response", valence, subject="m", valence=valence)
    return recorder.tables()


def _dialogue(recorder, script, kind, value, wobble, crossing=16.0):
    told = {"subject": "m", "script": script, "kind": kind}
    known = {ANOTHER: value["control"], NEUTRAL: value["control"], NOISE: value["control"], UNTOLD: 0.4}
    follows = {**known, STATELESS: 0.5, STEERED: value["steered"]}.get(kind, value["follows"]) + wobble
    recorder.measure("correlation", follows, dimension="valence", **told)
    recorder.measure("leaks", value["leaks"] + abs(wobble), **told)
    for of in ("state", "expressed"):
        lag = LAGS.get(kind, 0.0) * (1 + wobble) + (value["lag"] if kind in MUS else 0.0)
        loop = LOOPS.get(kind, 0.0) * (1 + wobble) - (value["loop"] if kind in MUS else 0.0)
        back = crossing if kind in TOLD else 15.0 + (value["flips"] if of == "expressed" else 0.0)
        found = dict.fromkeys(METRICS, 0.0) | {
            "lag": lag, "loop": loop, "crossing": back + (wobble if of == "expressed" else 0.0),
            "coherence_autocorrelation": (0.2 if kind == STATELESS else 0.8) + wobble,
            "recovered": value["back"],
            "settled": value["mu95"] if kind in (MUS[1], STATELESS) else 1.0,
        }  # fmt: skip
        if of == "state":
            found["recovered"] = value["mu95"] if kind in (MUS[1], STATELESS) else 1.0
        for name, number in found.items():
            recorder.measure(name, number, of=of, dimension="valence", **told)
        for turn in range(1, 26):
            shown = value["early"] + wobble if of == "expressed" and kind in MUS else 0.1 + wobble
            if of == "state":
                shown = 0.1 * np.sin(turn) + (value["alpha"] if kind == FIRST else 0.0)
            recorder.measure("series", shown, axis="turn", time=turn, of=of, dimension="valence", **told)
    for turn in range(1, 26):
        heard = 0.1 * np.sin(turn)
        recorder.measure("series", heard, axis="turn", time=turn, of="signal", dimension="valence", **told)


@pytest.fixture(scope="module")
def study():
    return find_study("affect-dynamics")


@pytest.fixture(scope="module")
def usual():
    return simulated()


def judged(study, tables):
    found = study.code.findings(tables, study.configure("embedded"))
    return {one.id: one for one in found}


def test_all_holds_where_all_is_as_claimed(study, usual):
    found = judged(study, usual)
    assert {name for name, one in found.items() if not one.control} == EFFECTS
    assert {name for name, one in found.items() if one.control} == CONTROLS
    assert {name: one.verdict for name, one in found.items() if one.verdict != "holds"} == {}
    assert found["settles-momentum-095"].paper == 0.0


@pytest.mark.parametrize(
    ("shift", "fallen"),
    [
        ({"follows": 0.4}, {*FOLLOWS, "other-scripts", "telling-beats-steering"}),
        ({"control": 0.8}, {"not-anothers-state", "not-neutral-state", "not-noise-heard"}),
        ({"early": 0.3}, {f"{what}-{mu}" for what in ("stays-negative", "more-negative") for mu in SHORT}),
        ({"flips": 4.0}, {"stateless-flips"}),
        ({"back": 0.0}, {"stateless-flips"}),
        ({"lag": -5.0}, {"lags-momentum-08", "lags-momentum-095", "inertia-grows", "inertia-shown"}),
        ({"loop": 3.0}, {"hysteresis-grows", "hysteresis-shown"}),
        (
            {"mu95": 1.0},
            {f"{what}-{who}" for what in ("crosses", "settles") for who in ("stateless", SHORT[1])},
        ),
        ({"leaks": 0.3}, {"leaks"}),
        ({"distinct": 0.1}, {"sampled"}),
        ({"gap": 0.0}, {"note-works"}),
        ({"removed": 1.0}, {"note-removed"}),
        ({"late": -1.0}, {"reconciliation-momentum-08", "reconciliation-momentum-095"}),
        ({"steered": 0.0}, {"steered"}),
        ({"locked": 0.0}, {"locks-in", "critical-gain"}),
        ({"others": 0.9}, {"hears-others"}),
        ({"foretold": 2.5}, {"critical-gain"}),
        ({"planted": 0.5}, {"instrument", "instrument-bias"}),
        ({"alpha": 0.1}, {"alpha-one"}),
    ],
)
def test_each_claim_falls_where_it_is_not_so(study, usual, shift, fallen):
    linear = Tables(*(frame.filter(frame["condition"] != "model") for frame in usual))
    tables = Tables.concat([linear, *(_model(shift, seed) for seed in range(3))])
    assert {name for name, one in judged(study, tables).items() if one.verdict != "holds"} == fallen


def test_nothing_measured_is_unresolved_and_not_an_error(study):
    found = judged(study, Tables.empty())
    assert {one.verdict for one in found.values()} == {"unresolved"}
    assert study.code.figures(Tables.empty(), study.configure("embedded")) == []


def test_a_dialogue_that_never_came_back_without_reconciliation_is_censored(study, usual):
    rows = usual.measures
    bare = rows["extra"].str.contains(UNRECONCILED)
    gone = (rows["measure"] == "crossing") & bare
    never = (rows["measure"] == "recovered") & bare
    changed = rows.with_columns(value=rows["value"].set(gone, None)).with_columns(
        value=rows["value"].set(gone, None).set(never, 0.0)
    )
    found = judged(study, usual._replace(measures=changed))["reconciliation-momentum-08"]
    assert found.estimate is None
    assert "never without" in found.note


def test_figures_are_drawn(study, usual):
    names = [one.id for one in study.code.figures(usual, study.configure("embedded"))]
    assert names == [
        *("linear", "valence-state", "valence-expressed", "loops", "correlations"),
        *("bifurcation", "response", "sweep-settling", "sweep-jump", "trade-off"),
    ]


def test_parts_of_the_embedded_study(study):
    def conditions(**settings):
        return {cell.condition for cell in plan("affect-dynamics", overrides=settings).cells.values()}

    assert conditions() == {"linear", "model", "sweep"}
    assert conditions(parts="linear,sweep") == {"linear", "sweep"}
    assert conditions(parts="feedback") == {"model"}
    assert part_of(study.configure("embedded", {"subject": "planted:bayesian"})) == "subject"


def test_numbers_alone_run_without_a_model(tmp_path):
    found = run_study(
        "affect-dynamics", overrides={"parts": "linear,sweep", **SETTINGS, "seeds": 2}, out=tmp_path
    )
    verdicts = {one.id: one.verdict for one in found.findings}
    assert verdicts["numbers"] == verdicts["peak-grows"] == verdicts["momentum-loses"] == "holds"
    assert "locks-in" not in verdicts
    assert json.loads(json.dumps(found.as_json()))["findings"]


def test_a_planted_subject_does_not_follow_what_it_cannot_read(tmp_path):
    found = run_study(
        "affect-dynamics", overrides={"subject": "planted:noise", "seeds": 2, "memory": 0}, out=tmp_path
    )
    by_id = {one.id: one for one in found.findings}
    assert set(by_id) == SHARED | SHARED_CONTROLS
    for kind in ("first-order", "momentum-08", "momentum-095"):
        assert by_id[f"follows-{kind}"].verdict != "holds"
    assert by_id["alpha-one"].verdict == "holds"
    assert by_id["crosses-momentum-08"].estimate == 1.0


def test_a_dry_run_counts_the_questions(tmp_path):
    address = "http://localhost:1/v1#m"

    def calls(**settings):
        todo = plan("affect-dynamics", overrides={"subject": address, "seeds": 2, "memory": 0, **settings})
        return expect_missing(todo, tmp_path).subjects[address].calls

    # at the first turns all who are told the state are told the same, which is one question
    assert 2 * (4 * 25 - 25) < calls(controls="false") <= 2 * 4 * 25
    # where the state is not told the questions are the stateless ones; the other controls add theirs
    assert calls(controls="false") < calls() <= 2 * 7 * 25


@pytest.mark.filterwarnings("ignore::doxa.protocols.affect.EstimatorWarning")  # it does not speak English
def test_an_organism_is_told_in_its_own_english(tmp_path):
    settings = {"controls": "false", "seeds": 2, "memory": 0, "max_tokens": 6}
    found = run_study("affect-dynamics", overrides={"subject": "organism:leaning", **settings}, out=tmp_path)
    told = found.tables.transcripts["extra"].str.json_path_match("$.told")
    assert "you feel very angry ." in told.to_list()
    assert {one.id for one in found.findings if not one.control} == SHARED


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mus": "0.95,0.8"}, "mus="),
        ({"mus": "0.8"}, "two or more, increasing"),
        ({"gains": "1,1"}, "gains="),
        ({"style": "numeric"}, "no effect on the embedded experiments"),
        ({"subject": "planted:bayesian", "scripts": "nonsense"}, "nonsense"),
        ({"subject": "planted:bayesian", "scripts": "philosophy,philosophy"}, "each once"),
        ({"subject": "planted:bayesian", "steps": 5}, "has no effect on a subject's dialogues"),
        ({"parts": "nothing"}, "parts"),
        ({"mus": "0.8,1.2"}, "mus"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(InputError, match=message):
        plan("affect-dynamics", overrides=settings)


def test_a_subject_without_weights_cannot_be_steered(tmp_path):
    from doxa.lab.run import CellsFailedError

    settings = {"subject": "planted:bayesian", "channel": "steering", "seeds": 2}
    with pytest.raises(CellsFailedError, match="cannot weights"):
        run_study("affect-dynamics", overrides=settings, out=tmp_path)
