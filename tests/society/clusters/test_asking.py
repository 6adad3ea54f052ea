from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.society.clusters.asking import MindPath, asked_traces, beta_belief, calendar
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.symbolic import Prediction
from doxa.society.dynamics import Compartments
from doxa.society.requests import Probability, Rated, strings
from doxa.society.subject_asking import Asker
from doxa.society.subject_mind import SubjectMind
from doxa.subjects.base import Capability, Reply

COUNTS = np.array([[[40, 5, 5, 0, 0]], [[36, 6, 8, 0, 0]], [[33, 7, 10, 0, 0]]])
EVENTS = np.array([[[4, 3, 0, 0, 0]], [[3, 2, 0, 0, 0]]])
HISTORY = ClusterHistory(Compartments.seird(), COUNTS, EVENTS, np.eye(1))
PRIOR = Prediction(np.full((1, 5), -3.0), np.full((1, 5), 0.5))


class Fixed:
    """Gives one probability to everything; some answers may be missing."""

    def __init__(self, value, missing=()):
        self.value, self.missing, self.rows = value, missing, []

    def answer(self, request):
        assert isinstance(request, Probability)
        self.rows += list(request.situation)
        told = strings(request.size)
        for row in range(request.size):
            if any(part in request.situation[row] for part in self.missing):
                told[row] = "unread"
        value = np.where(told == "", self.value, np.nan)
        return Rated(
            told, np.zeros(request.size, dtype=np.int64), value.astype(float), np.full(request.size, 0.5)
        )


def path(mind, **more):
    return MindPath(
        mind, ["They say: 'hm'."], {"susceptible": "healthy", "infected": "ill"}, lambda day: PRIOR, **more
    )


def test_a_mind_is_asked_once_for_each_cluster_and_transition_at_risk():
    mind = Fixed(0.2)
    one = path(mind, samples=3)
    told = one.predict(HISTORY, 1)
    assert one.asked == 12  # R→S has nobody at risk
    assert expit(told.logit[0, :4]) == pytest.approx(0.2)
    assert told.logit[0, 4] == -3.0
    infections = next(text for text in mind.rows if "healthy today is exposed tomorrow" in text)
    assert "16% of their contacts are ill today." in infections
    assert "In the last 7 days it happened 4 times in 40 person-days." in infections
    assert calendar(1) in infections
    one.predict(HISTORY, 1)
    assert (one.asked, one.reused) == (12, 4), "an equal situation is not asked again"


def test_what_cannot_be_read_is_left_to_the_mechanism():
    one = path(Fixed(0.2, missing=("is ill today is",)), samples=2)
    told = one.predict(HISTORY, 1)
    assert one.left == 2
    assert told.logit[0, 2:4].tolist() == [-3.0, -3.0]


def test_a_probability_outside_its_range_is_refused():
    with pytest.raises(InputError, match=r"probability 1.2"):
        path(Fixed(1.2)).predict(HISTORY, 1)
    with pytest.raises(InputError, match="samples=0"):
        path(Fixed(0.2), samples=0)


def test_a_beta_fits_draws_by_moments():
    rng = np.random.default_rng(0)
    draws = rng.beta(6, 14, size=20_000)
    logit, variance = beta_belief(draws, np.full(20_000, np.nan))
    assert expit(logit) == pytest.approx(0.3, abs=0.01)
    assert variance == pytest.approx(np.log(draws / (1 - draws)).var(), rel=0.05)
    sure, unsure = (beta_belief(np.array([0.3]), np.array([c]))[1] for c in (0.9, 0.2))
    assert sure < unsure
    assert np.isfinite(beta_belief(np.array([1.0, 1.0]), np.full(2, np.nan))).all()


class Scripted:
    """A subject that answers by what it is asked."""

    address, identity, form, context_tokens = "scripted:", "scripted", "published", None
    capabilities = frozenset({Capability.REPLY, Capability.SAMPLE})

    def __init__(self, reply):
        self._reply, self.asked = reply, 0

    def reply(self, conversations, *, sampling, tools=()):
        self.asked += len(conversations)
        return [Reply(self._reply(talk[-1].content)) for talk in conversations]

    def score(self, queries):
        raise NotImplementedError


def test_a_subject_is_a_mind_and_plays_agents():
    mind = SubjectMind(Scripted(lambda text: '{"probability": 0.25, "confidence": 0.6}'), retries=1)
    told = path(mind, samples=2).predict(HISTORY, 2)
    assert expit(told.logit[0, :4]) == pytest.approx(0.25)
    wild = path(
        SubjectMind(Scripted(lambda text: '{"probability": 25, "confidence": 0.6}'), retries=1), samples=2
    )
    assert wild.predict(HISTORY, 2).logit[0].tolist() == [-3.0] * 5
    assert wild.left == 4

    from doxa.society.clusters.reasoners import EPIDEMIC

    def play(text):
        return json.dumps({"action": "carry on" if "person 1" in text else "dance", "reason": "so it is"})

    traces = asked_traces(
        Asker(Scripted(play), 50, 0, 0),
        ["person 0", "person 1"],
        np.array([0, 1]),
        EPIDEMIC.scenarios,
        ("carry on",),
        1.0,
    )
    assert {trace.agent for trace in traces} == {1}
    assert len(traces) == 8
