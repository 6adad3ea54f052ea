"""Sizes and forms of the networks of a deep Markov model, and how their weights begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from doxa.streams import torch_stream

Emission: TypeAlias = Literal["prior", "linear", "mlp"]
AlphaForm: TypeAlias = Literal["sigmoid", "free"]
Guide: TypeAlias = Literal["paper", "direct"]
Weights: TypeAlias = dict[str, torch.Tensor]

START_SCALE = -2.0  # bias of a fresh network before the softplus: standard deviations begin at 0.13


@dataclass(frozen=True)
class NetworkShape:
    """What the weights of one replicate are like.

    Attributes:
        obs_dim: channels p.
        input_dim: inputs q.
        latent_dim: latents n.
        physics: whether there is a stream driven by the prior.
        learned: whether there is a stream driven by a network.
        emission: frozen C of the prior, a learned matrix with an offset, or a network.
        rnn_dim: width of the recurrent units and of the guide.
        hidden: width of the networks of transition and emission.
        alpha: share of the physics stream at the start, or for good.
        learn_alpha: whether it is learned.
        alpha_form: "sigmoid" keeps it in (0, 1), "free" does not.
        guide_input: whether the recurrent units also read the inputs.
        guide: "paper", or "direct" with linear paths beside the units, from the previous latent and from the
            observation of the step to the guide's mean.
        known_process: whether the physics stream's noise is the prior's.
        known_observation: whether the observation's noise is the prior's.
        known_start: whether the physics stream's beginning is the prior's.
    """

    obs_dim: int
    input_dim: int
    latent_dim: int
    physics: bool
    learned: bool
    emission: Emission
    rnn_dim: int
    hidden: int
    alpha: float
    learn_alpha: bool
    alpha_form: AlphaForm
    guide_input: bool
    guide: Guide
    known_process: bool = False
    known_observation: bool = False
    known_start: bool = False

    @property
    def streams(self) -> int:
        """One or two."""
        return int(self.physics) + int(self.learned)

    @property
    def features(self) -> int:
        """Numbers that the recurrent units read at a step: values, whether they were observed, perhaps inputs."""
        return 2 * self.obs_dim + (self.input_dim if self.guide_input else 0)


def fresh_weights(shape: NetworkShape, seeds: Sequence[int]) -> Weights:
    """Return one replicate per seed, drawn from the streams ("deep-markov", "init").

    Numbers are uniform within 1/sqrt(fan-in), as torch's own layers begin; biases of scales begin at START_SCALE.
    """
    stacks: dict[str, list[torch.Tensor]] = {}
    for seed in seeds:
        generator = torch_stream(seed, "deep-markov", "init")
        for name, (size, fan_in, offset) in _sizes(shape).items():
            bound = 0.0 if fan_in == 0 else fan_in**-0.5
            number = (torch.rand(size, generator=generator) * 2 - 1) * bound
            if offset:
                number[..., -offset:] += START_SCALE
            stacks.setdefault(name, []).append(number)
    weights = {name: torch.stack(one) for name, one in stacks.items()}
    if "alpha" in weights:
        alpha = torch.tensor(shape.alpha)
        weights["alpha"] += torch.logit(alpha) if shape.alpha_form == "sigmoid" else alpha
    return weights


def _sizes(shape: NetworkShape) -> dict[str, tuple[tuple[int, ...], int, int]]:
    """Return size, fan-in (0: begins at zero) and number of trailing biases of scales for each parameter."""
    n, q, p, r, h, k = (
        shape.latent_dim, shape.input_dim, shape.obs_dim, shape.rnn_dim, shape.hidden, shape.streams,
    )  # fmt: skip
    features = shape.features
    sizes: dict[str, tuple[tuple[int, ...], int, int]] = {
        "recurrent.input": ((2, features, 3 * r), r, 0),
        "recurrent.input_bias": ((2, 3 * r), r, 0),
        "recurrent.hidden": ((2, r, 3 * r), r, 0),
        "recurrent.hidden_bias": ((2, 3 * r), r, 0),
        "recurrent.start": ((2, r), 0, 0),
        "guide.start": ((k, n), 0, 0),
        "guide.latent": ((k, n, r), n, 0),
        "guide.bias": ((k, r), n, 0),
        "guide.out": ((k, r, 2 * n), r, 0),
        "guide.out_bias": ((k, 2 * n), r, n),
    }
    if shape.learned or not shape.known_start:
        sizes["start.latent"] = sizes["start.scale"] = ((k, n), 0, 0)
    if shape.guide == "direct":
        sizes["guide.from_latent"] = ((k, n, n), 0, 0)
        sizes["guide.from_observed"] = ((features, k * n), 0, 0)
    if shape.learned and q:
        sizes["guide.input"] = ((q, r), n + q, 0)
    networks: dict[str, tuple[int, int, int]] = {}
    if shape.physics and not shape.known_process:
        networks["physics"] = (n, n, n)
    if shape.learned:
        networks["learned"] = (n + q, 2 * n, n)
    if shape.emission == "mlp" or not shape.known_observation:
        networks["emission"] = (n, 2 * p if shape.emission == "mlp" else p, 0)
    for name, (wide, out, scales) in networks.items():
        for layer, (a, b) in enumerate(((wide, h), (h, h), (h, out)), start=1):
            sizes[f"{name}.weight{layer}"] = ((a, b), a, 0)
            sizes[f"{name}.bias{layer}"] = ((b,), a, scales if layer == 3 else 0)
    if shape.emission == "linear":
        sizes["emission.matrix"] = ((n, p), n, 0)
        sizes["emission.offset"] = ((p,), 0, 0)
    if shape.physics and shape.learned and shape.learn_alpha:
        sizes["alpha"] = ((1,), 0, 0)
    return sizes
