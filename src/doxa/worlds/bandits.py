"""Bandits: arms that pay noisy rewards, the closed-form belief about them, and players that act on it.

A bandit is a pair ``init`` / ``step`` over many runs at once. Its rewards are a table drawn once per run, so what an
arm pays in a round does not depend on which arms were pulled before: two players meet the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError
from doxa.streams import stream


@dataclass(frozen=True)
class BanditState:
    """What was seen so far, for each run.

    Attributes:
        step: rounds played.
        counts: pulls of each arm.
        sums: total reward of each arm.
    """

    step: int
    counts: Int[np.ndarray, "runs arms"]
    sums: Float[np.ndarray, "runs arms"]

    @property
    def means(self) -> Float[np.ndarray, "runs arms"]:
        """Mean reward of each arm; NaN where it was never pulled."""
        with np.errstate(invalid="ignore"):
            return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)


class Pull(NamedTuple):
    """What one round paid.

    Attributes:
        reward: what each run was paid; NaN where it sat out.
        regret: highest mean minus the mean of the arm pulled, >= 0; NaN where it sat out.
    """

    reward: Float[np.ndarray, " runs"]
    regret: Float[np.ndarray, " runs"]


@dataclass(frozen=True)
class GaussianBandit:
    """Arms with Normal rewards: arm a pays Normal(means[a], sds[a]^2).

    Attributes:
        means: mean reward of each arm, at least two.
        sds: standard deviation of each arm, >= 0.
        horizon: rounds of a run.
        seed: seed of the reward tables.
        luck: name of their stream; two bandits of one seed that differ in it pay independently.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    horizon: int
    seed: int = 0
    luck: str = ""

    def __post_init__(self) -> None:
        if len(self.means) < 2 or len(self.means) != len(self.sds):
            raise InputError(
                f"means={self.means}, sds={self.sds}: must be of one length, two or more, one number for each arm"
            )
        if not np.all(np.isfinite([*self.means, *self.sds])) or min(self.sds) < 0:
            raise InputError(f"means={self.means}, sds={self.sds}: must be finite, and sds >= 0")
        if self.horizon < 1:
            raise InputError(f"horizon={self.horizon}: must be >= 1 round")

    @property
    def arms(self) -> int:
        """Number of arms."""
        return len(self.means)

    @property
    def mirrored(self) -> GaussianBandit:
        """The same bandit with its arms in reverse order."""
        return replace(self, means=self.means[::-1], sds=self.sds[::-1])

    def rewards(self, runs: int) -> Float[np.ndarray, "runs horizon arms"]:
        """Return what every arm would pay in every round of every run; more runs leave the first as they are."""
        noise = [
            stream(self.seed, "bandit", "rewards", self.luck, run).standard_normal((self.horizon, self.arms))
            for run in range(runs)
        ]
        table = np.stack(noise) if noise else np.zeros((0, self.horizon, self.arms))
        return np.asarray(self.means) + np.asarray(self.sds) * table

    def init(self, runs: int) -> BanditState:
        """Return the state before the first round."""
        if runs < 1:
            raise InputError(f"runs={runs}: must be >= 1")
        return BanditState(0, np.zeros((runs, self.arms), np.int64), np.zeros((runs, self.arms)))

    def step(
        self,
        state: BanditState,
        arms: Int[np.ndarray, " runs"],
        rewards: Float[np.ndarray, "runs horizon arms"],
    ) -> tuple[BanditState, Pull]:
        """Pull one arm in each run; a run with arm -1 sits out.

        Args:
            state: before the round.
            arms: arm of each run, in 0 .. arms - 1, or -1.
            rewards: the table of ``rewards(runs)``.

        Raises:
            InputError: there is no such arm, or the horizon is reached.
        """
        chosen = np.asarray(arms)
        runs = state.counts.shape[0]
        if chosen.shape != (runs,) or np.any(chosen < -1) or np.any(chosen >= self.arms):
            raise InputError(f"arms={arms}: must be {runs} numbers in 0 .. {self.arms - 1}, or -1 to sit out")
        if state.step >= self.horizon:
            raise InputError(f"step={state.step}: the horizon of {self.horizon} rounds is reached")
        plays, arm = chosen >= 0, np.maximum(chosen, 0)
        paid = np.where(plays, rewards[np.arange(runs), state.step, arm], np.nan)
        pulled = plays[:, None] & (np.arange(self.arms) == arm[:, None])
        after = BanditState(
            state.step + 1,
            state.counts + pulled,
            state.sums + np.where(pulled, np.nan_to_num(paid)[:, None], 0.0),
        )
        means = np.asarray(self.means)
        return after, Pull(paid, np.where(plays, means.max() - means[arm], np.nan))


class Posterior(NamedTuple):
    """Belief about the mean of each arm: independent Normals.

    Attributes:
        means: posterior mean of each arm.
        sds: posterior standard deviation of each arm.
    """

    means: Float[np.ndarray, "runs arms"]
    sds: Float[np.ndarray, "runs arms"]

    @property
    def probability_second_better(self) -> Float[np.ndarray, " runs"]:
        """P(mean of arm 1 > mean of arm 0) = Φ((m1 - m0) / √(s0² + s1²)) of two arms.

        Raises:
            InputError: there are not two arms.
        """
        from scipy.special import ndtr

        if self.means.shape[-1] != 2:
            raise InputError(f"{self.means.shape[-1]} arms: the closed form is for two")
        gap, spread = np.diff(self.means, axis=-1)[..., 0], np.hypot(self.sds[..., 0], self.sds[..., 1])
        return np.asarray(ndtr(gap / spread))


@dataclass(frozen=True)
class NormalPrior:
    """What is believed of each arm before the first pull: its mean is Normal(mean, sd²), its noise has ``noise_sd``.

    After n pulls with sum s:  1/sd_n² = 1/sd² + n/noise_sd²,  m_n = sd_n² (mean/sd² + s/noise_sd²).
    """

    mean: float = 0.0
    sd: float = 1.0
    noise_sd: float = 1.0

    def __post_init__(self) -> None:
        if not (self.sd > 0 and self.noise_sd > 0):
            raise InputError(f"sd={self.sd}, noise_sd={self.noise_sd}: both must be > 0")

    def posterior(
        self, counts: Shaped[np.ndarray, "runs arms"], sums: Float[np.ndarray, "runs arms"]
    ) -> Posterior:
        """Return the belief after the pulls counted."""
        precision = 1 / self.sd**2 + np.asarray(counts) / self.noise_sd**2
        means = (self.mean / self.sd**2 + np.asarray(sums) / self.noise_sd**2) / precision
        return Posterior(means, precision**-0.5)


@dataclass(frozen=True)
class ThompsonSampling:
    """Draws a mean of each arm from the belief and pulls the highest (Thompson 1933)."""

    prior: NormalPrior = NormalPrior()

    def choose(self, state: BanditState, rng: np.random.Generator) -> Int[np.ndarray, " runs"]:
        """Return the arm of each run."""
        belief = self.prior.posterior(state.counts, state.sums)
        return np.argmax(belief.means + belief.sds * rng.standard_normal(belief.means.shape), -1)


@dataclass(frozen=True)
class UCB1:
    """Pulls every arm once, then the highest mean + scale·√(2 ln t / n) (Auer, Cesa-Bianchi and Fischer 2002).

    Attributes:
        scale: width of the rewards; 1 is for rewards in [0, 1].
    """

    scale: float = 1.0

    def choose(self, state: BanditState, rng: np.random.Generator | None = None) -> Int[np.ndarray, " runs"]:
        """Return the arm of each run; the first of equals. Nothing is random."""
        del rng
        with np.errstate(divide="ignore", invalid="ignore"):
            width = self.scale * np.sqrt(2 * np.log(max(state.step, 1)) / state.counts)
        return np.argmax(np.where(state.counts > 0, np.nan_to_num(state.means) + width, np.inf), -1)


def commitment_time(arms: Int[np.ndarray, " rounds"]) -> int:
    """Return the first round, counted from 0, from which on the arm never changes.

    Raises:
        InputError: no round was played, or one has no arm.

    >>> commitment_time(np.array([0, 1, 0, 1, 1, 1])), commitment_time(np.array([0, 0]))
    (3, 0)
    """
    played = np.asarray(arms)
    if played.ndim != 1 or played.size == 0 or np.any(played < 0):
        raise InputError(f"arms={arms}: must be the arms of at least one round, without gaps")
    changes = np.flatnonzero(played[1:] != played[:-1])
    return int(changes[-1]) + 1 if changes.size else 0


def cumulative_arm(arms: Int[np.ndarray, " rounds"]) -> Int[np.ndarray, " rounds"]:
    """Return the running sum of the arm index: flat while arm 0 is pulled, the diagonal while arm 1 is."""
    return np.cumsum(np.asarray(arms))
