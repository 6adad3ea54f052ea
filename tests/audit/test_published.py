"""The published forms write the rows that the micro forms' assessments read."""

from __future__ import annotations

import pytest

from doxa.audit.audit import belief_card
from doxa.audit.protocol import protocols
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.subjects.addresses import open_subject
from tests.protocols.kable_fakes import kable_folder
from tests.subjects import tiny_models


def assessed(slug, address, size=2):
    protocol = protocols.get(slug)
    recorder = Recorder("test", 0)
    protocol.published(
        open_subject(address), recorder, rng=stream(0, "q"), size=size, step=lambda done, total, note: None
    )
    return protocol.assess(recorder.tables(), stream(0, "bootstrap"))


@pytest.fixture(autouse=True)
def data(monkeypatch):
    monkeypatch.setenv("DOXA_DATA", str(kable_folder().parent))


def test_a_yes_sayer_has_no_person_gap_and_half_its_facts_wrong():
    read = assessed("knowledge-belief", "planted:yes-sayer")
    numbers = {reading.name: reading.span.value for reading in read.readings if reading.span}
    assert read.effect.span.value == pytest.approx(0.0, abs=1e-6)
    assert numbers["third_person"] == pytest.approx(1.0, abs=1e-6)
    assert numbers["facts"] == pytest.approx(0.5, abs=1e-6)
    assert read.text.agree == read.text.asked == 24


def test_a_subject_that_is_not_moved_does_not_drift():
    read = assessed("context-drift", "planted:noise?p_yes=0.5")
    low, high = read.effect.span.interval
    assert low <= 0.0 <= high


def test_one_that_always_says_seventy_has_slope_zero():
    read = assessed("confidence", "planted:noise?p_yes=0.7")
    assert read.effect.span.value == pytest.approx(0.0, abs=0.05)
    assert read.blocked == ""


@pytest.mark.parametrize("slug", ["knowledge-belief", "context-drift", "confidence"])
def test_a_refuser_is_not_judged(slug):
    assert "refused" in assessed(slug, "planted:refuser").blocked


def test_what_does_not_fit_a_models_context_is_unresolved_and_the_rest_goes_on(tmp_path):
    model = tiny_models.save(tmp_path / "model")
    card = belief_card(
        f"hf:{model}",
        preset="quick",
        overrides={"protocols": ("context-drift", "confidence")},
        out=tmp_path / "runs",
    )
    drift, confidence = card.protocols
    assert (drift.verdict, drift.effect) == ("unresolved", None)
    assert "takes 512" in drift.reason
    assert confidence.verdict == "unresolved"
