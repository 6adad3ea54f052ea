"""Agents that persuade a population: one that is a linear bandit exactly, and one that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.lab.record import Recorder
from doxa.society.opinion_bandits.crowds import ConfidentCrowd, DeGrootCrowd
from doxa.streams import stream
from doxa.worlds.linear_bandits.actions import budgeted_actions
from doxa.worlds.linear_bandits.agent import Agent
from doxa.worlds.linear_bandits.arms import UCB1
from doxa.worlds.linear_bandits.bounds import Bounds
from doxa.worlds.linear_bandits.experiments import BUDGET, DYNAMIC, STATIC, make_agents, record_result
from doxa.worlds.linear_bandits.regressing import DynLinUCB, LinUCB
from doxa.worlds.linear_bandits.simulation import play, simulate

Progress = Callable[[float, str], None]
NOISES = (0.001, 0.01)
MIXES = tuple(tuple(mix) for mix in budgeted_actions(3, BUDGET).tolist())
PULL = (0.35, 0.1, 0.04)
"""Attention that the messages get at most: the first moves people, the others hardly."""
APPLAUSE = (0.0, 0.25, 0.05)
"""What they add to measured agreement at once: the second pleases and does not persuade."""
PEERS = 0.5
COMPARED = 300
"""Rounds in which the population of the society room is held against its matrices."""
ROOM = 3000
"""Most rounds in which agents persuade that population itself; never more than a twentieth of those in matrices."""
PILOT = 400
"""Most rounds for which a message is held before; never more than a quarter of the rounds that follow."""
WIDTH = 0.1
"""Share of the theory's β with which a few thousand rounds are played."""
TOLD = Bounds(theta=0.0, omega=0.16, B=1.0)
MEASURED = 0.02
"""σ that agents are told of people of bounded confidence."""
RANDOM = "at random"
"""Who draws a message evenly each round: what is reached without learning."""
LONGEST = 0.95
"""Largest radius that a pilot gives."""


def crowd(noise: float) -> DeGrootCrowd:
    """Return the population that is a linear bandit."""
    return DeGrootCrowd(MIXES, PULL, APPLAUSE, peers=PEERS, noise=noise)


def pilot_radius(ratings: Float[np.ndarray, " rounds"]) -> float:
    """Return a bound on the spectral radius from ratings under a constant action: their autocorrelation at lag 1.

    It is cut to [0, 0.95]. Noise of the measurement makes it too small, a drift too large.
    """
    away = np.asarray(ratings, dtype=float) - np.mean(ratings)
    spread = float(away @ away)
    if spread <= 0.0:
        return 0.0
    return float(np.clip((away[1:] @ away[:-1]) / spread, 0.0, LONGEST))


def record_crowd(recorder: Recorder, seed: int, horizon: int, progress: Progress) -> None:
    """Hold the society room's population against its matrices, and let agents persuade it."""
    _record_linearity(recorder, seed)
    _record_room(recorder, seed, min(ROOM, max(horizon // 20, 1)))
    for done, noise in enumerate(NOISES):
        progress((done + 0.2) / len(NOISES), f"noise {noise:g}")
        bandit = crowd(noise).bandit()
        agents = make_agents(bandit, horizon, (DYNAMIC, STATIC, "UCB1", "clairvoyant"))
        found = simulate(bandit, agents, horizon, seed=seed, keep_rounds=False)
        record_result(recorder, found, bandit, system="crowd", sigma=noise)


def _record_linearity(recorder: Recorder, seed: int) -> None:
    quiet = crowd(0.0)
    bandit, step = quiet.bandit(), quiet.start(seed)
    state, rng, worst = bandit.init(), stream(seed, "crowd", "mixes"), 0.0
    for arm in rng.integers(0, len(bandit.actions), COMPARED):
        u = bandit.actions[arm]
        state, paid = bandit.step(state, u)
        worst = max(worst, abs(step(u) - paid.expected))
    recorder.measure("linearity", worst, subject="DeGroot", unit="agreement")


def _record_room(recorder: Recorder, seed: int, rounds: int) -> None:
    """Let agents play the society room's population, its matrices, and matrices in which opinions are shaken too."""
    people, names = crowd(NOISES[0]), (DYNAMIC, STATIC)
    bandit = people.bandit()
    shaken = simulate(bandit, make_agents(bandit, rounds, names), rounds, seed=seed, keep_rounds=False)
    for agent in make_agents(bandit, rounds, names):
        told: dict[str, Any] = {"subject": agent.name, "system": "room"}
        in_room = play(people.start(seed), agent, rounds).arms
        agent.reset()
        in_matrices = play(people.matrices(seed), agent, rounds).arms
        differ = float(np.mean(in_room != in_matrices))
        recorder.measure("room differ", differ, unit="fraction", **told)
        lost = bandit.optimal_value - bandit.values
        for kind, regret in (
            ("room", float(lost[in_room].sum())),
            ("shaken", float(shaken.final(agent.name)[0])),
        ):
            recorder.measure("room regret", regret, unit="reward", kind=kind, **told)


def record_confident(recorder: Recorder, seed: int, rounds: int, progress: Progress) -> None:
    """Let agents persuade people of bounded confidence, with messages in either order, and people who never stay."""
    forward = ConfidentCrowd()
    kinds = {
        "as given": forward,
        "reversed": replace(forward, positions=forward.positions[::-1]),
        "nobody stays": replace(forward, arriving=1.0),
    }
    for done, (kind, people) in enumerate(kinds.items()):
        progress(done / len(kinds), kind)
        pilot = min(PILOT, rounds // 4)
        held = [people.settled(message, pilot, seed) for message in range(len(people.positions))]
        for message, value in enumerate(held):
            recorder.measure(
                "held", value, subject=f"{people.positions[message]:g}", unit="agreement", kind=kind
            )
        step = people.start(seed, 1_000_000)
        radius = pilot_radius(np.array([step(people.actions[0]) for _ in range(pilot)])[pilot // 4 :])
        recorder.measure("pilot radius", radius, subject="pilot", kind=kind)
        paid = {RANDOM: _at_random(people, seed, rounds)}
        for place, agent in enumerate(persuaders(people.actions, radius, rounds)):
            agent.reset(seed)
            # where nobody stays, choices make no difference to the same luck: each agent has its own
            trial = place if kind == "nobody stays" else 0
            paid[agent.name] = play(people.start(seed, trial), agent, rounds).rewards
        for name, rewards in paid.items():
            _record_course(recorder, rewards, max(held), subject=name, kind=kind)


def _at_random(people: ConfidentCrowd, seed: int, rounds: int) -> Float[np.ndarray, " rounds"]:
    """Return what messages drawn evenly and anew each round are paid."""
    drawn = stream(seed, "crowd", "at random").integers(0, len(people.positions), rounds)
    step = people.start(seed)
    return np.array([step(people.actions[message]) for message in drawn])


def _record_course(
    recorder: Recorder, rewards: Float[np.ndarray, " rounds"], best: float, **about: Any
) -> None:
    """Record agreement in the last quarter of the rounds, and in each twentieth."""
    rounds = rewards.size
    last = float(rewards[-(rounds // 4) :].mean())
    recorder.measure("agreement", last, unit="agreement", best=best, **about)
    for part, chunk in enumerate(np.array_split(rewards, 20)):
        at = (part + 0.5) * rounds / 20
        recorder.measure("course", float(chunk.mean()), unit="agreement", axis="round", time=at, **about)


def persuaders(actions: Float[np.ndarray, "arms d"], radius: float, rounds: int) -> list[Agent]:
    """Return agents for a few hundred or thousand rounds, with a tenth of the theory's width."""
    common: dict[str, Any] = {
        "sigma": MEASURED,
        "horizon": rounds,
        "bounds": TOLD,
        "beta_scale": WIDTH,
        "lam": 1.0,
    }
    return [
        DynLinUCB(actions, radius, **common),
        LinUCB(actions, rho_bar=radius, **common),
        UCB1(actions, WIDTH),
    ]
