"""How a mood is moved by what is heard: at once, by exponential smoothing, or with momentum.

With the signal e_t and the state s_t of one dimension, s_0 = s̄, v_0 = 0:

- stateless: s_t = e_t;
- first order: s_t = (1 - α) s_{t-1} + α e_t + ρ (s̄ - s_{t-1});
- second order: v_t = μ v_{t-1} + g (e_t - s_{t-1}), s_t = clip(s_{t-1} + v_t), where g = 1 - μ ("normalised") or any
  number that keeps the poles inside the unit circle ("heavy ball").

In matrices x_t = M x_{t-1} + b e_t with x = s or (s, v). A turn of length dt holds its signal that long:
x_t = x* + M^dt (x_{t-1} - x*), x* where the signal would lead. That is the recursion at dt = 1, exponential decay with
τ = -1 / ln(1 - α) in the first order, and two turns of lengths a and b with one signal are one of length a + b.

Source: arXiv 2601.16087, whose text gives α, μ and the two orders; the exact form of the momentum rule is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.dynamics.affect.base import AffectDynamics, Mood
from doxa.errors import InputError

if TYPE_CHECKING:
    from doxa.dynamics.linear import LinearSystem

Direction: TypeAlias = Literal["up", "down"]


class Matrices(NamedTuple):
    """One dimension's move x' = M x + b e + c s̄ and where it leads.

    Attributes:
        move: M, (n, n).
        signal: b, (n,).
        home: c, (n,), what the baseline adds.
        rest: share of the signal in the state that it leads to; that of the baseline is 1 - rest.
    """

    move: Float[np.ndarray, "n n"]
    signal: Float[np.ndarray, " n"]
    home: Float[np.ndarray, " n"]
    rest: float


@dataclass(frozen=True)
class Stateless(AffectDynamics):
    """The signal itself: nothing is remembered, and nothing is told to the model."""

    kind: ClassVar[str] = "stateless"

    def _after(self, mood: Mood, signal: Float[np.ndarray, "*batch d"], dt: float) -> Mood:
        del dt
        return mood._replace(state=signal + np.zeros_like(mood.state))

    def system(self) -> LinearSystem:
        """Return y = u."""
        from doxa.dynamics.linear import LinearSystem

        return LinearSystem(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), np.ones((1, 1)))


class _Ordered(AffectDynamics):
    """What the first and the second order share: a matrix for each direction, and its powers."""

    tau_up: float | None
    tau_down: float | None

    def matrices(self, direction: Direction = "up") -> Matrices:
        """Return one dimension's move while the signal is above (``up``) or below the state."""
        raise NotImplementedError

    @property
    def symmetric(self) -> bool:
        """Whether the state rises as it falls, so that the rule is linear but for the ends of the scale."""
        return self.tau_up is None and self.tau_down is None

    def rising(self) -> AffectDynamics:
        """Return the linear rule by which the state rises."""
        raise NotImplementedError

    def falling(self) -> AffectDynamics:
        """Return the linear rule by which the state falls."""
        raise NotImplementedError

    def system(self) -> LinearSystem:
        """Return one dimension as a linear system whose output at a turn is the state after its signal.

        Raises:
            InputError: the state does not fall as it rises, and so the rule is not linear.
        """
        from doxa.dynamics.linear import LinearSystem

        if not self.symmetric:
            raise InputError(
                f"{self} is not linear: it rises and falls at different speeds; ask .rising() or .falling()"
            )
        move, signal, _, _ = self.matrices()
        return LinearSystem(move, signal[:, None], move[:1], signal[None, :1])

    def _check_poles(self) -> None:
        for direction in ("up", "down"):
            poles = np.linalg.eigvals(self.matrices(direction).move)
            if not np.abs(poles).max() < 1.0:
                shown = ", ".join(f"{pole:.4g}" for pole in poles)
                raise InputError(
                    f"{self} does not settle: its poles are {shown}, and all must be smaller than 1 in size; "
                    "lower the gain"
                )

    def _moved(
        self, x: Float[np.ndarray, "n *batch d"], signal: Float[np.ndarray, "*batch d"], dt: float
    ) -> Float[np.ndarray, "n *batch d"]:
        """Return x after a turn of length dt, each dimension by the matrices of its direction."""
        up = self._turned(x, signal, dt, "up")
        return up if self.symmetric else np.where(signal >= x[0], up, self._turned(x, signal, dt, "down"))

    def _turned(
        self,
        x: Float[np.ndarray, "n *batch d"],
        signal: Float[np.ndarray, "*batch d"],
        dt: float,
        to: Direction,
    ) -> Float[np.ndarray, "n *batch d"]:
        _, _, _, rest = self.matrices(to)
        target = np.zeros_like(x)
        target[0] = rest * signal + (1.0 - rest) * self.home
        return target + np.tensordot(_power(self, to, dt), x - target, axes=1)


@dataclass(frozen=True)
class FirstOrder(_Ordered):
    """Exponential smoothing: a share of the way to the signal at each turn.

    Attributes:
        alpha: that share α in (0, 1]; 1 keeps nothing and differs from ``Stateless`` only in being told.
        rho: pull ρ >= 0 to the baseline.
        tau_up, tau_down: time constants in turns of rising and falling, instead of α: α = 1 - exp(-1/τ).

    Raises:
        InputError: a value is out of range, or the pole 1 - α - ρ is not inside the unit circle.
    """

    kind: ClassVar[str] = "first-order"

    alpha: float = 1.0
    rho: float = 0.0
    tau_up: float | None = None
    tau_down: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.alpha <= 1.0:
            raise InputError(f"alpha={self.alpha}: must be in (0, 1]; 1 keeps nothing of the state before")
        if not 0.0 <= self.rho < math.inf:
            raise InputError(f"rho={self.rho}: must be >= 0; 0 does not pull to the baseline")
        _check_times(self.tau_up, self.tau_down)
        self._check_poles()

    def rising(self) -> FirstOrder:
        """Return the linear rule by which the state rises."""
        return replace(self, alpha=self._alpha("up"), tau_up=None, tau_down=None)

    def falling(self) -> FirstOrder:
        """Return the linear rule by which the state falls."""
        return replace(self, alpha=self._alpha("down"), tau_up=None, tau_down=None)

    def matrices(self, direction: Direction = "up") -> Matrices:
        """Return M = 1 - α - ρ, b = α and c = ρ."""
        alpha = self._alpha(direction)
        return Matrices(
            np.array([[1.0 - alpha - self.rho]]),
            np.array([alpha]),
            np.array([self.rho]),
            alpha / (alpha + self.rho),
        )

    def _alpha(self, direction: Direction) -> float:
        tau = self.tau_up if direction == "up" else self.tau_down
        return self.alpha if tau is None else -math.expm1(-1.0 / tau)

    def _after(self, mood: Mood, signal: Float[np.ndarray, "*batch d"], dt: float) -> Mood:
        old = mood.state
        if dt != 1.0:
            return mood._replace(state=self._moved(old[None], signal, dt)[0])
        alpha = np.where(signal >= old, self._alpha("up"), self._alpha("down"))
        return mood._replace(state=(1.0 - alpha) * old + alpha * signal + self.rho * (self.home - old))


@dataclass(frozen=True)
class SecondOrder(_Ordered):
    """Momentum: the signal pulls at the state's velocity.

    Attributes:
        mu: momentum μ in [0, 1), what is kept of the velocity at each turn; the poles have size √μ (normalised).
        gain: ``normalised`` for 1 - μ, so that μ near 1 freezes the state, or a number g > 0 (heavy ball).
        anti_windup: whether a dimension that meets an end of the scale stops there instead of gathering speed.
        tau_up, tau_down: time constants in turns of the swing's envelope, √μ^t = exp(-t/τ), instead of μ where the
            signal is above or below the state.

    Raises:
        InputError: a value is out of range, or a pole is not inside the unit circle; the message has the poles.
    """

    kind: ClassVar[str] = "second-order"

    mu: float
    gain: float | Literal["normalised"] = "normalised"
    anti_windup: bool = True
    tau_up: float | None = None
    tau_down: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.mu < 1.0:
            raise InputError(f"mu={self.mu}: must be in [0, 1); 0 has no momentum, at 1 nothing is forgotten")
        if isinstance(self.gain, str):
            if self.gain != "normalised":
                raise InputError(f"gain={self.gain!r}: must be 'normalised' or a number > 0")
        elif not 0.0 < self.gain < math.inf:
            raise InputError(f"gain={self.gain}: must be > 0, or 'normalised' for 1 - mu")
        _check_times(self.tau_up, self.tau_down)
        self._check_poles()

    def rising(self) -> SecondOrder:
        """Return the linear rule by which the state rises."""
        return replace(self, mu=self._mu("up"), tau_up=None, tau_down=None)

    def falling(self) -> SecondOrder:
        """Return the linear rule by which the state falls."""
        return replace(self, mu=self._mu("down"), tau_up=None, tau_down=None)

    def matrices(self, direction: Direction = "up") -> Matrices:
        """Return M = [[1 - g, μ], [-g, μ]] and b = (g, g)."""
        mu = self._mu(direction)
        g = self._gain(mu)
        return Matrices(np.array([[1.0 - g, mu], [-g, mu]]), np.array([g, g]), np.zeros(2), 1.0)

    def _mu(self, direction: Direction) -> float:
        tau = self.tau_up if direction == "up" else self.tau_down
        return self.mu if tau is None else math.exp(-2.0 / tau)

    def _gain(self, mu: float) -> float:
        return 1.0 - mu if isinstance(self.gain, str) else self.gain

    def _after(self, mood: Mood, signal: Float[np.ndarray, "*batch d"], dt: float) -> Mood:
        old, speed = mood.state, mood.velocity
        if dt != 1.0:
            state, speed = self._moved(np.stack([old, speed]), signal, dt)
            return mood._replace(state=state, velocity=speed)
        up = signal >= old
        mu = np.where(up, self._mu("up"), self._mu("down"))
        gain = np.where(up, self._gain(self._mu("up")), self._gain(self._mu("down")))
        speed = mu * speed + gain * (signal - old)
        return mood._replace(state=old + speed, velocity=speed)

    def _at_the_end(self, mood: Mood, held: Float[np.ndarray, "*batch d"]) -> Mood:
        if not self.anti_windup:
            return mood._replace(state=held)
        return mood._replace(state=held, velocity=np.where(held == mood.state, mood.velocity, 0.0))


def _check_times(*times: float | None) -> None:
    for name, tau in zip(("tau_up", "tau_down"), times, strict=True):
        if tau is not None and not 0.0 < tau < math.inf:
            raise InputError(f"{name}={tau}: must be a number of turns > 0")


@lru_cache(maxsize=1024)
def _power(rule: _Ordered, direction: Direction, dt: float) -> Float[np.ndarray, "n n"]:
    """Return M^dt, the real one.

    Raises:
        InputError: a pole at or below zero has no power that is no whole number.
    """
    move = rule.matrices(direction).move
    if dt == int(dt):
        return np.linalg.matrix_power(move, int(dt))
    poles = np.linalg.eigvals(move)
    if np.any((np.abs(poles.imag) < 1e-12) & (poles.real <= 0.0)):
        shown = ", ".join(f"{pole:.4g}" for pole in poles)
        raise InputError(
            f"dt={dt}: {rule} has poles {shown}, and what is at or below zero has no part of a turn; "
            "give a whole number of turns, or a slower rule"
        )
    from scipy.linalg import fractional_matrix_power

    return np.real(np.asarray(fractional_matrix_power(move, dt)))
