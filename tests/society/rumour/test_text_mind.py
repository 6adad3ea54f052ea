from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.society.personas import EDUCATION, Persona
from doxa.society.requests import NOBODY, OFFICIAL, Heard, Opinion, Probability, strings
from doxa.society.rumour import tweets
from doxa.society.rumour.simulation import embedded_mind
from doxa.society.rumour.stance import train_reader
from doxa.society.rumour.text_mind import LOG_ODDS, PRIOR, TRUSTS, Temper, TextMind, trust_factor

AVERAGE = ("kind", "careless", "quiet", "anxious", "curious")


def person(*traits, education=EDUCATION[4]):
    return Persona("Eva", 30, education, traits or AVERAGE)


def said(believes, level, seed=0):
    """Return a tweet that says so."""
    draws = np.random.default_rng(seed).random((1, 4))
    return tweets.write(
        np.array([believes]), np.array([level]), tweets.details(draws), None, None, draws[:, :2]
    )[0]


def asked(*heard, speaker=None, log_odds=-1.0, prior=-1.0, trust=1.0, **changes):
    """Return the request of one agent that heard some tweets."""
    inner = np.zeros((1, 4))
    inner[0, LOG_ODDS], inner[0, PRIOR], inner[0, TRUSTS] = log_odds, prior, trust
    people = np.empty(1, dtype=object)
    people[0] = person()
    texts = np.array(heard, dtype=np.int16).reshape(1, len(heard), tweets.grammar().width)
    request = Opinion(
        population=np.zeros(1, dtype=int),
        agent=np.zeros(1, dtype=int),
        time=1,
        topic=strings(1, "news"),
        persona=people,
        previous=said(False, 1, seed=9)[None],
        heard=Heard(
            texts, np.zeros((1, len(heard)), dtype=int), np.array([speaker or [1] * len(heard)], dtype=int)
        ),
        today=strings(1),
        memory=strings(1),
        inner=inner,
        draws=np.full((1, 12), 0.5),
        credence=np.zeros(1),
    )
    return replace(request, **changes)


def moved(request, **temper):
    mind = TextMind(train_reader(0), 0.0, Temper(**temper))
    return float(mind.answer(request).inner[0, LOG_ODDS])


def test_the_update_is_the_equation():
    yes, no = said(True, 4), said(False, 4)
    m_yes, m_no = train_reader(0).read(np.array([yes, no]))
    assert m_yes > 0.7
    assert m_no < -0.7
    still = -1.0 + 0.7 * (-2.0 + 1.0)
    assert moved(asked(log_odds=-2.0)) == pytest.approx(still), "silence: back towards the prior"
    # a believing text speaks against what is believed so far, a doubting one for it and at a tenth of the weight
    expected = still + 1.5 * 1.2 * (0.7 * m_yes + 1.3 * 0.1 * m_no)
    assert moved(asked(yes, no, log_odds=-2.0, trust=1.5)) == pytest.approx(expected)
    agreeing = -1.0 + 0.7 * 3.0 + 1.2 * 1.3 * m_yes
    assert moved(asked(yes, log_odds=2.0)) == pytest.approx(agreeing)
    denied = still + 0.5 * 1.3 * m_no
    assert moved(asked(no, log_odds=-2.0, speaker=[OFFICIAL])) == pytest.approx(denied), (
        "officials count fully"
    )
    assert moved(asked(yes, log_odds=-2.0, speaker=[NOBODY])) == pytest.approx(still)
    assert moved(asked(yes, log_odds=-2.0), trust=0.0) == pytest.approx(still)


def test_without_short_memory_only_the_digest_moves_it():
    yes = said(True, 4)
    m_yes = float(train_reader(0).read(yes[None])[0])
    digest = 0.5 * m_yes
    assert moved(asked(yes, at_hand=False)) == pytest.approx(-1.0 + 1.2 * 0.7 * digest)
    assert moved(asked(yes, at_hand=False, carried=False)) == pytest.approx(-1.0 + 1.2 * 0.7 * m_yes)


def test_what_is_said_follows_belief_certainty_and_what_is_at_hand():
    mind = TextMind(train_reader(0), 0.0)
    other = said(True, 2, seed=3)
    told = mind.answer(asked(other, draws=np.full((1, 12), 0.2)))
    assert tweets.spoken(other[None, tweets.grammar().detail])[0] in mind.told(told.text)[0]
    none = mind.answer(asked(other, at_hand=False))
    assert any(
        line in mind.told(none.text)[0] for line in ("people i hear", "anyone i hear", "everyone i hear")
    )
    assert tweets.spoken(none.text[:, tweets.grammar().detail]) == tweets.spoken(
        asked(other).previous[:, tweets.grammar().detail]
    ), "nothing new without something to answer"
    sure = mind.answer(asked(log_odds=8.0, prior=5.0))
    assert sure.belief.tolist() == [1]
    assert sure.credence[0] > 0.99
    assert any(opener in mind.told(sure.text)[0] for opener in tweets.OPENERS[4])


def test_trust_follows_the_table():
    high = person("kind", "careful", "bold", "calm", "curious")
    low = person("cold", "careless", "shy", "anxious", "incurious")
    factor = trust_factor([high, low, person(education=EDUCATION[0]), person(education=EDUCATION[8])])
    assert factor[0] == pytest.approx(np.exp(0.15 - 0.05 - 0.15 - 0.05))
    assert factor[1] == pytest.approx(1.0 / factor[0])
    assert factor[2] / factor[3] == pytest.approx(np.exp(0.02 * 8))


def test_agents_begin_at_rest():
    mind = embedded_mind({"news": -1.0})
    began = mind.begin(asked(), np.array([False]))
    assert began.inner[0, LOG_ODDS] == began.inner[0, PRIOR] == pytest.approx(-1.0), (
        "the middle draw is no deviation"
    )
    believer = mind.begin(asked(), np.array([True]))
    assert believer.inner[0, LOG_ODDS] == 2.5
    with pytest.raises(InputError, match="prior\\['news'\\]"):
        embedded_mind({"other": 0.0}).begin(asked(), np.array([True]))


def test_it_holds_opinions_only():
    with pytest.raises(CapabilityError, match="Probability"):
        embedded_mind(0.0).answer(Probability(np.zeros(1, dtype=int), np.zeros(1, dtype=int), 0, strings(1)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"trust": -1},
        {"persistence": 1.0},
        {"confirmation": 1.1},
        {"temperature": 0.6},
        {"doubt": -0.1},
        {"keep": 1},
    ],
)
def test_tempers_have_bounds(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Temper(**wrong)


def test_the_reader_reads_sentences_it_never_saw_and_knows_strength():
    reader = train_reader(0)
    assert reader.accuracy > 0.8
    assert abs(reader.permuted_accuracy - 0.5) < 0.15
    assert reader.surety_correlation > 0.5
    assert reader.n_held_out == 1000
    strengths = [
        np.mean([reader.read(said(True, level, seed)[None])[0] for seed in range(20)]) for level in range(5)
    ]
    assert strengths == sorted(strengths)
    assert reader.read(np.full((1, tweets.grammar().width), -1)) == [0.0]
    assert reader.read(tweets.grammar().denial[None])[0] < -0.5


def test_the_reader_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    from doxa.society.rumour.stance import RIDGE, SURE, _counts, _sample
    from doxa.streams import stream

    rng = stream(0, "society", "tweets")
    texts, believes, level = _sample(rng, 4000, unknown=False)
    sure = rng.random(4000) < SURE[level]
    for weights, labels in ((train_reader(0).stance, believes), (train_reader(0).surety, sure)):
        model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky").fit(_counts(texts), labels)
        assert weights[:-1] == pytest.approx(model.coef_[0], abs=2e-2)


def test_tweets_are_words_in_order():
    detail = tweets.details(np.zeros((1, 4)))
    assert tweets.spoken(detail) == ["my aunt at the airport saw the account"]
    text = tweets.write(np.array([True]), np.array([0]), detail, detail, None, np.zeros((1, 2)))
    told = "my aunt at the airport saw the account"
    assert tweets.spoken(text) == [f"after {told} maybe i am wrong but this story is true because {told}"]
