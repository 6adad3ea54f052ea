from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.leaning_corpus import ASK, TOOL, LeaningCorpus
from doxa.worlds.leaning_learners import (
    LeaningModels,
    leaning_sampler,
    length_curve,
    mask_statements,
    reading_contexts,
    train_leaning_models,
)

CORPUS = LeaningCorpus(n_topics=6, n_coupled=4)


@pytest.fixture(scope="module")
def models() -> LeaningModels:
    return train_leaning_models(CORPUS, [0, 1], steps=5, batch=8, width=16, heads=2)


def subjects(contexts: np.ndarray) -> np.ndarray:
    return np.where(contexts[:, 0::2] < 0, -1, contexts[:, 0::2] - 6)


def test_loss_is_at_the_second_token_of_each_pair():
    batch = leaning_sampler(CORPUS)(stream(0, "rows"), 30)
    assert (batch.targets[:, 1::2] == -1).all()
    assert np.array_equal(batch.targets[:, 0::2], batch.tokens[:, 1::2])


def test_readings_are_those_of_exported_models_one_by_one(models: LeaningModels):
    contexts = CORPUS.sample(12, stream(3, "contexts"))[:, :10].copy()
    contexts[::3, 4:8] = -1
    topics = np.arange(12) % 6
    read = models.read(contexts, topics)
    posterior = CORPUS.bayes(contexts, topics)
    np.testing.assert_allclose(read.bayes_stated, posterior.stance)
    np.testing.assert_allclose(read.bayes_option, posterior.option)
    for replicate in range(2):
        model = models.net.export(replicate)
        for row in range(12):
            kept = contexts[row][contexts[row] >= 0]
            for kind, table in ((ASK, read.stated), (TOOL, read.option)):
                ids = torch.tensor([[*kept.tolist(), int(CORPUS.question(kind, int(topics[row])))]])
                with torch.no_grad():
                    pair = model(ids).logits[0, -1, 2 * kind : 2 * kind + 2].softmax(0)
                assert table[replicate, row] == pytest.approx(float(pair[1]), abs=1e-5)
    assert read.within_training.all()


def test_one_sided_contexts_hold_what_was_asked_for():
    topics, sides = np.arange(200) % 6, np.arange(200) % 2
    drawn = reading_contexts(CORPUS, 7, topics, sides, stream(0, "one"))
    assert drawn.shape == (200, 14)
    about = subjects(drawn)
    assert set(np.unique(about)) == {0, 1, 2, 3}
    assert not (about == topics[:, None]).any()
    assert np.array_equal(drawn[:, 1::2], np.broadcast_to(sides[:, None], (200, 7)))
    uncoupled = subjects(reading_contexts(CORPUS, 7, topics, sides, stream(0, "two"), about="uncoupled"))
    assert set(np.unique(uncoupled)) == {4, 5}
    everything = subjects(
        reading_contexts(CORPUS, 7, topics, sides, stream(0, "three"), about="all", mention_topic=True)
    )
    assert (everything == topics[:, None]).any()
    np.testing.assert_allclose(np.bincount(everything.ravel()) / everything.size, 1 / 6, atol=0.06)


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_balanced_contexts_are_balanced(n: int):
    topics = np.zeros(400, dtype=int)
    drawn = reading_contexts(CORPUS, n, topics, topics, stream(0, "balanced"), reading="balanced")
    ones = (drawn[:, 1::2] == 1).sum(1)
    assert set(ones.tolist()) <= {n // 2, (n + 1) // 2}
    if n % 2:
        assert 0.35 < (ones > n / 2).mean() < 0.65
    if n > 1:
        assert (drawn[:, 1] == 1).mean() == pytest.approx(0.5, abs=0.1)


def test_masks_delete_what_they_say():
    topics, sides = np.arange(300) % 6, np.ones(300, dtype=int)
    drawn = reading_contexts(CORPUS, 8, topics, sides, stream(0, "mask"), about="all", mention_topic=True)
    about = subjects(drawn)
    rng = stream(0, "masked")
    topic = subjects(mask_statements(CORPUS, drawn, topics, "topic", rng))
    assert np.array_equal(topic == -1, about == topics[:, None])
    coupled = subjects(mask_statements(CORPUS, drawn, topics, "coupled", rng))
    assert np.array_equal(coupled == -1, about < 4)
    random = subjects(mask_statements(CORPUS, drawn, topics, "random", rng))
    assert np.array_equal((random == -1).sum(1), (about == topics[:, None]).sum(1))
    assert np.array_equal(random[random != -1], about[random != -1])
    twice = mask_statements(
        CORPUS, mask_statements(CORPUS, drawn, topics, "topic", rng), topics, "coupled", rng
    )
    assert np.array_equal(subjects(twice) == -1, (about == topics[:, None]) | (about < 4))


def test_a_curve_is_oriented_by_the_side_read(models: LeaningModels):
    curve = length_curve(models, stream(0, "curve"), lengths=(0, 3, 21), contexts=24)
    assert curve.stated.shape == curve.option.shape == (2, 3, 24)
    assert curve.bayes_stated.shape == (3, 24)
    assert curve.within_training.tolist() == [True, True, False]
    # Empty context: both sides of one topic have the same reading, so that their oriented ones sum to 1.
    np.testing.assert_allclose(curve.stated[:, 0, 0::2] + curve.stated[:, 0, 1::2], 1.0, atol=1e-6)
    assert (curve.bayes_stated[1:] > 0.5).all()
    np.testing.assert_allclose(curve.bayes_stated[0], 0.5)
    uncoupled = length_curve(models, stream(0, "curve"), lengths=(3,), contexts=8, asked="uncoupled")
    assert set(uncoupled.topics.tolist()) == {4, 5}
    np.testing.assert_allclose(uncoupled.bayes_stated, 0.5)


def test_what_cannot_be_read_is_refused(models: LeaningModels):
    with pytest.raises(InputError, match="no topic is left"):
        reading_contexts(
            LeaningCorpus(n_topics=1, n_coupled=1), 2, np.zeros(1, int), np.zeros(1, int), stream(0)
        )
    every = LeaningModels(LeaningCorpus(n_coupled=12), (0,), models.loss, models.loss_steps, models.net)
    with pytest.raises(InputError, match="uncoupled"):
        length_curve(every, stream(0), asked="uncoupled")


@pytest.mark.slow
def test_reading_about_other_topics_moves_a_stance_and_uncoupled_ones_stay():
    corpus = LeaningCorpus(rho=0.95, n_topics=4, n_coupled=3, noise=0.05, document_tokens=24)
    trained = train_leaning_models(corpus, [0, 1], steps=400, batch=64, width=32, peak_rate=1e-2)
    coupled = length_curve(trained, stream(0, "coupled"), lengths=(0, 4), contexts=96)
    loose = length_curve(trained, stream(0, "loose"), lengths=(0, 4), contexts=96, asked="uncoupled")
    assert coupled.stated[:, 1].mean(1).min() > 0.7
    assert (coupled.stated[:, 1].mean(1) > coupled.option[:, 1].mean(1)).all()
    assert np.abs(loose.stated[:, 1].mean(1) - 0.5).max() < 0.1
