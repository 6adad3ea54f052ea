"""The two models: physics-guided, and plain."""

from __future__ import annotations

import math
from typing import Literal

from doxa.dynamics.deep_markov.model import DeepMarkovModel, Precision
from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.sequences import Missing, Normalise
from doxa.dynamics.deep_markov.weights import AlphaForm, Emission, Guide, NetworkShape
from doxa.errors import InputError


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
        guide: "paper", or "direct" with linear paths from the previous latent and from the observation of the step to
            the guide's mean; tanh and gates saturate, linear paths reach beyond the training range.
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
        guide: Guide = "paper",
        missing: Missing = "refuse",
        normalise: Normalise = "channel",
        precision: Precision = "float32",
    ) -> None:
        if alpha == "free":
            alpha, alpha_form = 0.5, "free"
        n = prior.latent_dim
        if latent_dim not in (None, n):
            raise InputError(f"latent_dim={latent_dim}: the prior has {n}; leave it out, or change the prior")
        p = prior.obs_dim if obs_dim is None else obs_dim
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
        if not (0 <= alpha <= 1 or (alpha_form == "free" and math.isfinite(alpha))):
            raise InputError(f"alpha={alpha}: must be in [0, 1], or finite with alpha_form='free'")
        fixed = not learn_alpha
        super().__init__(
            NetworkShape(
                p, q, n, not (fixed and alpha == 0), not (fixed and alpha == 1), emission, rnn_dim, hidden,
                float(alpha), learn_alpha, alpha_form, guide_input, guide,
                prior.process_std is not None, prior.observation_std is not None, prior.initial_mean is not None,
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
        guide: Guide = "paper",
        missing: Missing = "refuse",
        normalise: Normalise = "channel",
        precision: Precision = "float32",
    ) -> None:
        if emission not in ("linear", "mlp"):
            raise InputError(f"emission={emission!r}: a plain model learns it, 'linear' or 'mlp'")
        super().__init__(
            NetworkShape(
                obs_dim, input_dim, latent_dim, False, True, emission, rnn_dim, hidden, 0.0, False,
                "sigmoid", guide_input, guide,
            ),
            None, missing=missing, normalise=normalise, precision=precision,
        )  # fmt: skip
