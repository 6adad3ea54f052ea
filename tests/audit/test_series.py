from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from doxa.audit.series import audit_series
from doxa.audit.series_study import checkpoints_of
from doxa.errors import InputError
from doxa.lab.run import run_study
from doxa.lens.truth_margin import belief_margin
from doxa.worlds.fact_pairs import FactPair, save_fact_pairs
from tests.subjects import tiny_models

PAIRS = [
    FactPair("the flag is", f" {true}", f" {false}", f"flag {true}", "colour")
    for true, false in ("ab", "cd", "ef")
]


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Return a series in which a random model's head is turned round at the last step, so that every belief is."""
    folder = tmp_path_factory.mktemp("series")
    model, words = tiny_models.model("llama"), tiny_models.tokenizer()
    for step in (0, 10, 200):
        if step == 200:
            with torch.no_grad():
                model.lm_head.weight.mul_(-1.0)
        model.save_pretrained(folder / f"checkpoint-{step}")
        words.save_pretrained(folder / f"checkpoint-{step}")
    (folder / "notes").mkdir()
    known = belief_margin(tiny_models.model("llama"), words, PAIRS).values > 0
    save_fact_pairs(
        folder / "facts.json",
        [pair if knows else pair.swapped() for pair, knows in zip(PAIRS, known, strict=True)],
    )
    return folder


def test_flipped_facts_are_named(tmp_path, series):
    result = audit_series(series, out=tmp_path)
    found = result.series
    assert found.steps == (0, 10, 200)
    assert found.known == found.facts == 3
    assert found.flipped_share == (0.0, 0.0, 1.0)
    assert {fact.fact for fact in found.flipped} == {f"{pair.entity} colour" for pair in PAIRS}
    for fact in found.flipped:
        assert fact.step == 200
        assert fact.before == pytest.approx(-fact.after, abs=1e-3)
    assert found.margins[0] == pytest.approx(found.margins[1])
    assert len(found.lens) == 3, "the embedding and two blocks"
    np.testing.assert_allclose(found.lens[2], found.margins, atol=1e-4)
    text = result.as_text()
    assert "3 of 3 known facts flipped · fails" in text
    assert "step 200" in text
    held = json.loads(json.dumps(result.as_json()))
    assert held["flipped"][0]["step"] == 200
    assert result.report.is_file()


def test_the_card_and_the_finding_count_the_same_facts(tmp_path, series):
    margins = belief_margin(tiny_models.model("llama"), tiny_models.tokenizer(), PAIRS).values
    band = float(np.abs(margins).min()) + 1e-3  # one fact is ambiguous at first
    audited = audit_series(series, band=band, out=tmp_path).series
    result = run_study(
        "series",
        overrides={"folder": str(series), "facts": str(series / "facts.json"), "band": band},
        out=tmp_path,
    )
    assert list(result.findings) == [audited.finding]
    assert audited.finding.n == audited.known == int((np.abs(margins) > band).sum()) < audited.facts


def test_a_series_that_grew_is_read_where_it_grew(tmp_path, series):
    grown = tmp_path / "series"
    shutil.copytree(series, grown)
    last = grown / "checkpoint-200"
    last.rename(tmp_path / "kept")
    assert audit_series(grown, out=tmp_path / "runs").computed == 2
    (tmp_path / "kept").rename(last)
    assert audit_series(grown, out=tmp_path / "runs").computed in (1, 3)


def test_a_series_is_read_by_several_processes_too(tmp_path, series):
    alone = audit_series(series, out=tmp_path / "alone").series
    assert audit_series(series, out=tmp_path / "both", executor="processes", workers=2).series == alone


def test_what_is_no_series_is_refused(tmp_path, series):
    with pytest.raises(InputError, match="0 checkpoints whose names end in their step"):
        checkpoints_of(tmp_path)
    twice = tmp_path / "twice"
    shutil.copytree(series, twice)
    shutil.copytree(twice / "checkpoint-10", twice / "step-10")
    with pytest.raises(InputError, match="are both step 10"):
        audit_series(twice, out=tmp_path / "runs")
    other = tmp_path / "other"
    shutil.copytree(series, other)
    config = other / "checkpoint-10" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 5}))
    with pytest.raises(InputError, match="another shape than checkpoint-0"):
        audit_series(other, out=tmp_path / "runs")
    with pytest.raises(InputError, match="neither one of facts"):
        audit_series(series, facts="nothing.json", out=tmp_path / "runs")
    with pytest.raises(InputError, match="folder='': is required"):
        run_study("series", out=tmp_path / "runs")
