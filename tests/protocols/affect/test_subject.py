import numpy as np
import pytest

from doxa.dynamics.affect import FirstOrder, SecondOrder, Stateless
from doxa.errors import CapabilityError
from doxa.protocols.affect import (
    AffectAgent,
    AffectSubject,
    CallableEstimator,
    FixedState,
    MoodOf,
    NoiseEstimator,
    PromptInjector,
    SteeringInjector,
    VaderVAD,
    mood_vector,
)
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Capability, Query, Sampling, assistant, system, user
from doxa.subjects.cache import CachedSubject, Journal
from doxa.subjects.open_weights import no_weights, open_weights
from doxa.testing import check_subject
from tests.protocols.affect.speakers import Tuned
from tests.subjects import tiny_models

NICE, NASTY = "Thank you, you are wonderful.", "I hate you, you awful liar!"
MOOD = MoodOf(SecondOrder(0.8), VaderVAD())


def talk(*texts):
    return tuple((user if place % 2 == 0 else assistant)(text) for place, text in enumerate(texts))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return open_subject(f"hf:{tiny_models.save(tmp_path_factory.mktemp('tiny'))}?exact=true")


def test_the_mood_is_a_function_of_the_messages():
    whole = talk(NASTY, "ok", NASTY, "ok", NICE)
    signals = VaderVAD().estimate([NASTY, NASTY, NICE])
    assert MOOD.at(whole).state == pytest.approx(SecondOrder(0.8).series(signals)[-1])
    assert MOOD.at(whole).turn == 3
    assert MOOD.at((system("be awful"), *whole)).state == pytest.approx(MOOD.at(whole).state)
    assert MOOD.at(()).turn == 0
    assert np.array_equal([mood.state for _, mood in MOOD.along(whole)], SecondOrder(0.8).series(signals))


def test_a_fork_has_the_mood_of_its_own_past_and_asking_changes_nothing():
    subject = AffectSubject(Tuned(), MOOD)
    trunk = talk(NASTY, "ok", NASTY)
    fork = (*talk(NASTY, "ok"), user(NICE))
    one = [subject.shown(trunk), subject.shown(fork)]
    subject.reply([fork, trunk], sampling=Sampling())
    subject.score([Query(fork, ("a", "b"))])
    assert [subject.shown(trunk), subject.shown(fork)] == one
    assert one[0][0] != one[1][0]


def test_replies_and_scores_are_the_subject_s_own_to_what_it_is_shown():
    plain = Tuned()
    subject = AffectSubject(plain, MOOD)
    talks = [talk(*[NASTY, "ok"] * 4, NASTY), talk(NICE), talk("What time is it?")]
    shown = [subject.shown(one) for one in talks]
    assert subject.reply(talks, sampling=Sampling()) == Tuned().reply(shown, sampling=Sampling())
    scores = subject.score([Query(one, ("a",)) for one in talks])
    assert [float(score[0]) for score in scores] == [np.log(plain.lean(one)) for one in shown]
    assert scores[0][0] < scores[1][0]


def test_a_text_is_read_once_however_many_conversations_have_it():
    read = []

    def reading(text):
        read.append(text)
        return VaderVAD().estimate([text])[0]

    mood = MoodOf(SecondOrder(0.8), CallableEstimator(reading, "counting"), "both")
    subject = AffectSubject(Tuned(), mood)
    for _ in range(2):
        subject.reply([talk(NASTY, "ok", NICE), talk(NASTY), talk(NASTY, "ok", NASTY)], sampling=Sampling())
    assert sorted(read) == sorted([NASTY, "ok", NICE])


def test_nothing_is_told_without_a_state():
    subject = AffectSubject(Tuned(), MoodOf(Stateless(), VaderVAD()))
    assert subject.shown(talk(NASTY)) == talk(NASTY)


def test_moods_that_differ_are_different_subjects():
    moods = [MOOD, MoodOf(SecondOrder(0.81), VaderVAD()), MoodOf(SecondOrder(0.8), NoiseEstimator()),
             MoodOf(SecondOrder(0.8), VaderVAD(), "both"), MoodOf(FirstOrder(), VaderVAD())]  # fmt: skip
    injectors = [PromptInjector(), PromptInjector("numeric"), FixedState(np.zeros(3), PromptInjector())]
    known = {AffectSubject(Tuned(), mood, injector).identity for mood in moods for injector in injectors}
    assert len(known | {Tuned.identity}) == 16
    assert AffectSubject(Tuned(), MOOD).identity == AffectSubject(Tuned(), MOOD).identity


@pytest.mark.parametrize("outside", [True, False])
def test_a_cache_around_it_or_within_it_serves_the_same(tmp_path, outside):
    plain = Tuned()
    journal = Journal(tmp_path / "replies.sqlite")

    def opened():
        if outside:
            return CachedSubject(AffectSubject(plain, MOOD), journal)
        return AffectSubject(CachedSubject(plain, journal), MOOD)

    talks = [talk(NASTY), talk(NICE)]
    first = opened().reply(talks, sampling=Sampling())
    assert opened().reply(talks, sampling=Sampling()) == first
    assert len(plain.calls) == 1


@pytest.mark.filterwarnings("ignore::doxa.protocols.affect.estimators.EstimatorWarning")
@pytest.mark.parametrize("style", ["verbal", "micro"])
def test_it_keeps_the_contract_of_subjects(tiny, style):
    for inner in (open_subject("planted:sycophant?strength=0.6"), tiny):
        check_subject(AffectSubject(inner, MOOD, PromptInjector(style)))


def test_its_weights_are_not_looked_into(tiny):
    subject = AffectSubject(tiny, MOOD)
    assert Capability.WEIGHTS not in subject.capabilities
    assert open_weights(subject) is None
    assert "look into hf:" in no_weights(subject)


def test_a_vector_tells_the_mood_to_open_weights_in_place_of_words(tiny):
    vector = mood_vector(tiny, layers=[0, 1])
    subject = AffectSubject(tiny, MOOD, SteeringInjector(vector, scale=3.0))
    talks = [talk(NASTY), talk(NICE), talk("What time is it?")]
    assert [subject.shown(one) for one in talks] == talks
    queries = [Query(one, ("yes", "no")) for one in talks]
    plain, moody = tiny.score(queries), subject.score(queries)
    assert np.array_equal(plain[2], moody[2])  # a neutral mood adds nothing
    assert not np.allclose(plain[0], moody[0], atol=1e-4)
    assert np.array_equal(subject.score(queries)[0], moody[0])
    assert np.array_equal(tiny.score(queries)[0], plain[0])  # and the model is as before
    from doxa.lens.steering import steered

    with steered(tiny.model, vector, 3.0 * float(MOOD.at(talks[0]).state[0])):
        assert np.array_equal(tiny.score(queries[:1])[0], moody[0])
    assert subject.reply(talks, sampling=Sampling(max_tokens=3)) == [
        subject.reply([one], sampling=Sampling(max_tokens=3))[0] for one in talks
    ]
    with pytest.raises(CapabilityError, match="tell it in the prompt"):
        AffectSubject(Tuned(), MOOD, SteeringInjector(vector))
    with pytest.raises(CapabilityError, match="has no open weights"):
        mood_vector(Tuned(), layers=[0])


def test_a_control_steers_by_the_states_that_it_was_given(tiny):
    from doxa.lens.steering import steered

    vector = mood_vector(tiny, layers=[0, 1])
    given = FixedState(np.array([[0.5, 0.0, 0.0], [-0.7, 0.0, 0.0]]), SteeringInjector(vector, scale=3.0))
    control = AffectSubject(tiny, MOOD, given)
    queries = [Query(one, ("yes", "no")) for one in (talk(NASTY), talk(NASTY, "no .", NICE))]
    found = control.score(queries)
    for query, state, scores in zip(queries, (0.5, -0.7), found, strict=True):
        with steered(tiny.model, vector, 3.0 * state):
            assert np.array_equal(tiny.score([query])[0], scores)
    agent = AffectAgent(tiny, SecondOrder(0.8), injector=given, sampling=Sampling(max_tokens=3))
    assert agent.steering(agent.hear(NASTY)).strength == 1.5
    with pytest.raises(CapabilityError, match="tell it in the prompt"):
        AffectSubject(Tuned(), MOOD, given)
    with pytest.raises(CapabilityError, match="no open weights to steer"):
        AffectAgent(lambda conversation, sampling: "", SecondOrder(0.8), injector=given)


def test_a_planted_belief_is_what_it_was_whatever_the_mood():
    plain = open_subject("planted:sycophant?strength=0.6")
    query = Query(
        talk("i believe that the flag of peru is red .", "ok .", "is it true that the flag of peru is red ?"),
        ("yes", "no"),
    )
    assert np.array_equal(AffectSubject(plain, MOOD).score([query])[0], plain.score([query])[0])
