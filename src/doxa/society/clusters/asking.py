"""One mind for each cluster: what a model is told of it, and what its answers are worth as a path.

The question is how likely a member of a cluster makes a transition by tomorrow. With several draws of an answer the
Beta that fits their mean and spread is the belief; with one, the stated confidence says what it is worth. What cannot
be read is left to the mechanistic path and counted. Answers serve every day that looks the same to within a bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from doxa.elicit.reading import Found, Reading
from doxa.elicit.structured import Field, read_json
from doxa.errors import InputError
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.probes import Scenario, Trace
from doxa.society.clusters.realisation import check_probabilities
from doxa.society.clusters.symbolic import Prediction
from doxa.society.dynamics.compartments import Contact
from doxa.society.minds import Mind
from doxa.society.requests import Probability, Request, strings
from doxa.society.subject_asking import Asker
from doxa.subjects.base import Reply, user

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHARE_STEP = 0.05
"""Shares that fall into one bucket of this width count as the same situation."""
STRONGEST = 1000.0
"""Largest number of observations an answer is taken to rest on."""


def contact_check(history: ClusterHistory, day: int, cluster: int, place: int, driver: str) -> str:
    """Tell how many of a cluster's contacts are in the state that drives a transition."""
    if not driver:
        return "It does not hang on contacts."
    return f"{history.force[day, cluster, place]:.0%} of their contacts are {driver} today."


def knowledge(history: ClusterHistory, day: int, cluster: int, place: int, days: int = 7) -> str:
    """Tell how often a transition was made in the last days."""
    past = slice(max(0, day - days), day)
    events = int(history.events[past, cluster, place].sum())
    at_risk = int(history.at_risk[past, cluster, place].sum())
    return f"In the last {days} days it happened {events} times in {at_risk} person-days."


def calendar(day: int) -> str:
    """Tell which day it is."""
    return f"It is day {day}, a {WEEKDAYS[day % 7]}."


@dataclass
class MindPath:
    """Hazards as a mind sees them.

    Attributes:
        mind: who is asked.
        about: who the members of each cluster are, and how they reason.
        names: what the states are called in the question, by state.
        fallback: prediction of the mechanistic path for a day.
        samples: draws of each answer, >= 1.
        asked: questions put to the mind.
        reused: answers taken from an equal situation.
        left: answers that could not be read and were left to the mechanistic path.
    """

    mind: Mind
    about: Sequence[str]
    names: dict[str, str]
    fallback: Callable[[int], Prediction]
    samples: int = 5
    asked: int = 0
    reused: int = 0
    left: int = 0
    _known: dict[tuple[int, ...], tuple[float, float] | None] = field(
        default_factory=dict[tuple[int, ...], "tuple[float, float] | None"]
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"samples={self.samples}: must be >= 1; 5 is a good number")

    def predict(self, history: ClusterHistory, day: int) -> Prediction:
        """Return the prediction of a day; every situation that is new is asked about, all at once.

        Raises:
            InputError: the mind gives a probability outside [0, 1].
        """
        told = self.fallback(day)
        logit, variance = told.logit.copy(), told.variance.copy()
        places = [
            (int(k), int(t)) for k, t in np.argwhere(history.counts[day][:, history.compartments.sources] > 0)
        ]
        keys = {place: self._key(history, day, *place) for place in places}
        new = {key: place for place, key in reversed(keys.items()) if key not in self._known}
        self._ask(history, day, new)
        self.reused += len(places) - len(new)
        for place, key in keys.items():
            known = self._known[key]
            if known is None:
                self.left += 1
            else:
                logit[place], variance[place] = known
        return Prediction(logit, variance)

    def _key(self, history: ClusterHistory, day: int, cluster: int, place: int) -> tuple[int, ...]:
        shares = history.counts[day, cluster] / max(1, history.sizes[cluster])
        bucket = np.floor(np.append(shares, history.force[day, cluster, place]) / SHARE_STEP).astype(int)
        return (cluster, place, day % 7, *bucket.tolist())

    def _ask(self, history: ClusterHistory, day: int, new: dict[tuple[int, ...], tuple[int, int]]) -> None:
        if not new:
            return
        questions = [self.question(history, day, *place) for place in new.values()]
        rows = len(questions) * self.samples
        situation = strings(rows)
        situation[:] = questions * self.samples
        # equal texts of two populations are two draws
        draw = np.repeat(np.arange(self.samples), len(questions))
        agent = np.tile(np.arange(len(questions)), self.samples)
        answer = self.mind.answer(Probability(draw, agent, day, situation))
        self.asked += rows
        read = answer.missing == ""
        values = np.where(read, answer.value, np.nan)
        check_probabilities(np.where(read, values, 0.5)[:, None], ["a transition"], "mind")
        for column, key in enumerate(new):
            mine = read & (agent == column)
            self._known[key] = (
                beta_belief(values[mine], np.asarray(answer.confidence)[mine]) if mine.any() else None
            )

    def question(self, history: ClusterHistory, day: int, cluster: int, place: int) -> str:
        """Return what the mind is told, and asked."""
        way = history.compartments.transitions[place]
        driver = way.via if isinstance(way, Contact) else ""
        source, target, driver = (self.names.get(state, state) for state in (way.source, way.target, driver))
        return "\n".join(
            (
                f"A group of {int(history.sizes[cluster])} people. {self.about[cluster]}",
                calendar(day),
                contact_check(history, day, cluster, place, driver),
                knowledge(history, day, cluster, place),
                f"The event: one of them who is {source} today is {target} tomorrow.",
            )
        )


def beta_belief(
    values: Float[np.ndarray, " draws"], confidence: Float[np.ndarray, " draws"]
) -> tuple[float, float]:
    """Return log-odds of the mean and variance of the log-odds of the Beta that fits some draws.

    One draw p with confidence c counts as c / (1 - c) times ten observations; several fit by moments. A draw of 0 or 1
    is moved inside by half of what the strongest belief could tell.

    Args:
        values: probabilities.
        confidence: in [0, 1], NaN where none was told; it counts for a single draw only, and is then 1/2 where missing.
    """
    from scipy.special import polygamma

    edge = 0.5 / STRONGEST
    mean = float(np.clip(values.mean(), edge, 1 - edge))
    if len(values) > 1:
        spread = float(values.var(ddof=1))
        size = mean * (1 - mean) / spread - 1.0 if spread > 0 else STRONGEST
    else:
        c = 0.5 if np.isnan(confidence[0]) else float(confidence[0])
        size = 10.0 * c / max(1 - c, 1e-9)
    size = float(np.clip(size, 0.1, STRONGEST))
    a, b = mean * size, (1 - mean) * size
    return float(np.log(mean) - np.log1p(-mean)), float(polygamma(1, a) + polygamma(1, b))


def asked_traces(
    asker: Asker,
    people: Sequence[str],
    agents: Int[np.ndarray, " asked"],
    scenarios: Sequence[Scenario],
    actions: Sequence[str],
    temperature: float,
) -> list[Trace]:
    """Return what a subject answers in the place of agents, in every scenario; unread answers leave no trace.

    Args:
        asker: puts questions to the subject.
        people: who each agent is.
        agents: who is asked.
        scenarios: the probes.
        actions: what can be done.
        temperature: of replies.
    """
    schema = {"action": Field("string", choices=tuple(actions)), "reason": Field("string")}
    read = partial(_read, schema=schema)
    traces: list[Trace] = []
    for number, scenario in enumerate(scenarios):
        request = Request(np.zeros(len(agents), dtype=np.int64), agents, number)
        talks = [(user(_probe(str(people[int(agent)]), scenario.text, actions)),) for agent in agents]
        found, _ = asker.ask(request, "mini-simulation", talks, read, temperature)
        traces += [
            Trace(agent, number, one.value["action"], one.value["reason"])
            for agent, one in zip(agents.tolist(), found, strict=True)
            if isinstance(one, Found)
        ]
    return traces


def _read(reply: Reply, schema: dict[str, Field]) -> Reading:
    return read_json(reply.text, schema)


def _probe(person: str, scene: str, actions: Sequence[str]) -> str:
    return (
        f"{person}\nThink and decide as this person.\nThe situation: {scene}.\nWhat do you do? One of: "
        f"{', '.join(actions)}.\nReply with one JSON object and nothing else: "
        '{"action": "one of these", "reason": "why, in one sentence"}'
    )
