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


def test_what_a_subject_does_not_know_it_cannot_turn():
    read = assessed("role-play", "planted:yes-sayer")
    assert "of 12 facts before the talk, which is not above chance" in read.blocked


@pytest.mark.parametrize("slug", ["role-play", "context-drift"])
@pytest.mark.filterwarnings("ignore::doxa.lens.forced_answers.AnswerTokenWarning")
def test_a_model_with_open_weights_is_looked_into(slug, tmp_path):
    model = tiny_models.save(tmp_path / "model", max_position_embeddings=16384)
    read = assessed(slug, f"hf:{model}")
    assert [curve.readout for curve in read.readouts.curves] == ["stated", "behavioural", "internal"]
    assert read.readouts.absent == {}
    assert len({curve.turns for curve in read.readouts.curves}) == 1
    inside = next(reading for reading in read.readings if reading.name == "inside")
    assert inside.readout == "internal"
    assert 0.0 < inside.span.value < 1.0
    assert "right on examples it never saw" in inside.note
    assert "24 of 24 answers missing" in read.blocked or slug != "role-play", (
        "a random model says nothing readable"
    )


@pytest.mark.parametrize("slug", ["role-play", "context-drift"])
def test_a_subject_without_weights_has_no_inside_and_nothing_breaks(slug):
    read = assessed(slug, "planted:noise?p_yes=0.5")
    inside = next(reading for reading in read.readings if reading.name == "inside")
    assert inside.span is None
    assert "no open weights" in inside.note
    assert "internal" in read.readouts.absent


@pytest.mark.parametrize("slug", ["knowledge-belief", "context-drift", "confidence", "role-play"])
def test_a_refuser_is_not_judged(slug):
    assert "refused" in assessed(slug, "planted:refuser").blocked


@pytest.mark.filterwarnings("ignore::doxa.lens.forced_answers.AnswerTokenWarning")
def test_what_does_not_fit_a_models_context_is_unresolved_and_the_rest_goes_on(tmp_path):
    model = tiny_models.save(tmp_path / "model")
    card = belief_card(
        f"hf:{model}",
        preset="quick",
        overrides={"protocols": ("context-drift", "confidence", "role-play")},
        out=tmp_path / "runs",
    )
    drift, confidence, role = card.protocols
    for item in (drift, role):
        assert (item.verdict, item.effect) == ("unresolved", None)
        assert "takes 512" in item.reason
    assert confidence.verdict == "unresolved"
