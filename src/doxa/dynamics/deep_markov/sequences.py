"""Sequences as they come: shapes, lengths and missing values checked, and scaled to unit variance."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.errors import InputError

Numbers: TypeAlias = Any
"""Anything numpy reads as an array of numbers."""
Missing: TypeAlias = Literal["refuse", "nan"]
Normalise: TypeAlias = Literal["channel", "all"]

WINDOW = 10  # steps that together show a latent coordinate whose scale is asked for


class ShapeWarning(UserWarning):
    """An array had fewer than three dimensions and was read as the one that fits."""


class Sequences(NamedTuple):
    """Checked sequences.

    Attributes:
        x: observations, 0 where there is none.
        u: inputs, 0 beyond a sequence's end.
        observed: where there is an observation.
        lengths: steps of each sequence; what stands after them is never read.
        padded: steps of the arrays as they came; T is the longest length.
    """

    x: Float[np.ndarray, "N T p"]
    u: Float[np.ndarray, "N T q"]
    observed: Bool[np.ndarray, "N T p"]
    lengths: Int[np.ndarray, " N"]
    padded: int

    @property
    def valid(self) -> Bool[np.ndarray, "N T"]:
        """Which steps belong to a sequence."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]


class Scales(NamedTuple):
    """What the networks see: (x - x_shift) / x_scale, (u - u_shift) / u_scale, z / latent_scale."""

    x_shift: Float[np.ndarray, " p"]
    x_scale: Float[np.ndarray, " p"]
    u_shift: Float[np.ndarray, " q"]
    u_scale: Float[np.ndarray, " q"]
    latent_scale: Float[np.ndarray, " n"]


def pad_sequences(
    sequences: Sequence[Numbers],
) -> tuple[Float[np.ndarray, "N T channels"], Int[np.ndarray, " N"]]:
    """Return arrays [steps, channels] as one, padded with zeros at the end, and their lengths.

    >>> pad_sequences([np.ones((2, 1)), np.ones((3, 1))])[1]
    array([2, 3])
    """
    rows = [np.asarray(one, dtype=float) for one in sequences]
    rows = [one[:, None] if one.ndim == 1 else one for one in rows]
    if not rows or any(one.ndim != 2 or one.shape[1] != rows[0].shape[1] for one in rows):
        raise InputError("sequences: give one or more arrays [steps, channels] of one number of channels")
    lengths = np.array([len(one) for one in rows])
    whole = np.zeros((len(rows), int(lengths.max()), rows[0].shape[1]))
    for row, one in zip(whole, rows, strict=True):
        row[: len(one)] = one
    return whole, lengths


def read_sequences(
    x: Numbers,
    u: Numbers,
    *,
    obs_dim: int,
    input_dim: int,
    mask: Numbers = None,
    lengths: Numbers = None,
    missing: str = "refuse",
) -> Sequences:
    """Return observations and inputs as checked arrays.

    Args:
        x: observations [N, T, p]; [T, p], or [N, T] and [T] of a single channel, are read as such with a warning.
        u: inputs likewise, [N, T or more, q]; None where the model takes none.
        obs_dim: channels p.
        input_dim: inputs q.
        mask: True where there is an observation, [N, T] or [N, T, p]; None means everywhere.
        lengths: steps of each sequence; None means T.
        missing: "nan" takes NaN for a missing value; "refuse" raises.

    Raises:
        InputError: shapes disagree, or a number is not finite where one is needed (sequence and step are named).
    """
    values = _array("x", x, obs_dim)
    rows, steps, _ = values.shape
    ends = _lengths(lengths, rows, steps)
    valid = np.arange(steps) < ends[:, None]
    observed = np.repeat(valid[:, :, None], obs_dim, axis=2)
    if mask is not None:
        observed = observed & _mask(mask, values.shape)
    bad = observed & ~np.isfinite(values)
    if missing == "nan":
        observed = observed & ~np.isnan(values)
        bad &= ~np.isnan(values)
    elif missing != "refuse":
        raise InputError(f"missing={missing!r}: must be 'refuse' or 'nan'")
    if bad.any():
        row, step, channel = (int(one) for one in np.argwhere(bad)[0])
        raise InputError(
            f"x[{row}, {step}, {channel}]={values[row, step, channel]}: not finite; mask it, or pass "
            "missing='nan' if NaN stands for a missing value"
        )
    inputs = read_inputs(u, rows, steps, input_dim)
    unfit = valid[:, :, None] & ~np.isfinite(inputs)
    if unfit.any():
        row, step, channel = (int(one) for one in np.argwhere(unfit)[0])
        raise InputError(f"u[{row}, {step}, {channel}]: not finite; inputs must be known at every step")
    longest = int(ends.max())
    values, inputs = np.where(observed, values, 0.0), np.where(valid[:, :, None], inputs, 0.0)
    return Sequences(values[:, :longest], inputs[:, :longest], observed[:, :longest], ends, steps)


def read_inputs(u: Numbers, rows: int, steps: int, input_dim: int) -> Float[np.ndarray, "N T q"]:
    """Return the first ``steps`` inputs of each sequence.

    Raises:
        InputError: there are none although the model takes some (or the other way round), or too few.
    """
    if u is None:
        if input_dim:
            raise InputError(f"u=None: the model takes {input_dim} input(s); pass u [N, T, {input_dim}]")
        return np.zeros((rows, steps, 0))
    if not input_dim:
        raise InputError("u: the model takes no input; make it with input_dim, or leave u out")
    inputs = _array("u", u, input_dim)
    if len(inputs) != rows:
        raise InputError(f"u has {len(inputs)} sequences, x has {rows}: give one input sequence for each")
    if inputs.shape[1] < steps:
        raise InputError(f"u has {inputs.shape[1]} steps: must have {steps}, one for each step to be moved")
    return inputs[:, :steps]


def measure_scales(
    data: Sequences, prior: PhysicsPrior | None, latent_dim: int, *, centre: bool, normalise: str
) -> Scales:
    """Return shifts and scales that give every observed channel, input and latent coordinate unit variance.

    Args:
        data: the training sequences.
        prior: what says in which unit latents are; None leaves them as they are.
        latent_dim: n.
        centre: whether the emission has an offset of its own, so that observations may be centred.
        normalise: "channel" scales each channel, "all" takes one scale for all of them (pictures).

    Raises:
        InputError: a channel is constant.
    """
    per_channel = [data.x[..., channel][data.observed[..., channel]] for channel in range(data.x.shape[2])]
    if normalise == "all":
        per_channel = [np.concatenate(per_channel)] * len(per_channel)
    elif normalise != "channel":
        raise InputError(f"normalise={normalise!r}: must be 'channel' or 'all'")
    for channel, values in enumerate(per_channel):
        if not values.size or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            told = "never observed" if not values.size else f"constant ({values[0]:.4g})"
            raise InputError(f"channel {channel} of x is {told}: leave it out, or pass normalise='all'")
    x_shift = np.array([values.mean() if centre else 0.0 for values in per_channel])
    x_scale = np.array([values.std() for values in per_channel])
    inputs = data.u[data.valid]
    u_scale = np.where(inputs.std(0) > 0, inputs.std(0), 1.0) if inputs.size else np.ones(data.u.shape[2])
    u_shift = inputs.mean(0) if inputs.size else np.zeros(data.u.shape[2])
    return Scales(x_shift, x_scale, u_shift, u_scale, _latent_scale(data, prior, latent_dim))


def _latent_scale(data: Sequences, prior: PhysicsPrior | None, latent_dim: int) -> Float[np.ndarray, " n"]:
    """Return the root mean square of each latent, from least squares under the prior over windows of a few steps."""
    if prior is not None and prior.latent_scale is not None:
        return prior.latent_scale
    if prior is None or prior.A is None or prior.C is None:
        return np.ones(latent_dim)
    window = min(data.x.shape[1], max(WINDOW, 2 * latent_dim))
    seen = [prior.C]
    for _ in range(window - 1):
        seen.append(seen[-1] @ prior.A)
    starts = range(0, data.x.shape[1] - window + 1, max(1, window // 2))
    found: list[np.ndarray] = []
    inverse = np.linalg.pinv(np.concatenate(seen), rcond=1e-10)
    for start in starts:
        part = slice(start, start + window)
        whole = data.observed[:, part].all((1, 2))
        if not whole.any():
            continue
        y, u = data.x[whole, part], data.u[whole, part]
        forced = np.zeros((len(y), latent_dim))
        rest = np.empty_like(y)
        for step in range(window):
            if step:
                forced = forced @ prior.A.T + (u[:, step] @ prior.B.T if prior.B is not None else 0.0)
            rest[:, step] = y[:, step] - forced @ prior.C.T
        found.append(rest.reshape(len(y), -1) @ inverse.T)
    if not found:
        return np.ones(latent_dim)
    size = np.sqrt((np.concatenate(found) ** 2).mean(0))
    return np.where(size > 0, size, 1.0)


def _array(name: str, value: Numbers, channels: int) -> Float[np.ndarray, "N T channels"]:
    """Return a three-dimensional array; say so where a dimension had to be guessed."""
    try:
        array = np.asarray(value, dtype=float)
    except ValueError as error:
        raise InputError(
            f"{name}: sequences of unequal lengths; pad them (`pad_sequences`) and pass lengths="
        ) from error
    read = array
    if array.ndim == 1 and channels == 1:
        read = array[None, :, None]
    elif array.ndim == 2:
        read = array[None] if array.shape[1] == channels else array[..., None]
    if read.ndim != 3 or read.shape[2] != channels or not read.size:
        raise InputError(f"{name} has shape {array.shape}: must be [N, T, {channels}] with N, T >= 1")
    if read is not array:
        warnings.warn(
            f"{name} of shape {array.shape} is read as {read.shape[0]} sequence(s) of {read.shape[1]} steps",
            ShapeWarning,
            stacklevel=4,
        )
    return read


def _mask(mask: Numbers, shape: tuple[int, ...]) -> Bool[np.ndarray, "N T p"]:
    """Return a mask over all channels."""
    given = np.asarray(mask)
    if given.shape == shape[:2]:
        given = given[:, :, None]
    elif given.shape != shape:
        raise InputError(f"mask has shape {given.shape}: must be {shape[:2]} or {shape}")
    return np.broadcast_to(given.astype(bool), shape)


def _lengths(lengths: Numbers, rows: int, steps: int) -> Int[np.ndarray, " N"]:
    """Return the lengths, checked."""
    if lengths is None:
        return np.full(rows, steps)
    given = np.asarray(lengths)
    if given.shape != (rows,) or not np.issubdtype(given.dtype, np.integer):
        raise InputError(f"lengths has shape {given.shape}: must hold {rows} whole numbers, one per sequence")
    if given.min() < 1 or given.max() > steps:
        raise InputError(f"lengths from {given.min()} to {given.max()}: must be in 1 .. {steps}")
    return given.astype(np.int64)
