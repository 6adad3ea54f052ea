"""Beliefs of a trained model: Monte Carlo over paths of its guide, and its prior run forward.

Every function takes a single model and speaks in the networks' units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.batches import Batch
from doxa.dynamics.deep_markov.network import Gaussian, Network
from doxa.dynamics.deep_markov.training import draw_noise

NUMBERS_AT_ONCE = 6_000_000  # of one buffer of the guide: 24 MB in single precision


class Smoothed(NamedTuple):
    """Moments given whole sequences, [time, rows, .]: of the fused latent, each stream's mean, the observation."""

    latent: Gaussian
    streams: list[torch.Tensor]
    seen: Gaussian


class Rolled(NamedTuple):
    """Moments of the fused latent and of the observation, [rows, steps, .]."""

    latent: Gaussian
    seen: Gaussian


class _Paths(NamedTuple):
    """Paths of the guide, [1, streams, time, rows, paths, n] each."""

    sample: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor


class _Moments:
    """Mean and standard deviation over equally likely normal distributions, summed up one after the other."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: torch.Tensor | float = 0.0
        self._square: torch.Tensor | float = 0.0

    def add(self, of: Gaussian) -> None:
        """Take distributions that lie along the last dimension but one."""
        mean, scale = of.mean.double(), of.scale.double()
        self._count += mean.shape[-2]
        self._mean = self._mean + mean.sum(-2)
        self._square = self._square + (mean.square() + scale.square()).sum(-2)

    def result(self) -> Gaussian:
        """Return mean and standard deviation of the mixture."""
        mean = torch.as_tensor(self._mean) / self._count
        variance = torch.as_tensor(self._square) / self._count - mean.square()
        return Gaussian(mean, variance.clamp(min=0).sqrt())


def smoothed(network: Network, batch: Batch, n_samples: int, generator: torch.Generator) -> Smoothed:
    """Return what is believed given whole sequences, from ``n_samples`` paths (0: the path of means)."""
    latent, seen = _Moments(), _Moments()
    streams = [_Moments() for _ in range(network.shape.streams)]
    for path in _sample_paths(network, batch, n_samples, generator):
        latent.add(network.fused_gaussian(Gaussian(path.mean, path.scale)))
        seen.add(network.emission(network.fused(path.sample)))
        for index, one in enumerate(streams):
            one.add(Gaussian(path.mean[:, index], path.scale[:, index]))
    moments = [Gaussian(*(part[0] for part in one.result())) for one in (latent, seen)]
    return Smoothed(moments[0], [one.result().mean[0] for one in streams], moments[1])


def last_states(
    network: Network, batch: Batch, n_samples: int, generator: torch.Generator
) -> Float[torch.Tensor, "K N M n"]:
    """Return samples of each stream at each sequence's last step (0: the end of the path of means)."""
    last = (batch.valid[0].sum(0) - 1).long()
    rows = torch.arange(len(last))
    found = [one.sample[0][:, last, rows] for one in _sample_paths(network, batch, n_samples, generator)]
    return torch.cat(found, 2)


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
        given, given_net = (one[None, :, step].repeat_interleave(count, 1) for one in (u, u_net))
        if state is None:
            moved = network.start(given, given_net)
        else:
            moved = network.transition(state.flatten(1, 2)[None], given, given_net)
        half = (*moved.mean.shape[:2], rows * ((count + 1) // 2), moved.mean.shape[3])
        noise = _in_pairs(torch.randn(half, generator=generator, dtype=u.dtype), rows, count)
        drawn = moved.mean if n_samples == 0 else moved.mean + moved.scale * noise
        state = drawn[0].view(drawn.shape[1], rows, count, -1)
        latents.append(_mixture(network.fused_gaussian(moved), rows))
        seen.append(_mixture(network.emission(network.fused(drawn)), rows))
    return Rolled(_end_to_end(latents), _end_to_end(seen))


def one_step_ahead(network: Network, batch: Batch, n_samples: int, generator: torch.Generator) -> Rolled:
    """Return for each step what is expected from the steps before it: the guide reads each beginning anew."""
    _, steps, rows, _ = batch.x.shape
    first_u, first_u_net = (one[0, :1].transpose(0, 1) for one in (batch.u, batch.u_net))
    parts = [roll(network, None, first_u, first_u_net, n_samples, generator)]
    at_once = max(1, NUMBERS_AT_ONCE // (steps * rows * network.shape.rnn_dim * max(1, n_samples)))
    for first in range(1, steps, at_once):
        ends = torch.arange(first, min(first + at_once, steps))
        state = last_states(network, _beginnings(batch, ends), n_samples, generator)
        u, u_net = (one[0, ends].flatten(0, 1).unsqueeze(1) for one in (batch.u, batch.u_net))
        latent, seen = roll(network, state, u, u_net, n_samples, generator)
        parts.append(Rolled(_by_row(latent, len(ends)), _by_row(seen, len(ends))))
    return Rolled(_end_to_end([one.latent for one in parts]), _end_to_end([one.seen for one in parts]))


def _beginnings(batch: Batch, ends: Int[torch.Tensor, " E"]) -> Batch:
    """Return every sequence cut off after each of some steps, the shorter cuts of all rows first."""
    longest, rows, cuts = int(ends[-1]), batch.x.shape[2], len(ends)
    steps = torch.arange(longest)
    length = torch.minimum(ends.repeat_interleave(rows), batch.valid[0].sum(0).long().repeat(cuts))
    valid = (steps[:, None] < length).to(batch.x.dtype)[None]
    turn = torch.where(valid[0] > 0, length - 1 - steps[:, None], steps[:, None])[None]

    def cut(one: torch.Tensor) -> torch.Tensor:
        return one[:, :longest].repeat(1, 1, cuts, 1) * valid.unsqueeze(-1)

    forwards = cut(batch.features[:, 0])
    backwards = forwards.gather(1, turn.unsqueeze(-1).expand_as(forwards))
    return Batch(
        x=cut(batch.x),
        u=cut(batch.u),
        u_net=cut(batch.u_net),
        observed=cut(batch.observed),
        valid=valid,
        features=torch.stack((forwards, backwards), 1),
        turn=turn,
    )


def _sample_paths(
    network: Network, batch: Batch, n_samples: int, generator: torch.Generator
) -> Iterator[_Paths]:
    """Yield ``n_samples`` paths of the guide, some at a time; 0 yields the path of means."""
    context = network.context(batch)
    _, steps, rows, width = context.shape
    at_once = max(1, NUMBERS_AT_ONCE // (steps * rows * width))
    left = max(1, n_samples)
    while left:
        count = min(left, at_once)
        left -= count
        wide = [one.repeat_interleave(count, 2) for one in (context, batch.u, batch.u_net)]
        half = draw_noise(network.shape, [generator], steps, rows * ((count + 1) // 2), context.dtype)
        noise = _in_pairs(half, rows, count)
        if n_samples == 0:
            noise = torch.zeros_like(noise)
        given = batch._replace(u=wide[1], u_net=wide[2])
        if network.shape.guide == "direct":
            given = given._replace(features=batch.features.repeat_interleave(count, 3))
        path = network.guide(given, wide[0], noise)
        yield _Paths(*(one.view(*one.shape[:3], rows, count, -1) for one in path))


def _in_pairs(half: Float[torch.Tensor, "*steps half n"], rows: int, count: int) -> torch.Tensor:
    """Return noise of ``count`` paths for each row, in pairs of opposites: means of linear models are then exact."""
    paths = half.unflatten(-2, (rows, -1))
    return torch.cat((paths, -paths), -2)[..., :count, :].flatten(-3, -2)


def _mixture(of: Gaussian, rows: int) -> Gaussian:
    """Return the moments of each row's paths as one step, [rows, 1, .], from [1, rows * paths, .]."""
    moments = _Moments()
    mean, scale = (part[0].view(rows, 1, -1, part.shape[-1]) for part in of)
    moments.add(Gaussian(mean, scale))
    return moments.result()


def _by_row(of: Gaussian, steps: int) -> Gaussian:
    """Return [rows, steps, .] from [steps * rows, 1, .]."""
    mean, scale = (one.view(steps, -1, one.shape[-1]).transpose(0, 1) for one in of)
    return Gaussian(mean, scale)


def _end_to_end(parts: list[Gaussian]) -> Gaussian:
    """Return stretches of steps, [rows, steps, .] each, as one."""
    return Gaussian(torch.cat([one.mean for one in parts], 1), torch.cat([one.scale for one in parts], 1))


def as_numbers(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as double-precision numbers."""
    return tensor.detach().double().numpy()
