"""Agents that regress rewards on actions and are optimistic: DynLin-UCB, LinUCB, and LinUCB that forgets."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.worlds.linear_bandits import ridge_kernels as ridge
from doxa.worlds.linear_bandits.agent import Agent, Kernels
from doxa.worlds.linear_bandits.bounds import Bounds, checked_radius, growth_of
from doxa.worlds.linear_bandits.ridge_kernels import RidgeSettings, RidgeState

if TYPE_CHECKING:
    from doxa.worlds.linear_bandits.system import DynamicalLinearBandit

Regularisation = float | str
UNIT = Bounds(theta=1.0, omega=1.0, B=1.0)


class Regressing(Agent):
    """Ridge regression and an upper bound; what its kinds share.

    Args:
        actions: the vectors it chooses among.
        name: its name.
        sigma: σ, >= 0.
        horizon: T, >= 1.
        lam: λ > 0, or "logT" for log T (at least 1).
        bounds: sizes of the system.
        beta_scale: by which β is multiplied, > 0; below 1 where T is too short for the theory.
        delta: δ in (0, 1); None for 1/T.
        rho_bar: ρ̄ that enters the constants.
    """

    kernels = Kernels(ridge.choose, ridge.learn, ridge.run_ridge)
    shown = "scores"

    def __init__(
        self,
        actions: object,
        name: str,
        *,
        sigma: float,
        horizon: int,
        lam: Regularisation,
        bounds: Bounds,
        beta_scale: float,
        delta: float | None,
        rho_bar: float,
    ) -> None:
        if horizon < 1:
            raise InputError(f"horizon={horizon}: must be >= 1 round")
        if not (math.isfinite(sigma) and sigma >= 0.0):
            raise InputError(f"sigma={sigma}: must be >= 0")
        if not (math.isfinite(beta_scale) and beta_scale > 0.0):
            raise InputError(f"beta_scale={beta_scale}: must be > 0; 1 is the theory's width")
        self.delta = 1.0 / horizon if delta is None else delta
        if not 0.0 < self.delta <= 1.0:
            raise InputError(f"delta={delta}: must be in (0, 1]; None takes 1/T")
        told = max(math.log(horizon), 1.0) if lam == "logT" else lam
        self.lam = math.nan if isinstance(told, str) else float(told)
        if not (math.isfinite(self.lam) and self.lam > 0.0):
            raise InputError(f"lam={lam}: must be > 0, or 'logT'")
        self.horizon, self.sigma, self.beta_scale = horizon, sigma, beta_scale
        self.rho_bar = checked_radius(rho_bar)
        super().__init__(actions, name)
        self.bounds = bounds.among(self.actions)

    def _settings(
        self, *, carry: float = 0.0, growth: float = 0.0, discount: float = 1.0, constant: float = -1.0
    ) -> RidgeSettings:
        d = self.actions.shape[1]
        return RidgeSettings(
            self.actions,
            self.lam,
            carry,
            self.bounds.bias(self.rho_bar),
            self.bounds.noise(self.sigma, self.rho_bar),
            math.log(1.0 / self.delta),
            self.bounds.longest**2 / (d * self.lam),
            growth,
            discount,
            self.beta_scale,
            constant,
        )

    def init(self) -> RidgeState:
        """Return the state before the first round."""
        arms, d = self.actions.shape
        gram = self.lam * np.eye(d)
        return RidgeState(
            gram,
            np.eye(d) / self.lam,
            gram.copy(),
            np.zeros(d),
            np.zeros(d),
            np.zeros(arms),
            np.sum(self.actions**2, axis=1) / self.lam,
            np.zeros(6, dtype=np.int64),
        )

    def width(self, played: int) -> float:
        """Return β after so many rounds."""
        return float(ridge.width(self.set_to, played))

    def estimate(self, state: RidgeState) -> Float[np.ndarray, " d"]:
        """Return ĥ."""
        return state.estimate


class DynLinUCB(Regressing):
    """DynLin-UCB: holds each action for 1 + H_m rounds and learns from the last reward of an epoch.

    β = c₁ log(e(t+1))/√λ + c₂√λ + √(2σ̃²(log(1/δ) + (d/2) log(1 + tŪ²/(dλ)))) (arXiv:2211.08997, algorithm 1).

    Args:
        actions: the vectors it chooses among.
        rho_bar: ρ̄ >= ρ(A), in [0, 1); 0 holds nothing.
        sigma: σ.
        horizon: T.
        lam: λ, or "logT".
        bounds: sizes of the system.
        beta_scale: factor of β.
        delta: δ; None for 1/T.
        name: its name.
    """

    def __init__(
        self,
        actions: object,
        rho_bar: float,
        sigma: float,
        horizon: int,
        lam: Regularisation = "logT",
        bounds: Bounds = UNIT,
        beta_scale: float = 1.0,
        delta: float | None = None,
        *,
        name: str = "DynLin-UCB",
    ) -> None:
        super().__init__(
            actions, name, sigma=sigma, horizon=horizon, lam=lam, bounds=bounds,
            beta_scale=beta_scale, delta=delta, rho_bar=rho_bar,
        )  # fmt: skip

    def settings(self) -> RidgeSettings:
        """Return what the kernels are set to."""
        return self._settings(carry=self.bounds.carry(self.rho_bar), growth=growth_of(self.rho_bar))


class LinUCB(Regressing):
    """LinUCB: learns from every reward as if it were the worth of the last action.

    Args:
        actions: the vectors it chooses among.
        sigma: σ.
        horizon: T.
        lam: λ, or "logT".
        bounds: sizes of the system.
        beta_scale: factor of β.
        delta: δ; None for 1/T.
        rho_bar: ρ̄ that enters c₂ and σ̃.
        width: "paper" for DynLin-UCB's β without c₁; "carry" for all of it; "classic" for
            Θ√λ + √(2 log T + d log((dλ + TŪ²)/(dλ))); or a constant, as others' libraries call α.
        name: its name.
    """

    def __init__(
        self,
        actions: object,
        sigma: float,
        horizon: int,
        lam: Regularisation = "logT",
        bounds: Bounds = UNIT,
        beta_scale: float = 1.0,
        delta: float | None = None,
        *,
        rho_bar: float = 0.0,
        width: str | float = "paper",
        name: str = "LinUCB",
    ) -> None:
        if isinstance(width, str):
            if width not in ("paper", "carry", "classic"):
                raise InputError(f"width={width!r}: must be 'paper', 'carry', 'classic' or a number >= 0")
        elif not (math.isfinite(width) and width >= 0.0):
            raise InputError(f"width={width}: a constant width must be >= 0")
        self._form = width
        super().__init__(
            actions, name, sigma=sigma, horizon=horizon, lam=lam, bounds=bounds,
            beta_scale=beta_scale, delta=delta, rho_bar=rho_bar,
        )  # fmt: skip

    def settings(self) -> RidgeSettings:
        """Return what the kernels are set to."""
        if isinstance(self._form, str):
            if self._form == "classic":
                return self._settings(constant=self._classic())
            return self._settings(carry=self.bounds.carry(self.rho_bar) if self._form == "carry" else 0.0)
        return self._settings(constant=self._form)

    def _classic(self) -> float:
        d, spread = self.actions.shape[1], self.horizon * self.bounds.longest**2
        grown = math.log((d * self.lam + spread) / (d * self.lam))
        return self.bounds.theta * math.sqrt(self.lam) + math.sqrt(2.0 * math.log(self.horizon) + d * grown)


class DiscountedLinUCB(Regressing):
    """D-LinUCB: LinUCB in which a reward counts γ^s after s more rounds (Russac, Vernade and Cappé 2019).

    The width of an action is β√(uᵀV⁻¹ṼV⁻¹u), Ṽ discounted by γ²; β is LinUCB's with (1-γ^{2t})/(1-γ²) for t. Both
    matrices are carried forward discounted, so that no power γ^-t is ever formed and nothing overflows.

    Args:
        actions: the vectors it chooses among.
        sigma: σ.
        horizon: T.
        lam: λ, or "logT".
        bounds: sizes of the system.
        beta_scale: factor of β.
        delta: δ; None for 1/T.
        rho_bar: ρ̄ that enters c₂ and σ̃.
        discount: γ in (0, 1).
        name: its name.
    """

    def __init__(
        self,
        actions: object,
        sigma: float,
        horizon: int,
        lam: Regularisation = "logT",
        bounds: Bounds = UNIT,
        beta_scale: float = 1.0,
        delta: float | None = None,
        *,
        rho_bar: float = 0.0,
        discount: float = 0.999999,
        name: str = "D-LinUCB",
    ) -> None:
        if not 0.0 < discount < 1.0:
            raise InputError(f"discount={discount}: must be in (0, 1); LinUCB is the limit 1")
        self.discount = discount
        super().__init__(
            actions, name, sigma=sigma, horizon=horizon, lam=lam, bounds=bounds,
            beta_scale=beta_scale, delta=delta, rho_bar=rho_bar,
        )  # fmt: skip

    def settings(self) -> RidgeSettings:
        """Return what the kernels are set to."""
        return self._settings(discount=self.discount)


def warn_of_memory(bandit: DynamicalLinearBandit, rho_bar: float, name: str) -> None:
    """Warn where a learner takes a system to forget faster than it does."""
    if rho_bar < bandit.spectral_radius - 1e-12:
        warnings.warn(
            f"{name}: rho_bar={rho_bar:g} is below the spectral radius {bandit.spectral_radius:g}; "
            "an under-estimated rho_bar can give linear regret",
            stacklevel=3,
        )
