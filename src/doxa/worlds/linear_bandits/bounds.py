"""What a learner is told of a system beforehand, and the lengths of its epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError, UnstableSystemError
from doxa.worlds.linear_bandits.ridge_kernels import held_rounds

if TYPE_CHECKING:
    from doxa.worlds.linear_bandits.system import DynamicalLinearBandit


class Bounds(NamedTuple):
    """Upper bounds on the sizes of a system, each >= 0.

    Attributes:
        theta: Θ >= ‖θ‖.
        omega: Ω >= ‖ω‖.
        B: B̄ >= ‖B‖₂.
        phi: Φ̄ >= Φ(A), at least 1.
        u: Ū >= the longest action; None for the longest that the learner has.
        x: X̄ >= the largest state; None for Ū/(1 - ρ̄), as in the released code.
    """

    theta: float
    omega: float
    B: float
    phi: float = 1.0
    u: float | None = None
    x: float | None = None

    @classmethod
    def of(cls, bandit: DynamicalLinearBandit, *, tight: bool = False) -> Bounds:
        """Return the exact sizes of a system.

        Args:
            bandit: the system.
            tight: whether X̄ is BŪΦ̄/(1 - ρ) instead of Ū/(1 - ρ̄).
        """
        u, size = float(np.linalg.norm(bandit.actions, axis=1).max()), float(np.linalg.norm(bandit.B, 2))
        held = size * u * bandit.phi / (1.0 - bandit.spectral_radius) if tight else None
        norms = float(np.linalg.norm(bandit.theta)), float(np.linalg.norm(bandit.omega))
        return cls(*norms, size, bandit.phi, u, held)

    def check(self) -> Bounds:
        """Return self.

        Raises:
            InputError: a bound is negative or not finite, or Φ̄ is below 1.
        """
        for name, value in self._asdict().items():
            if name == "phi" and value == np.inf:
                raise InputError(
                    "bounds.phi=inf: powers of A outgrow those of its spectral radius; tell a larger rho_bar, and phi "
                    "for that"
                )
            if value is not None and not (np.isfinite(value) and value >= 0.0):
                raise InputError(f"bounds.{name}={value}: must be a finite number >= 0")
        if self.phi < 1.0:
            raise InputError(f"bounds.phi={self.phi}: must be >= 1, because A^0 is the identity")
        return self

    def among(self, actions: Float[np.ndarray, "arms d"]) -> Bounds:
        """Return the bounds of a learner that has these actions, with Ū a number.

        Raises:
            InputError: as ``check``, or an action is longer than Ū.
        """
        self.check()
        longest = float(np.linalg.norm(actions, axis=1).max())
        if self.u is not None and longest > self.u * (1.0 + 1e-9):
            raise InputError(
                f"bounds.u={self.u}: an action has length {longest:.6g}; give that, or None to take it"
            )
        return self._replace(u=longest if self.u is None else self.u)

    @property
    def longest(self) -> float:
        """Ū, 1 where it was left open."""
        return 1.0 if self.u is None else self.u

    def state(self, rho_bar: float) -> float:
        """Return X̄."""
        return self.longest / (1.0 - rho_bar) if self.x is None else self.x

    def carry(self, rho_bar: float) -> float:
        """Return c₁ = ŪΩΦ̄(ŪB̄/(1-ρ̄) + X̄)."""
        u = self.longest
        return u * self.omega * self.phi * (u * self.B / (1.0 - rho_bar) + self.state(rho_bar))

    def bias(self, rho_bar: float) -> float:
        """Return c₂ = Θ + ΩB̄Φ̄/(1-ρ̄)."""
        return self.theta + self.omega * self.B * self.phi / (1.0 - rho_bar)

    def noise(self, sigma: float, rho_bar: float) -> float:
        """Return σ̃ = σ√(1 + Ω²Φ̄²/(1-ρ̄²))."""
        return sigma * float(np.sqrt(1.0 + (self.omega * self.phi) ** 2 / (1.0 - rho_bar**2)))

    def reward(self, rho_bar: float) -> float:
        """Return M = (Θ + ΩB̄/(1-ρ̄))Ū, what exponential weights take as the largest reward."""
        return (self.theta + self.omega * self.B / (1.0 - rho_bar)) * self.longest


def checked_radius(rho_bar: float) -> float:
    """Return ρ̄.

    Raises:
        UnstableSystemError: it is 1 or more.
        InputError: it is negative or no number.
    """
    if not rho_bar >= 0.0:
        raise InputError(f"rho_bar={rho_bar}: must be >= 0; 0 holds every action for one round")
    if rho_bar >= 1.0:
        raise UnstableSystemError(f"rho_bar={rho_bar}: a bound on the largest eigenvalue must be below 1")
    return float(rho_bar)


def growth_of(rho_bar: float) -> float:
    """Return 1/ρ̄, or 0 where nothing is held."""
    return 1.0 / rho_bar if rho_bar > 0.0 else 0.0


class Epochs(NamedTuple):
    """How a horizon falls into epochs.

    Attributes:
        starts: first round of each, counted from 0.
        lengths: rounds for which its action is held, 1 + H_m; the last may be cut short.
        whole: how many were not cut, and so taught something.
    """

    starts: Int[np.ndarray, " epochs"]
    lengths: Int[np.ndarray, " epochs"]
    whole: int


def epoch_schedule(rho_bar: float, horizon: int) -> Epochs:
    """Return the epochs of a horizon: the m-th lasts 1 + H_m rounds, H_m = ⌊log m / log(1/ρ̄)⌋.

    H_m is found as max{k >= 0 : ρ̄^-k <= m (1 + 1e-12)}, because the floor of a ratio of floats can slip by one at
    exact powers.

    Args:
        rho_bar: bound on the spectral radius, in [0, 1).
        horizon: rounds, >= 1.

    Raises:
        UnstableSystemError: rho_bar >= 1.
        InputError: rho_bar < 0 or horizon < 1.

    >>> epoch_schedule(0.5, 10).lengths.tolist()
    [1, 2, 2, 3, 2]
    """
    growth = growth_of(checked_radius(rho_bar))
    if horizon < 1:
        raise InputError(f"horizon={horizon}: must be >= 1 round")
    starts: list[int] = []
    at, hold = 0, 0
    while at < horizon:
        starts.append(at)
        hold = held_rounds(len(starts), growth, hold)
        at += 1 + hold
    lengths = np.diff([*starts, horizon])
    return Epochs(np.array(starts), lengths, len(starts) - (at > horizon))
