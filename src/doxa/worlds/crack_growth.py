"""A fatigue crack in a plate under blocks of load, by Paris' law: long cracks grow fast, each plate at its own rate.

da/dN = K ΔK^m with ΔK = Y(a/W) Δσ √(πa). The geometry factor Y = √sec(πa/W) of a plate of width W rises with the
crack (Feddersen 1966, ASTM STP 410); a model that takes Y for 1 is right for short cracks and too slow for long ones.
The state is [ln a, ln K]: the crack is measured with noise, the rate K of a plate is measured nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

FINER = 10
"""Steps of the solver within one block of cycles."""
NEARLY_HALF = 0.48
"""Half-width at which a plate has failed, as a/W; Y is infinite at 1/2."""


@dataclass(frozen=True)
class Plate:
    """A plate with a crack in its middle, and how it is watched.

    Attributes:
        exponent: Paris' m.
        rate: median of K over plates, in mm per cycle at ΔK of 1 MPa√m; K is log-normal.
        spread: standard deviation of ln K between plates.
        width: W in mm.
        cycles: load cycles of one block.
        noise: standard deviation of the measured ln a.
        geometry: whether Y rises with the crack; without it Y is 1 and the simple model exact.
    """

    exponent: float = 2.9
    rate: float = 5e-9
    spread: float = 0.15
    width: float = 60.0
    cycles: float = 8000.0
    noise: float = 0.02
    geometry: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no plate."""
        for name in ("exponent", "rate", "width", "cycles"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"{name}={getattr(self, name)}: must be > 0")
        for name in ("spread", "noise"):
            if not getattr(self, name) >= 0.0:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 0")

    def growth(
        self,
        log_length: Float[np.ndarray, "*n"],
        log_rate: Float[np.ndarray, "*n"],
        log_load: Float[np.ndarray, "*n"],
    ) -> Float[np.ndarray, "*n"]:
        """Return d ln a for one block, from ln a (a in mm), ln K and ln Δσ (Δσ in MPa)."""
        step = paris_step(log_length, log_rate, log_load, exponent=self.exponent, cycles=self.cycles)
        if self.geometry:
            share = np.minimum(np.exp(log_length) / self.width, NEARLY_HALF)
            step = step * np.cos(np.pi * share) ** (-0.5 * self.exponent)
        return step


def paris_step(log_length: Any, log_rate: Any, log_load: Any, *, exponent: float, cycles: float) -> Any:
    """Return d ln a of a block with Y = 1: N K (Δσ √(πa))^m / a, for arrays of NumPy or tensors alike.

    The crack stands in mm and ΔK in MPa√m, hence the factor ln(π/1000)/2.

    >>> round(float(paris_step(np.log(10.0), np.log(4e-9), np.log(80.0), exponent=2.0, cycles=2000.0)), 9)
    0.00016085
    """
    log_intensity = log_load + 0.5 * (log_length + float(np.log(np.pi / 1000.0)))
    exponentiated = log_rate + exponent * log_intensity - log_length + float(np.log(cycles))
    return np.exp(exponentiated) if isinstance(exponentiated, np.ndarray | float) else exponentiated.exp()


class Cracks(NamedTuple):
    """Simulated inspections.

    Attributes:
        observed: measured ln a, a in mm [N, T, 1].
        inputs: ln Δσ of the block that ends in each inspection, Δσ in MPa [N, T, 1].
        states: ln a and ln K without noise [N, T, 2].
    """

    observed: Float[np.ndarray, "N T 1"]
    inputs: Float[np.ndarray, "N T 1"]
    states: Float[np.ndarray, "N T 2"]


def simulate_cracks(
    rng: np.random.Generator,
    plates: int,
    steps: int = 60,
    *,
    plate: Plate | None = None,
    first: tuple[float, float] = (4.0, 6.0),
    load: tuple[float, float] = (70.0, 90.0),
) -> Cracks:
    """Return inspections of plates whose load range changes from block to block.

    Args:
        rng: draws rates, first cracks, loads and noise.
        plates: how many, N.
        steps: blocks and inspections of each, T.
        plate: what cracks; by default the one of ``Plate()``.
        first: the first crack is even between these lengths in mm.
        load: Δσ of each block is even between these in MPa.

    Raises:
        InputError: a size is < 1, or a range is not 0 < low <= high.
    """
    if plates < 1 or steps < 1:
        raise InputError(f"plates={plates}, steps={steps}: both must be >= 1")
    for name, (low, high) in (("first", first), ("load", load)):
        if not 0.0 < low <= high:
            raise InputError(f"{name}=({low}, {high}): must be 0 < low <= high")
    known = plate or Plate()
    log_rate = np.log(known.rate) + known.spread * rng.standard_normal(plates)
    log_length = np.log(rng.uniform(*first, plates))
    log_load = np.log(rng.uniform(*load, (plates, steps)))
    states = np.empty((plates, steps, 2))
    states[..., 1] = log_rate[:, None]
    for t in range(steps):
        log_length = _grown(known, log_length, log_rate, log_load[:, t])
        states[:, t, 0] = log_length
    observed = states[..., :1] + known.noise * rng.standard_normal((plates, steps, 1))
    return Cracks(observed, log_load[..., None], states)


def _grown(plate: Plate, log_length: np.ndarray, log_rate: np.ndarray, log_load: np.ndarray) -> np.ndarray:
    """Return ln a after one block, by the midpoint rule; a crack through half the plate grows no further."""
    ceiling = np.log(NEARLY_HALF * plate.width)
    for _ in range(FINER):
        half = log_length + 0.5 / FINER * plate.growth(log_length, log_rate, log_load)
        log_length = np.minimum(log_length + plate.growth(half, log_rate, log_load) / FINER, ceiling)
    return log_length
