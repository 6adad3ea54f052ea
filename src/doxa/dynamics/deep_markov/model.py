"""Deep Markov models as a user holds them: fit, infer, forecast, save.

Liu, Lai, Bacsa and Chatzi, Physics-guided Deep Markov Models for Learning Nonlinear Dynamical Systems with Uncertainty
(arXiv:2110.08607): the latent is a blend z = α z_phy + (1 - α) z_nn of a stream that a known model moves and a stream
that a network moves. ``DMM`` is the plain model (Krishnan, Shalit and Sontag 2017) with the second stream alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import torch
from jaxtyping import Float

from doxa.dynamics.deep_markov import inference
from doxa.dynamics.deep_markov.batches import Batch, make_batch
from doxa.dynamics.deep_markov.network import AlphaForm, Emission, Network, NetworkShape, fresh_weights
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
from doxa.dynamics.deep_markov.training import Callback, FitPlan, draw_noise, train
from doxa.errors import InputError
from doxa.nets.checkpoint import load_tensors, save_tensors
from doxa.nets.plan import Schedule
from doxa.streams import torch_stream

Precision: TypeAlias = Literal["float32", "float64"]
FORMAT = "doxa.dynamics.deep_markov 1"
ROWS_AT_ONCE = 4096  # sequences that one pass of `one_step` works on


class DeepMarkovModel:
    """What ``PgDMM`` and ``DMM`` share.

    Attributes:
        shape: sizes and forms of the networks.
        prior: the known dynamics, or None.
        network: the trained densities (one replicate); None before ``fit``.
        scales: units of the networks; None before ``fit``.
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
        if precision not in ("float32", "float64"):
            raise InputError(f"precision={precision!r}: must be 'float32' or 'float64'")
        self.shape = shape
        self.prior = prior
        self.network: Network | None = None
        self.scales: Scales | None = None
        self._missing: Missing = missing
        self._normalise: Normalise = normalise
        self._precision: Precision = precision

    @property
    def alpha(self) -> float:
        """Share of the physics stream."""
        return self.shape.alpha if self.network is None else float(self.network.alpha.detach()[0])

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

        Raises:
            InputError: the sequences are malformed, or a channel is constant.
            DivergedError: the bound stopped being a number.
        """
        plan = FitPlan(
            steps=steps, lr=lr, kl_anneal=kl_anneal, batch=batch, schedule=schedule, clip_norm=clip_norm
        )
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
        """Return the evidence bound, averaged over paths of the guide, in the units of the observations."""
        network, batch, data = self._ready(x, u, mask, lengths)
        generator = torch_stream(seed, "deep-markov", "elbo")
        seen, apart = np.zeros(len(data.x)), np.zeros(len(data.x))
        with torch.no_grad():
            for _ in range(max(1, n_samples)):
                noise = draw_noise(self.shape, [generator], batch.x.shape[1], batch.x.shape[2], batch.x.dtype)
                terms = network.terms(batch, noise if n_samples else torch.zeros_like(noise))
                seen += inference.as_numbers(terms.log_likelihood[0].sum(0)) / max(1, n_samples)
                apart += inference.as_numbers(terms.divergence[0].sum(0)) / max(1, n_samples)
        seen -= data.observed.sum(1) @ np.log(cast(Scales, self.scales).x_scale)
        steps = float(data.lengths.sum())
        return Elbo(
            float((seen - apart).sum() / steps),
            float(seen.sum() / steps),
            float(apart.sum() / steps),
            seen - apart,
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
        network, batch, data = self._ready(x, u, mask, lengths)
        scales = cast(Scales, self.scales)
        generator = torch_stream(seed, "deep-markov", "infer")
        latent, seen = inference.Moments(), inference.Moments()
        streams = [inference.Moments() for _ in range(self.shape.streams)]
        with torch.no_grad():
            for path in inference.sample_paths(network, batch, n_samples, generator):
                mean = network.fused(path.mean[None])[0]
                scale = inference.fused_scale(network, path.scale[None])[0]
                latent.add(*(one.transpose(-1, -2) for one in (mean, scale.square())))
                for stream, one, spread in zip(streams, path.mean, path.scale, strict=True):
                    stream.add(one.transpose(-1, -2), spread.square().transpose(-1, -2))
                out = network.emission(network.fused(path.sample[None]))
                seen.add(*(one[0].transpose(-1, -2) for one in (out.mean, out.scale.square())))

        def units(tensor: torch.Tensor, scale: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
            numbers = inference.as_numbers(tensor).swapaxes(0, 1) * scale + shift
            return _padded(numbers, data)

        each = [units(stream.result().mean, scales.latent_scale) for stream in streams]
        absent = np.full_like(each[0], np.nan)
        return Posterior(
            *(units(one, scales.latent_scale) for one in latent.result()),
            each[0] if self.shape.physics else absent,
            each[-1] if self.shape.learned else absent,
            units(seen.result().mean, scales.x_scale, scales.x_shift),
            units(seen.result().scale, scales.x_scale),
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
        network, batch, data = self._ready(x, u, mask, lengths)
        future = self._future(u_future, len(data.x), steps, batch.x.dtype)
        generator = torch_stream(seed, "deep-markov", "forecast")
        with torch.no_grad():
            state = inference.last_states(network, batch, n_samples, generator)
            return self._in_units(inference.roll(network, state, *future, n_samples, generator))

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
        network = self._fitted()
        future = self._future(u, n, steps, network.weights["guide.start"].dtype)
        with torch.no_grad():
            generator = torch_stream(seed, "deep-markov", "generate")
            return self._in_units(inference.roll(network, None, *future, n_samples, generator))

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

        The guide reads a whole sequence, the future included; so it is run anew on each beginning of a sequence.
        Entry t of the result is the forecast of step t; the first comes from the prior's own start. NaN beyond the end.
        """
        network, batch, data = self._ready(x, u, mask, lengths)
        rows, steps = data.valid.shape
        parts = [self.generate(rows, 1, data.u[:, :1] if self.shape.input_dim else None, seed=seed)]
        size = max(1, ROWS_AT_ONCE // rows)
        generator = torch_stream(seed, "deep-markov", "one-step")
        scales = cast(Scales, self.scales)
        found: list[Forecast] = []
        for first in range(1, steps, size):
            ends = np.arange(first, min(first + size, steps))
            cut = [np.tile(one[:, : ends[-1]], (len(ends), 1, 1)) for one in (data.x, data.u, data.observed)]
            before = Sequences(cut[0], cut[1], cut[2].astype(bool), np.repeat(ends, rows), int(ends[-1]))
            before.observed[~before.valid] = False
            part = make_batch([before], [scales], guide_input=self.shape.guide_input, dtype=batch.x.dtype)
            at = (
                torch.from_numpy(np.tile(np.arange(rows), len(ends))),
                torch.from_numpy(np.repeat(ends, rows)),
            )
            given = (one[0][at[1], at[0]].unsqueeze(1) for one in (batch.u, batch.u_net))
            with torch.no_grad():
                state = inference.last_states(network, part, n_samples, generator)
                rolled = self._in_units(inference.roll(network, state, *given, n_samples, generator))
            found.append(Forecast(*(one.reshape(len(ends), rows, -1).swapaxes(0, 1) for one in rolled)))
        whole = Forecast(*(np.concatenate(one, axis=1) for one in zip(*parts, *found, strict=True)))
        return Forecast(*(_padded(numbers, data) for numbers in whole))

    def read(self, x: Numbers, u: Numbers = None, mask: Numbers = None, lengths: Numbers = None) -> Sequences:
        """Return sequences as this model reads them, checked (see ``read_sequences``)."""
        return read_sequences(
            x, u, obs_dim=self.shape.obs_dim, input_dim=self.shape.input_dim,
            mask=mask, lengths=lengths, missing=self._missing,
        )  # fmt: skip

    def measure(self, data: Sequences) -> Scales:
        """Return the units that sequences give the networks."""
        return measure_scales(
            data, self.prior, self.shape.latent_dim,
            centre=self.shape.emission != "prior", normalise=self._normalise,
        )  # fmt: skip

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and sequences."""
        return torch.float64 if self._precision == "float64" else torch.float32

    def save(self, path: str | Path) -> None:
        """Write the fitted model as one safetensors file.

        Raises:
            InputError: it was not fitted, or its prior is a step of one's own, which no file can hold.
            StoreError: the file cannot be written.
        """
        network = self._fitted()
        scales = cast(Scales, self.scales)
        tensors = {name: weight.detach() for name, weight in network.weights.items()}
        tensors |= {f"scale.{name}": torch.from_numpy(one) for name, one in scales._asdict().items()}
        own_step = self.prior is not None and self.prior.A is None
        told: dict[str, Any] = {
            "kind": "PgDMM" if isinstance(self, PgDMM) else "DMM",
            "shape": asdict(self.shape),
            "prior": None if self.prior is None else "step" if own_step else self.prior.to_dict(),
            "missing": self._missing,
            "normalise": self._normalise,
            "precision": self._precision,
        }
        save_tensors(Path(path), FORMAT, tensors, told)

    @classmethod
    def load(cls, path: str | Path, prior: PhysicsPrior | None = None) -> DeepMarkovModel:
        """Return a saved model.

        Args:
            path: the file.
            prior: needed where the model's prior is a step of one's own.

        Raises:
            InputError: there is no such file, or a step of one's own is needed.
            StoreError: the file is damaged or holds something else.
        """
        found = load_tensors(Path(path), FORMAT)
        if found is None:
            raise InputError(f"{path}: no such file")
        tensors, told = found
        if told["prior"] == "step" and prior is None:
            raise InputError(f"{path}: its prior is a step of its own; pass it as prior=")
        if isinstance(told["prior"], dict):
            prior = PhysicsPrior.from_dict(cast("dict[str, Any]", told["prior"]))
        model = object.__new__(PgDMM if told["kind"] == "PgDMM" else DMM)
        DeepMarkovModel.__init__(
            model, NetworkShape(**told["shape"]), prior if told["prior"] is not None else None,
            missing=told["missing"], normalise=told["normalise"], precision=told["precision"],
        )  # fmt: skip
        scales = {name: tensors.pop(f"scale.{name}").numpy() for name in Scales._fields}
        model.set_state(tensors, Scales(**scales))
        return model

    def set_state(self, weights: dict[str, torch.Tensor], scales: Scales) -> None:
        """Take weights of one replicate and units."""
        self.scales = scales
        scaled = None if self.prior is None else ScaledPrior([self.prior], [scales], self.dtype)
        self.network = Network(self.shape, weights, scaled)

    def _fitted(self) -> Network:
        if self.network is None:
            raise InputError("the model has not been fitted: call fit first (steps=0 only draws weights)")
        return self.network

    def _ready(
        self, x: Numbers, u: Numbers, mask: Numbers, lengths: Numbers
    ) -> tuple[Network, Batch, Sequences]:
        """Return the network and checked sequences."""
        network = self._fitted()
        data = self.read(x, u, mask, lengths)
        scales = cast(Scales, self.scales)
        return (
            network,
            make_batch([data], [scales], guide_input=self.shape.guide_input, dtype=self.dtype),
            data,
        )

    def _future(
        self, u: Numbers, rows: int, steps: int, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scaled inputs of steps to come, as the prior and as the networks take them."""
        if steps < 1:
            raise InputError(f"steps={steps}: must be >= 1")
        scales = cast(Scales, self.scales)
        inputs = read_inputs(u, rows, steps, self.shape.input_dim)
        if not np.isfinite(inputs).all():
            raise InputError("u_future holds a number that is not finite; inputs must be known at every step")
        return (
            torch.from_numpy(inputs / scales.u_scale).to(dtype),
            torch.from_numpy((inputs - scales.u_shift) / scales.u_scale).to(dtype),
        )

    def _in_units(self, rolled: inference.Rolled) -> Forecast:
        scales = cast(Scales, self.scales)
        latent = [inference.as_numbers(one) * scales.latent_scale for one in rolled.latent]
        mean, std = (inference.as_numbers(one) * scales.x_scale for one in rolled.seen)
        return Forecast(*latent, mean + scales.x_shift, std)


class PgDMM(DeepMarkovModel):
    """A physics-guided deep Markov model.

    Args:
        prior: the known dynamics.
        obs_dim: channels p; None takes them from the prior's C.
        input_dim: inputs q, the prior's or more where the prior takes none.
        latent_dim: must be the prior's; None takes it from there.
        alpha: share of the physics stream at the start, or for good; "free" starts at 0.5 without bounds.
        learn_alpha: whether it is learned. A share of 1 or 0 that is not learned leaves one stream only.
        emission: "prior" keeps the prior's C, "linear" learns a matrix with an offset, "mlp" a network (pictures).
        rnn_dim: width of the recurrent units and of the guide.
        hidden: width of the networks of transition and emission.
        alpha_form: "sigmoid" keeps the share in (0, 1), "free" does not.
        guide_input: whether the recurrent units of the guide also read the inputs.
        missing: "nan" takes NaN in x for a missing value.
        normalise: "channel" scales each observed channel, "all" takes one scale for all.
        precision: "float32" or "float64".

    Raises:
        InputError: numbers do not fit the prior, or are out of range.
    """

    def __init__(
        self,
        prior: PhysicsPrior,
        obs_dim: int | None = None,
        input_dim: int | None = None,
        latent_dim: int | None = None,
        alpha: float | Literal["free"] = 0.5,
        learn_alpha: bool = True,
        emission: Emission = "prior",
        rnn_dim: int = 32,
        hidden: int = 32,
        *,
        alpha_form: AlphaForm = "sigmoid",
        guide_input: bool = False,
        missing: Missing = "refuse",
        normalise: Normalise = "channel",
        precision: Precision = "float32",
    ) -> None:
        if alpha == "free":
            alpha, alpha_form = 0.5, "free"
        n = prior.latent_dim
        if latent_dim not in (None, n):
            raise InputError(f"latent_dim={latent_dim}: the prior has {n}; leave it out, or change the prior")
        p = obs_dim or prior.obs_dim
        if p is None:
            raise InputError("obs_dim: the prior has no C, so say how many channels are observed")
        if emission == "prior" and prior.obs_dim != p:
            raise InputError(
                f"emission='prior' with obs_dim={p}: the prior's C shows {prior.obs_dim or 'nothing'}; "
                "give C, or learn the emission ('linear', 'mlp')"
            )
        q = prior.input_dim if input_dim is None else input_dim
        if prior.input_dim not in (0, q):
            raise InputError(f"input_dim={q}: the prior takes {prior.input_dim} input(s)")
        if alpha_form == "sigmoid" and learn_alpha and not 0 < alpha < 1:
            raise InputError(f"alpha={alpha}: must be in (0, 1) to be learned; fix it with learn_alpha=False")
        fixed = not learn_alpha
        super().__init__(
            NetworkShape(
                p, q, n, not (fixed and alpha == 0), not (fixed and alpha == 1), emission, rnn_dim, hidden,
                float(alpha), learn_alpha, alpha_form, guide_input,
            ),
            prior,
            missing=missing, normalise=normalise, precision=precision,
        )  # fmt: skip


class DMM(DeepMarkovModel):
    """A plain deep Markov model: one stream, learned transition, learned emission. Its latent axes mean nothing."""

    def __init__(
        self,
        obs_dim: int,
        input_dim: int = 0,
        latent_dim: int = 2,
        emission: Literal["linear", "mlp"] = "linear",
        rnn_dim: int = 32,
        hidden: int = 32,
        *,
        guide_input: bool = False,
        missing: Missing = "refuse",
        normalise: Normalise = "channel",
        precision: Precision = "float32",
    ) -> None:
        if emission not in ("linear", "mlp"):
            raise InputError(f"emission={emission!r}: a plain model learns it, 'linear' or 'mlp'")
        super().__init__(
            NetworkShape(
                obs_dim, input_dim, latent_dim, False, True, emission, rnn_dim, hidden, 0.0, False,
                "sigmoid", guide_input,
            ),
            None, missing=missing, normalise=normalise, precision=precision,
        )  # fmt: skip


def _padded(numbers: Float[np.ndarray, "N T d"], data: Sequences) -> Float[np.ndarray, "N padded d"]:
    """Return numbers over the steps as they came, NaN beyond a sequence's end."""
    whole = np.full((len(numbers), data.padded, numbers.shape[2]), np.nan)
    whole[:, : numbers.shape[1]] = np.where(data.valid[:, :, None], numbers, np.nan)
    return whole


def fit_stack(
    models: Sequence[DeepMarkovModel],
    data: Sequence[Sequences],
    *,
    seeds: Sequence[int],
    plan: FitPlan,
    callbacks: Sequence[Callback] = (),
) -> list[FitResult]:
    """Train models of one shape as one stack, each as if it trained alone; this costs little more than one of them.

    Args:
        models: of equal shape and precision; all fresh, or all fitted before.
        data: each model's sequences (``model.read``), of equal size.
        seeds: one for each.
        plan: how to train.
        callbacks: called after each stretch.

    Raises:
        InputError: models or sequences do not fit together.
        DivergedError: a bound stopped being a number.
    """
    first = models[0]
    if any(one.shape != first.shape or one.dtype != first.dtype for one in models):
        raise InputError("models: those trained together need one shape and precision")
    if not len(models) == len(data) == len(seeds):
        raise InputError(
            f"{len(models)} models, {len(data)} data sets, {len(seeds)} seeds: give one for each"
        )
    fitted = [one.network for one in models]
    if any(one is None for one in fitted) and any(one is not None for one in fitted):
        raise InputError("models: some were fitted before and some were not")
    scales = [model.scales or model.measure(one) for model, one in zip(models, data, strict=True)]
    if fitted[0] is None:
        weights = {name: one.to(first.dtype) for name, one in fresh_weights(first.shape, seeds).items()}
    else:
        olds = [cast(Network, one).weights for one in fitted]
        weights = {name: torch.cat([one[name] for one in olds]).clone() for name in olds[0]}
    priors = [one.prior for one in models]
    known = [one for one in priors if one is not None]
    network = Network(first.shape, weights, ScaledPrior(known, scales, first.dtype) if known else None)
    batch = make_batch(data, scales, guide_input=first.shape.guide_input, dtype=first.dtype)
    offset = [
        -float(one.observed.sum((0, 1)) @ np.log(scale.x_scale)) / float(one.lengths.sum())
        for one, scale in zip(data, scales, strict=True)
    ]
    results = train(network, batch, offset, seeds, plan, callbacks)
    for index, (model, scale) in enumerate(zip(models, scales, strict=True)):
        own = {name: one.detach()[index : index + 1].clone() for name, one in network.weights.items()}
        model.set_state(own, scale)
    return results
