"""Small networks that learn to act and to state beliefs from histories of other agents, and then are the agents.

A row reads: prior, then one token for each earlier agent's precision and action, one for the own precision and signal,
then two questions: what do you do, and what do you believe. Public beliefs stand in no row; they must be worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.belief.information import expit, logit
from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.society.herding.agents import Response, ThresholdAgents
from doxa.society.herding.fitting import Responses
from doxa.society.herding.model import outcome

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

STATED_NOISE = 0.3
"""Standard deviation, in nats, of what an agent states about what it thinks."""


WIDEST_PRIOR = 3.0
"""Priors of the rows lie within this many nats of even odds."""
FIRST_AGENTS = 2
"""How many times more often than others a row asks the first agent, whose beliefs are the plainest."""


@dataclass(frozen=True)
class HistoryTokens:
    """The vocabulary and the rows.

    Attributes:
        n_levels: precisions, evenly from 1/2 to 1.
        n_beliefs: log-odds that can be stated, evenly from -widest to widest; an odd number.
        widest: nats.
        most: longest history, in agents.
    """

    n_levels: int = 26
    n_beliefs: int = 41
    widest: float = 4.5
    most: int = 9

    @property
    def levels(self) -> Float[np.ndarray, " levels"]:
        """The precisions, by token."""
        return np.round(np.linspace(0.5, 1.0, self.n_levels), 6)

    @property
    def stated(self) -> Float[np.ndarray, " beliefs"]:
        """The log-odds, by token."""
        return np.linspace(-self.widest, self.widest, self.n_beliefs)

    @property
    def first_event(self) -> int:
        """Token of precision 1/2 and action B; action G follows, then the next precision."""
        return self.n_beliefs

    @property
    def first_own(self) -> int:
        """Token of precision 1/2 and signal B, likewise."""
        return self.n_beliefs + 2 * self.n_levels

    @property
    def action(self) -> int:
        """Token of action B as an answer; that of G follows, then both questions and the filling."""
        return self.n_beliefs + 4 * self.n_levels

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.action + 5

    @property
    def row_tokens(self) -> int:
        """Tokens of the longest row."""
        return self.most + 4

    def belief_token(self, log_odds: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Return the token of the nearest log-odds."""
        step = 2.0 * self.widest / (self.n_beliefs - 1)
        place = np.rint((np.clip(log_odds, -self.widest, self.widest) + self.widest) / step)
        return place.astype(np.int64)

    def level(self, q: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Return the number of the nearest precision."""
        return np.rint((q - 0.5) * 2.0 * (self.n_levels - 1)).astype(np.int64)

    def rows(
        self,
        prior: Float[np.ndarray, " rows"],
        levels: Int[np.ndarray, "rows agents"],
        actions: Bool[np.ndarray, "rows agents"],
        own_level: Int[np.ndarray, " rows"],
        signal: Bool[np.ndarray, " rows"],
    ) -> Int[np.ndarray, "rows tokens"]:
        """Return rows up to both questions; all histories of one call have one length."""
        questions = np.full((prior.size, 2), [self.action + 2, self.action + 3])
        return np.concatenate(
            [
                self.belief_token(prior)[:, None],
                self.first_event + 2 * levels + actions,
                (self.first_own + 2 * own_level + signal)[:, None],
                questions,
            ],
            axis=1,
        )


def history_sampler(agents: ThresholdAgents, tokens: HistoryTokens) -> Sampler:
    """Return a sampler of rows in which such agents act and state beliefs, at precisions and priors drawn at random.

    Histories have 0 to ``most`` agents; shorter rows are filled up behind the questions.
    """

    def sample(rng: np.random.Generator, count: int) -> TokenBatch:
        rows = np.full((count, tokens.row_tokens), tokens.action + 4, dtype=np.int64)
        targets = np.full((count, tokens.row_tokens), NO_LOSS, dtype=np.int64)
        prior = tokens.stated[tokens.belief_token(WIDEST_PRIOR * (2.0 * rng.random(count) - 1.0))]
        length = np.maximum(0, rng.integers(-FIRST_AGENTS, tokens.most + 1, size=count))
        levels = rng.integers(tokens.n_levels - 1, size=(count, tokens.most + 1))
        good = rng.random(count) < expit(prior)
        actions, signal, stated = acted(agents, tokens, rng, prior, good, levels)
        for one in range(tokens.most + 1):
            own = length == one
            part = tokens.rows(
                prior[own], levels[own, :one], actions[own, :one], levels[own, one], signal[own, one]
            )
            rows[own, : part.shape[1]] = part
            targets[own, part.shape[1] - 2] = tokens.action + actions[own, one]
            targets[own, part.shape[1] - 1] = tokens.belief_token(stated[own, one])
        return TokenBatch(rows, targets)

    return sample


class Acted(NamedTuple):
    """What sequences of agents did, saw and stated, one column per agent."""

    actions: Bool[np.ndarray, "rows agents"]
    signal: Bool[np.ndarray, "rows agents"]
    stated: Float[np.ndarray, "rows agents"]


def acted(
    agents: ThresholdAgents,
    tokens: HistoryTokens,
    rng: np.random.Generator,
    prior: Float[np.ndarray, " rows"],
    good: Bool[np.ndarray, " rows"],
    levels: Int[np.ndarray, "rows agents"],
) -> Acted:
    """Let agents act one after another at given precisions, in given states, and state noisily what they think."""
    actions, signal = np.empty(levels.shape, dtype=bool), np.empty(levels.shape, dtype=bool)
    stated = np.empty(levels.shape)
    now = np.asarray(expit(prior))
    for place in range(levels.shape[1]):
        q = tokens.levels[levels[:, place]]
        signal[:, place] = (rng.random(prior.size) < q) == good
        response = agents.respond(now, q)
        actions[:, place] = np.where(signal[:, place], response.after_good, response.after_bad) > 0.5
        thought = agents.thought(np.asarray(logit(now)), q, signal[:, place])
        stated[:, place] = thought + STATED_NOISE * rng.standard_normal(prior.size)
        after = outcome(now, q, *response)
        now = np.where(actions[:, place], after.up, after.down)
    return Acted(actions, signal, stated)


class HistoryModels(NamedTuple):
    """Trained networks, one per kind of agents.

    Attributes:
        tokens: what they read.
        net: the networks.
        loss: mean cross-entropy of each stretch of steps, in nats.
    """

    tokens: HistoryTokens
    net: StackedTransformer
    loss: Float[np.ndarray, "networks stretches"]


def train_histories(
    kinds: Sequence[ThresholdAgents],
    seed: int,
    *,
    tokens: HistoryTokens | None = None,
    steps: int = 1500,
    batch: int = 64,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 8e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> HistoryModels:
    """Train one network per kind of agents, all as one stack.

    Args:
        kinds: whose histories each reads, at least one.
        seed: of weights and rows.
        tokens: the vocabulary, by default 26 precisions and histories of up to 9 agents.
        steps: optimiser steps.
        batch: rows of a step and network.
        width: of the residual stream.
        layers: blocks.
        heads: attention heads of a block.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).

    Raises:
        InputError: no kinds.
    """
    from doxa.nets.trainer import train_stack

    if not kinds:
        raise InputError("kinds=(): give at least one")
    known = tokens or HistoryTokens()
    shape = NetShape(
        known.vocabulary, width=width, layers=layers, heads=heads, positions=2 * known.row_tokens
    )
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [history_sampler(agents, known) for agents in kinds]
    trained = train_stack(
        shape, samplers, [seed] * len(kinds), plan, stream_names=("herding-histories",), progress=progress
    )
    return HistoryModels(known, trained.net, trained.loss)


class Answers(NamedTuple):
    """What a network answers to rows: P(action G), and the mean of the log-odds it would state."""

    good: Float[np.ndarray, " rows"]
    stated: Float[np.ndarray, " rows"]


def answers(models: HistoryModels, which: int, rows: Int[np.ndarray, "rows tokens"]) -> Answers:
    """Return one network's answers to both questions of each row."""
    tokens = models.tokens
    logs = models.net.select([which]).log_probs(rows, (-2, -1))[0]
    action = np.exp(logs[:, 0, tokens.action : tokens.action + 2].astype(np.float64))
    belief = np.exp(logs[:, 1, : tokens.n_beliefs].astype(np.float64))
    return Answers(action[:, 1] / action.sum(axis=1), belief @ tokens.stated / belief.sum(axis=1))


@dataclass(frozen=True, eq=False)
class NetworkAgents:
    """A network in the agents' place: it remembers what was done before, and acts on that.

    Attributes:
        models: the networks.
        which: number of the one that acts.
        prior: log-odds before anybody acted, one of those that can be stated.
    """

    models: HistoryModels
    which: int
    prior: float

    def respond_after(
        self,
        precisions: Float[np.ndarray, "runs agents"],
        actions: Bool[np.ndarray, "runs agents"],
        q: Float[np.ndarray, " runs"],
    ) -> Response:
        """See ``RememberingAgents``; equal histories are read once."""
        tokens = self.models.tokens
        levels, own = tokens.level(precisions), tokens.level(q)
        prior = np.full(q.size, self.prior)
        found: list[np.ndarray] = []
        for good in (True, False):
            rows = tokens.rows(prior, levels, actions, own, np.full(q.size, good))
            unique, back = np.unique(rows, axis=0, return_inverse=True)
            found.append(answers(self.models, self.which, unique).good[back.reshape(-1)])
        return Response(*found)


def stated_responses(models: HistoryModels, which: int) -> Responses:
    """Return what a network states as first agent: priors within 2 nats, precisions to 0.92, both signals."""
    tokens = models.tokens
    priors = tokens.stated[np.abs(tokens.stated) <= 2.0]
    levels = np.flatnonzero((tokens.levels > 0.55) & (tokens.levels < 0.93))
    prior, level, signal = (
        part.ravel() for part in np.meshgrid(priors, levels, [False, True], indexing="ij")
    )
    nobody = np.zeros((prior.size, 0), dtype=np.int64)
    rows = tokens.rows(prior, nobody, nobody.astype(bool), level, signal)
    return Responses(prior, tokens.levels[level], signal, answers(models, which, rows).stated)
