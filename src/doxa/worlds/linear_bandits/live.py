"""A linear bandit that is stepped by hand, and the same behind the interface of gymnasium."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.worlds.linear_bandits.actions import Given
from doxa.worlds.linear_bandits.system import BanditState, DynamicalLinearBandit


class LiveBandit:
    """Holds a bandit's state and noise, so that a round is one call.

    Args:
        bandit: the bandit.
        seed: of its noise; None takes the bandit's own, or 0.
        trial: which of the seed's trials.
    """

    def __init__(self, bandit: DynamicalLinearBandit, seed: int | None = None, trial: int = 0) -> None:
        self.bandit = bandit
        self.state: BanditState = bandit.init()
        own = bandit.seed if bandit.seed is not None else 0
        self._noise = bandit.noise(own if seed is None else seed, trial)

    def step(self, u: Given) -> float:
        """Play an action and return its reward."""
        noise = self._noise.standard_normal(len(self.bandit.A) + 1)
        self.state, payment = self.bandit.step(self.state, u, noise)
        return payment.reward


class Discrete(NamedTuple):
    """Numbers 0 to n - 1; what stands for gymnasium's space where that is not installed."""

    n: int


class Box(NamedTuple):
    """Vectors of real numbers; what stands for gymnasium's space where that is not installed."""

    shape: tuple[int, ...]


class GymBandit:
    """A bandit as an environment: an action is a number, an observation the last reward; the state stays hidden.

    Args:
        bandit: the bandit.
        horizon: rounds after which an episode is truncated; None for never.
    """

    def __init__(self, bandit: DynamicalLinearBandit, horizon: int | None = None) -> None:
        if horizon is not None and horizon < 1:
            raise InputError(f"horizon={horizon}: must be >= 1 round, or None")
        self.bandit, self.horizon = bandit, horizon
        spaces = _gymnasium_spaces()
        arms = len(bandit.actions)
        self.action_space: Any = spaces.Discrete(arms) if spaces else Discrete(arms)
        self.observation_space: Any = spaces.Box(-np.inf, np.inf, (1,), np.float64) if spaces else Box((1,))
        self.metadata: dict[str, Any] = {"render_modes": []}
        self._live = LiveBandit(bandit)
        self._episode = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float[np.ndarray, " 1"], dict[str, Any]]:
        """Begin an episode; without a seed the next trial of the bandit's own seed."""
        del options
        self._live = LiveBandit(self.bandit, seed, 0 if seed is not None else self._episode)
        self._episode += 1
        return np.zeros(1), {}

    def step(self, action: int) -> tuple[Float[np.ndarray, " 1"], float, bool, bool, dict[str, Any]]:
        """Play an action by its number: observation, reward, terminated, truncated, and the regret of the round.

        Raises:
            InputError: there is no such action.
        """
        if not 0 <= int(action) < len(self.bandit.actions):
            raise InputError(f"action={action}: there are actions 0 to {len(self.bandit.actions) - 1}")
        u = self.bandit.actions[int(action)]
        reward = self._live.step(u)
        over = self.horizon is not None and self._live.state.played >= self.horizon
        return (
            np.array([reward]),
            reward,
            False,
            over,
            {"regret": self.bandit.optimal_value - self.bandit.J(u)},
        )

    def close(self) -> None:
        """Nothing is held open."""


def _gymnasium_spaces() -> Any:
    try:
        return importlib.import_module("gymnasium.spaces")
    except ImportError:
        return None
