"""Time invariance: runs of equal learning budget η K trace one curve in time t = η k, up to an error of order η.

The rule is an explicit Euler step of the flow dW/dt = D_below' (z S) / (N ln 2), so this is what any explicit method
shows that is run at small steps: curves of different η differ by O(η). What must not show it: equal K with different
η, read against k/K; and noise added at each step whose size does not shrink with the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.forward_only.clock import checked_inputs
from doxa.training.forward_only.history import SKAHistory
from doxa.training.forward_only.network import PUBLISHED_LAYERS, SKANetwork

Pair: TypeAlias = tuple[float, int]
Axis: TypeAlias = Literal["time", "progress"]
Overlaid: TypeAlias = Literal["entropy", "cosine", "flow_norm"]

PUBLISHED_PAIRS: tuple[Pair, ...] = (
    (0.02, 25),
    (0.01, 50),
    (0.005, 100),
    (0.0033, 150),
    (0.0025, 200),
    (0.001, 500),
)
"""The six (η, K) of the paper, with η K = 0.5."""
OVERLAID: tuple[Overlaid, ...] = get_args(Overlaid)
GRID = 200
FIRST = 2
"""The first pass changes nothing, so the second sees nothing move: curves begin at k = 2."""


@dataclass(frozen=True)
class TimeInvarianceResult:
    """Curves of several runs on one axis, and how far each is from the finest.

    Attributes:
        pairs: (η, K) of each run.
        axis: ``time`` η k, or ``progress`` k/K.
        at: where curves are compared, within what all runs have.
        curves: by measure, ``[pairs, layers, points]``; entropy is per unit of time, H/η.
        overlap_error: by measure, ‖c - c_ref‖ / ‖c_ref‖, ``[pairs, layers]``; 0 for the finest.
        histories: the runs.
    """

    pairs: tuple[Pair, ...]
    axis: Axis
    at: Float[np.ndarray, " points"]
    curves: Mapping[str, Float[np.ndarray, "pairs layers points"]]
    overlap_error: Mapping[str, Float[np.ndarray, "pairs layers"]]
    histories: tuple[SKAHistory, ...]

    @property
    def finest(self) -> int:
        """Place of the run with the smallest η."""
        return finest(self.pairs)

    def order(self, measure: Overlaid = "entropy") -> Float[np.ndarray, " layers"]:
        """Return the order of the error by layer: the slope of ln E on ln(η - η_finest), 1 for an error linear in η.

        Both a run and the finest one are off by an amount linear in η, so it is their difference that counts.

        Raises:
            InputError: fewer than two runs beside the finest.
        """
        return error_order([eta for eta, _ in self.pairs], self.overlap_error[measure])


def error_order(
    etas: Sequence[float], errors: Float[np.ndarray, "pairs layers"]
) -> Float[np.ndarray, " layers"]:
    """Return the slope of ln E on ln(η - η_finest) for each layer.

    Raises:
        InputError: fewer than two runs beside the finest.
    """
    steps = np.asarray(etas, dtype=np.float64)
    others = steps > steps.min()
    if others.sum() < 2:
        raise InputError(f"{len(steps)} runs: an order needs two beside the finest")
    gaps = np.log(steps[others] - steps.min())
    return np.polyfit(gaps, np.log(errors[others]), 1)[0]


def finest(pairs: Sequence[Pair]) -> int:
    """Return the place of the pair with the smallest η."""
    return min(range(len(pairs)), key=lambda place: pairs[place][0])


def overlay(
    histories: Sequence[SKAHistory], *, axis: Axis = "time", pairs: Sequence[Pair] | None = None
) -> TimeInvarianceResult:
    """Lay runs over each other and measure how far each is from the finest.

    Args:
        histories: two or more runs of one network.
        axis: read curves against time η k, or against k/K.
        pairs: (η, K) of each; by default what the runs say.

    Raises:
        InputError: fewer than two runs, or they share no stretch of time.
    """
    told = tuple(pairs or [(one.dt, one.steps) for one in histories])
    if len(histories) < 2 or min(one.steps for one in histories) <= FIRST:
        raise InputError(
            f"{len(histories)} runs: give two or more, of at least {FIRST + 1} steps, to lay over"
        )
    axes = [one.time if axis == "time" else np.arange(one.steps) / one.steps for one in histories]
    start, end = max(own[FIRST] for own in axes), min(own[-1] for own in axes)
    if end <= start:
        raise InputError(f"runs end at {end:.3g} and begin at {start:.3g}: they share no stretch of {axis}")
    at = np.linspace(start, end, GRID)
    curves = {
        name: np.array(
            [
                [np.interp(at, own[FIRST:], row[FIRST:]) for row in _rescaled(one, name)]
                for one, own in zip(histories, axes, strict=True)
            ]
        )
        for name in OVERLAID
    }
    best = finest(told)
    errors = {
        name: np.linalg.norm(own - own[best], axis=2) / np.maximum(np.linalg.norm(own[best], axis=1), 1e-300)
        for name, own in curves.items()
    }
    return TimeInvarianceResult(told, axis, at, curves, errors, tuple(histories))


def _rescaled(history: SKAHistory, name: Overlaid) -> Float[np.ndarray, "layers steps"]:
    return history.curve(name) / history.dt if name == "entropy" else history.curve(name)


def time_invariance(
    inputs: Any,
    pairs: Sequence[Pair] = PUBLISHED_PAIRS,
    seed: int = 42,
    *,
    layer_sizes: Sequence[int] = PUBLISHED_LAYERS,
    init_std: float = 0.01,
    axis: Axis = "time",
    weight_noise: float = 0.0,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> TimeInvarianceResult:
    """Run one network from the same weights with several (η, K) and lay the curves over each other.

    Args:
        inputs: the whole batch, [samples, features].
        pairs: (η, K) of each run.
        seed: of the initial weights.
        layer_sizes: units of each layer.
        init_std: deviation of the initial weights.
        axis: read curves against time, or against k/K.
        weight_noise: deviation of noise added to the weights at each step, of the same size for every η.
        dtype: of the computation.
        progress: told of the runs done and the runs in all.

    Raises:
        InputError: fewer than two pairs, or one that cannot be run.
    """
    if len(pairs) < 2:
        raise InputError(f"pairs={tuple(pairs)}: give two or more")
    features = checked_inputs(inputs).shape[1]
    histories: list[SKAHistory] = []
    for done, (dt, steps) in enumerate(pairs):
        network = SKANetwork(layer_sizes, features, init_std, seed, dtype=dtype)
        noise = torch_stream(seed, "ska", "weight noise", str(dt), steps)
        histories.append(network.run(inputs, dt, steps, weight_noise=weight_noise, generator=noise))
        if progress is not None:
            progress(done + 1, len(pairs))
    return overlay(histories, axis=axis, pairs=pairs)
