"""Sequences in the units of the networks, for several replicates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.sequences import Scales, Sequences
from doxa.errors import InputError


class Batch(NamedTuple):
    """What the networks read: dimensions are replicate, time, row, channel.

    Attributes:
        x: scaled observations, 0 where there is none.
        u: scaled inputs without shift, as the prior takes them.
        u_net: inputs of zero mean and unit variance, as networks take them.
        observed: 1 where there is an observation.
        valid: 1 where a step belongs to its sequence.
        features: what the recurrent units read, forwards and backwards in time (second dimension).
        turn: the step at which the backward units come to a step; None where all sequences are of full length.
    """

    x: Float[torch.Tensor, "S T N p"]
    u: Float[torch.Tensor, "S T N q"]
    u_net: Float[torch.Tensor, "S T N q"]
    observed: Float[torch.Tensor, "S T N p"]
    valid: Float[torch.Tensor, "S T N"]
    features: Float[torch.Tensor, "S 2 T N f"]
    turn: Int[torch.Tensor, "S T N"] | None

    def rows(self, index: Int[torch.Tensor, "S B"]) -> Batch:
        """Return some rows of each replicate."""
        numbers = [_take(one, index) for one in self if one is not None]
        return self._make(numbers if self.turn is not None else [*numbers, None])

    @property
    def steps(self) -> Float[torch.Tensor, " S"]:
        """Steps that count, for each replicate."""
        return self.valid.sum((1, 2))


def make_batch(
    data: Sequence[Sequences], scales: Sequence[Scales], *, guide_input: bool, dtype: torch.dtype
) -> Batch:
    """Return one replicate's sequences after the other, scaled.

    Raises:
        InputError: the replicates' sequences differ in number or in steps.
    """
    if len({one.x.shape for one in data}) > 1:
        raise InputError(
            f"sequences of shapes {[one.x.shape for one in data]}: models trained together need equal shapes"
        )
    parts = [_one(one, scale, guide_input) for one, scale in zip(data, scales, strict=True)]
    x, u, u_net, observed, valid, features, turn = (np.stack(part) for part in zip(*parts, strict=True))
    ragged = bool((valid == 0).any())
    numbers = [torch.from_numpy(part).to(dtype) for part in (x, u, u_net, observed, valid, features)]
    return Batch(*numbers, turn=torch.from_numpy(turn) if ragged else None)


def _one(data: Sequences, scales: Scales, guide_input: bool) -> tuple[np.ndarray, ...]:
    """Return the arrays of one replicate, time first."""
    valid = data.valid
    observed = data.observed.astype(float)
    x = np.where(data.observed, (data.x - scales.x_shift) / scales.x_scale, 0.0)
    u_net = np.where(valid[:, :, None], (data.u - scales.u_shift) / scales.u_scale, 0.0)
    features = np.concatenate([x, observed, u_net] if guide_input else [x, observed], axis=2)
    steps = np.arange(x.shape[1])
    turn = np.where(valid, data.lengths[:, None] - 1 - steps, steps)
    both = np.stack([features, np.take_along_axis(features, turn[:, :, None], axis=1)])
    first = (x, data.u / scales.u_scale, u_net, observed)
    return (*(one.swapaxes(0, 1) for one in first), valid.T.astype(float), both.swapaxes(1, 2), turn.T)


def _take(tensor: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return rows ``index`` of each replicate; rows stand before the last dimension, or last of three."""
    axis = 2 if tensor.ndim == 3 else tensor.ndim - 2
    if len(tensor) == 1:
        return tensor.index_select(axis, index[0])
    return torch.stack([one.index_select(axis - 1, row) for one, row in zip(tensor, index, strict=True)])
