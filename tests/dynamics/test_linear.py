from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from scipy.linalg import expm

from doxa.dynamics import LinearSystem, discretise, dynamics, to_continuous
from doxa.dynamics.linear import NoisySystem
from doxa.errors import InputError, UnstableSystemError
from doxa.streams import stream


def drawn(seed: int, *, n: int = 3, q: int = 2, p: int = 2, radius: float = 0.9) -> LinearSystem:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, n))
    A *= radius / np.abs(np.linalg.eigvals(A)).max()
    return LinearSystem(A, rng.normal(size=(n, q)), rng.normal(size=(p, n)), rng.normal(size=(p, q)))


def scalar(*numbers: float) -> LinearSystem:
    return LinearSystem(*(np.array([[number]]) for number in numbers))


def test_one_variable_settles_geometrically():
    system = scalar(0.5, 2.0, 3.0, 1.0)
    out = system.simulate(np.ones((6, 1)))
    by_hand = [1.0 + 3.0 * 2.0 * (1 - 0.5**t) / 0.5 for t in range(6)]
    np.testing.assert_allclose(out.outputs[:, 0], by_hand, rtol=0, atol=1e-14)
    np.testing.assert_allclose(system.step_response(6)[:, 0, 0], by_hand, atol=1e-14)
    assert system.static_gain() == pytest.approx(13.0)
    assert out.last == pytest.approx(2.0 * (1 - 0.5**6) / 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_scipy_agrees(seed):
    system = drawn(seed)
    rng = np.random.default_rng(10 + seed)
    u, x0 = rng.normal(size=(40, 2)), rng.normal(size=3)
    theirs = signal.dlti(system.A, system.B, system.C, system.D, dt=1.0)
    _, outputs, states = signal.dlsim(theirs, u, x0=x0)
    ours = system.simulate(u, x0=x0)
    np.testing.assert_allclose(ours.outputs, outputs, atol=1e-10)
    np.testing.assert_allclose(ours.states, states, atol=1e-10)
    _, impulse = signal.dimpulse(theirs, n=8)
    np.testing.assert_allclose(system.impulse_response(8), np.stack(impulse, axis=-1), atol=1e-10)
    for j in range(2):
        one = signal.dlti(system.A, system.B[:, [j]], system.C[[0]], system.D[[0]][:, [j]], dt=1.0)
        omega, response = signal.dfreqresp(one, w=np.linspace(0.1, 3.0, 7))
        np.testing.assert_allclose(system.frequency_response(omega)[:, 0, j], response, atol=1e-8)


@given(seed=st.integers(0, 10_000), scale=st.floats(-3, 3))
def test_inputs_add_up_and_sequences_do_not_meet(seed, scale):
    system = drawn(seed % 50)
    u, v = np.random.default_rng(seed).normal(size=(2, 4, 9, 2))
    together = system.simulate(u + scale * v).outputs
    np.testing.assert_allclose(
        together, system.simulate(u).outputs + scale * system.simulate(v).outputs, atol=1e-8
    )
    np.testing.assert_array_equal(system.simulate(u).outputs[2], system.simulate(u[2]).outputs)


def test_noise_goes_where_it_belongs():
    system = scalar(0.5, 0.0, 1.0, 0.0)
    epsilon, eta = np.zeros((4, 1)), np.zeros((4, 1))
    epsilon[0], eta[3] = 1.0, 10.0
    out = system.simulate(np.zeros((4, 1)), process_noise=epsilon, observation_noise=eta)
    assert out.outputs[:, 0].tolist() == [0.0, 1.0, 0.5, 10.25]


def test_a_simulation_goes_on_from_where_it_ended():
    system, u = drawn(3), np.random.default_rng(0).normal(size=(20, 2))
    first = system.simulate(u[:11])
    rest = system.simulate(u[11:], x0=first.last)
    np.testing.assert_allclose(
        np.concatenate([first.outputs, rest.outputs]), system.simulate(u).outputs, atol=1e-12
    )


def test_poles_of_a_swing():
    r, angle = 0.9, 0.4
    turn = r * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    system = LinearSystem(turn, np.zeros((2, 1)), np.eye(2), np.zeros((2, 1)))
    np.testing.assert_allclose(system.poles(), [r * np.exp(1j * angle), r * np.exp(-1j * angle)])
    assert system.spectral_radius() == pytest.approx(r)
    np.testing.assert_allclose(system.periods(), 2 * np.pi / angle)
    zeta = -np.log(r) / np.hypot(np.log(r), angle)
    np.testing.assert_allclose(system.damping_ratios(), zeta)
    _, still = LinearSystem(np.diag([1.0, 0.0]), np.zeros((2, 1)), np.eye(2), np.zeros((2, 1))).poles()
    assert still == 0.0


def test_a_system_that_does_not_settle_names_its_eigenvalue():
    system = scalar(1.01, 1.0, 1.0, 0.0)
    with pytest.raises(UnstableSystemError, match=r"eigenvalue 1\.01.*needs all < 1"):
        system.static_gain()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"A": [[1.0, 0.0]]}, "A is 1 x 2"),
        ({"B": [[1.0], [2.0]]}, "B is 2 x 1"),
        ({"C": [[np.nan]]}, "C holds nan"),
        ({"D": [1.0]}, r"D has shape \(1,\)"),
    ],
)
def test_bad_matrices(change, says):
    with pytest.raises(InputError, match=says):
        LinearSystem(
            **{**dict.fromkeys("ABCD", np.array([[0.5]])), **{k: np.array(v) for k, v in change.items()}}
        )


def test_bad_inputs():
    system = drawn(0)
    with pytest.raises(InputError, match=r"u has shape \(5, 3\): must be \[\.\.\., steps, 2\]"):
        system.simulate(np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"x0 has shape \(4,\)"):
        system.simulate(np.zeros((5, 2)), x0=np.zeros(4))
    with pytest.raises(InputError, match="one step or more"):
        system.impulse_response(0)


def test_discretisation_of_an_oscillator_is_the_closed_form():
    w, dt = 2.0, 0.3
    A, B = np.array([[0.0, 1.0], [-(w**2), 0.0]]), np.array([[0.0], [1.0]])
    moves = discretise(A, B, dt)
    c, s = np.cos(w * dt), np.sin(w * dt)
    np.testing.assert_allclose(moves.A, [[c, s / w], [-w * s, c]], atol=1e-12)
    np.testing.assert_allclose(moves.B, [[(1 - c) / w**2], [s / w]], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_discretisation_agrees_with_scipy_and_goes_back(seed):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(3, 3)) - 2 * np.eye(3), rng.normal(size=(3, 2))
    moves = discretise(A, B, 0.2)
    theirs = signal.cont2discrete((A, B, np.eye(3), np.zeros((3, 2))), 0.2)
    np.testing.assert_allclose(moves.A, theirs[0], atol=1e-10)
    np.testing.assert_allclose(moves.B, theirs[1], atol=1e-10)
    back = to_continuous(*moves, 0.2)
    np.testing.assert_allclose(back.A, A, atol=1e-8)
    np.testing.assert_allclose(back.B, B, atol=1e-8)


def test_the_fourth_order_is_one_step_of_runge_and_kutta():
    rng = np.random.default_rng(1)
    A, B, x, u, dt = rng.normal(size=(3, 3)), rng.normal(size=(3, 1)), rng.normal(size=3), np.ones(1), 0.1
    k1 = A @ x + B @ u
    k2 = A @ (x + dt / 2 * k1) + B @ u
    k3 = A @ (x + dt / 2 * k2) + B @ u
    k4 = A @ (x + dt * k3) + B @ u
    by_hand = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    moves = discretise(A, B, dt, "rk4")
    np.testing.assert_allclose(moves.A @ x + moves.B @ u, by_hand, atol=1e-14)
    errors = [np.abs(discretise(A, B, h, "rk4").A - expm(A * h)).max() for h in (0.1, 0.05)]
    assert 25 < errors[0] / errors[1] < 40  # fifth order in one step


def test_bad_discretisation():
    one = np.array([[-1.0]])
    with pytest.raises(InputError, match=r"dt=0\.0: must be finite and > 0"):
        discretise(one, one, 0.0)
    with pytest.raises(InputError, match="method='euler'"):
        discretise(one, one, 0.1, "euler")
    with pytest.raises(InputError, match="must be square"):
        discretise(np.zeros((1, 2)), one, 0.1)
    with pytest.raises(InputError, match="must have 1 rows"):
        discretise(one, np.zeros((2, 1)), 0.1)
    with pytest.raises(InputError, match=r"eigenvalue -0\.5 of A_d"):
        to_continuous(-0.5 * np.eye(1), one, 0.1)


def test_one_step_at_a_time_is_the_simulation():
    system, u = drawn(2), np.random.default_rng(3).normal(size=(5, 2))
    rule, rng = dynamics.get("linear")(), stream(0, "linear")
    state, seen = rule.init(rng, NoisySystem(system, x0=np.ones(3))), []
    for event in u:
        state, y = rule.step(rng, state, event)
        seen.append(y)
    np.testing.assert_allclose(seen, system.simulate(u, x0=np.ones(3)).outputs, atol=1e-12)
    with pytest.raises(InputError, match="process_sd=-1"):
        NoisySystem(system, process_sd=-1.0)
    with pytest.raises(InputError, match=r"event has shape \(3,\)"):
        rule.step(rng, state, np.zeros(3))
