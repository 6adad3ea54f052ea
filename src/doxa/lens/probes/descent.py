"""Limited-memory BFGS on many logistic regressions over the same examples (Nocedal and Wright 2006, algorithm 7.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

AIM = 1e-13
"""Estimated nats per example above the least objective at which a problem is done."""
_MEMORY = 8
_STEPS = {torch.float32: 150, torch.float64: 500}  # what float32 cannot settle goes on in float64
_SEARCHES = 12
_SLOPE_LEFT = 0.2  # a line search ends when the slope along the step has fallen to this share


class Basis(NamedTuple):
    """Centred examples in the basis of their second moments, with a column of ones for the bias."""

    examples: torch.Tensor
    directions: torch.Tensor
    energy: torch.Tensor


class Part(NamedTuple):
    """Some of the problems, as tensors: weights 0 or 1 and labels by problem and example, and ridges."""

    used: torch.Tensor
    labels: torch.Tensor
    ridge: torch.Tensor


def inverse_curvature(energy: torch.Tensor, spread: torch.Tensor, ridge: torch.Tensor) -> torch.Tensor:
    """Return 1 / (d·S² + λ) by problem and coordinate; the bias has no ridge."""
    curvature = spread[:, None] * energy
    curvature[:, :-1] += ridge[:, None]
    return 1.0 / curvature.clamp_min(torch.finfo(curvature.dtype).tiny)


@dataclass
class _Pair:
    """One step of the past: how the point and its gradient changed, and the inverse of their product."""

    step: torch.Tensor
    change: torch.Tensor
    inverse: torch.Tensor


class Descent:
    """L-BFGS on a part of the problems, those that are done dropping out."""

    def __init__(self, basis: Basis, part: Part, start: torch.Tensor) -> None:
        self._basis, self._part = basis, part
        self._result = start.clone()
        self._index = torch.arange(start.shape[0])
        self._point = start
        self._logits = start @ basis.examples.T
        self._past: list[_Pair] = []

    def run(self) -> torch.Tensor:
        """Return the points reached, a row for each problem."""
        gradient, inverse = self._slope()
        for _ in range(_STEPS[self._point.dtype]):
            gap = 0.5 * (gradient.square() * inverse).sum(1) / self._part.used.sum(1)
            done = gap < AIM
            if bool(done.all()):
                break
            if int(done.sum()) * 8 >= done.numel():
                gradient, inverse = self._drop(done, gradient, inverse)
            step = self._advance(self._direction(gradient, inverse), gradient)
            before = gradient
            gradient, inverse = self._slope()
            self._remember(step, gradient - before)
        self._result[self._index] = self._point
        return self._result

    def _slope(self) -> tuple[torch.Tensor, torch.Tensor]:
        used, labels, ridge = self._part
        chance = torch.sigmoid(self._logits)
        gradient = (used * (chance - labels)) @ self._basis.examples
        gradient[:, :-1] += ridge[:, None] * self._point[:, :-1]
        spread = (used * chance * (1.0 - chance)).sum(1) / used.shape[1]
        return gradient, inverse_curvature(self._basis.energy, spread, ridge)

    def _direction(self, gradient: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        """The two loops over the past around the inverse curvature."""
        left = gradient.clone()
        shares: list[torch.Tensor] = []
        for pair in reversed(self._past):
            share = pair.inverse * (pair.step * left).sum(1)
            left -= share[:, None] * pair.change
            shares.append(share)
        left *= inverse
        for pair, share in zip(self._past, reversed(shares), strict=True):
            back = pair.inverse * (pair.change * left).sum(1)
            left += (share - back)[:, None] * pair.step
        return left.neg_()

    def _advance(self, direction: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Go along a direction until the slope is nearly gone; logits are linear, so no product is needed."""
        used, labels, ridge = self._part
        along = direction @ self._basis.examples.T
        flat = direction[:, :-1]
        bend = ridge * flat.square().sum(1)
        push = ridge * (self._point[:, :-1] * flat).sum(1)
        enough = _SLOPE_LEFT * (gradient * direction).sum(1).abs()
        weighted = used * along
        low, high = torch.zeros_like(bend), torch.full_like(bend, torch.inf)
        length = torch.ones_like(bend)
        for _ in range(_SEARCHES):
            chance = torch.sigmoid(torch.addcmul(self._logits, along, length[:, None]))
            slope = (weighted * (chance - labels)).sum(1) + push + length * bend
            if bool((slope.abs() <= enough).all()):
                break
            curve = (weighted * along * chance * (1.0 - chance)).sum(1) + bend
            low, high = torch.where(slope < 0, length, low), torch.where(slope < 0, high, length)
            guess = length - slope / curve.clamp_min(torch.finfo(curve.dtype).tiny)
            middle = torch.where(high.isinf(), 4.0 * low, 0.5 * (low + high))
            inside = (guess > low) & (guess < torch.minimum(high, 8.0 * low + 1.0))
            length = torch.where(slope.abs() <= enough, length, torch.where(inside, guess, middle))
        step = length[:, None] * direction
        self._point = self._point + step
        self._logits = torch.addcmul(self._logits, along, length[:, None])
        return step

    def _remember(self, step: torch.Tensor, change: torch.Tensor) -> None:
        product = (step * change).sum(1)
        inverse = torch.where(product > 0, 1.0 / product, 0.0)
        self._past = [*self._past[1 - _MEMORY :], _Pair(step, change, inverse)]

    def _drop(
        self, done: torch.Tensor, gradient: torch.Tensor, inverse: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self._result[self._index[done]] = self._point[done]
        kept = ~done
        self._index, self._point, self._logits = (
            tensor[kept] for tensor in (self._index, self._point, self._logits)
        )
        self._part = Part(*(tensor[kept] for tensor in self._part))
        self._past = [_Pair(pair.step[kept], pair.change[kept], pair.inverse[kept]) for pair in self._past]
        return gradient[kept], inverse[kept]
