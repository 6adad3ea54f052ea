"""A bandit with a hidden linear state: actions move the state, and the reward reads it.

    x_{t+1} = A x_t + B u_t + ε_t,      y_t = ⟨ω, x_t⟩ + ⟨θ, u_t⟩ + η_t.

The reward is paid before the state moves. Under a constant action the reward settles at J(u) = ⟨h, u⟩ with
h = θ + Bᵀ(I - A)^{-ᵀ}ω, and the best policy is one constant action (Mussi, Metelli and Restelli, arXiv:2211.08997).
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError, UnstableSystemError
from doxa.streams import stream
from doxa.worlds.linear_bandits.actions import Given, budgeted_actions, checked_actions
from doxa.worlds.linear_bandits.world_kernels import Place, WorldArrays

if TYPE_CHECKING:
    from doxa.dynamics.linear import LinearSystem
    from doxa.worlds.linear_bandits.live import GymBandit, LiveBandit

TRANSIENT = 2000
"""Powers of A that are looked at for the largest norm, and for growth that does not end."""


class BanditState(NamedTuple):
    """Where a bandit stands between two rounds.

    Attributes:
        played: rounds played.
        hidden: x.
    """

    played: int
    hidden: Float[np.ndarray, " n"]


class Payment(NamedTuple):
    """What one round paid.

    Attributes:
        reward: y.
        expected: y without this round's noise.
        regret: J* - J(u).
    """

    reward: float
    expected: float
    regret: float


class DynamicalLinearBandit:
    """A dynamical linear bandit; its arrays cannot be written to.

    It holds no state. ``bandit.live(seed)`` does, with its noise: ``live.step(u)`` plays a round and returns y alone,
    while ``bandit.step(state, u, noise)`` takes a state and returns the next one.

    Args:
        A: how the state moves by itself, (n, n), spectral radius below 1.
        B: how actions move it, (n, d).
        omega: ω, how the reward reads the state, (n,).
        theta: θ, how it reads the action, (d,).
        sigma: standard deviation of each coordinate of ε, and of η of one output; >= 0.
        actions: the vectors that may be played, (arms, d).
        x0: state at first, (n,); None for zero.
        seed: of its noise where it is stepped by hand.
        outputs: m, outputs that the reward sums; η then has variance mσ².
        expert: a human policy's shares of spending, (d,), where there is one.

    Raises:
        UnstableSystemError: an eigenvalue of A is not inside the unit circle.
        InputError: shapes disagree, a number is not finite, sigma < 0, or actions are none or twice there.
    """

    def __init__(
        self,
        A: Given,  # noqa: N803 - the paper's names
        B: Given,  # noqa: N803
        omega: Given,
        theta: Given,
        sigma: float,
        actions: Given,
        x0: Given | None = None,
        seed: int | None = None,
        *,
        outputs: int = 1,
        expert: Given | None = None,
    ) -> None:
        self.omega, self.theta = _array("omega", omega), _array("theta", theta)
        n, d = self.omega.size, self.theta.size
        self.A, self.B = _array("A", A, (n, n)), _array("B", B, (n, d))
        self.x0 = _array("x0", np.zeros(n) if x0 is None else x0, (n,))
        self.expert = None if expert is None else _array("expert", expert, (d,))
        if not (np.isfinite(sigma) and sigma >= 0.0):
            raise InputError(f"sigma={sigma}: must be >= 0")
        if outputs < 1:
            raise InputError(f"outputs={outputs}: must be >= 1")
        self.sigma, self.seed, self.outputs = float(sigma), seed, outputs
        self.actions = checked_actions(actions, d)
        values = np.linalg.eigvals(self.A)
        largest = values[np.argmax(np.abs(values))]
        if abs(largest) >= 1.0:
            raise UnstableSystemError(
                f"A has the eigenvalue {largest:.6g} of size {abs(largest):.6g}: must be inside the unit circle, "
                "or no constant action has a value"
            )

    @classmethod
    def from_config(cls, path: str | Path, **changes: Any) -> DynamicalLinearBandit:
        """Read a system as the authors' repository holds them: A, B, C, D, noise and the box of actions.

        The reward is the sum of the outputs, so ω = Cᵀ1, θ = Dᵀ1 and η has variance mσ².

        Args:
            path: a JSON file.
            changes: fields to set otherwise, such as ``sigma``.

        Raises:
            InputError: the file cannot be read, or lacks a field.
        """
        try:
            held = json.loads(Path(path).read_text("utf-8"))
            ones = np.ones(int(held["m"]))
            fields: dict[str, Any] = {
                "A": held["A"],
                "B": held["B"],
                "omega": np.array(held["C"], dtype=float).T @ ones,
                "theta": np.array(held["D"], dtype=float).T @ ones,
                "sigma": float(held["noise_sigma"]),
                "actions": budgeted_actions(
                    int(held["p"]),
                    float(held["max_daily_budget"]),
                    low=float(held["min_camp_budget"]),
                    high=float(held["max_camp_budget"]),
                ),
                "outputs": int(held["m"]),
            }
            spent = np.array(held.get("expert", []), dtype=float)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is no configuration of a system ({error!r})") from error
        if spent.shape == (int(held["p"]),) and spent.min() >= 0.0 < spent.sum():
            fields["expert"] = spent / spent.sum()
        return cls(**(fields | changes))

    @cached_property
    def h(self) -> Float[np.ndarray, " d"]:
        """Cumulative Markov parameter: what a unit of each action pays in the long run."""
        return self.theta + self.B.T @ np.linalg.solve((np.eye(len(self.A)) - self.A).T, self.omega)

    def J(self, u: Given) -> float:  # noqa: N802 - the paper's name
        """Return the steady-state reward of a constant action, ⟨h, u⟩."""
        return float(self.h @ self._action(u))

    @cached_property
    def values(self) -> Float[np.ndarray, " arms"]:
        """J of each action."""
        return self.actions @ self.h

    @property
    def optimal_action(self) -> Float[np.ndarray, " d"]:
        """u*: the first of the actions with the highest J."""
        return self.actions[int(np.argmax(self.values))]

    @property
    def optimal_value(self) -> float:
        """J* = J(u*)."""
        return float(self.values.max())

    @cached_property
    def spectral_radius(self) -> float:
        """ρ(A), the largest size of an eigenvalue."""
        return float(np.abs(np.linalg.eigvals(self.A)).max())

    @cached_property
    def phi(self) -> float:
        """Φ(A) = sup over τ >= 0 of ‖A^τ‖₂ / ρ(A)^τ; infinite where a block of Jordan makes the powers grow."""
        if not np.any(self.A):
            return 1.0
        if self.spectral_radius < 1e-12:
            return float("inf")
        scaled = self.A / self.spectral_radius
        powers = np.empty((TRANSIENT + 1, *self.A.shape))
        powers[0] = np.eye(len(self.A))
        for step in range(TRANSIENT):
            powers[step + 1] = powers[step] @ scaled
        sizes = np.linalg.norm(powers, 2, axis=(1, 2))
        quarter = TRANSIENT // 4  # complex eigenvalues turn, so that sizes swing
        early, late = sizes[quarter : 2 * quarter].max(), sizes[3 * quarter :].max()
        return float("inf") if late > 1.5 * early else float(sizes.max())

    @property
    def noise_sds(self) -> tuple[float, float]:
        """Standard deviations of η and of each coordinate of ε."""
        return self.sigma * float(np.sqrt(self.outputs)), self.sigma

    @property
    def system(self) -> LinearSystem:
        """The system without its bandit, for poles, responses and filters."""
        from doxa.dynamics.linear import LinearSystem

        return LinearSystem(self.A, self.B, self.omega[None], self.theta[None])

    def init(self) -> BanditState:
        """Return the state before the first round."""
        return BanditState(0, np.array(self.x0))

    def step(self, state: BanditState, u: Given, noise: Given | None = None) -> tuple[BanditState, Payment]:
        """Play one round.

        Args:
            state: before it.
            u: the action; any vector of d numbers.
            noise: standard Normal numbers, η's first; None for none.

        Raises:
            InputError: the action or the noise has another length.
        """
        action, n = self._action(u), len(self.A)
        luck = np.zeros(n + 1) if noise is None else np.asarray(noise, dtype=np.float64)
        if luck.shape != (n + 1,):
            raise InputError(f"noise has shape {luck.shape}: give one number for η and {n} for ε")
        sd, process = self.noise_sds
        expected = float(self.omega @ state.hidden + self.theta @ action)
        after = self.A @ state.hidden + self.B @ action + process * luck[1:]
        payment = Payment(expected + sd * float(luck[0]), expected, self.optimal_value - self.J(action))
        return BanditState(state.played + 1, after), payment

    def expected_reward(self, u: Given, rounds: int = 1) -> float:
        """Return E[y] of the last of some rounds of one action, from x0; for many rounds it is J(u).

        Raises:
            InputError: the action has another length, or rounds < 1.
        """
        if rounds < 1:
            raise InputError(f"rounds={rounds}: must be >= 1")
        action, state = self._action(u), np.array(self.x0)
        for _ in range(rounds - 1):
            state = self.A @ state + self.B @ action
        return float(self.omega @ state + self.theta @ action)

    def noise(self, seed: int, trial: int = 0, *names: str) -> np.random.Generator:
        """Return the stream of a trial's noise; each round takes n + 1 standard Normal numbers, η's first."""
        return stream(seed, "linear-bandit", "noise", trial, *names)

    def start(self) -> Place:
        """Return where a run of the kernels begins."""
        return Place(np.array(self.x0), np.array(self.x0), np.zeros(len(self.A)))

    def arrays(self, actions: Float[np.ndarray, "arms d"]) -> WorldArrays:
        """Return the system as kernels meet it, for one agent's actions.

        Raises:
            InputError: actions of another length, or one would be worth more than the best of this bandit's own.
        """
        if actions.shape[1] != len(self.theta):
            raise InputError(
                f"an agent's actions of {actions.shape[1]} numbers: the system takes {len(self.theta)}"
            )
        values = actions @ self.h
        if np.any(values > self.optimal_value + 1e-9 * max(1.0, abs(self.optimal_value))):
            raise InputError(
                f"an action is worth {values.max():.6g}, more than J*={self.optimal_value:.6g}: regret would be "
                "negative; add it to the bandit's actions"
            )
        best = max(self.optimal_value, float(values.max()))
        sds = np.array(self.noise_sds)
        return WorldArrays(
            self.A, actions @ self.B.T, self.omega, actions @ self.theta, values, sds, float(best)
        )

    def live(self, seed: int | None = None, trial: int = 0) -> LiveBandit:
        """Return the bandit with its state and noise held, so that a round is ``step(u) -> y``."""
        from doxa.worlds.linear_bandits.live import LiveBandit

        return LiveBandit(self, seed, trial)

    def to_gym(self, horizon: int | None = None) -> GymBandit:
        """Return the bandit as an environment with gymnasium's ``reset`` and ``step``; it need not be installed."""
        from doxa.worlds.linear_bandits.live import GymBandit

        return GymBandit(self, horizon)

    def expert_action(self, budget: float) -> Float[np.ndarray, " d"]:
        """Return the human policy: the budget in its shares, each coordinate cut at the largest any action has.

        Raises:
            InputError: this system has no expert.
        """
        if self.expert is None:
            raise InputError("this system has no expert; only the configuration of real data names one")
        return np.minimum(self.expert * budget, self.actions.max(axis=0))

    def _action(self, u: Given) -> Float[np.ndarray, " d"]:
        action = np.asarray(u, dtype=np.float64)
        if action.shape != self.theta.shape or not np.all(np.isfinite(action)):
            raise InputError(f"u={u}: must be {len(self.theta)} finite numbers")
        return action


def _array(name: str, given: Given, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return numbers as an array of a shape, of one dimension if none is said, that cannot be written to."""
    try:
        found = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: must be numbers in rows of one length ({error})") from None
    if found.shape != shape and not (shape is None and found.ndim == 1 and found.size):
        told = "one row of numbers" if shape is None else f"{shape}, as omega and theta say"
        raise InputError(f"{name} has shape {found.shape}: must be {told}")
    if not np.all(np.isfinite(found)):
        raise InputError(f"{name}={found.tolist()}: must be finite")
    found.flags.writeable = False
    return found
