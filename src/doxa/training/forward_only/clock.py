"""The clock of the first layer: how fast knowledge grows while it is small, from the inputs alone.

While |z| ≪ 1, D' ≈ 1/4 and the flow limit of the rule is dz/dt = X̃X̃ᵀ z / (4 N ln 2), with X̃ the inputs and a
column of ones for the bias: z grows at the rate λ_max / (4 ln 2), λ_max the largest eigenvalue of X̃ᵀX̃ / N.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, TypeAlias

import torch
from jaxtyping import Float

from doxa.belief.sigmoid_entropy import LN2
from doxa.errors import InputError

LARGEST_STEP = 0.5
"""Largest dt λ_max / (4 ln 2) at which the steps still follow the flow."""

Inputs: TypeAlias = Any
"""Samples by features, a tensor or an array; what else is given is refused with what to do."""


class ForwardOnlyWarning(UserWarning):
    """The rule runs on these inputs, and yet its steps are unlikely to be what was meant."""


def checked_inputs(inputs: Any) -> torch.Tensor:
    """Return inputs as a tensor of samples by features.

    Args:
        inputs: array or tensor of numbers.

    Raises:
        InputError: they are labelled, are not 2-D, hold nothing, or hold what is not finite.
    """
    if isinstance(inputs, tuple | list) and len(inputs) == 2 and hasattr(inputs[0], "shape"):
        raise InputError(
            "inputs: are a pair, which looks like images and labels; SKA takes no labels, give images"
        )
    try:
        x = torch.as_tensor(inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"inputs: are no numbers in rows of one length ({error}); give an array") from None
    if x.ndim != 2 or not x.numel():
        raise InputError(
            f"inputs of shape {tuple(x.shape)}: must be [samples, features]; flatten images with "
            "images.reshape(len(images), -1)"
        )
    x = x if x.is_floating_point() else x.to(torch.float32)
    if not bool(torch.isfinite(x).all()):
        raise InputError("inputs: hold NaN or infinity; leave out those samples, or put a number there")
    return x


def largest_eigenvalue(inputs: Inputs, *, bias: bool = True) -> float:
    """Return λ_max of X̃ᵀX̃ / N.

    Args:
        inputs: X.
        bias: whether the layer has one, which adds a column of ones.

    Raises:
        InputError: as ``checked_inputs``.
    """
    return float(torch.linalg.eigvalsh(_smaller_gram(inputs, bias))[-1])


def linear_growth_rate(inputs: Inputs, bias: bool = True, dt: float = 0.0) -> float:
    """Return the rate per unit of time at which knowledge of the first layer grows while it is small.

    Args:
        inputs: X.
        bias: whether the layer has one.
        dt: step of the rule. 0 gives the flow, λ_max / (4 ln 2) =: r. Steps with a = r dt grow by the factor
            g = (1 + 2a + √(1 + 4a²)) / 2 each, at the rate ln g / dt: the ΔD term of the rule makes them a little
            faster than the flow.

    Raises:
        InputError: as ``checked_inputs``, or dt is negative.

    >>> round(linear_growth_rate(torch.ones(5, 1)), 4)  # λ = 2 with the ones column
    0.7213
    """
    if not (math.isfinite(dt) and dt >= 0.0):
        raise InputError(f"dt={dt}: must be >= 0; 0 gives the rate of the flow")
    rate = largest_eigenvalue(inputs, bias=bias) / (4.0 * LN2)
    if dt == 0.0:
        return rate
    a = rate * dt
    return math.log((1.0 + 2.0 * a + math.sqrt(1.0 + 4.0 * a * a)) / 2.0) / dt


def suggested_dt(inputs: Inputs, *, bias: bool = True) -> float:
    """Return the largest step that still follows the flow: dt λ_max / (4 ln 2) = 1/2."""
    return LARGEST_STEP / linear_growth_rate(inputs, bias)


def linear_knowledge(
    inputs: Inputs, start: Float[torch.Tensor, "samples units"], time: float, *, bias: bool = True
) -> Float[torch.Tensor, "samples units"]:
    """Return z(t) = exp(t X̃X̃ᵀ / (4 N ln 2)) z(0), the first layer's knowledge while it is small.

    Args:
        inputs: X.
        start: z(0).
        time: t.
        bias: whether the layer has one.
    """
    x = _augmented(inputs, bias)
    left, size, _ = torch.linalg.svd(x, full_matrices=False)
    z = start.to(torch.float64)
    growth = torch.expm1(time * size.square() / (4.0 * LN2 * len(x)))
    return z + left @ (growth[:, None] * (left.T @ z))


def warn_of_range(inputs: Float[torch.Tensor, "samples features"], dt: float) -> None:
    """Warn where inputs leave [0, 1] or steps are too long for them, with λ_max and a step that is not."""
    low, high = float(inputs.min()), float(inputs.max())
    inside = low >= 0.0 and high <= 1.0
    # λ_max is no more than the mean squared length of a sample, which costs nothing to look at
    bound = float(inputs.square().sum()) / len(inputs) + 1.0
    if inside and dt * bound / (4.0 * LN2) <= LARGEST_STEP:
        return
    eigenvalue = largest_eigenvalue(inputs)
    too_long = dt * eigenvalue / (4.0 * LN2) > LARGEST_STEP
    if inside and not too_long:
        return
    told = f"lambda_max of the inputs is {eigenvalue:.3g}; dt={dt:g} should be at most {suggested_dt(inputs):.3g}"
    range_of = "" if inside else f"inputs lie in [{low:.3g}, {high:.3g}], not in [0, 1], as pixels do; "
    warnings.warn(f"{range_of}{told}", ForwardOnlyWarning, stacklevel=3)


def _augmented(inputs: Inputs, bias: bool) -> Float[torch.Tensor, "samples columns"]:
    x = checked_inputs(inputs).to(torch.float64)
    return torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], dim=1) if bias else x


def _smaller_gram(inputs: Inputs, bias: bool) -> Float[torch.Tensor, "side side"]:
    x = _augmented(inputs, bias)
    return (x.T @ x if x.shape[1] <= x.shape[0] else x @ x.T) / len(x)
