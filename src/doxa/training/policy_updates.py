"""The updates that follow a rollout: mini-batches of whole groups, each replicate under its own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from doxa.errors import DoxaError
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream, torch_stream
from doxa.training.divergences import k3
from doxa.training.objectives import TokenLoss
from doxa.training.policy_plan import Variant
from doxa.training.responses import response_statistics
from doxa.training.rollouts import Rollout
from doxa.training.tokens import TokenStatistics


class _Batch(NamedTuple):
    """The rows of one update of every replicate."""

    tokens: Int[torch.Tensor, "replicates batch positions"]
    start: Int[torch.Tensor, "replicates batch"]
    response: Int[torch.Tensor, "replicates batch most"]
    log_prob: Float[torch.Tensor, "replicates batch most"]
    entropy: Float[torch.Tensor, "replicates batch most"]
    mask: Bool[torch.Tensor, "replicates batch most"]
    advantage: Float[torch.Tensor, "replicates batch most"]


class Updater:
    """Goes through a rollout's mini-batches; the order of groups and the losses' chance hang on seed and step.

    Args:
        variants: each replicate's variant; all share mini-batches and epochs.
        seeds: each replicate's seed.
        losses: each replicate's loss.
        group: responses to each prompt.
        names: in front of the streams' own names.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        seeds: Sequence[int],
        losses: Sequence[TokenLoss],
        group: int,
        names: Sequence[str | int],
    ) -> None:
        self._variants, self._seeds, self._losses = variants, seeds, losses
        self._group, self._names = group, names
        self._parts, self._epochs = variants[0].updates
        needs = frozenset[str]().union(*(loss.needs for loss in losses))
        self._concentration = "concentration" in needs
        cold = torch.tensor([variant.temperature for variant in variants])
        self._cold = None if bool((cold == 1).all()) else cold

    def __call__(
        self,
        net: StackedTransformer,
        optimiser: StackedAdamW,
        rates: Sequence[float],
        rollout: Rollout,
        step: int,
    ) -> dict[str, Float[np.ndarray, " replicates"]]:
        """Update the networks and return means over the updates: metrics of the losses, KL and gradient norms.

        Columns that end in ``_max`` or ``_min`` are the extreme over the updates. ``kl`` is that of the rollout's
        policy from the updated one, on the tokens about to be learned from; ``sampling_gap`` is the largest difference
        between log-probabilities at sampling and at the first update.

        Raises:
            DoxaError: a loss is not finite.
        """
        told: list[list[dict[str, float]]] = [[] for _ in self._variants]
        count = 0
        for epoch in range(self._epochs):
            for rows in self._mini_batches(rollout.kept, step, epoch):
                batch = _batch(rollout, rows)
                statistics = response_statistics(
                    net, batch.tokens, batch.start, batch.response, longest=int(rollout.drawn.lengths.max()),
                    temperature=self._cold, concentration=self._concentration,
                )  # fmt: skip
                # On the policy that sampled, log-probabilities are the old ones to the last bit: a gradient such as
                # that of |ln ratio| would otherwise be the sign of rounding errors.
                old = batch.log_prob if count else statistics.log_prob.detach()
                losses: list[torch.Tensor] = []
                active = batch.mask.flatten(1).any(1).numpy()
                for place in np.flatnonzero(active).tolist():
                    loss, metrics = self._loss(place, batch, statistics, old, step, count)
                    losses.append(loss)
                    told[place].append(metrics)
                count += 1
                if not losses:
                    continue
                norms = optimiser.step(torch.stack(losses), rates, active)
                self._note(told, active, batch, statistics, old, norms, first=count == 1)
        return _means(told)

    def _mini_batches(
        self, kept: Bool[np.ndarray, "replicates groups"], step: int, epoch: int
    ) -> list[Int[torch.Tensor, "replicates batch"]]:
        """Return the rows of each update: groups in random order, those kept dealt evenly."""
        groups = kept.shape[1]
        drawn = {
            seed: stream(seed, *self._names, "order", step, epoch).permutation(groups)
            for seed in set(self._seeds)
        }
        order = np.stack([drawn[seed] for seed in self._seeds])
        order = np.take_along_axis(
            order, np.argsort(~np.take_along_axis(kept, order, 1), axis=1, kind="stable"), 1
        )
        rows = order[:, :, None] * self._group + np.arange(self._group)
        return [
            torch.from_numpy(rows[:, part :: self._parts].reshape(len(rows), -1))
            for part in range(self._parts)
        ]

    def _loss(
        self,
        place: int,
        batch: _Batch,
        statistics: TokenStatistics,
        old: torch.Tensor,
        step: int,
        update: int,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        loss, seed = self._losses[place], self._seeds[place]
        concentration = None if statistics.concentration is None else statistics.concentration[place]
        found = loss(
            statistics.log_prob[place],
            old[place],
            batch.advantage[place],
            batch.mask[place],
            entropy=batch.entropy[place],
            statistics=TokenStatistics(statistics.log_prob[place], statistics.entropy[place], concentration),
            generator=torch_stream(seed, *self._names, "loss", step, update)
            if "generator" in loss.needs
            else None,
        )
        names = ["loss", *found.metrics]
        numbers = torch.stack([found.loss.detach(), *found.metrics.values()]).tolist()
        if not np.isfinite(numbers[0]):
            who = f"variant '{self._variants[place].name}', seed {seed}"
            raise DoxaError(f"{who}: the loss is {numbers[0]} at step {step + 1}; lower the learning rate")
        return found.loss, {_own(name): number for name, number in zip(names, numbers, strict=True)}

    def _note(
        self,
        told: list[list[dict[str, float]]],
        active: Bool[np.ndarray, " replicates"],
        batch: _Batch,
        statistics: TokenStatistics,
        old: torch.Tensor,
        norms: torch.Tensor,
        *,
        first: bool,
    ) -> None:
        log_prob = statistics.log_prob.detach()
        moved = (k3(old, log_prob) * batch.mask).sum((1, 2)) / batch.mask.sum((1, 2)).clamp(min=1)
        gap = ((log_prob - batch.log_prob).abs() * batch.mask).amax((1, 2))
        for place in np.flatnonzero(active).tolist():
            told[place][-1] |= {"kl": float(moved[place]), "gradient_norm": float(norms[place])}
            if first:
                told[place][-1]["sampling_gap"] = float(gap[place])


_OF_ROLLOUT = ("covariance", "entropy", "reward")


def _own(name: str) -> str:
    """Return a metric's name; where the rollout has a column of that name, it says that it is of the updates."""
    return f"update_{name}" if name in _OF_ROLLOUT else name


def _batch(rollout: Rollout, rows: Int[torch.Tensor, "replicates batch"]) -> _Batch:
    def of(x: torch.Tensor) -> torch.Tensor:
        return x.gather(1, rows.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

    drawn = rollout.drawn
    return _Batch(
        of(rollout.tokens),
        rollout.start.gather(1, rows),
        *(of(x) for x in (drawn.tokens, drawn.log_prob, drawn.entropy, rollout.mask, rollout.advantage)),
    )


def _means(told: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, Float[np.ndarray, " replicates"]]:
    """Return each metric of each replicate over its updates, NaN where it has none."""
    names = dict.fromkeys(name for updates in told for one in updates for name in one)
    reduce = {"max": np.max, "min": np.min}
    found: dict[str, Float[np.ndarray, " replicates"]] = {}
    for name in names:
        over = reduce.get(name.rsplit("_", 1)[-1], np.mean)
        rows = [[one[name] for one in updates if name in one] for updates in told]
        found[name] = np.array([over(row) if row else np.nan for row in rows], dtype=np.float64)
    return found
