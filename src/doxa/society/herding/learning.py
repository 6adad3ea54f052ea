"""A planner that learns by trying: it sees beliefs, what it paid and what the agent did, never the model.

Tabular Q-learning (Watkins and Dayan 1992) on bins of belief and allowed precisions. Many sequences run side by side;
each begins at a random belief, and a cell moves towards the mean of what its tries showed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.society.herding.agents import Agents
from doxa.society.herding.choices import Aim
from doxa.society.herding.model import SocialLearning, outcome
from doxa.streams import stream


class Tries(NamedTuple):
    """What a learner is told after a try, one row per sequence.

    Attributes:
        reward: minus what it paid and what the action lost it.
        belief: the public belief that the action left behind.
    """

    reward: Float[np.ndarray, " runs"]
    belief: Float[np.ndarray, " runs"]


class Simulator:
    """The world as a learner meets it: sequences that answer a precision with a reward and the next belief.

    Args:
        model: the world, hidden from the learner.
        agents: who acts.
        aim: what the planner wants: right actions, or actions G.
        n_runs: sequences side by side.
        seed: of states, signals and beginnings.
        dealt: whether rewards are dealt out to other sequences, so that they hang on no choice: a control.
    """

    def __init__(
        self,
        model: SocialLearning,
        agents: Agents,
        aim: Aim,
        n_runs: int,
        seed: int,
        *,
        dealt: bool = False,
    ) -> None:
        self._model, self._agents, self._aim, self._dealt = model, agents, aim, dealt
        self._rng = stream(seed, "herding", "tries")
        self.belief: Float[np.ndarray, " runs"] = np.empty(n_runs)
        self._good: Bool[np.ndarray, " runs"] = np.empty(n_runs, dtype=bool)
        self.restart(np.ones(n_runs, dtype=bool))

    def restart(self, which: Bool[np.ndarray, " runs"]) -> None:
        """Begin some sequences anew, at beliefs drawn evenly, with states drawn from them."""
        count = int(which.sum())
        self.belief[which] = self._rng.random(count)
        self._good[which] = self._rng.random(count) < self.belief[which]

    def set_precision(self, q: Float[np.ndarray, " runs"]) -> Tries:
        """Let one agent of each sequence act at these precisions."""
        luck = self._rng.random((2, q.size))
        response = self._agents.respond(self.belief, q)
        says_good = (luck[0] < q) == self._good
        acts_good = luck[1] < np.where(says_good, response.after_good, response.after_bad)
        after = outcome(self.belief, q, *response)
        lost = acts_good != self._good if self._aim == "right" else ~acts_good
        self.belief = np.where(acts_good, after.up, after.down)
        reward = -self._model.cost(q) - self._model.error_cost * lost
        return Tries(self._rng.permutation(reward) if self._dealt else reward, self.belief.copy())


@dataclass(frozen=True, eq=False)
class LearnedPlanner:
    """The greedy policy of a table of worths.

    Attributes:
        levels: the precisions it may set.
        worth: estimated worth of each, by bin of belief.
        visits: steps in which each was tried.
    """

    levels: Float[np.ndarray, " levels"]
    worth: Float[np.ndarray, "bins levels"]
    visits: Float[np.ndarray, "bins levels"]

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """See ``Planner``."""
        return self.levels[np.argmax(self.worth, axis=1)][
            binned(np.asarray(beliefs), self.worth.shape[0] - 1)
        ]


def binned(beliefs: Float[np.ndarray, " beliefs"], n_bins: int) -> np.ndarray:
    """Return the bin (k/n, (k+1)/n] of each belief in (1/2, 1], and [k/n, (k+1)/n) below; 1/2 is its own last bin.

    Bins are closed on the side away from 1/2, as an agent is still moved by its signal where b = q.
    """
    half = n_bins // 2
    far = np.abs(beliefs - 0.5)
    place = np.clip(np.ceil(far * n_bins - 1e-9), 1, half).astype(np.int64)
    return np.where(far < 1e-12, 0, np.where(beliefs > 0.5, place, half + place))


def learn(
    world: Simulator,
    levels: Float[np.ndarray, " levels"],
    *,
    discount: float,
    steps: int = 5000,
    n_bins: int = 50,
    explore: float = 0.3,
    length: int = 12,
    decay: float = 0.55,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LearnedPlanner:
    """Learn what precision to set from tries alone.

    Args:
        world: what answers the tries.
        levels: precisions it may set, increasing.
        discount: δ, how much later agents count to it.
        steps: tries of every sequence, >= 1.
        n_bins: bins of belief, an even number, beside one for 1/2.
        explore: share of tries at random precisions, in (0, 1]; falls linearly to a tenth of it.
        length: mean number of tries before a sequence begins anew, >= 1.
        decay: weight of a cell's n-th step is n^(-decay), in (0, 1].
        seed: of exploration.
        progress: called with steps done and steps.

    Raises:
        InputError: a value out of range.
    """
    if steps < 1 or n_bins < 2 or n_bins % 2:
        raise InputError(f"steps={steps} must be >= 1 and n_bins={n_bins} even and >= 2")
    if not 0.0 < explore <= 1.0 or length < 1 or not 0.0 < decay <= 1.0:
        raise InputError(f"explore={explore}, length={length}, decay={decay}: see their ranges")
    rng = stream(seed, "herding", "learner")
    shape = (n_bins + 1, levels.size)
    worth, visits = np.zeros(shape), np.zeros(shape)
    for step in range(steps):
        rate = explore * (1.0 - 0.9 * step / steps)
        here = binned(world.belief, n_bins)
        greedy = np.argmax(worth[here], axis=1)
        luck = rng.random((3, here.size))
        chosen = np.where(luck[0] < rate, (luck[1] * levels.size).astype(np.int64), greedy)
        told = world.set_precision(levels[chosen])
        target = told.reward + discount * worth[binned(told.belief, n_bins)].max(axis=1)
        _average(worth, visits, here * levels.size + chosen, target, decay)
        world.restart(luck[2] < 1.0 / length)
        if progress is not None and step % 200 == 0:
            progress(step, steps)
    return LearnedPlanner(levels, worth, visits)


def _average(
    worth: Float[np.ndarray, "bins levels"],
    visits: Float[np.ndarray, "bins levels"],
    cell: np.ndarray,
    target: Float[np.ndarray, " runs"],
    decay: float,
) -> None:
    """Move each visited cell towards the mean of its targets by n^(-decay), in the n-th step that visits it.

    Staying where one is can be worth a lot less than the next agent shows, and that is learnt by going round and round;
    steps of 1/n would take for ever over it.
    """
    count = np.bincount(cell, minlength=worth.size).reshape(worth.shape)
    total = np.bincount(cell, weights=target, minlength=worth.size).reshape(worth.shape)
    seen = count > 0
    visits[seen] += 1.0
    worth[seen] += visits[seen] ** -decay * (total[seen] / count[seen] - worth[seen])
