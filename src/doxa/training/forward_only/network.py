"""A sigmoid network that learns forward only: every layer lowers its own entropy, seeing two consecutive passes.

Step k of layer l, with z = D_{l-1} W + b, D = σ(z), ΔD the change since the pass before, and S = D (1 - D):
G = -(z S + ΔD) / ln 2;  W ← W - η D_{l-1}ᵀ G / N;  b ← b - η mean G. Layer 1 sees the inputs, a later one the decisions
that the layer below had in the PREVIOUS pass. The first pass changes nothing. (arXiv:2504.03214, released code.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from jaxtyping import Float

from doxa.belief.sigmoid_entropy import LN2
from doxa.errors import InputError
from doxa.training.forward_only.clock import checked_inputs, warn_of_range
from doxa.training.forward_only.history import SKAHistory, StepRecord
from doxa.training.forward_only.observables import LayerStep, State, layer_now, layer_step

Stop: TypeAlias = Callable[[Sequence[StepRecord]], bool]
"""Told all records so far after each step; returns whether the run is over."""

PUBLISHED_LAYERS = (256, 128, 64, 10)


@dataclass(frozen=True)
class Convergence:
    """Stops where entropy and flow of every layer have come to rest, our reading of the paper's "convergence".

    Attributes:
        tolerance: largest relative change from step to step, of |H|/η and of ‖Φ‖.
        window: steps in a row for which it must hold.
    """

    tolerance: float = 1e-3
    window: int = 5

    def __post_init__(self) -> None:
        if not self.tolerance > 0.0 or self.window < 1:
            raise InputError(f"tolerance={self.tolerance}, window={self.window}: must be > 0 and >= 1")

    def __call__(self, records: Sequence[StepRecord]) -> bool:
        """Return whether the last steps changed by less than the tolerance."""
        recent = [record.steps for record in records[-self.window - 1 :] if record.steps is not None]
        if len(recent) <= self.window:
            return False
        pairs = pairwise(recent)
        return all(
            self._near(abs(old.entropy), abs(new.entropy)) and self._near(old.flow_norm, new.flow_norm)
            for before, after in pairs
            for old, new in zip(before, after, strict=True)
        )

    def _near(self, old: float, new: float) -> bool:
        return abs(new - old) <= self.tolerance * max(old, new)


class SKANetwork:
    """Sigmoid layers under the forward-only rule, full batch.

    Args:
        layer_sizes: units of each layer.
        input_dim: features of a sample.
        init_std: standard deviation of the initial weights; biases start at 0. With 0 the network stays at z = 0.
        seed: of the initial weights, drawn layer by layer from torch's generator as the released code does, so that
            seed 42 is the published network.
        dtype: of weights and knowledge.

    Attributes:
        weights: of each layer, ``[inputs, units]``.
        biases: of each layer.

    Raises:
        InputError: no layers, or a size or deviation out of range.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int] = PUBLISHED_LAYERS,
        input_dim: int = 784,
        init_std: float = 0.01,
        seed: int = 42,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not layer_sizes:
            raise InputError("layer_sizes=(): give at least one layer, such as (256, 128, 64, 10)")
        for name, size in (("input_dim", input_dim), *(("layer_sizes", size) for size in layer_sizes)):
            if size < 1:
                raise InputError(f"{name}={size}: must be >= 1")
        if not (math.isfinite(init_std) and init_std >= 0.0):
            raise InputError(f"init_std={init_std}: must be >= 0")
        self.layer_sizes = tuple(layer_sizes)
        self.input_dim = input_dim
        generator = torch.Generator().manual_seed(seed)
        widths = (input_dim, *layer_sizes)
        self.weights = [
            (torch.randn(before, size, generator=generator) * init_std).to(dtype)
            for before, size in pairwise(widths)
        ]
        self.biases = [torch.zeros(size, dtype=dtype) for size in layer_sizes]
        self._batch: torch.Tensor | None = None
        self._before: list[State] = []
        self._passes = 0

    def reset(self) -> None:
        """Forget the pass before, and with it the batch; weights stay."""
        self._batch, self._before, self._passes = None, [], 0

    def forward(self, inputs: Float[torch.Tensor, "samples features"]) -> list[State]:
        """Return knowledge and decisions of every layer; nothing changes."""
        states: list[State] = []
        x = inputs.to(self.weights[0].dtype)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            z = torch.addmm(bias, x, weight)
            x = torch.sigmoid(z)
            states.append(State(z, x))
        return states

    def step(
        self,
        inputs: Any,
        dt: float,
        *,
        weight_noise: float = 0.0,
        generator: torch.Generator | None = None,
        labels: object = None,
    ) -> StepRecord:
        """Pass forward, measure, and change the weights; the first pass changes nothing.

        Args:
            inputs: the whole batch, [samples, features], the same at every step.
            dt: η, the learning rate read as a step of time.
            weight_noise: standard deviation of normal noise added to weights after the change, whatever dt.
            generator: of that noise.
            labels: refused.

        Raises:
            InputError: dt <= 0, inputs of another shape or batch, NaN, or labels.
        """
        x = self._checked(inputs, dt, labels)
        return self._advance(x, dt, weight_noise, generator)

    def _advance(
        self, x: torch.Tensor, dt: float, weight_noise: float, generator: torch.Generator | None
    ) -> StepRecord:
        if weight_noise and generator is None:
            raise InputError(f"weight_noise={weight_noise}: give the generator it is drawn from")
        k, self._passes = self._passes, self._passes + 1
        states = self.forward(x)
        before, self._before = self._before, states
        now = tuple(layer_now(state, weight) for state, weight in zip(states, self.weights, strict=True))
        output = tuple(float(one) for one in states[-1].decision.mean(dim=0))
        if not before:
            return StepRecord(k, k * dt, None, now, output)
        steps = tuple(
            self._learn(layer, x if layer == 0 else before[layer - 1].decision, state, before[layer], dt)
            for layer, state in enumerate(states)
        )
        if weight_noise:
            for weight in self.weights:
                noise = torch.randn(weight.shape, generator=generator).to(weight.dtype)
                weight.add_(noise, alpha=weight_noise)
        return StepRecord(k, k * dt, steps, now, output)

    def _learn(self, layer: int, below: torch.Tensor, now: State, before: State, dt: float) -> LayerStep:
        """Measure a layer, then change it; ``below`` is what it learns from, the inputs or earlier decisions."""
        pull = now.knowledge * now.decision * (1.0 - now.decision)
        measured = layer_step(now, before, pull, dt)
        gradient = (pull + (now.decision - before.decision)) / -LN2
        self.weights[layer] = self.weights[layer].addmm(below.T, gradient, alpha=-dt / len(below))
        self.biases[layer] = self.biases[layer] - dt * gradient.mean(dim=0)
        return measured

    def run(
        self,
        inputs: Any,
        dt: float,
        steps: int | None = None,
        total_time: float | None = None,
        stop: Stop | None = None,
        callback: Callable[[StepRecord], None] | None = None,
        *,
        weight_noise: float = 0.0,
        generator: torch.Generator | None = None,
        labels: object = None,
    ) -> SKAHistory:
        """Learn from the present weights on and return the curves.

        Args:
            inputs: the whole batch, [samples, features].
            dt: η.
            steps: K, forward passes; or else
            total_time: T = η K, the learning budget.
            stop: ends the run early, such as ``Convergence()``.
            callback: told of each step.
            weight_noise: as in ``step``.
            generator: as in ``step``.
            labels: refused.

        Raises:
            InputError: as in ``step``, fewer than two steps, or both or none of steps and total_time.
        """
        count = _passes(dt, steps, total_time)
        self.reset()
        x = self._checked(inputs, dt, labels)
        records: list[StepRecord] = []
        for _ in range(count):
            records.append(self._advance(x, dt, weight_noise, generator))
            if callback is not None:
                callback(records[-1])
            if stop is not None and len(records) > 1 and stop(records):
                break
        return SKAHistory.of(records, dt)

    def _checked(self, inputs: object, dt: float, labels: object) -> torch.Tensor:
        if labels is not None:
            raise InputError("labels: SKA takes no labels; leave them out")
        if not (math.isfinite(dt) and dt > 0.0):
            raise InputError(f"dt={dt}: must be > 0; the published value is 0.01")
        x = checked_inputs(inputs).to(self.weights[0].dtype)
        if x.shape[1] != self.input_dim:
            raise InputError(f"inputs of {x.shape[1]} features: this network takes {self.input_dim}")
        if self._batch is not None and not (x.shape == self._batch.shape and torch.equal(x, self._batch)):
            raise InputError(
                "inputs: another batch than in the pass before; the rule is full-batch, and the change of decisions "
                "would mix samples. Give all samples at every step, or call reset() to begin anew"
            )
        if self._batch is None:
            warn_of_range(x, dt)
            # a copy, so that a batch whose memory is filled anew is seen to be another one
            self._batch = x.clone()
        return self._batch


def _passes(dt: float, steps: int | None, total_time: float | None) -> int:
    if (steps is None) == (total_time is None):
        raise InputError(f"steps={steps}, total_time={total_time}: give one of them")
    if not (math.isfinite(dt) and dt > 0.0):
        raise InputError(f"dt={dt}: must be > 0; the published value is 0.01")
    count = steps if steps is not None else round((total_time or 0.0) / dt)
    if count < 2:
        raise InputError(
            f"steps={count}: must be >= 2, since everything is measured between two passes"
            + ("" if steps is not None else f"; total_time={total_time} is too short for dt={dt}")
        )
    return count
