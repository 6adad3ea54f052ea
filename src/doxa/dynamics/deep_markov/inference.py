"""Beliefs of a trained model: Monte Carlo over paths of its guide, and its prior run forward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from doxa.dynamics.deep_markov.batches import Batch
from doxa.dynamics.deep_markov.network import Gaussian, Network
from doxa.dynamics.deep_markov.training import draw_noise

NUMBERS_AT_ONCE = 6_000_000  # of one buffer of the guide: 24 MB in single precision


class Moments:
    """Mean and standard deviation over equally likely normal distributions, summed up one after the other."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: torch.Tensor | float = 0.0
        self._square: torch.Tensor | float = 0.0

    def add(self, mean: Float[torch.Tensor, "... M"], variance: Float[torch.Tensor, "... M"]) -> None:
        """Take distributions that lie along the last dimension."""
        self._count += mean.shape[-1]
        wide = mean.double()
        self._mean = self._mean + wide.sum(-1)
        self._square = self._square + (wide.square() + variance.double()).sum(-1)

    def result(self) -> Gaussian:
        """Return mean and standard deviation of the mixture."""
        mean = torch.as_tensor(self._mean) / self._count
        variance = torch.as_tensor(self._square) / self._count - mean.square()
        return Gaussian(mean, variance.clamp(min=0).sqrt())


class Paths(NamedTuple):
    """Paths of the guide for some rows: [streams, time, rows, paths, n] each, in the networks' units."""

    sample: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor


def sample_paths(
    network: Network, batch: Batch, n_samples: int, generator: torch.Generator
) -> Iterator[Paths]:
    """Yield paths of a single model's guide, some at a time; ``n_samples=0`` yields the path of means."""
    context = network.context(batch)
    _, steps, rows, width = context.shape
    at_once = max(1, NUMBERS_AT_ONCE // (steps * rows * width))
    left = max(1, n_samples)
    while left:
        count = min(left, at_once)
        left -= count
        wide = batch._replace(**{name: _repeat(getattr(batch, name), count) for name in ("u", "u_net")})
        noise = draw_noise(network.shape, [generator], steps, rows * count, context.dtype)
        if n_samples == 0:
            noise = torch.zeros_like(noise)
        path = network.guide(wide, _repeat(context, count), noise)
        yield Paths(*(one[0].view(*one.shape[1:3], rows, count, -1) for one in path))


def last_states(
    network: Network, batch: Batch, n_samples: int, generator: torch.Generator
) -> Float[torch.Tensor, "K N M n"]:
    """Return samples of each stream at each sequence's last step."""
    last = (batch.valid[0].sum(0) - 1).long()
    rows = torch.arange(len(last))
    found = [one.sample[:, last, rows] for one in sample_paths(network, batch, n_samples, generator)]
    return torch.cat(found, 2)


class Rolled(NamedTuple):
    """Moments of the fused latent and of the observation at each step, [N, steps, .] in the networks' units."""

    latent: Gaussian
    seen: Gaussian


def roll(
    network: Network,
    state: Float[torch.Tensor, "K N M n"] | None,
    u: Float[torch.Tensor, "N steps q"],
    u_net: Float[torch.Tensor, "N steps q"],
    n_samples: int,
    generator: torch.Generator,
) -> Rolled:
    """Run the prior forward from samples of a state, or from its own beginning.

    Args:
        network: a single model.
        state: where it starts; None starts from z_0.
        u: scaled inputs of the steps.
        u_net: the same, centred.
        n_samples: paths; 0 follows the means, without noise.
        generator: of the noise.
    """
    rows, steps, _ = u.shape
    count = max(1, n_samples)
    latents: list[Gaussian] = []
    seen: list[Gaussian] = []
    for step in range(steps):
        given, given_net = (_repeat(one[None, None, :, step], count)[:, 0] for one in (u, u_net))
        if state is None:
            moved = network.start(given, given_net)
        else:
            moved = network.transition(state.flatten(1, 2)[None], given, given_net)
        noise = torch.randn(moved.mean.shape, generator=generator, dtype=moved.mean.dtype)
        drawn = moved.mean if n_samples == 0 else moved.mean + moved.scale * noise
        state = drawn[0].view(len(drawn[0]), rows, count, -1)
        fused = network.fused(drawn)
        for kept, one in (
            (latents, Gaussian(network.fused(moved.mean), fused_scale(network, moved.scale))),
            (seen, network.emission(fused)),
        ):
            kept.append(mixture(*(part[0].view(rows, count, -1) for part in one)))
    return Rolled(
        *(
            Gaussian(*(torch.stack([one[part] for one in kept], 1) for part in range(2)))
            for kept in (latents, seen)
        )
    )


def fused_scale(network: Network, scale: Float[torch.Tensor, "S K *rows n"]) -> torch.Tensor:
    """Return the standard deviation of the fused latent for independent streams."""
    if network.shape.streams == 1:
        return scale[:, 0]
    alpha = network.alpha.view(-1, *[1] * (scale.ndim - 2))
    return ((alpha * scale[:, 0]).square() + ((1 - alpha) * scale[:, 1]).square()).sqrt()


def mixture(mean: Float[torch.Tensor, "N M d"], scale: Float[torch.Tensor, "N M d"]) -> Gaussian:
    """Return mean and standard deviation over equally likely normal distributions."""
    moments = Moments()
    moments.add(mean.transpose(1, 2), scale.square().transpose(1, 2))
    return moments.result()


def _repeat(tensor: Float[torch.Tensor, "S T N d"], count: int) -> Float[torch.Tensor, "S T NM d"]:
    """Return each row ``count`` times in a row."""
    return tensor if count == 1 else tensor.repeat_interleave(count, 2)


def as_numbers(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as double-precision numbers."""
    return tensor.detach().double().numpy()
