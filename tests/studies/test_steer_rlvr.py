"""The study of weights made of estimated entropy changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import CellsFailedError, plan, run_study
from doxa.training.entropy_weights import regimes as named
from doxa.training.entropy_weights.report import entropy_weights_findings
from tests.subjects import tiny_models

REGIMES = named.Regimes()
CONTROLS = {"tables-dealt", "network-dealt-base", "network-dealt-after-grpo"} | {
    *("permuted", "unweighted", "idle-weights", "idle", "nudged-entropy", "nudged-distinct")
}
GOOD = {
    "exact": 1.0,
    "official": 0.65,
    "order": 4.0,
    "scale": 8.0,
    "network exact": 0.4,
    "keeps": 1.0,
    "unsteady": 0.5,
    "wide": 0.3,
    "wide held": 0.1,
    "permuted": 0.0,
    "unweighted": 0.0,
    "moved": 0.0,
    "nudged": 0.0,
    "quadrant": 0.5,
    "shift": 0.4,
}


def simulated(**shift):
    """Return tables in which all is as claimed, but for what is shifted."""
    value = GOOD | {name.replace("_", " "): number for name, number in shift.items()}
    return Tables.concat(_seed(value, seed) for seed in range(4))


def _seed(value, seed):
    recorder, wobble = Recorder("any", seed), 1e-3 * (seed - 1.5)
    correlations = {
        "exact": value["exact"] - 1e-5,
        "official": value["official"],
        "own_logit": 0.8,
        "squared": 0.5,
    }
    for name, one in (correlations | {"exact, dealt out": 0.0}).items():
        recorder.measure("pearson", one + wobble / 100, subject=name, where="tables", actions=8)
        recorder.measure("sign", 1.0 if name == "exact" else 0.9, subject=name, where="tables", actions=8)
    recorder.measure("error ratio", value["order"] + wobble, subject="exact", actions=8)
    for tokens, one in (("rare", value["scale"]), ("likely", 1.0)):
        recorder.measure("official over exact", one + wobble, subject="official", tokens=tokens, actions=8)
    for state in ("base", "after GRPO"):
        network = {"exact": value["network exact"], "official": 0.3, "covariance": 0.2, "logits": 0.999}
        for name, one in (network | {"exact, dealt out": 0.0}).items():
            for measure in ("pearson", "spearman"):
                recorder.measure(measure, one + wobble / 10, subject=name, where="network", state=state)
    _regimes(recorder, value, wobble)
    return recorder.tables()


def _regimes(recorder, value, wobble):
    main = named.weighted(REGIMES.main)
    level = {main: 0.6, named.GRPO: 0.5, named.PERMUTED: 0.5 + value["permuted"]}
    level |= {named.EXTREME: 0.5 - value["wide"], named.EXTREME_WEIGHTED: 0.6 - value["wide held"]}
    for quadrant, up in (
        ("positive_likely", -1),
        ("positive_rare", 1),
        ("negative_likely", 1),
        ("negative_rare", -1),
    ):
        for factor, sign in ((0.5, -1), (2.0, 1)):
            level[named.reweighted(quadrant, factor)] = 1.0 + sign * up * value["quadrant"] / 2
    for variant in REGIMES.variants():
        name = variant.name
        mean = level.get(name, 0.5) + (value["unweighted"] if name == named.UNWEIGHTED else 0.0)
        own = 0.0 if name in (named.GRPO, named.UNWEIGHTED) else wobble
        jump = 0.02 * (value["unsteady"] if name == main else 1.0)
        for step in range(12):
            recorder.measure("entropy", mean + own, subject=name, time=step)
            recorder.measure("reward", 0.5, subject=name, time=step)
            recorder.measure("entropy_change", jump * (-1) ** step * (1 + own), subject=name, time=step)
        for step, score in enumerate(np.linspace(0.2, 0.8, 12)):
            kept = 1.0 - score + (value["shift"] if name.startswith("STEER, exact") else 0.0)
            kept += value["nudged"] if name == named.NUDGED else 0.0
            last = {main: np.exp(np.log(3) + value["keeps"])}.get(name, 1.0) * (1 + own) * 0.1
            recorder.measure("evaluated entropy", kept + own if step < 11 else last, subject=name, time=step)
            recorder.measure("evaluated pass@1", score, subject=name, time=step)
            recorder.measure("evaluated distinct", 10 * kept + own, subject=name, time=step)
    recorder.measure("weights moved", value["moved"], subject=named.UNREWARDED)
    recorder.measure("lambda_min", 1.0 - value["moved"], subject=named.UNREWARDED)


def verdicts(tables):
    return {one.id: one.verdict for one in entropy_weights_findings(tables, REGIMES)}


def test_what_is_as_claimed_holds():
    found = {one.id: one for one in entropy_weights_findings(simulated(), REGIMES)}
    assert {name for name, one in found.items() if one.control} == CONTROLS
    unsettled = {
        name for name, one in found.items() if one.verdict != "holds" and not name.startswith("open-")
    }
    assert unsettled == {"keeps-official"}
    assert found["open-exact-05-distinct-grpo"].verdict == "holds"
    assert found["open-official-distinct-grpo"].verdict != "holds"


@pytest.mark.parametrize(
    ("shift", "broken"),
    [
        ({"exact": 0.9}, {"exact"}),
        ({"official": 0.9}, {"official", "own-logit"}),
        ({"order": 2.0}, {"exact-order"}),
        ({"scale": 1.0}, {"official-scale"}),
        ({"network_exact": 0.1}, {"exact-over-official-base", "exact-over-official-ranks-after-grpo"}),
        ({"keeps": -0.5}, {"keeps"}),
        ({"unsteady": 2.0}, {"steady"}),
        ({"wide": -0.1}, {"wide-clip"}),
        ({"wide_held": 0.5}, {"wide-clip-held"}),
        ({"permuted": 0.4}, {"permuted"}),
        ({"unweighted": 0.01}, {"unweighted"}),
        ({"moved": 0.01}, {"idle", "idle-weights"}),
        ({"nudged": 0.4}, {"nudged-entropy", "nudged-distinct"}),
        ({"quadrant": -0.5}, {f"quadrant-{quadrant.replace('_', '-')}" for quadrant in named.QUADRANTS}),
        ({"shift": -0.4}, {"open-exact-03-distinct-grpo", "open-exact-08-distinct-slower-grpo"}),
    ],
)
def test_every_claim_can_fail(shift, broken):
    found = verdicts(simulated(**shift))
    for name in broken:
        assert found[name] == "fails", name


def test_weights_beside_slower_training_only_at_equal_score():
    """A regime that is merely slower keeps more at equal steps and nothing more at equal score."""
    found = {one.id: one.estimate for one in entropy_weights_findings(simulated(shift=0.0), REGIMES)}
    assert abs(found["open-exact-05-distinct-slower-grpo"]) < 0.1  # of 2 to 8 answers


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"main": "0.7"}, r"main=0.7: must be one of lambdas"),
        ({"subject": "hf:x", "steps": "7"}, r"steps=7: has no effect on a subject"),
        ({"asked": "7"}, r"asked=7: has no effect on the embedded"),
        ({"subject": "hf:x", "questions": "nowhere.jsonl"}, r"nowhere.jsonl: no such file"),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        plan("steer-rlvr", overrides=settings)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("questions") / "digits.jsonl"
    file.write_text(
        "".join(
            json.dumps({"prompt": f"a number, like {one}", "answer": str(one)}) + "\n" for one in range(6)
        )
    )
    return file


def test_an_open_model_is_stepped_on_its_own_replies(tmp_path: Path, questions: Path):
    folder = tiny_models.save(tmp_path / "model")
    before = (folder / "model.safetensors").read_bytes()
    told = {
        "subject": f"hf:{folder}",
        "questions": str(questions),
        "replies": 24,
        "max_tokens": 24,
        "asked": 6,
    }
    result = run_study("steer-rlvr", overrides=told, out=tmp_path / "runs")
    found = {one.id: one for one in result.findings}
    assert found["step"].estimate > 0.99
    assert found["dealt"].control
    assert abs(found["dealt"].estimate) < 0.3
    assert found["exact-over-official-pearson"].n == found["step"].n >= 2
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_hosted_model_has_no_weights_to_step_on(tmp_path: Path, questions: Path):
    told = {"subject": "planted:sycophant", "questions": str(questions), "asked": 2}
    with pytest.raises(CellsFailedError, match="no open weights"):
        run_study("steer-rlvr", overrides=told, out=tmp_path / "runs")
