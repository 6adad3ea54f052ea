"""Trials of agents on a linear bandit: common noise, chunks of rounds, one file for each trial that is finished.

Noise hangs on the seed and the trial, so that all agents meet the same luck, and an agent's own draws on its name: the
result depends neither on who else plays, nor on the size of a chunk, nor on the number of workers.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.canonical import digest
from doxa.errors import InputError
from doxa.lab.files import write_atomic
from doxa.worlds.linear_bandits.agent import Agent
from doxa.worlds.linear_bandits.regressing import DynLinUCB, warn_of_memory
from doxa.worlds.linear_bandits.result import BanditResult
from doxa.worlds.linear_bandits.system import DynamicalLinearBandit
from doxa.worlds.linear_bandits.world_kernels import Tape

CHUNK = 65_536
"""Rounds whose noise is drawn at once."""
KEPT_ROUNDS = 20_000_000
"""Most rounds of all agents and trials together that are kept one by one unless asked for."""
MARKS = 200

Step = Callable[[Float[np.ndarray, " d"]], float]
"""Plays an action in some environment and returns its reward."""


class Played(NamedTuple):
    """Rounds played by hand.

    Attributes:
        arms: number of the action of each round.
        rewards: what it paid.
    """

    arms: Int[np.ndarray, " rounds"]
    rewards: Float[np.ndarray, " rounds"]


def play(step: Step, agent: Agent, horizon: int) -> Played:
    """Let an agent play an environment of any kind, round by round; the agent goes on from where it stands.

    Args:
        step: plays an action and returns the reward.
        agent: who chooses.
        horizon: rounds, >= 1.

    Raises:
        InputError: horizon < 1, or a reward that is no finite number, with its round.
    """
    if horizon < 1:
        raise InputError(f"horizon={horizon}: must be >= 1 round")
    arms, rewards = np.zeros(horizon, dtype=np.int64), np.zeros(horizon)
    for t in range(horizon):
        action = agent.act()
        arms[t], rewards[t] = agent.arm, step(action)
        agent.update(float(rewards[t]))
    return Played(arms, rewards)


def default_checkpoints(horizon: int) -> Int[np.ndarray, " checkpoints"]:
    """Return about 200 rounds, evenly spread on a logarithm, the last among them."""
    return np.unique(np.round(np.geomspace(1, horizon, MARKS)).astype(np.int64))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a trial needs."""

    bandit: DynamicalLinearBandit
    agents: tuple[Agent, ...]
    horizon: int
    seed: int
    paired: bool
    checkpoints: Int[np.ndarray, " checkpoints"]
    keep_rounds: bool

    def key(self) -> str:
        """One digest of all that a trial's numbers hang on."""
        fields = [self.bandit.A, self.bandit.B, self.bandit.omega, self.bandit.theta, self.bandit.x0]
        fields += [self.bandit.actions, *(agent.actions for agent in self.agents)]
        about = [
            [np.asarray(field).tolist() for field in fields],
            [*self.bandit.noise_sds, self.horizon, self.seed, self.paired, self.keep_rounds],
            self.checkpoints.tolist(),
            [
                [agent.name, type(agent).__name__, *(np.asarray(value).tolist() for value in agent.set_to)]
                for agent in self.agents
            ],
            [[np.asarray(value).tolist() for value in agent.init()] for agent in self.agents],
        ]
        return digest(about, length=16)


def simulate(
    env: DynamicalLinearBandit,
    agents: Mapping[str, Agent] | Sequence[Agent],
    horizon: int,
    n_trials: int = 1,
    seed: int = 0,
    paired_noise: bool = True,
    *,
    checkpoints: Sequence[int] | None = None,
    keep_rounds: bool | None = None,
    workers: int = 1,
    folder: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> BanditResult:
    """Let agents play a linear bandit.

    Args:
        env: the bandit.
        agents: who plays, each from its first round; by name, or with names of their own.
        horizon: T, rounds of a trial, >= 1.
        n_trials: trials, >= 1; more leave the first as they are.
        seed: of noise and of the agents' draws.
        paired_noise: whether all agents meet the same noise in a trial.
        checkpoints: rounds, increasing, after which regret is kept; None for 200 on a logarithm.
        keep_rounds: whether action and reward of every round are kept; None keeps them up to 20 million rounds.
        workers: trials that run at once, on threads; kernels hold no lock.
        folder: where finished trials are kept, and looked for before they are played; None for nowhere.
        progress: told the share of trials done.

    Raises:
        InputError: a size below 1, no agents, names or checkpoints that do not fit, or an action beyond J*.
    """
    named = dict(agents) if isinstance(agents, Mapping) else {agent.name: agent for agent in agents}
    if not named or len(named) != len(agents):
        raise InputError(f"agents={[agent.name for agent in named.values()]}: give some, no two of one name")
    for label, value in (("horizon", horizon), ("n_trials", n_trials), ("workers", workers)):
        if value < 1:
            raise InputError(f"{label}={value}: must be >= 1")
    marks = _checked_marks(checkpoints, horizon)
    total = horizon * n_trials * len(named)
    keep = total <= KEPT_ROUNDS if keep_rounds is None else keep_rounds
    for name, agent in named.items():
        if isinstance(agent, DynLinUCB):
            warn_of_memory(env, agent.rho_bar, name)
    plan = _Plan(env, tuple(named.values()), horizon, seed, paired_noise, marks, keep)
    key = plan.key() if folder is not None else ""
    done = 0

    def one(trial: int) -> dict[str, np.ndarray]:
        nonlocal done
        found = _kept_trial(plan, trial, folder, key)
        done += 1
        if progress is not None:
            progress(done / n_trials)
        return found

    if workers == 1:
        trials = [one(trial) for trial in range(n_trials)]
    else:
        with ThreadPoolExecutor(workers) as pool:
            trials = list(pool.map(one, range(n_trials)))
    return _result(plan, tuple(named), trials)


def _checked_marks(checkpoints: Sequence[int] | None, horizon: int) -> Int[np.ndarray, " checkpoints"]:
    if checkpoints is None:
        return default_checkpoints(horizon)
    marks = np.asarray(checkpoints, dtype=np.int64)
    if marks.ndim != 1 or marks.size == 0 or np.any(np.diff(marks) <= 0) or not 1 <= marks[0] <= marks[-1]:
        raise InputError(f"checkpoints={list(checkpoints)[:5]}: must be rounds >= 1, increasing")
    if marks[-1] > horizon:
        raise InputError(f"checkpoints reach {marks[-1]}: the horizon is {horizon} rounds")
    return marks


def _kept_trial(plan: _Plan, trial: int, folder: Path | None, key: str) -> dict[str, np.ndarray]:
    """Return a trial's arrays, from its file if it was finished before."""
    if folder is None:
        return _play_trial(plan, trial)
    path = folder / f"trial-{trial}-{key}.npz"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        found = _play_trial(plan, trial)
    packed = io.BytesIO()
    np.savez_compressed(packed, **found)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, packed.getvalue())
    return found


def _play_trial(plan: _Plan, trial: int) -> dict[str, np.ndarray]:
    begun = time.perf_counter()
    n, agents = len(plan.bandit.A), plan.agents
    worlds = [plan.bandit.arrays(agent.actions) for agent in agents]
    places = [plan.bandit.start() for _ in agents]
    states = [agent.init() for agent in agents]
    tapes = [_tape(plan, agent) for agent in agents]
    lucks = [agent.stream(plan.seed, trial) for agent in agents]
    shared = plan.bandit.noise(plan.seed, trial)
    noises = [shared if plan.paired else plan.bandit.noise(plan.seed, trial, one.name) for one in agents]
    nothing = np.zeros(0)
    for first in range(0, plan.horizon, CHUNK):
        rounds = min(CHUNK, plan.horizon - first)
        common = shared.standard_normal((rounds, n + 1)) if plan.paired else np.zeros((0, n + 1))
        for place, agent in enumerate(agents):
            noise = common if plan.paired else noises[place].standard_normal((rounds, n + 1))
            luck = lucks[place].random(rounds) if agent.chance else nothing
            agent.run_in(worlds[place], places[place], noise, luck, states[place], tapes[place])
    found: dict[str, np.ndarray] = {"wall": np.array(time.perf_counter() - begun)}
    for place, tape in enumerate(tapes):
        for name in ("regret", "counts", "board", "estimate", "arms", "rewards"):
            found[f"{name}{place}"] = getattr(tape, name)
    return found


def _tape(plan: _Plan, agent: Agent) -> Tape:
    arms, d = agent.actions.shape
    marks, rounds = plan.checkpoints.size, plan.horizon if plan.keep_rounds else 0
    return Tape(
        np.zeros(2, np.int64),
        np.zeros(3),
        np.zeros(arms, np.int64),
        plan.checkpoints,
        np.zeros((marks, 3)),
        np.zeros((marks, arms), np.int64),
        np.full((marks, arms), np.nan),
        np.full((marks, d), np.nan),
        np.zeros(rounds, np.int16),
        np.zeros(rounds),
    )


def _result(plan: _Plan, names: tuple[str, ...], trials: list[dict[str, np.ndarray]]) -> BanditResult:
    def stacked(name: str) -> list[np.ndarray]:
        return [np.stack([one[f"{name}{place}"] for one in trials]) for place in range(len(names))]

    regret = np.stack(stacked("regret"))
    kept = plan.keep_rounds
    return BanditResult(
        names=names,
        actions=np.stack(stacked("arms")) if kept else None,
        rewards=np.stack(stacked("rewards")) if kept else None,
        pseudo_regret=regret[..., 0],
        expected_regret=regret[..., 1],
        realised_regret=regret[..., 2],
        checkpoints=plan.checkpoints,
        pulls=tuple(stacked("counts")),
        boards=tuple(stacked("board")),
        estimates=tuple(stacked("estimate")),
        arms=tuple(agent.actions for agent in plan.agents),
        wall_time=np.array([float(one["wall"]) for one in trials]),
    )
