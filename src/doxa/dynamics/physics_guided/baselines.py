"""What needs no training: the exact smoother of the linear world, and the prior run open loop over the real record."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.belief.calibration import band_coverage
from doxa.dynamics.deep_markov.recovery import BAND
from doxa.dynamics.discretisation import discretise
from doxa.dynamics.kalman import GaussianSystem, kalman_filter, rts_smoother
from doxa.dynamics.linear import LinearSystem
from doxa.dynamics.physics_guided.problems import GUST, HIDDEN_NOISE, Problem, Series
from doxa.dynamics.physics_guided.scores import Ahead, record_ahead
from doxa.dynamics.physics_guided.variants import KALMAN, OPEN_LOOP
from doxa.lab.record import Recorder
from doxa.worlds import silverbox
from doxa.worlds.pendulum import Pendulum

AMPLITUDE = 1.0


def linear_world_system() -> GaussianSystem:
    """Return the linear world as it is, but for what the known torque does, which is added apart."""
    pendulum = Pendulum(linear=True)
    moves = discretise(*pendulum.linearised(), pendulum.dt)
    gusts = GUST**2 * moves.B @ moves.B.T
    # let go at rest from an angle even in [-1, 1], one step before the first observation
    first = moves.A @ np.diag([AMPLITUDE**2 / 3.0, 0.0]) @ moves.A.T + gusts
    seen = np.array([[1.0, 0.0]])
    nothing = np.zeros((2, 0))
    return GaussianSystem(
        moves.A, nothing, seen, np.zeros((1, 0)), gusts, np.array([[HIDDEN_NOISE**2]]), np.zeros(2), first
    )


def forced_motion(inputs: Float[np.ndarray, "N T 1"]) -> Float[np.ndarray, "N T 2"]:
    """Return what the known torque alone does to a linear pendulum that hangs still."""
    pendulum = Pendulum(linear=True)
    moves = discretise(*pendulum.linearised(), pendulum.dt)
    system = LinearSystem(moves.A, moves.B, np.array([[1.0, 0.0]]), np.zeros((1, 1)))
    later = np.concatenate([inputs[:, 1:], np.zeros_like(inputs[:, :1])], axis=1)
    return system.simulate(later, x0=inputs[:, 0] @ moves.B.T).states


def record_kalman(recorder: Recorder, problem: Problem) -> None:
    """Record the exact posterior of the linear world: nothing that is given the same can be nearer on average."""
    system = linear_world_system()
    for split, series in (("train", problem.train), ("test", problem.test)):
        told: dict[str, Any] = {"subject": KALMAN, "split": split}
        forced = forced_motion(series.inputs)
        free = series.observed - forced[..., :1]
        bound = kalman_filter(system, free).log_likelihood.sum() / series.observed[..., 0].size
        recorder.measure("bound", float(bound), unit="nats a step", **told)
        smoothed = rts_smoother(system, free)
        mean = smoothed.means + forced
        std = np.sqrt(np.diagonal(smoothed.covariances, axis1=2, axis2=3))
        for place, (name, unit) in enumerate(zip(problem.coordinates, problem.units, strict=True)):
            truth, own, wide = series.states[..., place], mean[..., place], BAND * std[..., place]
            where: dict[str, Any] = {**told, "coordinate": name, "aligned": "as it is"}
            error = float(np.mean((own - truth) ** 2))
            recorder.measure("rmse", error**0.5, unit=unit, **where)
            recorder.measure("r2", 1.0 - error / float(truth.var()), **where)
            recorder.measure(
                "coverage", band_coverage(own - wide, own + wide, truth), unit="fraction", **where
            )
        _record_kalman_ahead(recorder, problem, system, told, series, free, forced)


def _record_kalman_ahead(
    recorder: Recorder,
    problem: Problem,
    system: GaussianSystem,
    told: dict[str, Any],
    series: Series,
    free: Float[np.ndarray, "N T 1"],
    forced: Float[np.ndarray, "N T 2"],
) -> None:
    cut = series.observed.shape[1] - problem.horizon
    known = free.copy()
    known[:, cut:] = np.nan
    filtered = kalman_filter(system, known)
    mean = (filtered.predicted_means + forced)[:, cut:, :1]
    std = np.sqrt(filtered.predicted_covariances[:, cut:, :1, 0] + HIDDEN_NOISE**2)
    record_ahead(recorder, told, problem.units[0], Ahead(mean, std), series, problem)
    once = (kalman_filter(system, free).predicted_means + forced)[:, 1:, :1] - series.states[:, 1:, :1]
    recorder.measure("one-step rmse", float(np.sqrt(np.mean(once**2))), unit=problem.units[0], **told)


def record_open_loop(recorder: Recorder) -> None:
    """Record how far linear models are off on the real record, run over each whole span from rest, unlearnt."""
    record = silverbox.load_silverbox()
    released = np.array(silverbox.RELEASED_A), np.array(silverbox.RELEASED_B)
    omega = 2.0 * np.pi * silverbox.RESONANCE_HZ
    motion = np.array([[0.0, 1.0], [-(omega**2), -2.0 * silverbox.DAMPING_RATIO * omega]])
    exact = discretise(motion, np.array([[0.0], [omega**2]]), silverbox.DT)
    for name, (a, b) in (("released", released), ("oscillator", exact)):
        for split, span in (("train", silverbox.TRAIN), ("test", silverbox.TEST)):
            u, y = record.voltage[span, None], record.displacement[span]
            later = np.concatenate([u[1:], np.zeros_like(u[:1])])
            system = LinearSystem(a, b, np.array([[1.0, 0.0]]), np.zeros((1, 1)))
            said = system.simulate(later[None], x0=(u[0] @ b.T)[None]).states[0, :, 0]
            off = float(np.sqrt(np.mean((said - y) ** 2)))
            recorder.measure("open loop rmse", off, subject=OPEN_LOOP, unit="V", split=split, model=name)
            recorder.measure("spread", float(y.std()), subject=OPEN_LOOP, unit="V", split=split, model=name)
