"""A deep Markov model as a user holds it: fit, infer, forecast, save.

Liu, Lai, Bacsa and Chatzi, Physics-guided Deep Markov Models for Learning Nonlinear Dynamical Systems with Uncertainty
(arXiv:2110.08607): the latent is a blend z = α z_phy + (1 - α) z_nn of a stream that a known model moves and a stream
that a network moves. The plain model (Krishnan, Shalit and Sontag 2017) has the second stream alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from doxa.dynamics.deep_markov import inference
from doxa.dynamics.deep_markov.batches import Batch, make_batch
from doxa.dynamics.deep_markov.network import Network
from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.results import Elbo, FitResult, Forecast, Posterior
from doxa.dynamics.deep_markov.scaled_prior import ScaledPrior
from doxa.dynamics.deep_markov.sequences import (
    Missing,
    Normalise,
    Numbers,
    Scales,
    Sequences,
    measure_scales,
    read_inputs,
    read_sequences,
)
from doxa.dynamics.deep_markov.training import Callback, FitPlan, draw_noise
from doxa.dynamics.deep_markov.weights import NetworkShape
from doxa.errors import InputError
from doxa.nets.plan import Schedule
from doxa.streams import torch_stream

Precision: TypeAlias = Literal["float32", "float64"]
Model = TypeVar("Model", bound="DeepMarkovModel")


class Fitted(NamedTuple):
    """The trained densities (one replicate) and the units they are in."""

    network: Network
    scales: Scales


class _Ready(NamedTuple):
    """What every question to a fitted model needs."""

    network: Network
    scales: Scales
    batch: Batch
    data: Sequences


class DeepMarkovModel:
    """What ``PgDMM`` and ``DMM`` share.

    Attributes:
        shape: sizes and forms of the networks.
        prior: the known dynamics, or None.
        missing: "nan" takes NaN in x for a missing value.
        normalise: "channel" scales each observed channel, "all" takes one scale for all.
        precision: of weights and sequences.
    """

    def __init__(
        self,
        shape: NetworkShape,
        prior: PhysicsPrior | None,
        *,
        missing: Missing,
        normalise: Normalise,
        precision: Precision,
    ) -> None:
        for name in ("obs_dim", "latent_dim", "rnn_dim", "hidden"):
            if getattr(shape, name) < 1:
                raise InputError(f"{name}={getattr(shape, name)}: must be >= 1")
        if shape.input_dim < 0:
            raise InputError(f"input_dim={shape.input_dim}: must be >= 0")
        for name, value, choices in (
            ("precision", precision, ("float32", "float64")),
            ("emission", shape.emission, ("prior", "linear", "mlp")),
            ("alpha_form", shape.alpha_form, ("sigmoid", "free")),
            ("guide", shape.guide, ("paper", "direct")),
        ):
            if value not in choices:
                raise InputError(f"{name}={value!r}: must be one of {', '.join(choices)}")
        self.shape = shape
        self.prior = prior
        self.missing: Missing = missing
        self.normalise: Normalise = normalise
        self.precision: Precision = precision
        self._fitted: Fitted | None = None

    @property
    def alpha(self) -> float:
        """Share of the physics stream."""
        return self.shape.alpha if self._fitted is None else float(self._fitted.network.alpha.detach()[0])

    @property
    def is_fitted(self) -> bool:
        """Whether there are weights and units."""
        return self._fitted is not None

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and sequences."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def fitted(self) -> Fitted:
        """Return densities and units.

        Raises:
            InputError: there are none yet.
        """
        if self._fitted is None:
            raise InputError("the model has not been fitted: call fit first (steps=0 only draws weights)")
        return self._fitted

    def set_state(self, weights: dict[str, torch.Tensor], scales: Scales) -> None:
        """Take weights of one replicate and units."""
        scaled = None if self.prior is None else ScaledPrior([self.prior], [scales], self.dtype)
        self._fitted = Fitted(Network(self.shape, weights, scaled), scales)

    def fit(
        self,
        x: Numbers,
        u: Numbers = None,
        mask: Numbers = None,
        lengths: Numbers = None,
        *,
        steps: int = 1500,
        lr: float = 5e-3,
        kl_anneal: int = 0,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        batch: int = 0,
        schedule: Schedule = "cosine",
        clip_norm: float = 5.0,
        frozen: Sequence[str] = (),
    ) -> FitResult:
        """Train from fresh weights, or further where the model was fitted before (units are then kept).

        Args:
            x: observations [N, T, p].
            u: inputs [N, T, q].
            mask: True where there is an observation, [N, T] or [N, T, p].
            lengths: steps of each sequence.
            steps: optimiser steps; 0 only measures units and draws weights.
            lr: highest learning rate.
            kl_anneal: steps over which the weight of the divergence rises from 0.2 to 1; 0 for none.
            seed: of weights, noise and order.
            callbacks: called every 50 steps with what was reached.
            batch: sequences of a step; 0 takes all.
            schedule: course of the learning rate.
            clip_norm: longest gradient.
            frozen: parts of a fitted model that stay as they are (see ``FitPlan``).

        Raises:
            InputError: the sequences are malformed, a channel is constant, or a frozen part is unknown.
            DivergedError: the bound stopped being a number.
        """
        from doxa.dynamics.deep_markov.stack import fit_stack

        plan = FitPlan(
            steps=steps, lr=lr, kl_anneal=kl_anneal, batch=batch, schedule=schedule, clip_norm=clip_norm,
            frozen=tuple(frozen),
        )  # fmt: skip
        data = self.read(x, u, mask, lengths)
        return fit_stack([self], [data], seeds=[seed], plan=plan, callbacks=callbacks)[0]

    def elbo(
        self,
        x: Numbers,
        u: Numbers = None,
        n_samples: int = 16,
        *,
        mask: Numbers = None,
        lengths: Numbers = None,
        seed: int = 0,
    ) -> Elbo:
        """Return the evidence bound in the units of the observations, averaged over paths of the guide.

        ``n_samples=0`` takes the path of means alone, which is no bound but has no noise.
        """
        network, scales, batch, data = self._ready(x, u, mask, lengths)
        generator = torch_stream(seed, "deep-markov", "elbo")
        seen, apart = np.zeros(len(data.x)), np.zeros(len(data.x))
        with torch.no_grad():
            for _ in range(max(1, n_samples)):
                noise = draw_noise(self.shape, [generator], *data.x.shape[1::-1], dtype=self.dtype)
                terms = network.terms(batch, noise if n_samples else torch.zeros_like(noise))
                seen += inference.as_numbers(terms.log_likelihood[0].sum(0)) / max(1, n_samples)
                apart += inference.as_numbers(terms.divergence[0].sum(0)) / max(1, n_samples)
        seen -= data.observed.sum(1) @ np.log(scales.x_scale)
        steps = float(data.lengths.sum())
        return Elbo(
            per_step=float((seen - apart).sum() / steps),
            log_likelihood=float(seen.sum() / steps),
            divergence=float(apart.sum() / steps),
            sequences=seen - apart,
        )

    def infer(
        self,
        x: Numbers,
        u: Numbers = None,
        *,
        mask: Numbers = None,
        lengths: Numbers = None,
        n_samples: int = 32,
        seed: int = 0,
    ) -> Posterior:
        """Return what is believed of each latent given the whole of its sequence.

        Args:
            x: observations [N, T, p].
            u: inputs [N, T, q].
            mask: True where there is an observation.
            lengths: steps of each sequence.
            n_samples: paths of the guide; 0 follows its means, whose bands are then too narrow.
            seed: of the paths.
        """
        network, scales, batch, data = self._ready(x, u, mask, lengths)
        with torch.no_grad():
            generator = torch_stream(seed, "deep-markov", "infer")
            found = inference.smoothed(network, batch, n_samples, generator)

        def units(tensor: torch.Tensor, scale: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
            return _padded(inference.as_numbers(tensor).swapaxes(0, 1) * scale + shift, data)

        each = [units(one, scales.latent_scale) for one in found.streams]
        absent = np.full_like(each[0], np.nan)
        return Posterior(
            mean=units(found.latent.mean, scales.latent_scale),
            std=units(found.latent.scale, scales.latent_scale),
            phy_mean=each[0] if self.shape.physics else absent,
            nn_mean=each[-1] if self.shape.learned else absent,
            obs_mean=units(found.seen.mean, scales.x_scale, scales.x_shift),
            obs_std=units(found.seen.scale, scales.x_scale),
        )

    def forecast(
        self,
        x: Numbers,
        u_future: Numbers = None,
        steps: int = 1,
        n_samples: int = 100,
        *,
        u: Numbers = None,
        mask: Numbers = None,
        lengths: Numbers = None,
        seed: int = 0,
    ) -> Forecast:
        """Return the steps after each sequence's last, from the state believed there.

        Args:
            x: what was observed, [N, T, p].
            u_future: inputs of the steps to come, [N, steps, q].
            steps: how many.
            n_samples: paths; 0 follows the means (its standard deviations are those of one step).
            u: inputs of the observed steps.
            mask: True where there is an observation.
            lengths: steps of each sequence.
            seed: of the paths.
        """
        network, scales, batch, data = self._ready(x, u, mask, lengths)
        future = self._future(u_future, len(data.x), steps, scales)
        generator = torch_stream(seed, "deep-markov", "forecast")
        with torch.no_grad():
            state = inference.last_states(network, batch, n_samples, generator)
            return _in_units(inference.roll(network, state, *future, n_samples, generator), scales)

    def generate(
        self, n: int, steps: int, u: Numbers = None, *, n_samples: int = 100, seed: int = 0
    ) -> Forecast:
        """Return what the prior alone says of ``n`` sequences, from its beginning on.

        Args:
            n: sequences.
            steps: of each.
            u: inputs [n, steps, q].
            n_samples: paths over which means and standard deviations are taken; 0 follows the means.
            seed: of the paths.
        """
        network, scales = self.fitted()
        future = self._future(u, n, steps, scales)
        generator = torch_stream(seed, "deep-markov", "generate")
        with torch.no_grad():
            return _in_units(inference.roll(network, None, *future, n_samples, generator), scales)

    def one_step(
        self,
        x: Numbers,
        u: Numbers = None,
        *,
        mask: Numbers = None,
        lengths: Numbers = None,
        n_samples: int = 16,
        seed: int = 0,
    ) -> Forecast:
        """Return for each step what is expected from the steps before it, and from them alone.

        The guide reads a whole sequence, the future included; so it is run anew on each beginning of a sequence. One
        that was trained on whole sequences alone does this less well; cut some of them off (``lengths``) in training.
        Entry t of the result is the forecast of step t; the first comes from the prior's own start. NaN beyond the end.
        """
        network, scales, batch, data = self._ready(x, u, mask, lengths)
        generator = torch_stream(seed, "deep-markov", "one-step")
        with torch.no_grad():
            rolled = inference.one_step_ahead(network, batch, n_samples, generator)
        return Forecast(*(_padded(one, data) for one in _in_units(rolled, scales)))

    def read(self, x: Numbers, u: Numbers = None, mask: Numbers = None, lengths: Numbers = None) -> Sequences:
        """Return sequences as this model reads them, checked (see ``read_sequences``)."""
        return read_sequences(
            x, u, obs_dim=self.shape.obs_dim, input_dim=self.shape.input_dim,
            mask=mask, lengths=lengths, missing=self.missing,
        )  # fmt: skip

    def measure(self, data: Sequences) -> Scales:
        """Return the units that sequences give the networks."""
        return measure_scales(
            data, self.prior, self.shape.latent_dim,
            centre=self.shape.emission != "prior", normalise=self.normalise,
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the fitted model as one safetensors file.

        Raises:
            InputError: it was not fitted.
            StoreError: the file cannot be written.
        """
        from doxa.dynamics.deep_markov.saved import save_model

        save_model(self, Path(path))

    @classmethod
    def load(cls: type[Model], path: str | Path, prior: PhysicsPrior | None = None) -> Model:
        """Return a saved model of this class (of either, where called on ``DeepMarkovModel``).

        Args:
            path: the file.
            prior: needed where the model's prior is a step of one's own, which no file holds.

        Raises:
            InputError: there is no such file, it holds another class, or a step of one's own is needed.
            StoreError: the file is damaged or holds something else.
        """
        from doxa.dynamics.deep_markov.saved import load_model

        model = load_model(Path(path), prior)
        if not isinstance(model, cls):
            raise InputError(f"{path}: holds a {type(model).__name__}, not a {cls.__name__}")
        return model

    def _ready(self, x: Numbers, u: Numbers, mask: Numbers, lengths: Numbers) -> _Ready:
        """Return the fitted model and checked sequences."""
        network, scales = self.fitted()
        data = self.read(x, u, mask, lengths)
        batch = make_batch([data], [scales], guide_input=self.shape.guide_input, dtype=self.dtype)
        return _Ready(network, scales, batch, data)

    def _future(
        self, u: Numbers, rows: int, steps: int, scales: Scales
    ) -> tuple[Float[torch.Tensor, "N T q"], Float[torch.Tensor, "N T q"]]:
        """Return scaled inputs of steps to come, as the prior and as the networks take them."""
        if steps < 1 or rows < 1:
            raise InputError(f"steps={steps}, sequences={rows}: must be >= 1")
        inputs = read_inputs(u, rows, steps, self.shape.input_dim)
        if not np.isfinite(inputs).all():
            raise InputError("u holds a number that is not finite; inputs must be known at every step")
        return (
            torch.from_numpy(inputs / scales.u_scale).to(self.dtype),
            torch.from_numpy((inputs - scales.u_shift) / scales.u_scale).to(self.dtype),
        )


def _in_units(rolled: inference.Rolled, scales: Scales) -> Forecast:
    """Return latents and observations in units."""
    return Forecast(
        mean=inference.as_numbers(rolled.latent.mean) * scales.latent_scale,
        std=inference.as_numbers(rolled.latent.scale) * scales.latent_scale,
        obs_mean=inference.as_numbers(rolled.seen.mean) * scales.x_scale + scales.x_shift,
        obs_std=inference.as_numbers(rolled.seen.scale) * scales.x_scale,
    )


def _padded(numbers: Float[np.ndarray, "N T d"], data: Sequences) -> Float[np.ndarray, "N padded d"]:
    """Return numbers over the steps as they came, NaN beyond a sequence's end."""
    whole = np.full((len(numbers), data.padded, numbers.shape[2]), np.nan)
    whole[:, : numbers.shape[1]] = np.where(data.valid[:, :, None], numbers, np.nan)
    return whole
