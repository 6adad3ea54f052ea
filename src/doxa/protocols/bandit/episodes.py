"""Episodes of bandits: an agent is asked again and again, and acts on what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.belief.action_entropy import INVALID, action_entropy, validity
from doxa.errors import InputError
from doxa.lens.completions import UNSTEERED, Draw
from doxa.protocols.bandit.agent import BanditAgent, Streams
from doxa.streams import stream
from doxa.worlds.bandit_tokens import Play
from doxa.worlds.bandits import GaussianBandit, commitment_time

OnInvalid: TypeAlias = Literal["redraw", "end"]
"""``redraw`` acts on a random valid sample and ends an episode where none is valid; ``end`` acts on the first sample
and ends the episode where it is invalid."""


@dataclass(frozen=True)
class BanditLog:
    """What happened: one row for each prompt, round by round, runs in order.

    Attributes:
        prompts: what was told; token rows or conversations, as the agent has them.
        run_id: the run of each prompt.
        step: its round, counted from 0.
        actions: the arm of each sample; -1 where none could be read.
        played: the arm acted on; -1 where the episode ended.
        rewards: what it paid; NaN where the episode ended.
        regret: highest mean minus the mean of the arm acted on; NaN where the episode ended.
        texts: raw texts of the samples, where the agent has texts.
        tokens: ids of the samples, where it has ids.
        play: rounds of each run.
    """

    prompts: list[Any]
    run_id: Int[np.ndarray, " rows"]
    step: Int[np.ndarray, " rows"]
    actions: Int[np.ndarray, "rows samples"]
    played: Int[np.ndarray, " rows"]
    rewards: Float[np.ndarray, " rows"]
    regret: Float[np.ndarray, " rows"]
    play: Play
    texts: list[list[str]] = field(default_factory=list[list[str]])
    tokens: Int[np.ndarray, "rows samples tokens"] | None = None

    @property
    def entropies(self) -> Float[np.ndarray, " rows"]:
        """Entropy of the sampled action in nats; NaN where no sample was valid."""
        return action_entropy(self.actions)

    @property
    def valid(self) -> Float[np.ndarray, " rows"]:
        """Share of samples from which an arm could be read."""
        return validity(self.actions)

    @property
    def rounds(self) -> Int[np.ndarray, " runs"]:
        """Rounds that each run lasted."""
        return (self.play.arms >= 0).sum(1)

    def commitment(self) -> Float[np.ndarray, " runs"]:
        """Return when each run settled: the first round from which on its arm never changes; NaN without rounds."""
        return np.array(
            [
                commitment_time(arms[:length]) if length else np.nan
                for arms, length in zip(self.play.arms, self.rounds, strict=True)
            ],
            dtype=np.float64,
        )

    def by_step(self, values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " horizon"]:
        """Return the mean over runs of a value of each prompt, by round; NaN where no run has one."""
        horizon = self.play.arms.shape[1]
        known = ~np.isnan(values)
        totals = np.bincount(self.step[known], values[known], horizon)
        with np.errstate(invalid="ignore"):
            return totals / np.bincount(self.step[known], minlength=horizon)

    def by_run(self, values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " runs"]:
        """Return the mean over rounds of a value of each prompt, by run; NaN where a run has none."""
        runs = len(self.play.arms)
        known = ~np.isnan(values)
        totals = np.bincount(self.run_id[known], values[known], runs)
        with np.errstate(invalid="ignore"):
            return totals / np.bincount(self.run_id[known], minlength=runs)


def run_episodes(
    agent: BanditAgent,
    env: GaussianBandit,
    n_runs: int,
    n_samples: int,
    seed: int,
    *,
    draw: Draw = UNSTEERED,
    on_invalid: OnInvalid = "redraw",
    names: tuple[str | int, ...] = ("bandit-episodes",),
    progress: Callable[[int, int], None] | None = None,
) -> BanditLog:
    """Play all runs side by side.

    Args:
        agent: who plays.
        env: the arms.
        n_runs: runs, >= 1.
        n_samples: completions sampled at each prompt, >= 1.
        seed: of samples and choices; the same luck meets every draw.
        draw: steering and temperature of the samples.
        on_invalid: what an unreadable completion does.
        names: of the random streams.
        progress: called with (rounds done, rounds).

    Raises:
        InputError: agent and bandit differ in arms or rounds, or a number is below 1.
    """
    if n_runs < 1 or n_samples < 1:
        raise InputError(f"n_runs={n_runs}, n_samples={n_samples}: both must be >= 1")
    if (agent.arms, agent.horizon) != (env.arms, env.horizon):
        raise InputError(
            f"the agent is told of {agent.arms} arms and {agent.horizon} rounds, the bandit has {env.arms} and "
            f"{env.horizon}; give both the same"
        )
    if on_invalid not in ("redraw", "end"):
        raise InputError(f"on_invalid={on_invalid!r}: must be 'redraw' or 'end'")
    table, state = env.rewards(n_runs), env.init(n_runs)
    play = Play(np.full((n_runs, env.horizon), INVALID), np.zeros((n_runs, env.horizon)))
    said: list[list[str]] = [[] for _ in range(n_runs)]
    alive = np.arange(n_runs)
    rows: list[_Round] = []
    for step in range(env.horizon):
        prompts = agent.prompts(Play(*(part[alive] for part in play)), [said[run] for run in alive])
        streams = Streams(seed, (*names, "samples", step), tuple(alive.tolist()))
        completions = agent.complete(prompts, streams, n_samples, (draw,))
        actions = completions.arms[0]
        chosen = _chosen(actions, on_invalid, seed, (*names, "played", step), alive)
        arm = np.where(
            chosen >= 0, np.take_along_axis(actions, np.maximum(chosen, 0)[:, None], 1)[:, 0], INVALID
        )
        arms = np.full(n_runs, INVALID)
        arms[alive] = arm
        state, pull = env.step(state, arms, table)
        texts = completions.texts[0] if completions.texts else []
        tokens = None if completions.tokens is None else completions.tokens[0]
        rows.append(
            _Round(list(prompts), alive, actions, arm, pull.reward[alive], pull.regret[alive], texts, tokens)
        )
        going = arm >= 0
        for place in np.flatnonzero(going) if texts else ():
            said[alive[place]].append(texts[place][chosen[place]])
        alive = alive[going]
        play.arms[:, step] = arms
        play.rewards[:, step] = np.nan_to_num(pull.reward)
        if progress is not None:
            progress(step + 1, env.horizon)
        if not alive.size:
            break
    return _log(rows, play)


@dataclass(frozen=True)
class _Round:
    prompts: list[Any]
    run: Int[np.ndarray, " rows"]
    actions: Int[np.ndarray, "rows samples"]
    played: Int[np.ndarray, " rows"]
    rewards: Float[np.ndarray, " rows"]
    regret: Float[np.ndarray, " rows"]
    texts: list[list[str]]
    tokens: Int[np.ndarray, "rows samples tokens"] | None


def _chosen(
    actions: Int[np.ndarray, "runs samples"],
    on_invalid: OnInvalid,
    seed: int,
    names: Sequence[str | int],
    runs: Shaped[np.ndarray, " runs"],
) -> Int[np.ndarray, " runs"]:
    """Return the sample that each run acts on, -1 where it ends."""
    if on_invalid == "end":
        return np.where(actions[:, 0] >= 0, 0, INVALID)
    chosen = np.full(len(actions), INVALID)
    for place, own in enumerate(actions >= 0):
        if own.any():
            chosen[place] = stream(seed, *names, int(runs[place])).choice(np.flatnonzero(own))
    return chosen


def _log(rows: Sequence[_Round], play: Play) -> BanditLog:
    tokens = [one.tokens for one in rows if one.tokens is not None]
    return BanditLog(
        prompts=[prompt for one in rows for prompt in one.prompts],
        run_id=np.concatenate([one.run for one in rows]),
        step=np.concatenate([np.full(len(one.run), step) for step, one in enumerate(rows)]),
        actions=np.concatenate([one.actions for one in rows]),
        played=np.concatenate([one.played for one in rows]),
        rewards=np.concatenate([one.rewards for one in rows]),
        regret=np.concatenate([one.regret for one in rows]),
        play=play,
        texts=[text for one in rows for text in one.texts],
        tokens=np.concatenate(tokens) if tokens and len({part.shape[2] for part in tokens}) == 1 else None,
    )
