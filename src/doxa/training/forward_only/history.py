"""The curves of a run: seven observables by layer and step, with their crossings, peaks, sums and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.belief.sigmoid_entropy import LN2, net_with_sign
from doxa.errors import InputError, did_you_mean
from doxa.lab.files import write_atomic
from doxa.training.forward_only.observables import LayerNow, LayerStep

if TYPE_CHECKING:
    from doxa.lab.figures import Figure

Curves: TypeAlias = Float[np.ndarray, "layers steps"]
Curve: TypeAlias = Literal[
    "entropy",
    "entropy_midpoint",
    "cosine",
    "flow_norm",
    "tensor_net",
    "lagrangian",
    "knowledge_norm",
    "weight_norm",
    "shannon",
    "softplus",
]
CURVES: tuple[Curve, ...] = get_args(Curve)


class StepRecord(NamedTuple):
    """One forward pass of all layers.

    Attributes:
        step: k, from 0.
        time: η k.
        steps: what each layer did since the pass before; None at k = 0.
        now: where each layer is.
        output: mean decision of each unit of the last layer.
    """

    step: int
    time: float
    steps: tuple[LayerStep, ...] | None
    now: tuple[LayerNow, ...]
    output: tuple[float, ...]


class Event(NamedTuple):
    """A place on a layer's curve.

    Attributes:
        layer: number of the layer, from 1 as in the paper.
        step: k of the forward pass, from 0; the paper's plots count the same pass as measured step k.
        time: η k.
        value: of the curve there.
        knowledge_norm: ‖z‖ there.
        interior: False where an extreme lies at the end of the run, so that it is none.
    """

    layer: int
    step: int
    time: float
    value: float
    knowledge_norm: float
    interior: bool = True


@dataclass(frozen=True)
class SKAHistory:
    """Curves of a run, each ``[layers, steps]``; what compares two passes is NaN at step 0.

    Attributes:
        dt: η, the time between two passes.
        entropy: -(1/ln 2) Σ z ΔD, bits.
        entropy_midpoint: the same with the mean z of both passes, bits.
        cosine: of the angle between z and ΔD.
        flow_norm: ‖Δz‖ / η.
        tensor_net: Σ Δz (D - z D'/ln 2): the sign of the released code; ``net(sign)`` gives either.
        lagrangian: -Σ z D' Δz / η.
        knowledge_norm: ‖z‖.
        weight_norm: ‖W‖.
        shannon: Σ binary Shannon entropy of the decisions, bits.
        softplus: Σ softplus(z).
        output: mean decision of each unit of the last layer, ``[steps, units]``.
    """

    dt: float
    entropy: Curves
    entropy_midpoint: Curves
    cosine: Curves
    flow_norm: Curves
    tensor_net: Curves
    lagrangian: Curves
    knowledge_norm: Curves
    weight_norm: Curves
    shannon: Curves
    softplus: Curves
    output: Float[np.ndarray, "steps units"]

    @classmethod
    def of(cls, records: Sequence[StepRecord], dt: float) -> SKAHistory:
        """Return the curves of consecutive records, the first of which is of step 0.

        Raises:
            InputError: there are fewer than two.
        """
        if len(records) < 2:
            raise InputError(f"{len(records)} forward passes: two or more are needed to see anything move")
        layers = len(records[0].now)
        nothing = LayerStep(*[float("nan")] * len(LayerStep._fields))
        curves: dict[str, Any] = {}
        for name in LayerStep._fields:
            rows = [[getattr(one, name) for one in record.steps or [nothing] * layers] for record in records]
            curves[name] = np.array(rows).T
        for name in LayerNow._fields:
            curves[name] = np.array([[getattr(one, name) for one in record.now] for record in records]).T
        return cls(dt, **curves, output=np.array([record.output for record in records]))

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.entropy.shape[0]

    @property
    def steps(self) -> int:
        """Number of forward passes K."""
        return self.entropy.shape[1]

    @cached_property
    def time(self) -> Float[np.ndarray, " steps"]:
        """Time η k of each pass."""
        return self.dt * np.arange(self.steps)

    def curve(self, name: str) -> Curves:
        """Return a curve by name.

        Raises:
            InputError: there is none of that name.
        """
        if name not in CURVES:
            raise InputError(f"no curve '{name}'; {did_you_mean(name, CURVES)}")
        return getattr(self, name)

    def net(self, sign: str = "code") -> Curves:
        """Return the tensor net in a sign convention."""
        return net_with_sign(self.tensor_net, self.dt * self.lagrangian / LN2, sign)

    def zero_crossings(self, sign: str = "code") -> tuple[Event | None, ...]:
        """Return for each layer the first k with Net of k - 1 and k of opposite signs, None where there is none."""
        net = self.net(sign)
        found: list[Event | None] = []
        for layer, row in enumerate(net):
            turned = np.flatnonzero(row[1:-1] * row[2:] < 0.0)
            found.append(self._event(layer, int(turned[0]) + 2, net) if turned.size else None)
        return tuple(found)

    def entropy_minimum(self) -> tuple[Event, ...]:
        """Return for each layer where a step's entropy is least."""
        return self.extreme(self.entropy, np.nanargmin)

    def flow_peak(self) -> tuple[Event, ...]:
        """Return for each layer where ‖Φ‖ is greatest."""
        return self.extreme(self.flow_norm, np.nanargmax)

    def net_peak(self, sign: str = "code") -> tuple[Event, ...]:
        """Return for each layer where the tensor net is greatest."""
        return self.extreme(self.net(sign), np.nanargmax)

    def extreme(self, curves: Curves, where: Any) -> tuple[Event, ...]:
        """Return for each layer the place that ``where`` (np.nanargmin or np.nanargmax) picks on its curve."""
        return tuple(self._event(layer, int(where(row)), curves) for layer, row in enumerate(curves))

    def _event(self, layer: int, k: int, curves: Curves) -> Event:
        inside = 1 < k < self.steps - 1
        return Event(
            layer + 1, k, self.dt * k, float(curves[layer, k]), float(self.knowledge_norm[layer, k]), inside
        )

    def cumulative(self, name: str = "entropy") -> Curves:
        """Return the running sum of a curve over steps, 0 at step 0.

        Raises:
            InputError: there is no such curve.
        """
        return np.nancumsum(self.curve(name), axis=1)

    def exact_entropy(self) -> Curves:
        """Return the exact entropy of the path since step 0, in bits: the change of the decisions' Shannon entropy."""
        return self.shannon - self.shannon[:, :1]

    def exact_net(self, sign: str = "code") -> Curves:
        """Return the exact tensor net of the path since step 0: Δsoftplus, plus (code) or minus (text) the entropy."""
        risen, entropy = self.softplus - self.softplus[:, :1], self.exact_entropy()
        return net_with_sign(risen + entropy, entropy, sign)

    def to_frame(self) -> pl.DataFrame:
        """Return all curves as a table, one row for each layer and step, and both signs of the tensor net."""
        layers, steps = self.entropy.shape
        columns = {name: self.curve(name).ravel() for name in CURVES}
        return pl.DataFrame(
            {
                "layer": np.repeat(np.arange(1, layers + 1), steps),
                "step": np.tile(np.arange(steps), layers),
                "time": np.tile(self.time, layers),
                **columns,
                "tensor_net_text": self.net("text").ravel(),
            }
        ).with_columns(pl.col(pl.Float64).fill_nan(None))

    def write_csv(self, path: str | Path) -> None:
        """Write the table of all curves as CSV."""
        write_atomic(Path(path), self.to_frame().write_csv().encode())

    def save(self, path: str | Path) -> None:
        """Write the curves as JSON; ``load`` reads them."""
        held: dict[str, Any] = {"dt": self.dt}
        for one in fields(self):
            if one.name != "dt":
                values = np.asarray(getattr(self, one.name))
                held[one.name] = [
                    [None if math.isnan(one) else one for one in row] for row in values.tolist()
                ]
        write_atomic(Path(path), json.dumps(held).encode())

    @classmethod
    def load(cls, path: str | Path) -> SKAHistory:
        """Read curves that ``save`` wrote.

        Raises:
            InputError: the file is none of these.
        """
        try:
            held = json.loads(Path(path).read_bytes())
            dt = float(held.pop("dt"))
            return cls(dt, **{name: np.array(values, dtype=np.float64) for name, values in held.items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: is no history of a run ({error}); write one with SKAHistory.save"
            ) from error

    def plot(self, kind: str = "entropy") -> Figure:
        """Return a figure of one curve of all layers against time, or ``phase``: ‖Φ‖ against ‖z‖.

        Raises:
            InputError: there is no such curve.
        """
        from doxa.training.forward_only.pictures import history_figure

        return history_figure(self, kind)
