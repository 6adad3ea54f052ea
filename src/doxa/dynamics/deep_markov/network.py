"""The densities of a deep Markov model: transitions of both streams, emission, guide; a stack of replicates.

Every weight has a leading replicate dimension and no number of one replicate touches another's, so many seeds train
as one batch. Latents, inputs and observations are in the networks' units (``Scales``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float

from doxa.dynamics.deep_markov.batches import Batch
from doxa.dynamics.deep_markov.recurrence import GuidePath, gated_recurrence, guide_path
from doxa.dynamics.deep_markov.scaled_prior import ScaledPrior
from doxa.dynamics.deep_markov.weights import NetworkShape

FLOOR = 1e-3  # smallest standard deviation, in units where the data have 1


class Gaussian(NamedTuple):
    """A normal distribution with independent coordinates."""

    mean: torch.Tensor
    scale: torch.Tensor


class Terms(NamedTuple):
    """The parts of the bound, in nats, 0 where there is nothing: [replicates, time, rows]."""

    log_likelihood: Float[torch.Tensor, "S T N"]
    divergence: Float[torch.Tensor, "S T N"]


def gaussian_divergence(one: Gaussian, other: Gaussian) -> torch.Tensor:
    """Return KL(one ‖ other) of each coordinate in nats."""
    return (
        torch.log(other.scale / one.scale)
        + (one.scale.square() + (one.mean - other.mean).square()) / (2 * other.scale.square())
        - 0.5
    )


def gaussian_log_density(x: torch.Tensor, of: Gaussian) -> torch.Tensor:
    """Return the log-density of each coordinate in nats."""
    return -0.5 * ((x - of.mean) / of.scale).square() - of.scale.log() - 0.9189385332046727


class Network:
    """Replicates of one deep Markov model.

    Attributes:
        shape: the shape they share.
        weights: parameter name to tensor [replicates, ...]; matrices map from the second to the last dimension.
        prior: the known dynamics of each replicate in the networks' units; None where there is no physics stream.
    """

    def __init__(
        self, shape: NetworkShape, weights: Mapping[str, torch.Tensor], prior: ScaledPrior | None
    ) -> None:
        self.shape = shape
        self.weights = dict(weights)
        self.prior = prior

    @property
    def replicates(self) -> int:
        """Number of models in the stack."""
        return self.weights["guide.start"].shape[0]

    @property
    def alpha(self) -> Float[torch.Tensor, " S"]:
        """Share of the physics stream."""
        if "alpha" not in self.weights:
            return self.weights["guide.start"].new_full((self.replicates,), self.shape.alpha)
        raw = self.weights["alpha"][:, 0]
        return raw.sigmoid() if self.shape.alpha_form == "sigmoid" else raw

    def fused(self, z: Float[torch.Tensor, "S K *rows n"]) -> Float[torch.Tensor, "S *rows n"]:
        """Return α z_phy + (1 - α) z_nn, or the only stream."""
        if self.shape.streams == 1:
            return z[:, 0]
        alpha = self.alpha.view(-1, *[1] * (z.ndim - 2))
        return torch.lerp(z[:, 1], z[:, 0], alpha)

    def fused_gaussian(self, of: Gaussian) -> Gaussian:
        """Return the distribution of the fused latent for independent streams [replicates, streams, ..., n].

        Its mean is α μ_phy + (1 - α) μ_nn, its variance α² σ_phy² + (1 - α)² σ_nn².
        """
        if self.shape.streams == 1:
            return Gaussian(of.mean[:, 0], of.scale[:, 0])
        alpha = self.alpha.view(-1, *[1] * (of.scale.ndim - 2))
        variance = (alpha * of.scale[:, 0]).square() + ((1 - alpha) * of.scale[:, 1]).square()
        return Gaussian(self.fused(of.mean), variance.sqrt())

    def context(self, batch: Batch) -> Float[torch.Tensor, "S T N r"]:
        """Return the sum of the forward and the backward recurrent states at each step."""
        w = self.weights
        replicates, _, steps, rows, width = batch.features.shape
        flat = batch.features.reshape(2 * replicates, steps * rows, width)
        given = torch.baddbmm(
            w["recurrent.input_bias"].flatten(0, 1).unsqueeze(1), flat, w["recurrent.input"].flatten(0, 1)
        )
        states = gated_recurrence(
            given.view(2 * replicates, steps, rows, -1),
            *(w[f"recurrent.{name}"].flatten(0, 1) for name in ("start", "hidden", "hidden_bias")),
        ).view(replicates, 2, steps, rows, -1)
        if batch.turn is None:
            return states[:, 0] + states[:, 1].flip(1)
        turn = batch.turn.unsqueeze(-1).expand(-1, -1, -1, states.shape[-1])
        return states[:, 0] + states[:, 1].gather(1, turn)

    def guide(
        self, batch: Batch, context: Float[torch.Tensor, "S T N r"], noise: Float[torch.Tensor, "S K T N n"]
    ) -> GuidePath:
        """Return a path of the guide, [replicates, streams, time, rows, n] each."""
        w, shape = self.weights, self.shape
        replicates, steps, rows, width = context.shape
        inside = w["guide.bias"].view(replicates, -1, 1, 1, width)
        out = w["guide.out_bias"].view(replicates, -1, 1, 1, 2 * shape.latent_dim)
        inside = inside.expand(-1, -1, steps, rows, -1)
        out = out.expand(-1, -1, steps, rows, -1)
        if shape.input_dim and shape.learned:
            more = _product(batch.u_net, w["guide.input"])
            inside = torch.cat((inside[:, :-1], inside[:, -1:] + more.unsqueeze(1)), 1)
        if shape.physics and shape.input_dim:
            more = F.pad(self._physics.input_effect(batch.u), (0, shape.latent_dim))
            out = torch.cat((out[:, :1] + more.unsqueeze(1), out[:, 1:]), 1)
        if shape.guide == "direct":
            more = _product(batch.features[:, 0], w["guide.from_observed"])
            more = more.view(replicates, steps, rows, -1, shape.latent_dim).permute(0, 3, 1, 2, 4)
            out = out + F.pad(more, (0, shape.latent_dim))
            direct = w["guide.from_latent"].flatten(0, 1)
        else:
            direct = out.new_zeros(replicates * shape.streams, shape.latent_dim, shape.latent_dim)
        path = guide_path(
            w["guide.start"].flatten(0, 1),
            w["guide.latent"].flatten(0, 1),
            direct,
            inside.flatten(0, 1),
            context,
            w["guide.out"].flatten(0, 1) / 3,  # the mean of three terms inside the relu, taken outside
            out.flatten(0, 1),
            noise.flatten(0, 1),
            FLOOR,
        )
        return GuidePath(*(one.view(replicates, shape.streams, *one.shape[1:]) for one in path))

    def transition(
        self,
        z: Float[torch.Tensor, "S K *rows n"],
        u: Float[torch.Tensor, "S *rows q"],
        u_net: Float[torch.Tensor, "S *rows q"],
    ) -> Gaussian:
        """Return p(z_t | z_{t-1}, u_t) of each stream."""
        means: list[torch.Tensor] = []
        scales: list[torch.Tensor] = []
        if self.shape.physics:
            means.append(self._physics.step(z[:, 0], u))
            known = self._physics.process_scale
            scales.append(
                self._scale(self._perceptron("physics", z[:, 0]))
                if known is None
                else _beside(known, z[:, 0]).expand_as(z[:, 0])
            )
        if self.shape.learned:
            out = self._perceptron("learned", torch.cat((z[:, -1], u_net), -1))
            means.append(out[..., : self.shape.latent_dim])
            scales.append(self._scale(out[..., self.shape.latent_dim :]))
        return Gaussian(torch.stack(means, 1), torch.stack(scales, 1))

    def start(self, u: Float[torch.Tensor, "S N q"], u_net: Float[torch.Tensor, "S N q"]) -> Gaussian:
        """Return p(z_1 | u_1) of each stream, [replicates, streams, rows, n].

        The mean is a step from the trained z_0, as in the paper. The scale is a parameter of its own: where sequences
        begin anywhere, a step's own scale would have to be large around z_0, and would be so for every later state
        that comes near.
        """
        replicates, rows = u.shape[:2]
        known = self._physics.initial if self.shape.physics else None
        parts: list[Gaussian] = []
        if known is not None:
            parts.append(
                Gaussian(*(one.view(replicates, 1, 1, -1).expand(-1, -1, rows, -1) for one in known))
            )
        if known is None or self.shape.learned:
            begin = self.weights["start.latent"].unsqueeze(2).expand(-1, -1, rows, -1)
            mean = self.transition(begin, u, u_net).mean
            scale = self._scale(self.weights["start.scale"]).unsqueeze(2).expand_as(mean)
            given = int(known is not None)
            parts.append(Gaussian(mean[:, given:], scale[:, given:]))
        return Gaussian(torch.cat([one.mean for one in parts], 1), torch.cat([one.scale for one in parts], 1))

    def emission(self, z: Float[torch.Tensor, "S *rows n"]) -> Gaussian:
        """Return p(x_t | z_t) for fused latents."""
        known = None if self.prior is None else self.prior.observation_scale
        learned = "emission.weight1" in self.weights
        out = self._perceptron("emission", z) if learned else z
        if self.shape.emission == "mlp":
            mean = out[..., self.shape.obs_dim :]
        elif self.shape.emission == "linear":
            mean = _product(z, self.weights["emission.matrix"]) + _beside(self.weights["emission.offset"], z)
        else:
            mean = _product(z, cast(torch.Tensor, self._physics.emission))
        if known is not None:
            return Gaussian(mean, _beside(known, mean).expand_as(mean))
        return Gaussian(mean, self._scale(out[..., : self.shape.obs_dim]))

    def terms(self, batch: Batch, noise: Float[torch.Tensor, "S K T N n"]) -> Terms:
        """Return the parts of the evidence bound of one path of the guide."""
        path = self.guide(batch, self.context(batch), noise)
        later = self.transition(path.sample[:, :, :-1], batch.u[:, 1:], batch.u_net[:, 1:])
        first = self.start(batch.u[:, 0], batch.u_net[:, 0])
        prior = Gaussian(
            *(torch.cat((one.unsqueeze(2), more), 2) for one, more in zip(first, later, strict=True))
        )
        apart = gaussian_divergence(Gaussian(path.mean, path.scale), prior).sum((1, -1))
        seen = gaussian_log_density(batch.x, self.emission(self.fused(path.sample)))
        return Terms((seen * batch.observed).sum(-1), apart * batch.valid)

    @property
    def _physics(self) -> ScaledPrior:
        return cast(ScaledPrior, self.prior)

    def _scale(self, raw: torch.Tensor) -> torch.Tensor:
        return F.softplus(raw) + FLOOR

    def _perceptron(self, name: str, inputs: torch.Tensor) -> torch.Tensor:
        """Return what a network of two hidden layers makes of [replicates, ..., width]."""
        flat = inputs.flatten(1, -2)
        for layer in ("1", "2", "3"):
            flat = torch.baddbmm(
                self.weights[f"{name}.bias{layer}"].unsqueeze(1), flat, self.weights[f"{name}.weight{layer}"]
            )
            if layer != "3":
                flat = flat.relu()
        return flat.view(*inputs.shape[:-1], -1)


def _product(
    inputs: Float[torch.Tensor, "S *rows width"], matrix: Float[torch.Tensor, "S width out"]
) -> Float[torch.Tensor, "S *rows out"]:
    """Return inputs times each replicate's matrix."""
    return (inputs.flatten(1, -2) @ matrix).view(*inputs.shape[:-1], -1)


def _beside(vector: Float[torch.Tensor, "S width"], like: torch.Tensor) -> torch.Tensor:
    """Return a vector per replicate in a form that adds to [replicates, ..., width]."""
    return vector.view(len(vector), *[1] * (like.ndim - 2), -1)
