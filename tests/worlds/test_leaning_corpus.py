from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.leaning_corpus import ASK, STATEMENT, TOOL, LeaningCorpus

probabilities = st.floats(0.02, 0.98)


def enumerate_everything(
    corpus: LeaningCorpus, pairs: list[tuple[int, int, int]], topic: int
) -> tuple[float, float, float]:
    """Sum over z and all sides of all topics: P(z = 1), P(s_topic = 1), P(option 1)."""
    total = leaning = stance = option = 0.0
    for z, *sides in itertools.product((0, 1), repeat=1 + corpus.n_topics):
        weight = 0.5
        for k, side in enumerate(sides):
            follows = corpus.rho if k < corpus.n_coupled else 0.5
            weight *= follows if side == z else 1 - follows
        for kind, k, said in pairs:
            right = (1 - corpus.noise, 1.0, corpus.tau)[kind]
            weight *= right if said == sides[k] else 1 - right
        total += weight
        leaning += weight * z
        stance += weight * sides[topic]
        option += weight * (corpus.tau if sides[topic] else 1 - corpus.tau)
    return leaning / total, stance / total, option / total


@settings(max_examples=60, deadline=None)
@given(rho=probabilities, tau=probabilities, noise=probabilities, data=st.data())
def test_bayes_is_the_enumeration_of_everything(rho: float, tau: float, noise: float, data: st.DataObject):
    corpus = LeaningCorpus(rho, tau, noise, n_topics=5, n_coupled=3)
    pair = st.tuples(st.sampled_from([STATEMENT, TOOL]), st.integers(0, 4), st.integers(0, 1))
    pairs = data.draw(st.lists(pair, max_size=8))
    answered = data.draw(st.dictionaries(st.integers(0, 4), st.integers(0, 1), max_size=2))
    pairs += [(ASK, topic, side) for topic, side in answered.items()]
    topic = data.draw(st.integers(0, 4))
    kinds, topics, sides = np.array(pairs, dtype=int).reshape(-1, 3).T
    got = corpus.bayes(corpus.pairs(kinds, topics, sides), topic)
    leaning, stance, option = enumerate_everything(corpus, pairs, topic)
    assert float(got.log_odds) == pytest.approx(math.log(leaning / (1 - leaning)), abs=1e-7)
    assert float(got.stance) == pytest.approx(stance, abs=1e-9)
    assert float(got.option) == pytest.approx(option, abs=1e-9)


@given(counts=st.lists(st.integers(0, 6), min_size=7, max_size=7))
def test_one_sided_text_follows_the_printed_formula(counts: list[int]):
    """Statements on topics other than the asked one: the formula of the specification."""
    corpus = LeaningCorpus()
    topics = np.repeat(np.arange(1, 8), counts)
    got = corpus.bayes(corpus.pairs(STATEMENT, topics, np.ones_like(topics)), 0)
    rho = 0.85
    odds = sum(
        math.log((rho * 0.9**c + (1 - rho) * 0.1**c) / ((1 - rho) * 0.9**c + rho * 0.1**c)) for c in counts
    )
    leaning = 1 / (1 + math.exp(-odds))
    stance = leaning * rho + (1 - leaning) * (1 - rho)
    assert float(got.log_odds) == pytest.approx(odds, abs=1e-9)
    assert float(got.stance) == pytest.approx(stance, abs=1e-12)
    assert float(got.option) == pytest.approx(stance * 0.7 + (1 - stance) * 0.3, abs=1e-12)


def test_the_limits_of_much_one_sided_text():
    corpus = LeaningCorpus()
    topics = np.tile(np.arange(1, 8), 20)
    got = corpus.bayes(corpus.pairs(STATEMENT, topics, np.ones_like(topics)), 0)
    assert float(got.stance) == pytest.approx(0.85, abs=1e-3)
    assert float(got.option) == pytest.approx(0.64, abs=1e-3)
    against = corpus.bayes(corpus.pairs(STATEMENT, topics, np.zeros_like(topics)), 0)
    assert float(against.stance) == pytest.approx(1 - float(got.stance), abs=1e-12)


@given(st.lists(st.integers(0, 11), max_size=20), st.integers(0, 11))
def test_no_coupling_no_update_and_a_coin_tool_is_a_coin(topics: list[int], topic: int):
    about = np.array([one for one in topics if one != topic], dtype=int)
    loose = LeaningCorpus(rho=0.5)
    got = loose.bayes(loose.pairs(STATEMENT, about, np.ones_like(about)), topic)
    assert float(got.log_odds) == 0.0
    assert float(got.stance) == pytest.approx(0.5, abs=1e-12)
    coin = LeaningCorpus(tau=0.5)
    assert float(coin.bayes(coin.pairs(STATEMENT, np.array(topics, dtype=int), 1), topic).option) == 0.5


def test_an_uncoupled_topic_hears_nothing_from_the_others():
    corpus = LeaningCorpus()
    context = corpus.pairs(STATEMENT, np.arange(8), 1)
    assert float(corpus.bayes(context, 9).stance) == pytest.approx(0.5, abs=1e-12)
    assert float(corpus.bayes(corpus.pairs(STATEMENT, np.array([9]), 1), 9).stance) == pytest.approx(0.9)


def test_deleted_pairs_and_many_contexts_at_once():
    corpus = LeaningCorpus()
    contexts = corpus.sample(40, stream(0, "documents"))
    contexts[:, 10:20] = -1
    topics = np.arange(40) % 12
    many = corpus.bayes(contexts, topics)
    for row, topic in enumerate(topics):
        kept = np.concatenate([contexts[row, :10], contexts[row, 20:]])
        one = corpus.bayes(kept, int(topic))
        assert float(one.stance) == pytest.approx(float(many.stance[row]), abs=1e-12)
        assert float(one.log_odds) == pytest.approx(float(many.log_odds[row]), abs=1e-12)


def test_the_posterior_is_calibrated_on_the_corpus_itself():
    corpus = LeaningCorpus()
    documents = corpus.sample(60_000, stream(5, "documents"))
    last, answer = documents[:, -2], documents[:, -1]
    asks = (last >= corpus.question(ASK, 0)) & (last < corpus.question(TOOL, 0))
    topics = (last[asks] - 6) % 12
    stance = corpus.bayes(documents[asks, :-2], topics).stance
    side = answer[asks] % 2
    for low in np.arange(0, 1, 0.1):
        own = (stance >= low) & (stance < low + 0.1)
        if own.sum() > 50:
            spread = math.sqrt(float((stance[own] * (1 - stance[own])).sum())) / own.sum()
            assert abs(side[own].mean() - stance[own].mean()) < 5 * spread + 1e-9


def test_documents_have_their_shares():
    corpus = LeaningCorpus()
    documents = corpus.sample(5000, stream(1, "documents"))
    assert documents.shape == (5000, 40)
    opening, answer = documents[:, 0::2], documents[:, 1::2]
    kind = (opening - 6) // 12
    assert np.array_equal(answer // 2, kind)
    shares = np.bincount(kind.ravel(), minlength=3) / kind.size
    np.testing.assert_allclose(shares, [0.6, 0.25, 0.15], atol=0.01)
    topics = np.bincount(((opening - 6) % 12).ravel(), minlength=12) / kind.size
    np.testing.assert_allclose(topics, 1 / 12, atol=0.005)
    # Two answers to the same question in one document never differ.
    for row in range(300):
        asked = [(o, a) for o, a, k in zip(opening[row], answer[row], kind[row], strict=True) if k == ASK]
        assert len({o for o, _ in asked}) == len(set(asked))


def test_documents_hang_on_their_generator_only():
    corpus = LeaningCorpus()
    first, again = (corpus.sample(5, stream(1, "x")) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rho": 1.2},
        {"tau": -0.1},
        {"noise": 2.0},
        {"n_coupled": 13},
        {"n_topics": 0, "n_coupled": 0},
        {"document_tokens": 7},
    ],
)
def test_a_corpus_that_cannot_be_names_the_value(wrong: dict[str, float]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        LeaningCorpus(**wrong)


def test_bad_contexts_are_named():
    corpus = LeaningCorpus()
    whole = corpus.pairs(STATEMENT, np.array([1]), 1)
    for context, topic, message in [
        (whole[:1], 0, "whole pairs"),
        (np.array([6, 5]), 0, "not a pair"),
        (np.array([-1, 0]), 0, "not a pair"),
        (np.array([99, 0]), 0, "not a pair"),
        (whole, 12, "topic=12"),
        (corpus.pairs(ASK, np.array([1, 1]), np.array([0, 1])), 0, "impossible"),
    ]:
        with pytest.raises(InputError, match=message):
            corpus.bayes(context, topic)
    with pytest.raises(InputError, match="n=0"):
        corpus.sample(0, stream(0))
