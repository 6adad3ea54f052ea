"""A stack of priors in the units of the networks, as torch computes with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from doxa.dynamics.deep_markov.prior import PhysicsPrior, Step
from doxa.dynamics.deep_markov.sequences import Scales
from doxa.errors import InputError


class ScaledPrior:
    """The known dynamics of each replicate: z/s_z moves, x/s_x is seen.

    Attributes:
        transition: A of each replicate, transposed; None for a step of one's own.
        emission: C of each replicate, transposed; None where the emission is learned.
        process_scale: known standard deviations of the transition, or None.
        observation_scale: known standard deviations of the observation, or None.
        initial: known mean and standard deviation of the first latent, or None.
    """

    def __init__(self, priors: Sequence[PhysicsPrior], scales: Sequence[Scales], dtype: torch.dtype) -> None:
        if len({prior.A is None for prior in priors}) > 1:
            raise InputError("priors: models trained together are all linear or all steps of their own")
        latents = [one.latent_scale for one in scales]
        self._steps: list[Step | None] = [prior.step for prior in priors]
        self._latent = torch.from_numpy(np.stack(latents)).to(dtype)
        self._u_scale = torch.from_numpy(np.stack([one.u_scale for one in scales])).to(dtype)
        self.transition = _stack(
            [None if p.A is None else (p.A * s / s[:, None]).T for p, s in zip(priors, latents, strict=True)],
            dtype,
        )
        self._input = _stack(
            [
                None if p.B is None else (p.B * one.u_scale / one.latent_scale[:, None]).T
                for p, one in zip(priors, scales, strict=True)
            ],
            dtype,
        )
        self.emission = _stack(
            [
                None if p.C is None else (p.C * one.latent_scale / one.x_scale[:, None]).T
                for p, one in zip(priors, scales, strict=True)
            ],
            dtype,
        )
        self.process_scale = _ratio([prior.process_std for prior in priors], latents, dtype)
        self.observation_scale = _ratio(
            [prior.observation_std for prior in priors], [one.x_scale for one in scales], dtype
        )
        mean = _ratio([prior.initial_mean for prior in priors], latents, dtype)
        std = _ratio([prior.initial_std for prior in priors], latents, dtype)
        self.initial = None if mean is None or std is None else (mean, std)

    def step(
        self, z: Float[torch.Tensor, "S *rows n"], u: Float[torch.Tensor, "S *rows q"]
    ) -> Float[torch.Tensor, "S *rows n"]:
        """Return where the known dynamics move z."""
        if self.transition is None:
            moved = [
                f(one * scale, given * u_scale) / scale
                for f, one, scale, given, u_scale in zip(
                    self._steps, z, self._latent, u, self._u_scale, strict=True
                )
                if f is not None
            ]
            return torch.stack(moved)
        moved = (z.flatten(1, -2) @ self.transition).view_as(z)
        return moved + self.input_effect(u) if self._input is not None else moved

    def input_effect(self, u: Float[torch.Tensor, "S *rows q"]) -> Float[torch.Tensor, "S *rows n"]:
        """Return what inputs add: B u, or f(0, u) - f(0, 0) for a step of one's own."""
        if self._input is not None:
            return (u.flatten(1, -2) @ self._input).view(*u.shape[:-1], -1)
        zero = u.new_zeros(*u.shape[:-1], self._latent.shape[-1])
        if self.transition is not None:
            return zero
        return self.step(zero, u) - self.step(zero, torch.zeros_like(u))


def _stack(parts: Sequence[np.ndarray | None], dtype: torch.dtype) -> torch.Tensor | None:
    """Return one tensor over replicates, or None where there is nothing."""
    given = [part for part in parts if part is not None]
    if len(given) not in (0, len(parts)):
        raise InputError("priors: what is known must be known for all models that are trained together")
    return torch.from_numpy(np.stack(given)).to(dtype) if given else None


def _ratio(
    parts: Sequence[np.ndarray | None], units: Sequence[np.ndarray], dtype: torch.dtype
) -> torch.Tensor | None:
    """Return known numbers in the networks' units."""
    return _stack(
        [None if part is None else part / unit for part, unit in zip(parts, units, strict=True)], dtype
    )
