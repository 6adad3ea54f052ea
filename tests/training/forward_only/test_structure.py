from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.training.forward_only.experiments import Setup, some
from doxa.training.forward_only.images import Images, load_images
from doxa.training.forward_only.structure import (
    BACKPROP,
    CHECKPOINTS,
    PCA,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
    Clusters,
    probe_accuracy,
    record_structure,
    split,
)


def test_agreement_of_clusters_by_hand():
    labels = np.array([0, 0, 1, 1])
    same = Clusters.of(np.array([5, 5, 2, 2]), labels)
    assert (same.nmi, same.purity) == (pytest.approx(1.0), 1.0)
    one = Clusters.of(np.zeros(4, dtype=int), labels)
    assert (one.nmi, one.purity) == (pytest.approx(0.0), 0.5)
    crossed = Clusters.of(np.array([0, 1, 0, 1]), labels)
    assert (crossed.nmi, crossed.purity) == (pytest.approx(0.0, abs=1e-12), 0.5)


def test_a_split_holds_out_the_same_share_of_each_class():
    labels = np.repeat(np.arange(3), [10, 20, 30])
    own = split(labels, 0)
    assert np.bincount(labels[own.test]).tolist() == [3, 6, 9]
    assert sorted([*own.train, *own.test]) == list(range(60))
    assert not np.array_equal(own.test, split(labels, 1).test)


def test_the_probe_finds_what_is_there_however_small_beside_the_rest():
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(3), 60)
    large = 1e4 * rng.normal(size=(180, 1))
    features = np.c_[large, large + np.eye(3)[labels] @ rng.normal(size=(3, 3))]
    own = split(labels, 0)
    assert probe_accuracy(features, labels, own) > 0.95
    assert probe_accuracy(features, rng.permutation(labels), own) < 0.6


def test_some_images_keep_every_class():
    images = load_images("digits")
    few = some(images, 100)
    assert np.bincount(few.labels).tolist() == [10] * 10
    assert torch.equal(few.pixels[:10], images.pixels[:10])
    assert some(images, 5000) is images
    flat = some(Images("x", images.pixels, None, 8), 7)
    assert flat.pixels.shape == (7, 64)


@pytest.fixture(scope="module")
def measured():
    recorder = Recorder("structure", 0)
    record_structure(recorder, Setup(some(load_images("digits"), 200), (16, 10), 0.01), 0)
    return recorder.tables()


def test_layers_are_probed_on_the_way_and_against_the_others(measured):
    probes = rows_of(measured, "probe")
    kinds = {(row["kind"], row["step"]) for row in probes.iter_rows(named=True)}
    last = CHECKPOINTS[-1]
    assert kinds >= {(UNTRAINED, 0), (PCA, last), (BACKPROP, last), (SHUFFLED, last), ("pixels", last)}
    assert kinds >= {(TRAINED, step) for step in CHECKPOINTS[1:]}
    assert probes["value"].is_between(0.0, 1.0).all()
    trained = probes.filter((probes["kind"] == BACKPROP) & (probes["layer"] == 2))["value"][0]
    assert trained > 0.7
    nmi = rows_of(measured, "nmi", kind=BACKPROP)
    assert nmi["value"].min() > 0.5


def test_without_labels_nothing_is_said():
    recorder = Recorder("structure", 0)
    images = load_images("digits")
    record_structure(recorder, Setup(Images("x", images.pixels, None, 8), (4,), 0.01), 0)
    assert recorder.tables().measures.is_empty()
