from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.dynamics.deep_markov import PhysicsPrior, ShapeWarning, pad_sequences
from doxa.dynamics.deep_markov.sequences import measure_scales, read_sequences
from doxa.errors import InputError
from doxa.streams import stream


def numbers(*size: int) -> np.ndarray:
    return stream(0, "sequences").normal(size=size)


def test_sequences_of_different_lengths_are_padded_and_their_ends_kept():
    x, lengths = pad_sequences([np.ones((2, 1)), np.ones((4, 1))])
    data = read_sequences(np.pad(x, ((0, 0), (0, 3), (0, 0))), None, obs_dim=1, input_dim=0, lengths=lengths)
    assert data.x.shape == (2, 4, 1)  # the longest length
    assert data.padded == 7
    assert data.observed[:, :, 0].sum(1).tolist() == [2, 4]


def test_what_is_masked_or_missing_is_never_read():
    x = numbers(2, 3, 2)
    mask = np.ones((2, 3), dtype=bool)
    x[0, 1], mask[0, 1] = np.inf, False
    data = read_sequences(x, None, obs_dim=2, input_dim=0, mask=mask)
    assert not data.observed[0, 1].any()
    assert (data.x[0, 1] == 0).all()
    x[0, 1] = [np.nan, 3.0]
    data = read_sequences(x, None, obs_dim=2, input_dim=0, missing="nan")
    assert data.observed[0, 1].tolist() == [False, True]


@pytest.mark.parametrize("shape", [(5,), (5, 1), (2, 5)])
def test_fewer_dimensions_are_accepted_and_said(shape):
    with pytest.warns(ShapeWarning, match="is read as"):
        data = read_sequences(numbers(*shape), None, obs_dim=1, input_dim=0)
    assert data.x.shape == (2 if shape == (2, 5) else 1, 5, 1)


NAN = np.where(np.arange(12).reshape(2, 3, 2) == 9, np.nan, 1.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"x": NAN}, r"x\[1, 1, 1\]=nan"),
        ({"x": numbers(2, 3, 2), "u": numbers(2, 2, 1), "input_dim": 1}, "u has 2 steps: must have 3"),
        ({"x": numbers(2, 3, 2), "u": numbers(1, 3, 1), "input_dim": 1}, "u has 1 sequences, x has 2"),
        ({"x": numbers(2, 3, 2), "u": NAN[:, :, 1:], "input_dim": 1}, r"u\[1, 1, 0\]"),
        ({"x": numbers(2, 3, 2), "input_dim": 1}, "u=None"),
        ({"x": numbers(2, 3, 2), "u": numbers(2, 3, 1)}, "takes no input"),
        ({"x": [np.ones((2, 2)), np.ones((3, 2))]}, "lengths="),
        ({"x": numbers(2, 3, 3)}, r"must be \[N, T, 2\]"),
        ({"x": numbers(2, 3, 2), "lengths": [3, 4]}, r"must be in 1 \.\. 3"),
        ({"x": numbers(2, 3, 2), "lengths": [3]}, "2 whole numbers"),
        ({"x": numbers(2, 3, 2), "mask": np.ones((2, 4))}, "mask has shape"),
        ({"x": numbers(2, 3, 2), "missing": "drop"}, "missing='drop'"),
    ],
)
def test_bad_sequences_are_refused_by_name(given, told):
    with pytest.raises(InputError, match=told):
        read_sequences(**({"u": None, "obs_dim": 2, "input_dim": 0} | given))


def test_a_constant_channel_is_refused_unless_all_share_a_scale():
    x = numbers(3, 4, 2)
    x[..., 1] = 2.0
    data = read_sequences(x, None, obs_dim=2, input_dim=0)
    with pytest.raises(InputError, match="channel 1 of x is constant"):
        measure_scales(data, None, 2, centre=True, normalise="channel")
    assert np.ptp(measure_scales(data, None, 2, centre=True, normalise="all").x_scale) == 0


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_of_latents_follow_those_of_the_prior(displacement, velocity):
    """A noise-free oscillator: the scale of the velocity, never observed, is found from the displacement."""
    angle = 0.3
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scale = np.array([displacement, velocity])
    A = turn * scale[:, None] / scale
    z = [numbers(4, 2) * scale]
    for _ in range(19):
        z.append(z[-1] @ A.T)
    whole = np.stack(z, 1)
    data = read_sequences(whole[..., :1], None, obs_dim=1, input_dim=0)
    found = measure_scales(data, PhysicsPrior.linear(A, None, [[1, 0]]), 2, centre=False, normalise="channel")
    assert np.allclose(found.latent_scale, np.sqrt((whole**2).mean((0, 1))), rtol=0.2)
    assert found.x_shift == 0
