"""The worlds of the study as problems: what is seen, what stays hidden, and a prior that is wrong in a known way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.prior import Oscillator, PhysicsPrior, UnstablePriorWarning
from doxa.dynamics.physics_guided.variants import OTHER_SYSTEM, WRONG_SIGN
from doxa.streams import stream
from doxa.worlds import silverbox
from doxa.worlds.crack_growth import Plate, paris_step, simulate_cracks
from doxa.worlds.discounting_agents import BAYESIAN, DiscountingAgent, simulate_agents
from doxa.worlds.pendulum import Pendulum, bob_pictures, simulate_pendulum

if TYPE_CHECKING:
    import torch

Watched: TypeAlias = Literal["angle", "image"]
CRACK_LENGTH = 5.0
"""Length in mm that latent crack lengths are measured by."""
LOAD = 80.0
"""Load range in MPa that loads are measured by."""
FASTER = 3.0
"""How much faster the other system of the controls swings."""
GUST = 0.5
"""Unmeasured torque of the linear world, in rad/s²."""
HIDDEN_NOISE = 0.05
"""Of the angle, in rad."""


class Series(NamedTuple):
    """Sequences of one split.

    Attributes:
        observed: what the models are given [N, T, p].
        inputs: what is known to act within each step [N, T, q].
        states: the truth, in the coordinates of the prior [N, T, n]; only the score sees it.
    """

    observed: Float[np.ndarray, "N T p"]
    inputs: Float[np.ndarray, "N T q"]
    states: Float[np.ndarray, "N T n"]


@dataclass(frozen=True)
class Problem:
    """What is to be learnt.

    Attributes:
        name: of the world.
        train: sequences that models learn from.
        test: sequences beyond them, never trained on.
        prior: the model that is known, and wrong.
        coordinates: names of the latent coordinates, in their order.
        units: of the coordinates.
        horizon: steps forecast at the end of each test sequence.
        other_priors: priors of other systems, as controls, by name.
        pictures: whether what is observed are pictures, so that the emission has to be learnt.
        train_lengths: steps of each sequence that is learnt from; None where all are of full length.
    """

    name: str
    train: Series
    test: Series
    prior: PhysicsPrior
    coordinates: tuple[str, ...]
    units: tuple[str, ...]
    horizon: int
    other_priors: dict[str, PhysicsPrior]
    pictures: bool = False
    train_lengths: Int[np.ndarray, " N"] | None = None

    @property
    def seen_unit(self) -> str:
        """Unit of what is observed: that of the first coordinate, or brightness."""
        return "brightness" if self.pictures else self.units[0]

    def some(self, count: int) -> Problem:
        """Return the problem with ``count`` sequences of each split, evenly over it."""
        return replace(self, train=_some(self.train, count), test=_some(self.test, count))


class Size(NamedTuple):
    """How much of a world is simulated: sequences to train and to test on, and their length."""

    train: int
    test: int
    steps: int


def pendulum_problem(seed: int, size: Size, watched: Watched = "angle") -> Problem:
    """Return the swing: trained within 1 rad, tested to 2.2 rad, with the model for small angles as prior."""
    pendulum = Pendulum(noise=HIDDEN_NOISE)
    split: list[Series] = []
    for name, count, amplitude in (("train", size.train, 1.0), ("test", size.test, 2.2)):
        rng = stream(seed, "physics guided", "pendulum", name)
        swings = simulate_pendulum(rng, count, size.steps, pendulum=pendulum, amplitude=amplitude)
        seen = swings.observed if watched == "angle" else bob_pictures(swings.observed[..., 0])
        split.append(Series(seen, swings.inputs, swings.states))
    motion, force = pendulum.linearised()
    seen_of = None if watched == "image" else [[1.0, 0.0]]
    prior = PhysicsPrior.from_continuous(motion, force, pendulum.dt, seen_of)
    return Problem(
        "pendulum",
        split[0],
        split[1],
        prior,
        ("angle", "velocity"),
        ("rad", "rad/s"),
        20,
        _other_priors(pendulum, seen_of),
        watched == "image",
    )


def _other_priors(pendulum: Pendulum, seen_of: Any) -> dict[str, PhysicsPrior]:
    """Return the pendulum that stands on its head, and one that swings three times as fast."""
    motion, force = pendulum.linearised()
    flipped, faster = motion.copy(), motion.copy()
    flipped[1, 0] *= -1.0
    faster[1, 0] *= FASTER**2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstablePriorWarning)  # that it is unstable is the point
        return {
            name: PhysicsPrior.from_continuous(one, force, pendulum.dt, seen_of)
            for name, one in ((WRONG_SIGN, flipped), (OTHER_SYSTEM, faster))
        }


def linear_problem(seed: int, size: Size) -> Problem:
    """Return a pendulum that is truly linear, shaken by a torque nobody measures, with its exact prior."""
    pendulum = Pendulum(noise=HIDDEN_NOISE, linear=True)
    split: list[Series] = []
    for name, count in (("train", size.train), ("test", size.test)):
        rng = stream(seed, "physics guided", "linear", name)
        swings = simulate_pendulum(
            rng, count, size.steps, pendulum=pendulum, amplitude=1.0, gust=GUST, normal=True
        )
        split.append(Series(*swings))
    motion, force = pendulum.linearised()
    prior = PhysicsPrior.from_continuous(motion, force, pendulum.dt, [[1.0, 0.0]])
    return Problem("linear", split[0], split[1], prior, ("angle", "velocity"), ("rad", "rad/s"), 20, {})


def crack_problem(seed: int, size: Size, geometry: bool = True) -> Problem:
    """Return cracks that grow faster the longer they are; the prior is Paris' law without the geometry factor.

    Coordinates are ln(a / 5 mm) and ln(K / K₀), the rate of a plate against the median; tested are longer cracks.

    Args:
        seed: of the plates.
        size: how many.
        geometry: whether the factor acts; without it the prior is right.
    """
    plate = Plate(geometry=geometry)
    split: list[Series] = []
    for name, count, first in (("train", size.train, (4.0, 6.0)), ("test", size.test, (5.5, 7.0))):
        rng = stream(seed, "physics guided", "crack", name)
        cracks = simulate_cracks(rng, count, size.steps, plate=plate, first=first)
        split.append(
            Series(
                cracks.observed - np.log(CRACK_LENGTH),
                cracks.inputs - np.log(LOAD),
                cracks.states - np.log([CRACK_LENGTH, plate.rate]),
            )
        )
    prior = PhysicsPrior.callable(
        simple_paris(plate), 2, [[1.0, 0.0]], input_dim=1, latent_scale=[0.3, plate.spread]
    )
    return Problem("crack", split[0], split[1], prior, ("length", "rate"), ("ln a", "ln K"), 20, {})


def simple_paris(plate: Plate) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the step [ln a/5 mm, ln K/K₀] under Paris' law with Y = 1."""
    length, rate, load = (float(np.log(value)) for value in (CRACK_LENGTH, plate.rate, LOAD))

    def step(state: torch.Tensor, log_load: torch.Tensor) -> torch.Tensor:
        grown = paris_step(
            state[..., 0] + length,
            state[..., 1] + rate,
            log_load[..., 0] + load,
            exponent=plate.exponent,
            cycles=plate.cycles,
        )
        # early in training a sampled state may stand for a crack that no plate could hold
        return state + _padded(grown.clamp(max=0.5))

    return step


def _padded(moved: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.stack([moved, torch.zeros_like(moved)], dim=-1)


def silverbox_problem() -> Problem:
    """Return the real record: multisines to train on, the growing arrow to test on, a linear oscillator as prior.

    Raises:
        InputError: the record is not here.
    """
    record = silverbox.load_silverbox()
    told = {"zeta": silverbox.DAMPING_RATIO, "dt": silverbox.DT, "gain": 1.0}
    prior, other = (Oscillator(silverbox.RESONANCE_HZ * factor, **told) for factor in (1.0, FASTER))
    parts = [Series(*split) for split in (record.train, record.test)]
    return Problem(
        "silverbox",
        parts[0],
        parts[1],
        prior,
        ("displacement", "velocity"),
        ("V", "V/s"),
        20,
        {OTHER_SYSTEM: other},
    )


def _some(part: Series, count: int) -> Series:
    """Return ``count`` sequences, evenly over the split."""
    places = np.linspace(0, len(part.observed) - 1, min(count, len(part.observed))).round().astype(int)
    return Series(*(array[places] for array in part))


def belief_problem(seed: int, size: Size, agent: DiscountingAgent = BAYESIAN) -> Problem:
    """Return agents whose credence is reported, with Bayes' rule as prior: z_t = z_{t-1} + u_t in nats."""
    split: list[Series] = []
    for name, count in (("train", size.train), ("test", size.test)):
        reports = simulate_agents(
            stream(seed, "physics guided", "belief", name), count, size.steps, agent=agent
        )
        split.append(Series(*reports))
    prior = PhysicsPrior.linear([[1.0]], [[1.0]], [[1.0]])
    return Problem("belief", split[0], split[1], prior, ("log-odds",), ("nats",), 20, {})
