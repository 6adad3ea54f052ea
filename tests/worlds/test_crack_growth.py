from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.crack_growth import Plate, paris_step, simulate_cracks


def test_growth_of_one_block_by_hand():
    # ΔK = 80 √(π 0.01) = 14.18 MPa√m; 1e-8 · 14.18² · 8000 cycles = 0.01608 mm on 10 mm
    step = paris_step(np.log(10.0), np.log(1e-8), np.log(80.0), exponent=2.0, cycles=8000.0)
    assert step == pytest.approx(1e-8 * 80.0**2 * np.pi * 0.01 * 8000.0 / 10.0, rel=1e-12)


@given(st.floats(3.0, 20.0), st.floats(60.0, 100.0), st.floats(2.0, 4.0))
def test_tensors_give_what_arrays_give(length, load, exponent):
    import torch

    numbers = [np.log(length), np.log(1e-8), np.log(load)]
    arrays = paris_step(*(np.array([one]) for one in numbers), exponent=exponent, cycles=8000.0)
    tensors = paris_step(*(torch.tensor([one]) for one in numbers), exponent=exponent, cycles=8000.0)
    np.testing.assert_allclose(tensors.numpy(), arrays, rtol=1e-10)


def test_a_crack_follows_the_law_solved_adaptively():
    plate = Plate(spread=0.0, noise=0.0)
    cracks = simulate_cracks(stream(0, "cracks"), 2, 40, plate=plate, first=(5.0, 5.0), load=(80.0, 80.0))

    def growth(_, length):
        factor = np.sqrt(1.0 / np.cos(np.pi * length / plate.width))
        intensity = factor * 80.0 * np.sqrt(np.pi * length / 1000.0)
        return plate.rate * plate.cycles * intensity**plate.exponent

    solved = solve_ivp(growth, (0.0, 40.0), [5.0], rtol=1e-10, atol=1e-10)
    assert np.exp(cracks.states[0, -1, 0]) == pytest.approx(solved.y[0, -1], rel=1e-5)
    np.testing.assert_array_equal(cracks.observed, cracks.states[..., :1])


def test_without_geometry_a_crack_grows_by_the_closed_form():
    plate = Plate(spread=0.0, noise=0.0, geometry=False)
    cracks = simulate_cracks(stream(0, "cracks"), 1, 60, plate=plate, first=(5.0, 5.0), load=(80.0, 80.0))
    half = 0.5 * plate.exponent - 1.0
    first = paris_step(np.log(5.0), np.log(plate.rate), np.log(80.0), exponent=plate.exponent, cycles=8000.0)
    grown = 5.0 * (1.0 - half * first * 60.0) ** (-1.0 / half)
    assert np.exp(cracks.states[0, -1, 0]) == pytest.approx(grown, rel=1e-5)


def test_cracks_only_grow_and_long_ones_faster_than_the_simple_law():
    told = {"first": (5.0, 7.0), "load": (70.0, 90.0)}
    with_factor = simulate_cracks(stream(0, "cracks"), 50, 60, **told)
    without = simulate_cracks(stream(0, "cracks"), 50, 60, plate=Plate(geometry=False), **told)
    assert np.all(np.diff(with_factor.states[..., 0], axis=1) >= 0.0)
    assert np.all(with_factor.states[:, -1, 0] > without.states[:, -1, 0])
    assert np.exp(with_factor.states[..., 0]).max() < 0.5 * Plate().width
    np.testing.assert_array_equal(with_factor.states[..., 1], without.states[..., 1])


def test_bad_plates_and_ranges_are_refused():
    with pytest.raises(InputError, match="width=0"):
        Plate(width=0.0)
    with pytest.raises(InputError, match="noise=-1"):
        Plate(noise=-1.0)
    with pytest.raises(InputError, match="plates=0"):
        simulate_cracks(stream(0, "x"), 0)
    with pytest.raises(InputError, match="load="):
        simulate_cracks(stream(0, "x"), 1, load=(90.0, 70.0))
