"""What is known of the dynamics before training: a linear system, a step of one's own, an oscillator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import torch

Numbers: TypeAlias = Any
"""Anything numpy reads as an array of numbers."""
Step: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""f(z [..., n], u [..., q]) -> next z [..., n], in units, from torch operations."""
OPTIONAL = ("process_std", "observation_std", "initial_mean", "initial_std", "latent_scale")


class UnstablePriorWarning(UserWarning):
    """A prior whose open loop grows without bound."""


@dataclass(frozen=True, eq=False)
class PhysicsPrior:
    """A known, perhaps wrong, model z_t = f(z_{t-1}, u_t), x_t = C z_t in units; make it with a class method.

    Attributes:
        A: transition, (n, n), or None where ``step`` is given.
        B: what the input of a step adds within the step, (n, q); None where there is none.
        C: what is observed of the state, (p, n); None where the emission is learned.
        step: a transition that is not linear.
        latent_dim: n.
        input_dim: q.
        process_std: standard deviation of the transition, (n,), frozen; None learns it as a function of z.
        observation_std: standard deviation of the observation, (p,), frozen; None learns it.
        initial_mean: mean of z_1, (n,), frozen together with ``initial_std``; None learns where sequences begin.
        initial_std: standard deviation of z_1, (n,).
        latent_scale: what is one unit inside the networks, (n,); None takes it from the data (for a step of one's
            own: 1).

    Raises:
        InputError: shapes disagree, or a number is out of range.
    """

    A: Float[np.ndarray, "n n"] | None
    B: Float[np.ndarray, "n q"] | None
    C: Float[np.ndarray, "p n"] | None
    step: Step | None
    latent_dim: int
    input_dim: int
    process_std: Float[np.ndarray, " n"] | None = None
    observation_std: Float[np.ndarray, " p"] | None = None
    initial_mean: Float[np.ndarray, " n"] | None = None
    initial_std: Float[np.ndarray, " n"] | None = None
    latent_scale: Float[np.ndarray, " n"] | None = None

    @classmethod
    def linear(cls, A_d: Numbers, B_d: Numbers = None, C: Numbers = None, **known: Numbers) -> PhysicsPrior:
        """Return the prior z_t = A_d z_{t-1} + B_d u_t, x_t = C z_t.

        Args:
            A_d: transition of one step, (n, n).
            B_d: effect of the input, (n, q), or None.
            C: what is observed, (p, n), or None where the emission is learned.
            **known: ``process_std``, ``observation_std``, ``initial_mean``, ``initial_std``, ``latent_scale``.

        Warns:
            UnstablePriorWarning: an eigenvalue of A_d is larger than 1 in size.
        """
        _warn_if_unstable(A_d)
        return cls._linear(A_d, B_d, C, known)

    @classmethod
    def _linear(cls, A_d: Numbers, B_d: Numbers, C: Numbers, known: Mapping[str, Numbers]) -> PhysicsPrior:
        """Return a linear prior, stable or not."""
        transition = _matrix("A_d", A_d)
        if transition.shape[0] != transition.shape[1]:
            raise InputError(f"A_d has shape {transition.shape}: must be square")
        n = transition.shape[0]
        effect = None if B_d is None else _matrix("B_d", B_d)
        if effect is not None and effect.shape[0] != n:
            raise InputError(f"B_d has shape {effect.shape}: must have {n} rows, as A_d has")
        return cls._checked(transition, effect, C, None, n, 0 if effect is None else effect.shape[1], known)

    @classmethod
    def from_continuous(
        cls,
        A_c: Numbers,
        B_c: Numbers,
        dt: float,
        C: Numbers = None,
        method: Literal["zoh", "rk4"] = "zoh",
        **known: Numbers,
    ) -> PhysicsPrior:
        """Return the prior of ż = A_c z + B_c u, sampled every ``dt`` with the input held (see ``discretise``)."""
        from doxa.dynamics.discretisation import discretise

        transition = _matrix("A_c", A_c)
        inputs = np.zeros((transition.shape[0], 0)) if B_c is None else _matrix("B_c", B_c)
        moves = discretise(transition, inputs, dt, method)
        _warn_if_unstable(moves.A)
        return cls._linear(moves.A, None if B_c is None else moves.B, C, known)

    @classmethod
    def callable(
        cls,
        f: Step,
        latent_dim: int,
        C: Numbers = None,
        input_dim: int = 0,
        **known: Numbers,
    ) -> PhysicsPrior:
        """Return the prior z_t = f(z_{t-1}, u_t), f of torch operations over any leading dimensions, in units.

        Nothing says in which units its latents vary by about 1, as they should inside the networks: give
        ``latent_scale`` where they do not.
        """
        if latent_dim < 1 or input_dim < 0:
            raise InputError(f"latent_dim={latent_dim}, input_dim={input_dim}: must be >= 1 and >= 0")
        return cls._checked(None, None, C, f, latent_dim, input_dim, known)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> PhysicsPrior:
        """Return the prior that a JSON object describes.

        ``{"kind": "linear", "A_d": …, "B_d": …, "C": …}``, ``{"kind": "continuous", "A_c": …, "B_c": …, "dt": …,
        "C": …}`` or ``{"kind": "oscillator", "f0": …, "zeta": …, "dt": …}``, each with the optional known numbers.
        """
        kinds: dict[str, Callable[..., PhysicsPrior]] = {
            "linear": cls.linear, "continuous": cls.from_continuous, "oscillator": Oscillator,
        }  # fmt: skip
        given = dict(told)
        kind = str(given.pop("kind", "linear"))
        if kind not in kinds:
            raise InputError(f"kind={kind!r}: {did_you_mean(kind, kinds)}")
        try:
            return kinds[kind](**given)
        except TypeError as error:
            raise InputError(f"prior of kind {kind!r}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the linear prior as a JSON object that ``from_dict`` reads."""
        if self.A is None:
            raise InputError(
                "a prior with a step of its own cannot be written down; pass it again when you load"
            )
        parts: dict[str, Any] = {"kind": "linear", "A_d": self.A, "B_d": self.B, "C": self.C}
        parts |= {name: getattr(self, name) for name in OPTIONAL}
        return {name: _plain(value) for name, value in parts.items() if value is not None}

    def with_known(self, **known: Numbers) -> PhysicsPrior:
        """Return the prior with other known numbers (see ``linear``)."""
        merged = {name: getattr(self, name) for name in OPTIONAL} | known
        return PhysicsPrior._checked(
            self.A, self.B, self.C, self.step, self.latent_dim, self.input_dim, merged
        )

    @property
    def obs_dim(self) -> int | None:
        """Number of observed channels p, where C says it."""
        return None if self.C is None else self.C.shape[0]

    @classmethod
    def _checked(
        cls,
        A: Float[np.ndarray, "n n"] | None,
        B: Float[np.ndarray, "n q"] | None,
        C: Numbers,
        step: Step | None,
        latent_dim: int,
        input_dim: int,
        known: Mapping[str, Numbers],
    ) -> PhysicsPrior:
        """Return the prior after its emission and known numbers were checked."""
        emission = None if C is None else _matrix("C", C)
        if emission is not None and emission.shape[1] != latent_dim:
            raise InputError(f"C has shape {emission.shape}: must have {latent_dim} columns, one per latent")
        for name in known:
            if name not in OPTIONAL:
                raise InputError(f"{name}: no known number of a prior; {did_you_mean(name, OPTIONAL)}")
        prior = PhysicsPrior(A, B, emission, step, latent_dim, input_dim)
        sizes = dict.fromkeys(OPTIONAL, latent_dim) | {
            "observation_std": 0 if emission is None else len(emission)
        }
        numbers = {
            name: _vector(name, value, sizes[name]) for name, value in known.items() if value is not None
        }
        if ("initial_mean" in numbers) != ("initial_std" in numbers):
            raise InputError("initial_mean and initial_std: give both or neither")
        return replace(prior, **cast(Any, numbers))


class Oscillator(PhysicsPrior):
    """A damped linear oscillator q̈ + 2ζω q̇ + ω² q = ω² gain u, ω = 2π f0, of which q is observed.

    Its state is displacement and velocity (per unit of time). Without ``gain`` it takes no input.

    Raises:
        InputError: ``dt`` or ``f0`` is not positive, or ``zeta`` is negative.
    """

    def __init__(
        self, f0: float, zeta: float, dt: float, gain: float | None = None, **known: Numbers
    ) -> None:
        if not 0 < f0 < np.inf:
            raise InputError(f"f0={f0}: must be finite and > 0, in cycles per unit of time")
        if not 0 <= zeta < np.inf:
            raise InputError(f"zeta={zeta}: must be finite and >= 0; 1 is critical damping")
        omega = 2 * np.pi * f0
        motion = [[0.0, 1.0], [-(omega**2), -2 * zeta * omega]]
        force = None if gain is None else [[0.0], [omega**2 * gain]]
        prior = PhysicsPrior.from_continuous(motion, force, dt, C=[[1.0, 0.0]], **known)
        super().__init__(**{name: getattr(prior, name) for name in PhysicsPrior.__dataclass_fields__})


def _warn_if_unstable(A_d: Numbers) -> None:
    """Warn whoever called the maker of a prior that its open loop grows, with the sizes of the eigenvalues."""
    transition = np.asarray(A_d, dtype=float)
    if (
        transition.ndim != 2
        or transition.shape[0] != transition.shape[1]
        or not np.isfinite(transition).all()
    ):
        return
    size = np.abs(np.linalg.eigvals(transition))
    if size.max() > 1 + 1e-9:
        told = ", ".join(f"{one:.4g}" for one in sorted(size, reverse=True))
        warnings.warn(
            f"A_d is unstable: sizes of its eigenvalues {told}; forecasts of the prior alone grow without bound",
            UnstablePriorWarning,
            stacklevel=3,
        )


def _matrix(name: str, value: Numbers) -> Float[np.ndarray, "rows columns"]:
    """Return a finite matrix; a vector is one column."""
    matrix = np.asarray(value, dtype=float)
    if matrix.ndim == 1 and name.startswith("B"):
        matrix = matrix[:, None]
    if matrix.ndim != 2:
        raise InputError(f"{name} has shape {matrix.shape}: must be a matrix")
    if not np.isfinite(matrix).all():
        raise InputError(f"{name} holds a number that is not finite")
    return matrix


def _vector(name: str, value: Numbers, size: int) -> Float[np.ndarray, " size"]:
    """Return a finite vector of a known length; a number is repeated; scales must be positive."""
    vector = np.asarray(value, dtype=float)
    if vector.ndim == 0 and size:
        vector = np.full(size, float(vector))
    if vector.shape != (size,) or not size:
        raise InputError(
            f"{name} has shape {vector.shape}: must have {size} numbers" + ("" if size else " (no C)")
        )
    if not np.isfinite(vector).all() or (name != "initial_mean" and not (vector > 0).all()):
        raise InputError(
            f"{name}={vector.tolist()}: must be finite" + ("" if name == "initial_mean" else " and > 0")
        )
    return vector


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
