from __future__ import annotations

import numpy as np
import pytest

from doxa.dynamics.physics_guided.baselines import (
    forced_motion,
    linear_world_system,
    record_kalman,
    record_open_loop,
)
from doxa.dynamics.physics_guided.problems import GUST, HIDDEN_NOISE, Size, linear_problem
from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.worlds.pendulum import Pendulum, swing


def test_the_known_torque_moves_a_still_pendulum_as_the_simulator_says():
    torque = stream(0, "torque").standard_normal((3, 25, 1))
    exact = swing(Pendulum(linear=True), np.zeros((3, 2)), torque[..., 0])
    np.testing.assert_allclose(forced_motion(torque), exact, atol=1e-6)


def test_the_system_has_the_moments_of_the_world():
    problem = linear_problem(0, Size(4000, 1, 3))
    free = problem.train.states - forced_motion(problem.train.inputs)
    system = linear_world_system()
    np.testing.assert_allclose(np.cov(free[:, 0].T), system.covariance, rtol=0.08, atol=1e-3)
    moved = free[:, 1] - free[:, 0] @ system.A.T
    np.testing.assert_allclose(np.cov(moved.T), system.Q, rtol=0.1, atol=1e-7)
    assert system.R[0, 0] == HIDDEN_NOISE**2
    assert GUST > 0.0


@pytest.fixture(scope="module")
def kalman():
    recorder = Recorder("linear", 0)
    record_kalman(recorder, linear_problem(0, Size(100, 200, 60)))
    return recorder.tables()


def test_exact_bands_hold_what_they_say(kalman):
    held = rows_of(kalman, "coverage")["value"].to_numpy()
    np.testing.assert_allclose(held, 0.95, atol=0.015)
    ahead = rows_of(kalman, "forecast coverage")["value"].to_numpy()
    np.testing.assert_allclose(ahead, 0.95, atol=0.02)


def test_smoothing_beats_the_measurement_and_forecasts_get_worse_with_distance(kalman):
    angle = rows_of(kalman, "rmse", coordinate="angle", split="test")["value"][0]
    assert angle < 0.5 * HIDDEN_NOISE
    far = rows_of(kalman, "forecast error", split="test").sort("time")["value"].to_list()
    assert far[0] < far[-1]
    assert rows_of(kalman, "forecast rmse", split="test")["value"][0] == pytest.approx(
        np.sqrt(np.mean(np.square(far)))
    )


def test_the_released_model_alone_is_off_by_what_was_measured():
    recorder = Recorder("silverbox", 0)
    record_open_loop(recorder)
    rows = rows_of(recorder.tables(), "open loop rmse")
    off = {(row["model"], row["split"]): row["value"] for row in rows.iter_rows(named=True)}
    assert off["released", "train"] == pytest.approx(0.0187, abs=3e-4)
    assert off["released", "test"] == pytest.approx(0.0201, abs=3e-4)
    assert off["oscillator", "train"] == pytest.approx(0.0190, abs=3e-4)
