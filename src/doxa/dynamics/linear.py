"""Linear systems in discrete time: x_{t+1} = A x_t + B u_t + ε_t, y_t = C x_t + D u_t + η_t.

The output comes before the state moves, so a system with D = 0 shows an input one step later. Where a model lets the
input of a step act within the step, z_t = A z_{t-1} + B u_t, shift the inputs: z_t is the state x_t of a system that
starts from A z_0 + B u_1 and is given u_2, u_3, ….
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Complex, Float, Real

from doxa.dynamics.base import Example, dynamics
from doxa.errors import InputError, UnstableSystemError

Given: TypeAlias = Real[np.ndarray, "..."]
"""Numbers that a caller gives; their shape is checked, and named in errors."""


class Trajectory(NamedTuple):
    """What a simulation gives.

    Attributes:
        states: x_1 … x_T, before each step's move.
        outputs: y_1 … y_T.
        last: x_{T+1}, from which a next simulation goes on.
    """

    states: Float[np.ndarray, "*batch steps n"]
    outputs: Float[np.ndarray, "*batch steps p"]
    last: Float[np.ndarray, "*batch n"]


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """A system x' = A x + B u, y = C x + D u.

    Attributes:
        A: how the state moves, (n, n).
        B: what an input does to the state, (n, q).
        C: what is seen of the state, (p, n).
        D: what is seen of the input at once, (p, q).

    Raises:
        InputError: shapes disagree, or a number is not finite.

    >>> one = np.eye(1)
    >>> LinearSystem(A=0.5 * one, B=one, C=one, D=0 * one).static_gain()
    array([[2.]])
    """

    A: Given
    B: Given
    C: Given
    D: Given

    def __post_init__(self) -> None:
        for name in "ABCD":
            object.__setattr__(self, name, _matrix(name, getattr(self, name)))
        n, q, p = self.states, self.inputs, self.outputs
        for name, shape in {"A": (n, n), "B": (n, q), "C": (p, n), "D": (p, q)}.items():
            have = getattr(self, name).shape
            if have != shape:
                raise InputError(
                    f"{name} is {have[0]} x {have[1]}: A of {self.A.shape[0]} rows, B of {q} columns and "
                    f"C of {p} rows ask for {shape[0]} x {shape[1]}"
                )

    @property
    def states(self) -> int:
        """Number of state variables n."""
        return self.A.shape[0]

    @property
    def inputs(self) -> int:
        """Number of inputs q."""
        return self.B.shape[1]

    @property
    def outputs(self) -> int:
        """Number of outputs p."""
        return self.C.shape[0]

    def poles(self) -> Complex[np.ndarray, " n"]:
        """Return the eigenvalues of A, the largest first; of a pair the one above the real axis first."""
        found = np.linalg.eigvals(self.A).astype(complex)
        return found[np.lexsort((-np.imag(found), -np.real(found), -np.round(np.abs(found), 12)))]

    def spectral_radius(self) -> float:
        """Return ρ(A), the size of the largest pole."""
        return float(np.abs(self.poles()).max(initial=0.0))

    def check_stable(self) -> None:
        """Check that the state forgets.

        Raises:
            UnstableSystemError: a pole is not inside the unit circle.
        """
        poles = self.poles()
        if self.spectral_radius() >= 1.0:
            raise UnstableSystemError(
                f"eigenvalue {poles[0]:.4g} of A has size {abs(poles[0]):.4g}: a system that settles needs all < 1"
            )

    def damping_ratios(self) -> Float[np.ndarray, " n"]:
        """Return ζ = -Re(s)/|s| of each pole, s = ln z: 1 does not swing, 0 swings for ever, < 0 grows.

        A pole at 0 or 1 does not swing: its ratio is 1.
        """
        poles = self.poles()
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.log(poles)
            ratios = -np.real(s) / np.abs(s)
        return np.where((poles == 0) | (s == 0), 1.0, ratios)

    def periods(self) -> Float[np.ndarray, " n"]:
        """Return how many steps a swing of each pole takes, 2π/|arg z|; infinite where it does not swing."""
        with np.errstate(divide="ignore"):
            return 2.0 * np.pi / np.abs(np.angle(self.poles()))

    def frequency_response(self, omega: Float[np.ndarray, " w"] | float) -> Complex[np.ndarray, "w p q"]:
        """Return C (e^{iω} I - A)^{-1} B + D.

        Args:
            omega: frequencies in radians per step.
        """
        z = np.exp(1j * np.atleast_1d(np.asarray(omega, dtype=float)))
        inner = z[:, None, None] * np.eye(self.states) - self.A
        return self.C @ np.linalg.solve(inner, np.broadcast_to(self.B, (len(z), *self.B.shape))) + self.D

    def impulse_response(self, n: int) -> Float[np.ndarray, "n p q"]:
        """Return the Markov parameters D, CB, CAB, …: what one unit of input shows at once, a step later, ….

        Args:
            n: how many, >= 1.
        """
        if n < 1:
            raise InputError(f"impulse_response({n}): ask for one step or more")
        out, moved = np.empty((n, self.outputs, self.inputs)), self.B
        out[0] = self.D
        for k in range(1, n):
            out[k], moved = self.C @ moved, self.A @ moved
        return out

    def step_response(self, n: int) -> Float[np.ndarray, "n p q"]:
        """Return what an input held at one from the first step on shows at each of n steps."""
        return np.cumsum(self.impulse_response(n), axis=0)

    def static_gain(self) -> Float[np.ndarray, "p q"]:
        """Return C (I - A)^{-1} B + D, where the outputs settle under inputs held at one.

        Raises:
            UnstableSystemError: it does not settle.
        """
        self.check_stable()
        return self.C @ np.linalg.solve(np.eye(self.states) - self.A, self.B) + self.D

    def simulate(
        self,
        u: Given,
        *,
        x0: Given | None = None,
        process_noise: Given | None = None,
        observation_noise: Given | None = None,
    ) -> Trajectory:
        """Run the system over inputs.

        Args:
            u: inputs, (*batch, steps, q); a system without inputs takes an array whose last axis is empty.
            x0: state at the first step, (*batch, n); zero by default.
            process_noise: ε of each step, (*batch, steps, n).
            observation_noise: η of each step, (*batch, steps, p).

        Raises:
            InputError: shapes disagree.
        """
        from doxa.dynamics.linear_kernels import run_states

        u = np.asarray(u, dtype=float)
        if u.ndim < 2 or u.shape[-1] != self.inputs:
            raise InputError(f"u has shape {u.shape}: must be [..., steps, {self.inputs}]")
        batch, steps = u.shape[:-2], u.shape[-2]
        drive = u @ self.B.T
        if process_noise is not None:
            drive = drive + _shaped("process_noise", process_noise, *batch, steps, self.states)
        start = np.zeros((*batch, self.states)) if x0 is None else _shaped("x0", x0, *batch, self.states)
        flat = np.ascontiguousarray(drive.reshape(-1, steps, self.states))
        states = np.empty((len(flat), steps + 1, self.states))
        states[:, 0] = start.reshape(-1, self.states)
        run_states(self.A, flat, states)
        states = states.reshape(*batch, steps + 1, self.states)
        outputs = states[..., :-1, :] @ self.C.T + u @ self.D.T
        if observation_noise is not None:
            outputs = outputs + _shaped("observation_noise", observation_noise, *batch, steps, self.outputs)
        return Trajectory(states[..., :-1, :], outputs, states[..., -1, :])


def _matrix(name: str, value: object) -> Float[np.ndarray, "rows columns"]:
    """Return a contiguous matrix of finite numbers."""
    matrix = np.array(value, dtype=float, order="C")
    if matrix.ndim != 2:
        raise InputError(f"{name} has shape {matrix.shape}: must be a matrix")
    if not np.isfinite(matrix).all():
        raise InputError(f"{name} holds {matrix[~np.isfinite(matrix)][0]}: must be finite")
    return matrix


def _shaped(name: str, value: object, *shape: int) -> Float[np.ndarray, "*shape"]:
    """Return an array that has a shape, or can be repeated to have it."""
    array = np.asarray(value, dtype=float)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise InputError(f"{name} has shape {array.shape}: must be {shape}") from None


@dataclass(frozen=True, eq=False)
class NoisySystem:
    """A linear system with Gaussian noise, from a known first state.

    Attributes:
        system: how it moves.
        process_sd: standard deviation of ε, of every state variable.
        observation_sd: standard deviation of η, of every output.
        x0: first state, (n,); None is zero.
    """

    system: LinearSystem
    process_sd: float = 0.0
    observation_sd: float = 0.0
    x0: Given | None = None

    def __post_init__(self) -> None:
        for name in ("process_sd", "observation_sd"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise InputError(f"{name}={value}: must be finite and >= 0")

    @cached_property
    def start(self) -> Float[np.ndarray, " n"]:
        """The first state."""
        x0 = np.zeros(self.system.states) if self.x0 is None else self.x0
        return np.array(_shaped("x0", x0, self.system.states))


class LinearState(NamedTuple):
    """A noisy system and its state x, (n,)."""

    config: NoisySystem
    x: Float[np.ndarray, " n"]


@dynamics.register("linear")
class Linear:
    """One step of a linear system at a time."""

    def init(self, rng: np.random.Generator, config: NoisySystem) -> LinearState:
        """Return the first state; nothing is random."""
        del rng
        return LinearState(config, config.start)

    def step(
        self, rng: np.random.Generator, state: LinearState, event: Given
    ) -> tuple[LinearState, Float[np.ndarray, " p"]]:
        """Return the state after one input, and the output that came before it moved."""
        config, system = state.config, state.config.system
        u = _shaped("event", event, system.inputs)
        eta = rng.normal(0.0, config.observation_sd, system.outputs)
        epsilon = rng.normal(0.0, config.process_sd, system.states)
        seen = system.C @ state.x + system.D @ u + eta
        return LinearState(config, system.A @ state.x + system.B @ u + epsilon), seen

    def example(self) -> Example:
        """Return a swinging pair of variables, pushed and left alone."""
        swing = LinearSystem(
            A=np.array([[0.9, 0.2], [-0.2, 0.9]]), B=np.eye(2)[:, 1:], C=np.eye(2)[:1], D=np.zeros((1, 1))
        )
        return Example(NoisySystem(swing, 0.1, 0.1), [np.array([1.0]), np.array([0.0])])
