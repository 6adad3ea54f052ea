from __future__ import annotations

import json
from pathlib import Path

import pytest

from doxa.audit.audit import audit_subject, belief_card
from doxa.audit.card import BeliefCard
from doxa.errors import InputError
from doxa.lab.run import CellsFailedError

SCHEMA = Path(__file__).parents[2] / "docs" / "design" / "belief-card.schema.json"
QUICK = {"preset": "quick", "overrides": {"protocols": ("confidence", "knowledge-belief")}}


def test_the_written_schema_is_the_cards():
    assert json.loads(SCHEMA.read_text()) == BeliefCard.model_json_schema(), (
        "write it anew: python -m doxa.audit.card > docs/design/belief-card.schema.json"
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return audit_subject(
        "planted:overconfident?sharpening=2",
        twin="planted:bayesian",
        out=tmp_path_factory.mktemp("runs"),
        **QUICK,
    )


def test_the_card_names_the_planted_defect_and_none_for_the_twin(result):
    assert result.card.named == ["overconfident"]
    assert result.card.twin.named == []
    assert result.card.protocols[0].effect.value == pytest.approx(2.0, abs=0.1)


def test_the_card_counts_what_was_asked(result):
    confidence, beliefs = (item.cost for item in result.card.protocols)
    assert confidence.scored >= 24
    assert beliefs.scored >= 20 * 8
    assert confidence.replies == beliefs.replies == 24


def test_the_printed_json_is_a_valid_card(result):
    assert BeliefCard.model_validate(result.as_json()) == result.card
    text = result.as_text()
    assert "OVERCONFIDENT" in text
    assert "twin planted:bayesian" in text
    assert "report" in text


def test_the_same_audit_again_computes_nothing_and_prints_the_same_card(result):
    again = audit_subject(
        "planted:overconfident?sharpening=2",
        twin="planted:bayesian",
        out=Path(result.card.report).parents[1],
        **QUICK,
    )
    assert again.computed == 0
    assert again.card == result.card


def test_a_refuser_is_unresolved_with_its_reason(tmp_path):
    card = belief_card("planted:refuser", out=tmp_path, **QUICK)
    assert [item.verdict for item in card.protocols] == ["unresolved", "unresolved"]
    assert all("refused" in item.reason for item in card.protocols)


def test_bad_audits_start_nothing(tmp_path):
    with pytest.raises(InputError, match="no protocols called 'confidense'; did you mean 'confidence'"):
        audit_subject("planted:noise", out=tmp_path / "runs", overrides={"protocols": ("confidense",)})
    with pytest.raises(InputError, match="with --twin"):
        audit_subject("planted:noise", out=tmp_path / "runs", overrides={"subjects": "planted:noise"})
    assert not (tmp_path / "runs").exists()


def test_a_subject_that_cannot_be_reached_fails_and_says_why(tmp_path):
    with pytest.raises((CellsFailedError, Exception), match="nowhere"):
        audit_subject("hf:/nowhere/at-all", out=tmp_path, **QUICK)
