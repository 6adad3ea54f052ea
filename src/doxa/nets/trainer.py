"""The trainer: many replicates of one small network as one stack, each as if it trained alone.

A replicate's initial weights and data hang on its own seed, its gradient is clipped by its own norm and the
optimiser works per number, so what it becomes does not depend on which others share the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.nets.checkpoint import TrainingState, load_state, save_state
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.plan import NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream

Progress = Callable[[int, int], None]
Watch = Callable[[int, StackedTransformer], None]

ROWS_PER_DRAW = (
    4096  # rows a sampler is asked for at once, so that a draw's overhead is shared by several steps
)


@dataclass(frozen=True)
class TrainedStack:
    """What training leaves behind.

    Attributes:
        net: the trained networks.
        loss: mean cross-entropy in nats of each replicate over each stretch of steps.
        loss_steps: last step of each stretch, counted from 1.
    """

    net: StackedTransformer
    loss: Float[np.ndarray, "replicates stretches"]
    loss_steps: tuple[int, ...]


def train_stack(
    shape: NetShape,
    samplers: Sequence[Sampler],
    seeds: Sequence[int],
    plan: TrainingPlan,
    *,
    stream_names: Sequence[str | int] = (),
    initial: StackedTransformer | None = None,
    stretch: int = 50,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 200,
    watch: Watch | None = None,
    watch_steps: Sequence[int] = (),
) -> TrainedStack:
    """Train one replicate per seed to minimise mean cross-entropy on the positions that carry loss.

    Args:
        shape: shape of the networks.
        samplers: one per replicate; ``sampler(rng, rows)`` returns a TokenBatch of that many rows.
        seeds: seed of each replicate's streams ``(*stream_names, "init")`` and ``(*stream_names, "data", n)``.
        plan: steps, batch, learning rate, precision.
        stream_names: names in front of the streams' own.
        initial: networks to continue from instead of fresh ones (copied, not changed).
        stretch: steps over which the recorded loss is averaged.
        progress: called with (steps done, steps) after each stretch.
        checkpoint: file to save the state in and to resume from; the end is byte-equal to an unbroken run.
        checkpoint_every: steps between saved states.
        watch: called with (steps done, the networks) at ``watch_steps``; it may read them, not change or keep them.
        watch_steps: increasing, from 0 (before the first step) to the plan's steps.

    Returns:
        The networks (float32) and their losses.

    Raises:
        InputError: samplers, seeds and initial networks differ in number, a batch is malformed, or a step is
            to be watched that is not trained.
        StoreError: the checkpoint is damaged or belongs to another training.
    """
    _check_steps(watch_steps, plan)
    net = _starting_net(shape, samplers, seeds, stream_names, initial)
    net.bfloat16 = uses_bfloat16(plan.precision)
    feed = _Feed(samplers, seeds, plan, stream_names)
    # The first rows tell one training's data from another's, whatever their samplers are called.
    state = TrainingState.fresh(
        net.weights, [asdict(shape), asdict(plan), [*seeds], [*stream_names]], feed.rows(0)
    )
    if checkpoint is not None:
        load_state(checkpoint, state)
    optimiser = StackedAdamW(
        net.weights, state.moments, state.squares, updates=state.step, betas=plan.betas,
        weight_decay=plan.weight_decay, clip_norm=plan.clip_norm,
    )  # fmt: skip
    sums = torch.zeros(len(seeds), dtype=torch.float64)
    if watch is not None and state.step in watch_steps:
        watch(state.step, _reading(net))
    while state.step < plan.steps:
        loss = _loss(net, feed.rows(state.step))
        sums += loss.detach().double()
        optimiser.step(loss, plan.rate(state.step))
        state.step += 1
        if watch is not None and state.step in watch_steps:
            watch(state.step, _reading(net))
        ends = state.step % stretch == 0 or state.step == plan.steps
        if ends:
            state.record(sums.numpy() / (state.step - max(state.loss_steps, default=0)))
            sums.zero_()
            if progress is not None:
                progress(state.step, plan.steps)
        # A saved state holds no half stretch, so that a resumed run records the same losses too.
        due = ends and (state.step % checkpoint_every < stretch or state.step == plan.steps)
        if checkpoint is not None and due:
            save_state(checkpoint, state)
    optimiser.release()
    net.bfloat16 = False
    return TrainedStack(net, np.stack(state.loss, 1), tuple(state.loss_steps))


def _check_steps(watch_steps: Sequence[int], plan: TrainingPlan) -> None:
    steps = list(watch_steps)
    if steps != sorted(set(steps)) or any(not 0 <= step <= plan.steps for step in steps):
        raise InputError(f"watch_steps={steps}: must be increasing and in 0 .. steps={plan.steps}")


def _reading(net: StackedTransformer) -> StackedTransformer:
    """Return the networks as they are now for reading, in float32 and without gradients."""
    return StackedTransformer(net.shape, {name: tensor.detach() for name, tensor in net.weights.items()})


def _starting_net(
    shape: NetShape,
    samplers: Sequence[Sampler],
    seeds: Sequence[int],
    stream_names: Sequence[str | int],
    initial: StackedTransformer | None,
) -> StackedTransformer:
    if len(samplers) != len(seeds) or not seeds:
        raise InputError(f"{len(samplers)} samplers for {len(seeds)} seeds: give one of each per replicate")
    if initial is None:
        return StackedTransformer.initial(shape, seeds, *stream_names)
    if initial.replicates != len(seeds) or initial.shape != shape:
        raise InputError(
            f"initial stack of {initial.replicates} x {initial.shape}: must be {len(seeds)} x {shape}"
        )
    return initial.select(range(initial.replicates))


def uses_bfloat16(precision: Precision) -> bool:
    """Return whether matrix products run in bfloat16 on this processor."""
    if precision == "auto":
        return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return precision == "bfloat16"


class _Rows(NamedTuple):
    """The rows of one step of every replicate."""

    tokens: Int[np.ndarray, "replicates batch positions"]
    targets: Int[np.ndarray, "replicates batch positions"]


class _Feed:
    """The rows of every replicate for each step; what step n reads depends on the seed and n only."""

    def __init__(
        self,
        samplers: Sequence[Sampler],
        seeds: Sequence[int],
        plan: TrainingPlan,
        names: Sequence[str | int],
    ) -> None:
        self._samplers, self._seeds, self._names = samplers, seeds, names
        self._batch = plan.batch
        self._steps = max(1, ROWS_PER_DRAW // plan.batch)
        self._draw = -1
        self._rows: list[TokenBatch] = []

    def rows(self, step: int) -> _Rows:
        """Return what every replicate reads at one step."""
        draw, part = divmod(step, self._steps)
        if draw != self._draw:
            self._draw = draw
            self._rows = [self._sample(index, draw) for index in range(len(self._seeds))]
            lengths = sorted({batch.tokens.shape[1] for batch in self._rows})
            if len(lengths) > 1:
                raise InputError(
                    f"samplers draw rows of {lengths} tokens; the rows of one stack have one length"
                )
        rows = slice(part * self._batch, (part + 1) * self._batch)
        return _Rows(
            np.stack([batch.tokens[rows] for batch in self._rows]),
            np.stack([batch.targets[rows] for batch in self._rows]),
        )

    def _sample(self, index: int, draw: int) -> TokenBatch:
        count = self._steps * self._batch
        batch = self._samplers[index](stream(self._seeds[index], *self._names, "data", draw), count)
        if batch.tokens.shape != batch.targets.shape or batch.tokens.shape[0] != count:
            raise InputError(
                f"sampler {index}: tokens {batch.tokens.shape} and targets {batch.targets.shape}, "
                f"must be alike with {count} rows"
            )
        return batch


def _loss(net: StackedTransformer, batch: _Rows) -> Float[torch.Tensor, " replicates"]:
    """Return each replicate's mean cross-entropy over its positions that carry loss."""
    columns = np.flatnonzero((batch.targets >= 0).any((0, 1)))
    if not columns.size:
        raise InputError("targets: no position carries loss; set the target of at least one per batch")
    targets = torch.from_numpy(np.ascontiguousarray(batch.targets[:, :, columns])).long().flatten(1)
    hidden = net.hidden(torch.from_numpy(batch.tokens).long(), columns.tolist()).flatten(1, 2)
    carried = targets >= 0
    counts = carried.sum(1)
    if int(counts.min()) < targets.shape[1]:
        # The head runs on rows with loss only; replicates with fewer of them are filled up with weightless rows.
        rows = torch.argsort(carried.int(), dim=1, descending=True, stable=True)[:, : int(counts.max())]
        hidden = hidden.gather(1, rows.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
        targets, carried = targets.gather(1, rows), carried.gather(1, rows)
    logits = net.logits(hidden)
    each = F.cross_entropy(logits.flatten(0, 1), targets.clamp(min=0).flatten(), reduction="none")
    return (each.view_as(targets) * carried).sum(1) / counts.clamp(min=1)
