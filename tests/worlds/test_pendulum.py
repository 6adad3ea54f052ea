from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.pendulum import Pendulum, bob_pictures, simulate_pendulum, swing


def test_energy_is_kept_without_damping_and_torque():
    pendulum = Pendulum(damping=0.0)
    first = np.array([[0.3, 0.0], [2.2, 0.0], [1.0, -2.0]])
    states = swing(pendulum, first, np.zeros((3, 60)))
    start = pendulum.energy(first)[:, None]
    assert np.abs(pendulum.energy(states) - start).max() / start.max() < 1e-6


def test_it_agrees_with_an_adaptive_solver():
    pendulum, torque = Pendulum(), 1.5 * stream(3, "torque").standard_normal((1, 20))
    states = swing(pendulum, np.array([[2.0, 0.5]]), torque)[0]
    state = np.array([2.0, 0.5])
    for t in range(20):
        push = torque[0, t]
        solved = solve_ivp(
            lambda _, s, push=push: [s[1], -9.81 * np.sin(s[0]) - 0.1 * s[1] + push],
            (0.0, 0.05),
            state,
            rtol=1e-11,
            atol=1e-12,
        )
        state = solved.y[:, -1]
        np.testing.assert_allclose(states[t], state, atol=1e-6)


def test_the_linear_one_is_its_own_linearisation():
    pendulum = Pendulum(linear=True)
    a, b = pendulum.linearised()
    block = np.zeros((3, 3))
    block[:2, :2], block[:2, 2:] = a, b
    step = expm(block * pendulum.dt)
    torque = stream(0, "torque").standard_normal((4, 30))
    first = stream(1, "first").standard_normal((4, 2))
    states, held = swing(pendulum, first, torque), first
    for t in range(30):
        held = held @ step[:2, :2].T + torque[:, t : t + 1] @ step[:2, 2:].T
        np.testing.assert_allclose(states[:, t], held, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 0.2))
def test_small_swings_hardly_know_that_they_are_not_linear(amplitude):
    first, torque = np.array([[amplitude, 0.0]]), np.zeros((1, 10))
    exact, linear = (swing(Pendulum(linear=linear), first, torque) for linear in (False, True))
    assert np.abs(exact - linear)[..., 0].max() <= 0.5 * amplitude**3


def test_series_are_noisy_angles_and_hide_the_velocity():
    swings = simulate_pendulum(stream(0, "swings"), 200, 60)
    assert swings.observed.shape == (200, 60, 1) == swings.inputs.shape
    residual = swings.observed[..., 0] - swings.states[..., 0]
    assert abs(residual.std() - 0.05) < 0.002
    assert abs(swings.inputs.std() - 1.0) < 0.02


def test_gusts_move_the_pendulum_and_are_not_told():
    still, blown = (
        simulate_pendulum(stream(0, "swings"), 5, 10, drive=0.0, gust=gust) for gust in (0.0, 1.0)
    )
    np.testing.assert_array_equal(still.inputs, blown.inputs)
    assert np.abs(still.states - blown.states).max() > 0.01


def test_first_angles_are_even_or_normal_with_one_variance():
    even, normal = (
        simulate_pendulum(stream(0, "swings"), 4000, 1, pendulum=Pendulum(dt=1e-9), normal=normal).states[
            :, 0, 0
        ]
        for normal in (False, True)
    )
    assert np.abs(even).max() <= 1.0 < np.abs(normal).max()
    assert even.var() == pytest.approx(1.0 / 3.0, rel=0.05)
    assert normal.var() == pytest.approx(1.0 / 3.0, rel=0.05)


def test_a_bob_that_hangs_is_in_the_middle_of_the_lower_half():
    pictures = bob_pictures(np.array([[0.0, np.pi / 2]])).reshape(1, 2, 16, 16)
    down, right = pictures[0]
    rows, columns = np.mgrid[:16, :16]
    assert (down * columns).sum() / down.sum() == pytest.approx(7.5, abs=0.01)
    assert (down * rows).sum() / down.sum() == pytest.approx(7.5 + 0.36 * 16, abs=0.1)
    assert (right * columns).sum() / right.sum() == pytest.approx(7.5 + 0.36 * 16, abs=0.1)
    assert 0.0 <= pictures.min() <= pictures.max() <= 1.0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"dt": 0.0}, "dt=0"),
        ({"dt": -1.0}, "dt=-1"),
        ({"noise": -0.1}, "noise"),
        ({"stiffness": 0.0}, "stiffness"),
    ],
)
def test_what_is_no_pendulum_is_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        Pendulum(**wrong)


def test_sizes_are_checked():
    with pytest.raises(InputError, match="sequences=0"):
        simulate_pendulum(stream(0, "x"), 0)
    with pytest.raises(InputError, match="amplitude=-1"):
        simulate_pendulum(stream(0, "x"), 1, amplitude=-1.0)
    with pytest.raises(InputError, match="size=1"):
        bob_pictures(np.zeros((1, 1)), size=1)
