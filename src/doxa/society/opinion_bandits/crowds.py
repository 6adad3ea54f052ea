"""Populations as bandits: a message is the action, the mean measured agreement the reward.

People of DeGroot's kind who also listen to messages and to a doubter that never moves are a dynamical linear bandit
exactly: opinions are the hidden state, what people give each other is A, what they give the messages B. People of
bounded confidence are not: what a message does hangs on where opinions are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32

from doxa.errors import InputError
from doxa.society.dynamics.base import State, Turn
from doxa.society.dynamics.bounded_confidence import BoundedConfidence, BoundedConfidenceConfig
from doxa.society.dynamics.degroot import DeGroot, DeGrootConfig
from doxa.society.generators import watts_strogatz
from doxa.society.graph import Graph
from doxa.streams import stream
from doxa.worlds.linear_bandits.system import DynamicalLinearBandit

Step = Callable[[Float[np.ndarray, " messages"]], float]


@dataclass(frozen=True)
class DeGrootCrowd:
    """People who average over each other, over messages, and over a doubter who stays at 0.

    Attributes:
        actions: message mixes, (arms, messages), intensities in [0, 1].
        pull: share of a person's attention that each message gets at most, by message; their sum below 1 - peers.
        applause: what each message adds to measured agreement at once, without moving anybody.
        people: how many.
        peers: share of attention that others get, in [0, 1).
        neighbours: even number of them on the ring they sit on.
        rewired: share of ties moved elsewhere.
        noise: standard deviation of the measurement.
        seed: of ties and of how much attention each pays to each message.
    """

    actions: tuple[tuple[float, ...], ...]
    pull: tuple[float, ...]
    applause: tuple[float, ...]
    people: int = 40
    peers: float = 0.6
    neighbours: int = 6
    rewired: float = 0.2
    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.peers < 1.0 or min(self.pull) < 0.0 or self.peers + sum(self.pull) >= 1.0:
            raise InputError(
                f"peers={self.peers}, pull={self.pull}: shares >= 0 whose sum is below 1; the rest is doubt"
            )
        if len(self.pull) != len(self.applause):
            raise InputError(
                f"{len(self.pull)} pulls and {len(self.applause)} applauses: one for each message"
            )

    @cached_property
    def graph(self) -> Graph:
        """Who listens to whom: people first, then messages, then the doubter, who both listen to nobody."""
        ties = watts_strogatz(self.people, self.neighbours, self.rewired, stream(self.seed, "crowd", "ties"))
        sources = np.repeat(np.arange(self.people), np.diff(ties.offsets))
        weights = self.peers / np.diff(ties.offsets)[sources]
        drawn = stream(self.seed, "crowd", "attention").random((self.people, len(self.pull)))
        heard = np.asarray(self.pull) * drawn
        people = np.arange(self.people)
        messages = self.people + np.arange(len(self.pull))
        doubt = 1.0 - self.peers - heard.sum(axis=1)
        return Graph.from_edges(
            self.people + len(self.pull) + 1,
            np.concatenate([sources, np.repeat(people, len(self.pull)), people]),
            np.concatenate(
                [ties.targets, np.tile(messages, self.people), np.full(self.people, messages[-1] + 1)]
            ),
            np.concatenate([weights, heard.ravel(), doubt]).astype(np.float32),
            directed=True,
        )

    def bandit(self) -> DynamicalLinearBandit:
        """Return the same as matrices: A from people to people, B from messages to people.

        Where there is noise, a bandit's shakes each opinion too, and not the measurement alone as ``start`` does.
        """
        n, d, graph = self.people, len(self.pull), self.graph
        nodes = n + d + 1
        weights = np.zeros((nodes, nodes))
        weights[np.repeat(np.arange(nodes), np.diff(graph.offsets)), graph.targets] = graph.weights
        weights = weights[:n] / weights[:n].sum(axis=1, keepdims=True)
        return DynamicalLinearBandit(
            weights[:, :n],
            weights[:, n : n + d],
            np.full(n, 1.0 / n),
            self.applause,
            self.noise,
            np.array(self.actions),
        )

    def start(self, seed: int, trial: int = 0) -> Step:
        """Return the population of the society room, everybody at 0, as a function that plays a mix.

        Only the measurement is noisy; opinions move without chance.
        """
        model, n, d = DeGroot(), self.people, len(self.pull)
        rng = stream(seed, "crowd", "measurement", trial)
        begin = np.zeros(n + d + 1, dtype=np.float32)
        state = model.init(rng, DeGrootConfig(self.graph, begin))

        def step(u: Float[np.ndarray, " messages"]) -> float:
            nonlocal state
            measured = float(state.values[:n].mean(dtype=np.float64)) + float(np.dot(self.applause, u))
            state = _said(state, n, np.asarray(u, dtype=np.float32))
            state, _ = model.step(rng, state, Turn())
            return measured + self.noise * float(rng.standard_normal())

        return step

    def matrices(self, seed: int, trial: int = 0) -> Step:
        """Return ``bandit`` as a function that plays a mix, with the noise of ``start``: that of the measurement."""
        bandit = self.bandit()
        rng = stream(seed, "crowd", "measurement", trial)
        state = bandit.init()

        def step(u: Float[np.ndarray, " messages"]) -> float:
            nonlocal state
            state, paid = bandit.step(state, u)
            return paid.expected + self.noise * float(rng.standard_normal())

        return step


def _said(state: State, n: int, u: Float32[np.ndarray, " messages"]) -> State:
    values = state.values.copy()
    values[n : n + len(u)] = u
    return state._replace(values=values)


@dataclass(frozen=True)
class ConfidentCrowd:
    """People who hear only what is near their own opinion; one message at a time, each with a position of its own.

    Some people leave each round and new ones come with opinions of their own, so that nothing is for ever.

    Attributes:
        positions: of the messages, in [0, 1]; an action is one of them.
        confidence: greatest distance at which anything is heard.
        people: how many.
        neighbours: even number of others that each sits beside.
        rewired: share of ties moved elsewhere.
        arriving: share of people replaced in a round.
        innate: mean opinion of who comes.
        noise: standard deviation of the measurement.
        seed: of ties.
    """

    positions: tuple[float, ...] = (0.35, 0.6, 0.95)
    confidence: float = 0.3
    people: int = 40
    neighbours: int = 6
    rewired: float = 0.2
    arriving: float = 0.05
    innate: float = 0.3
    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.arriving <= 1.0 or not all(0.0 <= place <= 1.0 for place in self.positions):
            raise InputError(f"arriving={self.arriving}, positions={self.positions}: must be in [0, 1]")

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """Who listens to whom while each message is heard: to the others, and all to that message."""
        ties = watts_strogatz(self.people, self.neighbours, self.rewired, stream(self.seed, "crowd", "ties"))
        sources, people = np.repeat(np.arange(self.people), np.diff(ties.offsets)), np.arange(self.people)
        return tuple(
            Graph.from_edges(
                self.people + len(self.positions),
                np.concatenate([sources, people]),
                np.concatenate([ties.targets, np.full(self.people, self.people + message)]),
                directed=True,
            )
            for message in range(len(self.positions))
        )

    @property
    def actions(self) -> Float[np.ndarray, "messages messages"]:
        """One message at a time."""
        return np.eye(len(self.positions))

    def start(self, seed: int, trial: int = 0) -> Step:
        """Return the population as a function that plays one message and measures agreement before it moves."""
        model, n = BoundedConfidence(), self.people
        rng = stream(seed, "crowd", "confident", trial)
        begin = np.concatenate([self._innate(rng, n), np.asarray(self.positions)]).astype(np.float32)
        state = model.init(rng, BoundedConfidenceConfig(self.graphs[0], self.confidence, begin))

        def step(u: Float[np.ndarray, " messages"]) -> float:
            nonlocal state
            measured = float(state.values[:n].mean(dtype=np.float64))
            state, _ = model.step(rng, state, Turn(graph=self.graphs[int(np.argmax(u))]))
            values = state.values.copy()
            new = rng.random(n) < self.arriving
            values[:n] = np.where(new, self._innate(rng, n), values[:n])
            state = state._replace(values=values)
            return measured + self.noise * float(rng.standard_normal())

        return step

    def _innate(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, " n"]:
        return rng.beta(8.0 * self.innate, 8.0 * (1.0 - self.innate), n)

    def settled(self, message: int, rounds: int, seed: int = 0) -> float:
        """Return the mean agreement of one message held, over the second half of some rounds."""
        step, u = self.start(seed, 10_000 + message), self.actions[message]
        paid = [step(u) for _ in range(rounds)]
        return float(np.mean(paid[rounds // 2 :]))
