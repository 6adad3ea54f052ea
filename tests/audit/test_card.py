from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doxa.audit.audit import audit_subject, belief_card
from doxa.audit.card import BeliefCard, card_text
from doxa.errors import InputError
from doxa.lab.run import CellsFailedError
from doxa.subjects.endpoint_exchange import Patience
from doxa.testing import FaultServer

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


@pytest.mark.slow
def test_the_card_of_a_failing_server_counts_every_fault_and_reads_as_without_faults(tmp_path, monkeypatch):
    """Half of the requests are spoiled; the answers that came are those of a server that never fails."""
    brave = Patience(attempts=12, first_wait_s=0.001, retry_floor=5000)
    monkeypatch.setattr("doxa.subjects.endpoint_options.Patience", lambda: brave)
    quick = {"preset": "quick", "overrides": {"protocols": ("knowledge-belief",)}}
    with FaultServer(_says_yes, faults={"500": 0.25, "429": 0.25}, seed=1) as failing:
        address = f"{failing.url}#m"
        card = belief_card(address, out=tmp_path, **quick)
        assert card.asking is not None
        assert card.asking.faults == dict(failing.ledger.seen())
        assert sum(card.asking.faults.values()) > 50
        assert card.asking.retries == sum(card.asking.faults.values())
        assert (card.asking.unanswered, card.unread) == (0, {})
        again = belief_card(address, out=tmp_path, **quick)
        assert again == card, "a card is the same when it is read again"
    with FaultServer(_says_yes, faults=0.0) as sound:
        reference = belief_card(f"{sound.url}#m", out=tmp_path, **quick)
    assert card.protocols == reference.protocols
    assert f"faults: {', '.join(f'{kind} ' for kind in card.asking.faults)}".split()[1] in card_text(card, "")


def test_the_card_says_what_could_not_be_read(tmp_path):
    quick = {"preset": "quick", "overrides": {"protocols": ("knowledge-belief",)}}
    with FaultServer(lambda _asked: "I cannot help with that.", faults=0.0) as server:
        card = belief_card(f"{server.url}#m", out=tmp_path, **quick)
    assert set(card.unread) == {"refusal"}
    assert sum(card.unread.values()) > 20
    assert "not read" in card_text(card, "")
    assert card.protocols[0].verdict == "unresolved"


def _says_yes(asked: Mapping[str, Any]) -> str:
    return f"Let me see ({len(str(asked['messages'])) % 7}). So, the answer is (A)."
