"""A driven pendulum: swings that a linear model gets wrong in a known way, with the velocity hidden.

θ̈ = -(g/l) sin θ - c θ̇ + u, with the torque u held over each step, solved by the classical Runge-Kutta method at a
tenth of the step. What is seen is the angle with noise, or a small picture of the bob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

FINER = 10
"""Runge-Kutta steps within one step of the series."""


@dataclass(frozen=True)
class Pendulum:
    """A pendulum and how it is watched.

    Attributes:
        stiffness: g/l in 1/s².
        damping: c in 1/s.
        dt: step of the series in s, > 0.
        noise: standard deviation of the measured angle in rad.
        linear: whether sin θ is replaced by θ, so that the linear model is exact.
    """

    stiffness: float = 9.81
    damping: float = 0.1
    dt: float = 0.05
    noise: float = 0.05
    linear: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no pendulum."""
        if not self.dt > 0.0:
            raise InputError(f"dt={self.dt}: must be > 0 s, for example 0.05")
        if not self.stiffness > 0.0:
            raise InputError(f"stiffness={self.stiffness}: must be > 0 1/s², for example 9.81")
        for name, value in (("damping", self.damping), ("noise", self.noise)):
            if not value >= 0.0:
                raise InputError(f"{name}={value}: must be >= 0")

    def acceleration(
        self,
        angle: Float[np.ndarray, "*n"],
        velocity: Float[np.ndarray, "*n"],
        torque: Float[np.ndarray, "*n"],
    ) -> Float[np.ndarray, "*n"]:
        """Return θ̈ in rad/s²."""
        pull = angle if self.linear else np.sin(angle)
        return -self.stiffness * pull - self.damping * velocity + torque

    def energy(self, states: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n"]:
        """Return θ̇²/2 + the potential, per mass and squared length, in 1/s²; constant where c = u = 0."""
        angle = states[..., 0]
        height = 0.5 * angle**2 if self.linear else 1.0 - np.cos(angle)
        return 0.5 * states[..., 1] ** 2 + self.stiffness * height

    def linearised(self) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2 1"]]:
        """Return A and B of the model for small angles, d[θ, θ̇]/dt = A [θ, θ̇] + B u."""
        return (
            np.array([[0.0, 1.0], [-self.stiffness, -self.damping]]),
            np.array([[0.0], [1.0]]),
        )


class Swings(NamedTuple):
    """Simulated series.

    Attributes:
        observed: the noisy angle in rad [N, T, 1], or pictures of size² pixels [N, T, size²].
        inputs: the torque in rad/s² held over the step that ends in each sample [N, T, 1].
        states: angle and velocity in rad and rad/s, without noise [N, T, 2]; the velocity is observed nowhere.
    """

    observed: Float[np.ndarray, "N T p"]
    inputs: Float[np.ndarray, "N T 1"]
    states: Float[np.ndarray, "N T 2"]


def simulate_pendulum(
    rng: np.random.Generator,
    sequences: int,
    steps: int = 60,
    *,
    pendulum: Pendulum | None = None,
    amplitude: float = 1.0,
    drive: float = 1.0,
    gust: float = 0.0,
    normal: bool = False,
) -> Swings:
    """Return series of pendulums let go at rest and driven by a random torque.

    Args:
        rng: draws angles, torques and noise.
        sequences: how many, N.
        steps: length of each, T.
        pendulum: what swings; by default the one of ``Pendulum()``.
        amplitude: the first angle is even in [-amplitude, amplitude] rad.
        drive: standard deviation of the torque in rad/s², drawn anew for each step.
        gust: standard deviation of a further torque in rad/s² that nobody measures.
        normal: whether the first angle is normal instead, of the same variance.

    Raises:
        InputError: a size is < 1 or a spread is < 0.

    >>> simulate_pendulum(np.random.default_rng(0), 3, 5).states.shape
    (3, 5, 2)
    """
    if sequences < 1 or steps < 1:
        raise InputError(f"sequences={sequences}, steps={steps}: both must be >= 1")
    for name, spread in (("amplitude", amplitude), ("drive", drive), ("gust", gust)):
        if not spread >= 0.0:
            raise InputError(f"{name}={spread}: must be >= 0")
    known = pendulum or Pendulum()
    if normal:
        angles = amplitude / np.sqrt(3.0) * rng.standard_normal(sequences)
    else:
        angles = rng.uniform(-amplitude, amplitude, sequences)
    first = np.stack([angles, np.zeros(sequences)], axis=1)
    torque = drive * rng.standard_normal((sequences, steps))
    unseen = gust * rng.standard_normal((sequences, steps))
    states = swing(known, first, torque + unseen)
    observed = states[..., :1] + known.noise * rng.standard_normal((sequences, steps, 1))
    return Swings(observed, torque[..., None], states)


def swing(
    pendulum: Pendulum, first: Float[np.ndarray, "N 2"], torque: Float[np.ndarray, "N T"]
) -> Float[np.ndarray, "N T 2"]:
    """Return angle and velocity at the end of each step, from the states before the first one."""
    angle, velocity = first[:, 0].astype(np.float64), first[:, 1].astype(np.float64)
    states = np.empty((*torque.shape, 2))
    h = pendulum.dt / FINER
    for t in range(torque.shape[1]):
        for _ in range(FINER):
            angle, velocity = _runge_kutta(pendulum, angle, velocity, torque[:, t], h)
        states[:, t, 0], states[:, t, 1] = angle, velocity
    return states


def _runge_kutta(
    pendulum: Pendulum, angle: np.ndarray, velocity: np.ndarray, torque: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray]:
    a1 = pendulum.acceleration(angle, velocity, torque)
    v2 = velocity + 0.5 * h * a1
    a2 = pendulum.acceleration(angle + 0.5 * h * velocity, v2, torque)
    v3 = velocity + 0.5 * h * a2
    a3 = pendulum.acceleration(angle + 0.5 * h * v2, v3, torque)
    v4 = velocity + h * a3
    a4 = pendulum.acceleration(angle + h * v3, v4, torque)
    moved = h * (velocity + 2.0 * v2 + 2.0 * v3 + v4) / 6.0
    return angle + moved, velocity + h * (a1 + 2.0 * a2 + 2.0 * a3 + a4) / 6.0


def bob_pictures(
    angles: Float[np.ndarray, "N T"], *, size: int = 16, width: float = 1.2
) -> Float[np.ndarray, "N T pixels"]:
    """Return pictures of the bob as a Gaussian blob in a square, row by row, brightness in [0, 1].

    Args:
        angles: in rad; 0 hangs down, towards the last row.
        size: pixels along a side.
        width: standard deviation of the blob in pixels, > 0.

    Raises:
        InputError: the size is < 2 or the width not > 0.
    """
    if size < 2 or not width > 0.0:
        raise InputError(f"size={size}, width={width}: the size must be >= 2 and the width > 0")
    middle, arm = (size - 1) / 2.0, 0.36 * size
    column = middle + arm * np.sin(angles)[..., None]
    row = middle + arm * np.cos(angles)[..., None]
    places = np.arange(size)
    across = np.exp(-0.5 * ((places - column) / width) ** 2)
    down = np.exp(-0.5 * ((places - row) / width) ** 2)
    return (down[..., :, None] * across[..., None, :]).reshape(*angles.shape, size * size)
