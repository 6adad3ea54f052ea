from __future__ import annotations

import json

import pytest

from doxa.errors import CapabilityError, InputError
from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.subjects.addresses import open_subject
from doxa.training.forward_only import watched
from doxa.training.forward_only.experiments import Setup, some
from doxa.training.forward_only.images import load_images
from doxa.training.forward_only.watched_report import monitor_findings, subject_findings


@pytest.fixture(scope="module")
def ordinary():
    recorder = Recorder("monitor", 0)
    setup = Setup(some(load_images("digits"), 100), (12, 10), 0.01)
    watched.record_instrument(recorder, setup, 0, 12)
    watched.record_classifier(recorder, setup, 0)
    watched.record_language(recorder, 0)
    return recorder.tables()


def test_the_monitor_is_exact_and_does_not_disturb(ordinary):
    assert rows_of(ordinary, "monitor off")["value"][0] < 1e-4
    assert rows_of(ordinary, "watching changes")["value"][0] == 0.0


def test_ordinary_training_is_read_in_every_layer(ordinary):
    crosses = rows_of(ordinary, "crosses", sign="code")
    assert crosses.filter(crosses["kind"] == "classifier").height == 2
    assert crosses.filter(crosses["kind"] == "language").height == 6
    curve = rows_of(ordinary, "watched", kind="language", curve="flow_norm", layer=1)
    assert curve.sort("time")["time"].to_list() == list(range(1, watched.LOOKS + 1))
    assert (rows_of(ordinary, "loss fell")["value"] > 0.5).all()
    found = {one.id: one for one in monitor_findings(ordinary)}
    assert found["language-closed-form"].estimate < 0.01


def test_an_open_model_is_fine_tuned_and_watched():
    subject = open_subject("organism:sound")
    before = {name: one.clone() for name, one in subject.model.state_dict().items()}
    recorder, told = Recorder("subject", 0), []
    watched.record_subject(
        recorder, subject, watched.TEXTS, ("*.0.mlp.up_proj",), 4, 1e-4, 0, lambda *step: told.append(step)
    )
    tables = recorder.tables()
    assert told[-1][0] == 1.0
    assert rows_of(tables, "path length")["name"].to_list() == ["model.layers.0.mlp.up_proj"]
    found = {one.id: one for one in subject_findings(tables)}
    assert found["learns"].verdict == found["moves"].verdict == found["closed-form"].verdict == "holds"
    assert all((before[name] == one).all() for name, one in subject.model.state_dict().items())


def test_subjects_and_texts_that_will_not_do(tmp_path):
    with pytest.raises(CapabilityError, match="no open weights"):
        watched.record_subject(
            Recorder("subject", 0), open_subject("planted:yes-sayer"), watched.TEXTS, (), 2, 1e-4, 0, print
        )
    assert watched.read_texts("") == watched.TEXTS
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join([json.dumps({"text": "one"}), "two", "", "three"]), "utf-8")
    assert watched.read_texts(str(path)) == ("one", "two", "three")
    path.write_text("one\ntwo", "utf-8")
    with pytest.raises(InputError, match="give 3 or more"):
        watched.read_texts(str(path))
    with pytest.raises(InputError, match="no file of texts"):
        watched.read_texts(str(tmp_path / "nowhere"))
