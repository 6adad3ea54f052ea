"""Agents that treat every action as an arm of its own: EXP3, EXP3 on batches, AR2, UCB1, and fixed play."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from doxa.errors import InputError
from doxa.worlds.linear_bandits import arm_kernels as arms
from doxa.worlds.linear_bandits.agent import Agent, Kernels
from doxa.worlds.linear_bandits.arm_kernels import (
    AR2Settings,
    AR2State,
    CountSettings,
    CountState,
    Exp3Settings,
    Exp3State,
)
from doxa.worlds.linear_bandits.bounds import Bounds, checked_radius, epoch_schedule


class Exp3(Agent):
    """EXP3: exponential weights, γ = min(1, √(K ln K / ((e-1)·2T/3))), η = γ/K (Auer et al. 2002).

    A reward y counts as (y + 2M)/(4M), M = (Θ + ΩB̄/(1-ρ̄))Ū. Weights are kept as logarithms.

    Args:
        actions: the arms.
        horizon: T.
        bounds: sizes of the system, for M.
        rho_bar: ρ̄, for M.
        batch: rounds for which an arm is played; their mean counts once.
        name: its name.
    """

    kernels = Kernels(arms.exp3_choose, arms.exp3_learn, arms.run_exp3)
    shown = "probabilities"
    chance = True

    def __init__(
        self,
        actions: object,
        horizon: int,
        bounds: Bounds,
        *,
        rho_bar: float = 0.0,
        batch: int = 1,
        name: str = "EXP3",
    ) -> None:
        if horizon < 1 or batch < 1:
            raise InputError(f"horizon={horizon} and batch={batch}: both must be >= 1 round")
        super().__init__(actions, name)
        self.horizon, self.batch = horizon, batch
        self._largest = bounds.among(self.actions).reward(checked_radius(rho_bar))
        if not self._largest > 0.0:
            raise InputError(f"bounds={bounds}: say how large rewards can be, not that they are 0")

    def init(self) -> Exp3State:
        """Return the state before the first round."""
        n = len(self.actions)
        return Exp3State(np.zeros(n), np.full(n, 1.0 / n), np.zeros(1), np.zeros(4, np.int64))

    def settings(self) -> Exp3Settings:
        """Return what the kernels are set to."""
        arms = len(self.actions)
        draws = 2.0 * self.horizon / 3.0
        mixing = min(1.0, math.sqrt(arms * math.log(arms) / ((math.e - 1.0) * draws)))
        return Exp3Settings(mixing, -2.0 * self._largest, 4.0 * self._largest, self.batch)


class BatchExp3(Exp3):
    """EXP3 on means of batches as long as the holding time H of DynLin-UCB's last epoch, at least one round.

    Args:
        actions: the arms.
        horizon: T.
        bounds: sizes of the system, for M.
        rho_bar: ρ̄, for M and for H.
        name: its name.
    """

    def __init__(
        self, actions: object, horizon: int, bounds: Bounds, *, rho_bar: float, name: str = "B-EXP3"
    ) -> None:
        schedule = epoch_schedule(rho_bar, horizon)
        last = int(schedule.lengths[max(schedule.whole - 1, 0)]) - 1
        super().__init__(actions, horizon, bounds, rho_bar=rho_bar, batch=max(1, last), name=name)


class AR2(Agent):
    """AR2, for arms whose rewards regress to 0 by α a round (Chen, Golrezaei and Bouneffouf 2023).

    Every arm is looked at once; then the best expected one and, every other round, one marked for a new look: an arm
    is marked where the best is ahead of it by no more than c₁σ√((α² - α^{2(s+1)})/(1-α²)), s the rounds since it was
    seen. All is forgotten after ⌈Kα⁻³σ⁻³⌉ rounds. c₁ = 24c₀, c₀ = √(4 ln(1/(ασ)) + 4 ln(epoch) + 2 ln(4K)), the epoch
    no longer than the horizon. Written from memory of its paper; where rewards do not regress it is a baseline only.

    Args:
        actions: the arms.
        alpha: α in (0, 1), here ρ(A).
        sigma: σ > 0.
        horizon: T.
        name: its name.
    """

    kernels = Kernels(arms.ar2_choose, arms.ar2_learn, arms.run_ar2)
    shown = "board"

    def __init__(
        self, actions: object, alpha: float, sigma: float, horizon: int, *, name: str = "AR2"
    ) -> None:
        if not 0.0 < alpha < 1.0:
            raise InputError(f"alpha={alpha}: must be in (0, 1); without memory use UCB1")
        if not (math.isfinite(sigma) and sigma > 0.0):
            raise InputError(f"sigma={sigma}: must be > 0; AR2 divides by it")
        if horizon < 1:
            raise InputError(f"horizon={horizon}: must be >= 1 round")
        self.alpha, self.sigma, self.horizon = alpha, sigma, horizon
        super().__init__(actions, name)

    def init(self) -> AR2State:
        """Return the state before the first round."""
        arms = len(self.actions)
        nothing = np.full(arms, -1, dtype=np.int64)
        return AR2State(np.zeros(arms), nothing, nothing.copy(), np.zeros(arms), np.zeros(4, np.int64))

    def settings(self) -> AR2Settings:
        """Return what the kernels are set to."""
        arms = len(self.actions)
        epoch = min(self.horizon, math.ceil(arms * self.alpha**-3 * self.sigma**-3))
        within = (
            4.0 * math.log(1.0 / (self.alpha * self.sigma)) + 4.0 * math.log(epoch) + 2.0 * math.log(4 * arms)
        )
        return AR2Settings(self.alpha, self.sigma, 24.0 * math.sqrt(max(within, 0.0)), max(epoch, arms))


class Counting(Agent):
    """Counts pulls and averages rewards; what its kinds share."""

    kernels = Kernels(arms.count_choose, arms.count_learn, arms.run_count)
    shown = "means"

    def init(self) -> CountState:
        """Return the state before the first round."""
        arms = len(self.actions)
        clock = np.array([0, 0, self._first(), 0], dtype=np.int64)
        return CountState(np.zeros(arms, np.int64), np.zeros(arms), clock)

    def _first(self) -> int:
        return 0


class UCB1(Counting):
    """Every arm once, then the highest mean + scale·√(2 ln t / n) (Auer, Cesa-Bianchi and Fischer 2002).

    Args:
        actions: the arms.
        scale: width of the rewards.
        name: its name.
    """

    def __init__(self, actions: object, scale: float = 1.0, *, name: str = "UCB1") -> None:
        if not (math.isfinite(scale) and scale >= 0.0):
            raise InputError(f"scale={scale}: must be >= 0")
        self.scale = scale
        super().__init__(actions, name)

    def settings(self) -> CountSettings:
        """Return what the kernels are set to."""
        return CountSettings(self.scale)


class FixedPolicy(Counting):
    """Plays one action for ever: an expert's, or with the best action the clairvoyant's.

    Args:
        actions: the actions it could play.
        arm: which of them it plays.
        name: its name.
    """

    def __init__(self, actions: object, arm: int = 0, *, name: str = "fixed") -> None:
        self._arm = arm
        super().__init__(actions, name)
        if not 0 <= arm < len(self.actions):
            raise InputError(f"arm={arm}: there are arms 0 to {len(self.actions) - 1}")

    def _first(self) -> int:
        return self._arm

    def settings(self) -> CountSettings:
        """Return what the kernels are set to."""
        return CountSettings(-1.0)


def clairvoyant(bandit: Any, *, name: str = "clairvoyant") -> FixedPolicy:
    """Return the policy that knows h: the best constant action. Its regret is 0."""
    return FixedPolicy(bandit.actions, int(np.argmax(bandit.values)), name=name)
