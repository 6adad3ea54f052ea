"""Variational training of one or many deep Markov models of one shape, as one stack."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.batches import Batch
from doxa.dynamics.deep_markov.network import Network, Terms
from doxa.dynamics.deep_markov.results import FitResult, History
from doxa.dynamics.deep_markov.weights import NetworkShape
from doxa.errors import DoxaError, InputError, did_you_mean
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.plan import Schedule, TrainingPlan
from doxa.streams import stream, torch_stream


class TrainingStep(NamedTuple):
    """What a callback is told: steps done, and of each model the bound per time step and α."""

    step: int
    elbo: Float[np.ndarray, " models"]
    alpha: Float[np.ndarray, " models"]


Callback: TypeAlias = Callable[[TrainingStep], None]


class DivergedError(DoxaError):
    """The bound stopped being a number."""


@dataclass(frozen=True)
class FitPlan:
    """How to train.

    Attributes:
        steps: optimiser steps.
        lr: highest learning rate.
        batch: sequences of a step; 0 takes all of them.
        kl_anneal: steps over which the weight of the divergence rises linearly from ``kl_start`` to 1; 0: none.
        kl_start: its first value.
        schedule: course of the learning rate (see ``TrainingPlan``).
        betas: decay rates of the optimiser's moments.
        clip_norm: longest gradient of one model's loss in nats per time step; 0 switches clipping off.
        stretch: steps over which the history is averaged.
        frozen: parts that stay as they are, of "recurrent", "guide", "start", "physics", "learned",
            "emission", "alpha".
    """

    steps: int
    lr: float
    batch: int = 0
    kl_anneal: int = 0
    kl_start: float = 0.2
    schedule: Schedule = "cosine"
    betas: tuple[float, float] = (0.96, 0.999)
    clip_norm: float = 5.0
    stretch: int = 50
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch < 0 or self.kl_anneal < 0 or self.stretch < 1:
            raise InputError(
                f"steps={self.steps}, batch={self.batch}, kl_anneal={self.kl_anneal}, stretch={self.stretch}: "
                "must be >= 0, and the stretch >= 1"
            )
        if not 0 <= self.kl_start <= 1:
            raise InputError(f"kl_start={self.kl_start}: must be in [0, 1]; 1 switches annealing off")
        if not self.lr > 0:
            raise InputError(f"lr={self.lr}: must be > 0")

    def weight(self, step: int) -> float:
        """Return the weight of the divergence in a step, counted from 0.

        >>> [FitPlan(steps=9, lr=1e-3, kl_anneal=4).weight(step) for step in (0, 2, 4)]
        [0.2, 0.6, 1.0]
        """
        return 1.0 if step >= self.kl_anneal else self.kl_start + (1 - self.kl_start) * step / self.kl_anneal


def draw_noise(
    shape: NetworkShape, generators: Sequence[torch.Generator], steps: int, rows: int, dtype: torch.dtype
) -> Float[torch.Tensor, "S K T N n"]:
    """Return standard normal numbers, drawn step after step, so that a longer padding changes none of them."""
    size = (steps, shape.streams, rows, shape.latent_dim)
    drawn = [torch.randn(size, generator=one, dtype=dtype) for one in generators]
    return torch.stack(drawn).transpose(1, 2).contiguous()


def train(
    network: Network,
    batch: Batch,
    offset: Sequence[float],
    seeds: Sequence[int],
    plan: FitPlan,
    callbacks: Sequence[Callback],
) -> list[FitResult]:
    """Train a stack in place and return what each model's training gave.

    Args:
        network: the models; their weights change.
        batch: all sequences of all models.
        offset: what to add to a model's log-density per observed time step, so that it counts in units.
        seeds: one for each model, of its noise and of the order of its sequences.
        plan: how to train.
        callbacks: called after each stretch.

    Raises:
        DivergedError: a bound or a last weight is not a number; the step and the term are named.
    """
    began = time.perf_counter()
    weights = {name: tensor.contiguous() for name, tensor in network.weights.items()}
    network.weights = weights
    moving = _moving(weights, plan.frozen)
    zeros = [torch.zeros_like(weight) for weight in moving.values()]
    optimiser = StackedAdamW(
        moving,
        zeros,
        [zero.clone() for zero in zeros],
        updates=0,
        betas=plan.betas,
        clip_norm=plan.clip_norm,
    )
    rates = TrainingPlan(
        steps=max(1, plan.steps), batch=1, peak_rate=plan.lr, schedule=plan.schedule, warmup_share=0.05
    )
    feed = _Feed(batch, seeds, plan.batch)
    noise = [torch_stream(seed, "deep-markov", "noise") for seed in seeds]
    rows: list[_Row] = []
    shift = torch.tensor(list(offset), dtype=batch.x.dtype)
    gathered: list[torch.Tensor] = []
    for step in range(plan.steps):
        part = feed.part(step)
        drawn = draw_noise(network.shape, noise, part.x.shape[1], part.x.shape[2], part.x.dtype)
        terms = network.terms(part, drawn)
        seen, apart = (one.sum((1, 2)) / part.steps for one in terms)
        loss = plan.weight(step) * apart - seen
        gathered.append(torch.stack((seen.detach() + shift, apart.detach())))
        if not math.isfinite(float(loss.detach().sum())):
            optimiser.release()
            raise DivergedError(_what_diverged(step + 1, terms))
        optimiser.step(loss, rates.rate(step))
        if (step + 1) % plan.stretch == 0 or step + 1 == plan.steps:
            means = torch.stack(gathered).mean(0).double().numpy()
            gathered.clear()
            alpha = network.alpha.detach().double().numpy().copy()
            rows.append(_Row(step + 1, means[0], means[1], alpha, plan.weight(step)))
            for callback in callbacks:
                callback(TrainingStep(step + 1, rows[-1].seen - rows[-1].apart, rows[-1].alpha))
    optimiser.release()
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise DivergedError(
            f"step {plan.steps}: its gradient is not finite; lower lr, or look at the prior's step"
        )
    seconds = time.perf_counter() - began
    return [_result(rows, model, network, seconds) for model in range(len(seeds))]


class _Row(NamedTuple):
    """One stretch of all models."""

    step: int
    seen: Float[np.ndarray, " models"]
    apart: Float[np.ndarray, " models"]
    alpha: Float[np.ndarray, " models"]
    weight: float


class _Feed:
    """The sequences of each step: every model goes through its own in its own order, then anew."""

    def __init__(self, batch: Batch, seeds: Sequence[int], size: int) -> None:
        self._batch, self._seeds = batch, seeds
        self._rows = batch.x.shape[2]
        self._size = self._rows if size == 0 else min(size, self._rows)
        self._epoch, self._order = -1, np.zeros((len(seeds), 0), dtype=np.int64)

    def part(self, step: int) -> Batch:
        """Return what is read at a step."""
        if self._size == self._rows:
            return self._batch
        each = self._rows // self._size
        epoch, place = divmod(step, each)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        return self._batch.rows(
            torch.from_numpy(self._order[:, place * self._size : (place + 1) * self._size].copy())
        )

    def _shuffled(self, epoch: int) -> Int[np.ndarray, "models rows"]:
        return np.stack(
            [stream(seed, "deep-markov", "order", epoch).permutation(self._rows) for seed in self._seeds]
        )


def _moving(weights: Mapping[str, torch.Tensor], frozen: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return the weights that are not frozen.

    Raises:
        InputError: a part is unknown, or nothing is left to train.
    """
    parts = {name.split(".")[0] for name in weights}
    for part in frozen:
        if part not in parts:
            raise InputError(f"frozen: the model has no part {part!r}; {did_you_mean(part, parts)}")
    moving = {name: weight for name, weight in weights.items() if name.split(".")[0] not in frozen}
    if not moving:
        raise InputError(
            "frozen: every part is frozen, so there is nothing to train; steps=0 leaves all as it is"
        )
    return moving


def _what_diverged(step: int, terms: Terms) -> str:
    """Return the sentence that names the step and the term that is not a number."""
    told = [
        f"{name} of model {int(torch.nonzero(~one.detach().isfinite())[0][0])}"
        for name, one in (("E[log p(x|z)]", terms.log_likelihood), ("KL(q ‖ p)", terms.divergence))
        if not bool(one.detach().isfinite().all())
    ]
    return (
        f"step {step}: {' and '.join(told) or 'the bound'} is not finite; lower lr or clip_norm, "
        "or look for outliers in x and u"
    )


def _result(rows: Sequence[_Row], model: int, network: Network, seconds: float) -> FitResult:
    """Return one model's share of the record."""
    course = History(
        np.array([row.step for row in rows], dtype=float),
        np.array([row.seen[model] - row.apart[model] for row in rows]),
        np.array([row.seen[model] for row in rows]),
        np.array([row.apart[model] for row in rows]),
        np.array([row.alpha[model] for row in rows]),
        np.array([row.weight for row in rows]),
    )
    last = float(course.elbo[-1]) if rows else math.nan
    return FitResult(last, float(network.alpha.detach()[model]), seconds, course)
