"""Minds: who answers the requests of a simulation. A simulator asks and never knows which it has.

``RuleMind`` is a numeric rule on arrays, ``ClusterMind`` lets one agent of each cluster answer for all of it.
A mind that reads texts and learns is :class:`doxa.society.rumour.TextMind`; any subject is a mind through
:class:`doxa.society.subject_mind.SubjectMind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from doxa.canonical import Json
from doxa.errors import CapabilityError, InputError, did_you_mean
from doxa.society.requests import (
    NOBODY,
    Answer,
    Opinion,
    Opinions,
    Request,
    Texts,
    none_missing,
    strings,
)


@runtime_checkable
class Mind(Protocol):
    """Answers requests, all agents of a step at once."""

    def answer(self, request: Request) -> Any:
        """Return the answers, a row for each agent asked; see :mod:`doxa.society.requests` for which goes with which.

        Raises:
            CapabilityError: it cannot answer requests of this kind.
        """
        ...


@runtime_checkable
class OpinionMind(Mind, Protocol):
    """A mind that holds opinions on items and tells them.

    Attributes:
        remembers: whether it takes what was heard into its long memory by itself; a simulator asks any other to
            summarise the day and to rewrite its memory first.
        width: how many numbers it keeps of each agent.
        draws: how many uniform numbers it needs for each opinion.
    """

    @property
    def remembers(self) -> bool:
        """See the class."""
        ...

    @property
    def width(self) -> int:
        """See the class."""
        ...

    @property
    def draws(self) -> int:
        """See the class."""
        ...

    def begin(self, asked: Opinion, believes: Bool[np.ndarray, " rows"]) -> Opinions:
        """Return what agents hold before the first day, believers and doubters."""
        ...

    def announce(self, topic: Shaped[np.ndarray, " rows"]) -> Texts:
        """Return the official denial of each item."""
        ...

    def told(self, texts: Texts) -> list[str]:
        """Return texts of a column as strings."""
        ...

    def exchanges(self) -> list[Json]:
        """Return what was put to a model and what it answered since this was asked last; [] where none is asked."""
        ...


BeliefRule: TypeAlias = Callable[[Opinion], Int[np.ndarray, " rows"]]
"""Returns who believes, 1 or 0, from what was asked."""


def _any(asked: Opinion) -> Int[np.ndarray, " rows"]:
    own = asked.credence == 1.0
    return (own | (_beliefs_heard(asked) == 1).any(axis=1)).astype(np.int64)


def _copy(asked: Opinion) -> Int[np.ndarray, " rows"]:
    heard = _beliefs_heard(asked)
    place = np.floor(asked.draws[:, 0] * (heard >= 0).sum(axis=1)).astype(np.int64)
    return heard[np.arange(asked.size), place]


def _beliefs_heard(asked: Opinion) -> Int[np.ndarray, "rows places"]:
    """Return the beliefs heard, -1 in empty places."""
    if not asked.at_hand:
        raise InputError("this rule needs what was heard today; leave 'short' in the memory")
    return np.where(asked.heard.speaker == NOBODY, -1, asked.heard.belief)


RULES: Mapping[str, BeliefRule] = {
    "any": _any,
    "copy": _copy,
    "never": lambda asked: np.zeros(asked.size, dtype=np.int64),
    "always": lambda asked: np.ones(asked.size, dtype=np.int64),
}
"""Believe if oneself or anybody heard believes; what somebody heard believes, drawn at random; never; always."""


class RuleMind:
    """Believes by a numeric rule on what was asked, and says nothing.

    Args:
        rule: a name of ``RULES``, or a function of the request that returns 1 or 0 for each agent.
        others: rules for other kinds of requests: functions that return the answer.

    Raises:
        InputError: there is no rule of that name.
    """

    remembers = True
    width = 0
    draws = 1

    def __init__(
        self,
        rule: str | BeliefRule = "never",
        others: Mapping[type[Request], Callable[[Any], Answer]] | None = None,
    ) -> None:
        if isinstance(rule, str):
            if rule not in RULES:
                raise InputError(f"rule={rule!r}: {did_you_mean(rule, RULES)}")
            rule = RULES[rule]
        self._rule = rule
        self._others = dict(others or {})

    def answer(self, request: Request) -> Any:
        """Return what the rule for this kind of request says."""
        other = self._others.get(type(request))
        if other is not None:
            return other(request)
        if not isinstance(request, Opinion):
            raise CapabilityError(
                f"a rule for opinions was asked for {type(request).__name__}; give RuleMind a function for it in others"
            )
        return _silent(request, np.asarray(self._rule(request)))

    def begin(self, asked: Opinion, believes: Bool[np.ndarray, " rows"]) -> Opinions:
        """Return beliefs as given."""
        return _silent(asked, believes.astype(np.int64))

    def announce(self, topic: Shaped[np.ndarray, " rows"]) -> Texts:
        """Return nothing: rules read beliefs."""
        return strings(len(topic))

    def told(self, texts: Texts) -> list[str]:
        """Return the strings."""
        return [str(text) for text in texts]

    def exchanges(self) -> list[Json]:
        """Return nothing: no model is asked."""
        return []


def _silent(asked: Opinion, belief: Int[np.ndarray, " rows"]) -> Opinions:
    return Opinions(
        **none_missing(asked.size),
        text=strings(asked.size),
        belief=belief,
        credence=belief.astype(np.float64)
        if set(np.unique(belief)) <= {0, 1}
        else np.full(asked.size, np.nan),
        reasoning=strings(asked.size),
        memory=asked.memory,
        inner=asked.inner,
    )


class ClusterMind:
    """Asks a mind about one agent of each cluster and gives its answer to the whole cluster.

    The clusters and anchors of :func:`doxa.society.clusters.anchor_clustering` fit: ``ClusterMind(mind, found.labels,
    found.anchors)``. Where a mind is asked about a group as a whole, how likely its members move, see
    :class:`doxa.society.clusters.MindPath`.

    Agents of different populations are never in one cluster. The first agent asked of a cluster stands for it, unless
    ``standing`` names another that is asked in the same step.

    Args:
        mind: who answers.
        cluster: number of the cluster of each agent, (agents,).
        standing: by cluster, the agent that stands for it.
    """

    def __init__(
        self,
        mind: Mind,
        cluster: Int[np.ndarray, " agents"],
        standing: Int[np.ndarray, " clusters"] | None = None,
    ) -> None:
        self.mind = mind
        self.asked = 0
        self.answered = 0
        self._cluster = np.asarray(cluster)
        self._standing = standing

    def __getattr__(self, name: str) -> Any:
        return getattr(self.mind, name)

    def answer(self, request: Request) -> Any:
        """Return the answers; ``asked`` and ``answered`` count the agents asked about and those that got an answer.

        Raises:
            InputError: an agent has no cluster.
        """
        if request.size and int(request.agent.max()) >= len(self._cluster):
            raise InputError(
                f"agent {request.agent.max()}: {len(self._cluster)} agents have a cluster; give one to each"
            )
        cluster = self._cluster[request.agent]
        _, first, place = np.unique(
            np.stack([request.population, cluster], axis=1), axis=0, return_index=True, return_inverse=True
        )
        place = place.reshape(-1)
        if self._standing is not None:
            named = np.flatnonzero(self._standing[cluster] == request.agent)
            first[place[named]] = named
        self.asked += len(first)
        self.answered += request.size
        told: Answer = self.mind.answer(request.take(first))
        return told.take(place)
