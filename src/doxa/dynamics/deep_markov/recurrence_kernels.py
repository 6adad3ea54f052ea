"""Compiled loops over time of the recurrent units and of the guide, forwards and backwards.

A row's way through time touches no other row, so each row goes all the way alone, with the weights in cache. Layouts
and the order of gates are those of ``recurrence``, which also takes the gradients of weights: they are products over
all steps.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numba import types
from numba.extending import overload

from doxa.lab.compiled import vectorised


def _tanh(x: Any) -> Any:
    raise NotImplementedError("runs inside compiled loops only")


def _double_tanh(x: Any) -> Any:
    return math.tanh(x)


@overload(
    _tanh, jit_options={"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
)  # as ``vectorised``
def _compiled_tanh(x: Any) -> Any:
    """Return tanh: the library's of double numbers, of single ones Eigen's rational function (error 4e-7).

    The rational function runs on whole vectors, which makes it eight times as fast as torch's.
    """
    if x != types.float32:
        return inspect.unwrap(_double_tanh)
    single = np.float32
    a13, a11, a9, a7 = map(
        single, (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08)
    )
    a5, a3, a1 = map(single, (1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03))
    b6, b4, b2, b0 = map(
        single, (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
    )
    high, low = single(7.9), single(-7.9)

    def rational(x: Any) -> Any:
        y = high if x > high else x
        y = low if y < low else y
        s = y * y
        top = y * ((((((a13 * s + a11) * s + a9) * s + a7) * s + a5) * s + a3) * s + a1)
        return top / (((b6 * s + b4) * s + b2) * s + b0)

    return inspect.unwrap(rational)


@vectorised
def _add_product(
    total: Float[np.ndarray, " out"],
    factors: Float[np.ndarray, " width"],
    matrix: Float[np.ndarray, "width out"],
) -> None:
    """Add factors @ matrix to total, four rows of the matrix at a time, so that the total is read less often."""
    width, out = matrix.shape
    whole = width - width % 4
    for k in range(0, whole, 4):
        a, b, c, d = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        m0, m1, m2, m3 = matrix[k], matrix[k + 1], matrix[k + 2], matrix[k + 3]
        for j in range(out):
            total[j] += a * m0[j] + b * m1[j] + c * m2[j] + d * m3[j]
    for k in range(whole, width):
        a, m0 = factors[k], matrix[k]
        for j in range(out):
            total[j] += a * m0[j]


@vectorised
def recurrence_forward(
    given: Float[np.ndarray, "groups time rows three_hidden"],
    weight: Float[np.ndarray, "groups hidden three_hidden"],
    bias: Float[np.ndarray, "groups three_hidden"],
    states: Float[np.ndarray, "groups time_and_start rows hidden"],
    candidate: Float[np.ndarray, "groups time rows hidden"],
    gates: Float[np.ndarray, "groups time rows two_hidden"],
    fresh: Float[np.ndarray, "groups time rows hidden"],
) -> None:
    """Fill states (the first is given), h W_n + b_n, the gates r and z, and n."""
    groups, steps, rows, width = fresh.shape
    half = given.dtype.type(0.5)
    own = np.empty(3 * width, given.dtype)
    for g in range(groups):
        for t in range(steps):
            for row in range(rows):
                before, after = states[g, t, row], states[g, t + 1, row]
                new, gate, n, kept = (
                    given[g, t, row],
                    gates[g, t, row],
                    fresh[g, t, row],
                    candidate[g, t, row],
                )
                own[:] = bias[g]
                _add_product(own, before, weight[g])
                for j in range(2 * width):
                    gate[j] = half + half * _tanh(half * (new[j] + own[width + j]))
                for j in range(width):
                    kept[j] = own[j]
                    n[j] = _tanh(new[2 * width + j] + gate[j] * own[j])
                    after[j] = n[j] + gate[width + j] * (before[j] - n[j])


@vectorised
def recurrence_backward(
    upstream: Float[np.ndarray, "groups time rows hidden"],
    backwards: Float[np.ndarray, "groups three_hidden hidden"],
    states: Float[np.ndarray, "groups time_and_start rows hidden"],
    candidate: Float[np.ndarray, "groups time rows hidden"],
    gates: Float[np.ndarray, "groups time rows two_hidden"],
    fresh: Float[np.ndarray, "groups time rows hidden"],
    flows: Float[np.ndarray, "groups time rows four_hidden"],
    carry: Float[np.ndarray, "groups rows hidden"],
) -> None:
    """Fill the gradients of h W_n and of the pre-activations of r, z and n; leave that of the start in ``carry``."""
    groups, steps, rows, width = fresh.shape
    one = fresh.dtype.type(1)
    for g in range(groups):
        for t in range(steps - 1, -1, -1):
            for row in range(rows):
                total = carry[g, row]
                more, before, kept = upstream[g, t, row], states[g, t, row], candidate[g, t, row]
                gate, n, flow = gates[g, t, row], fresh[g, t, row], flows[g, t, row]
                for j in range(width):
                    r, z = gate[j], gate[width + j]
                    at_state = total[j] + more[j]
                    at_n = at_state * (one - z) * (one - n[j] * n[j])
                    flow[j] = at_n * r
                    flow[width + j] = at_n * kept[j] * r * (one - r)
                    flow[2 * width + j] = at_state * (before[j] - n[j]) * z * (one - z)
                    flow[3 * width + j] = at_n
                    total[j] = at_state * z
                _add_product(total, flow[: 3 * width], backwards[g])


@vectorised
def path_forward(
    floor: float,
    weight: Float[np.ndarray, "groups latent hidden"],
    direct: Float[np.ndarray, "groups latent latent"],
    given: Float[np.ndarray, "groups time rows hidden"],
    context: Float[np.ndarray, "replicates time rows hidden"],
    out_weight: Float[np.ndarray, "groups two_latent hidden"],
    given_out: Float[np.ndarray, "groups time rows two_latent"],
    noise: Float[np.ndarray, "groups time rows latent"],
    samples: Float[np.ndarray, "groups time_and_start rows latent"],
    turned: Float[np.ndarray, "groups time rows hidden"],
    active: Float[np.ndarray, "groups time rows hidden"],
    means: Float[np.ndarray, "groups time rows latent"],
    scales: Float[np.ndarray, "groups time rows latent"],
) -> None:
    """Fill samples (the first is given), tanh and relu of the hidden units, means and scales."""
    groups, steps, rows, latent = noise.shape
    streams, width = groups // context.shape[0], turned.shape[3]
    zero = noise.dtype.type(0)
    inside = np.empty(width, noise.dtype)
    for g in range(groups):
        for t in range(steps):
            for row in range(rows):
                bend, act = turned[g, t, row], active[g, t, row]
                shared = context[g // streams, t, row]
                inside[:] = given[g, t, row]
                _add_product(inside, samples[g, t, row], weight[g])
                for j in range(width):
                    bend[j] = _tanh(inside[j])
                    total = bend[j] + shared[j]
                    act[j] = total if total > zero else zero
                for i in range(latent):
                    mean, raw = given_out[g, t, row, i], given_out[g, t, row, latent + i]
                    of_mean, of_raw = out_weight[g, i], out_weight[g, latent + i]
                    for j in range(width):
                        mean += act[j] * of_mean[j]
                        raw += act[j] * of_raw[j]
                    for k in range(latent):
                        mean += samples[g, t, row, k] * direct[g, k, i]
                    scale = max(raw, zero) + math.log1p(math.exp(-abs(raw))) + floor
                    means[g, t, row, i] = mean
                    scales[g, t, row, i] = scale
                    samples[g, t + 1, row, i] = mean + scale * noise[g, t, row, i]


@vectorised
def path_backward(
    floor: float,
    of_sample: Float[np.ndarray, "groups time rows latent"],
    of_mean: Float[np.ndarray, "groups time rows latent"],
    of_scale: Float[np.ndarray, "groups time rows latent"],
    weight: Float[np.ndarray, "groups latent hidden"],
    direct: Float[np.ndarray, "groups latent latent"],
    out_weight: Float[np.ndarray, "groups two_latent hidden"],
    noise: Float[np.ndarray, "groups time rows latent"],
    turned: Float[np.ndarray, "groups time rows hidden"],
    active: Float[np.ndarray, "groups time rows hidden"],
    scales: Float[np.ndarray, "groups time rows latent"],
    at_inside: Float[np.ndarray, "groups time rows hidden"],
    at_context: Float[np.ndarray, "replicates time rows hidden"],
    at_out: Float[np.ndarray, "groups time rows two_latent"],
    carry: Float[np.ndarray, "groups rows latent"],
) -> None:
    """Fill the gradients before the tanh and of mean and pre-scale; add that of the context (zeros at first).

    The gradient of the start is left in ``carry``.
    """
    groups, steps, rows, latent = noise.shape
    streams, width = groups // at_context.shape[0], turned.shape[3]
    zero, one = noise.dtype.type(0), noise.dtype.type(1)
    at_active = np.empty(width, noise.dtype)
    for g in range(groups):
        for t in range(steps - 1, -1, -1):
            for row in range(rows):
                bend, act, inside = turned[g, t, row], active[g, t, row], at_inside[g, t, row]
                shared, out = at_context[g // streams, t, row], at_out[g, t, row]
                for i in range(latent):
                    at_sample = carry[g, row, i] + of_sample[g, t, row, i]
                    slope = one - math.exp(floor - scales[g, t, row, i])
                    out[i] = at_sample + of_mean[g, t, row, i]
                    out[latent + i] = (at_sample * noise[g, t, row, i] + of_scale[g, t, row, i]) * slope
                at_active[:] = zero
                _add_product(at_active, out, out_weight[g])
                for j in range(width):
                    passed = at_active[j] if act[j] > zero else zero
                    shared[j] += passed
                    inside[j] = passed * (one - bend[j] * bend[j])
                for i in range(latent):
                    total, row_weight = zero, weight[g, i]
                    for j in range(width):
                        total += inside[j] * row_weight[j]
                    for k in range(latent):
                        total += out[k] * direct[g, i, k]
                    carry[g, row, i] = total
