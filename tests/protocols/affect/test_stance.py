import numpy as np
import pytest

from doxa.dynamics.affect import VAD, VALENCE, MoodSpace, SecondOrder
from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.protocols.affect import AffectSubject, Estimator, MoodOf, ScoredEstimator
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Query, user
from tests.protocols.affect.speakers import Says

QUESTION = "{text} is it true that the flag of peru is red ?"
AGREES = "i believe that the flag of peru is red ."


def test_a_stance_is_what_a_subject_s_scores_say_of_the_text():
    judge = open_subject("planted:sycophant?strength=0.9")
    estimator = ScoredEstimator(judge, QUESTION)
    found = estimator.estimate([AGREES, "hello .", " "])
    for text, value in zip((AGREES, "hello ."), found[:, 0], strict=False):
        yes, no = np.exp(judge.score([Query((user(QUESTION.replace("{text}", text)),), ("yes", "no"))])[0])
        assert value == pytest.approx(2 * yes / (yes + no) - 1)
    assert found[0, 0] > 0.5 > found[1, 0]
    assert found[2, 0] == 0.0
    beside = ScoredEstimator(judge, QUESTION, against="hello .").estimate(["hello .", AGREES])
    logs = np.arctanh(found[:2, 0])
    assert beside[:, 0] == pytest.approx([0.0, np.tanh(logs[0] - logs[1])])
    assert isinstance(estimator, Estimator)
    assert estimator.as_json() != ScoredEstimator(judge, QUESTION, ("yes", "maybe")).as_json()


def test_a_stance_moves_a_subject_of_its_own():
    judge = open_subject("planted:sycophant?strength=0.9")
    space = MoodSpace(("trust",), (-1.0,), (1.0,))
    mood = MoodOf(SecondOrder(0.5, space=space), ScoredEstimator(judge, QUESTION, space=space))
    assert mood.at((user(AGREES), user(AGREES))).state[0] > 0.5
    assert AffectSubject(judge, mood).identity != judge.identity


def test_what_got_no_answer_is_not_read_into():
    class Mute(Says):
        capabilities = frozenset(open_subject("planted:noise").capabilities)
        scores = (np.nan, np.nan)

        def score(self, queries):
            return [np.array(self.scores) for _ in queries]

    judge = Mute()
    mood = MoodOf(SecondOrder(0.5, space=VALENCE), ScoredEstimator(judge, QUESTION))
    with pytest.raises(SubjectError, match="says gave no log-probabilities of yes and no for 'hello'"):
        mood.at((user("hello"),))
    judge.scores = (np.log(0.9), np.log(0.1))  # asked again, it answers
    assert mood.at((user("hello"),)).state == pytest.approx([0.4])


def test_what_is_wrong_is_named():
    judge = open_subject("planted:noise")
    with pytest.raises(InputError, match=r"must have \{text\}"):
        ScoredEstimator(judge, "is it so ?")
    with pytest.raises(InputError, match="one dimension from -1 to 1"):
        ScoredEstimator(judge, QUESTION, space=VAD)
    with pytest.raises(CapabilityError, match="cannot score"):
        ScoredEstimator(Says(), QUESTION)
    with pytest.raises(InputError, match="give the rule the estimator's space"):
        MoodOf(SecondOrder(0.5), ScoredEstimator(judge, QUESTION, space=VALENCE))
