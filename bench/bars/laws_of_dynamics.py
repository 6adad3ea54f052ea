"""Laws of populations, compartments, filters and linear systems."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from bars.laws import SEEDS, Laws, near, real, rng_of, row, rows
from doxa.dynamics.identification import ho_kalman
from doxa.dynamics.kalman import GaussianSystem, kalman_filter, rts_smoother
from doxa.dynamics.linear import LinearSystem
from doxa.society.dynamics.base import Turn, WellMixed
from doxa.society.dynamics.bounded_confidence import BoundedConfidence, BoundedConfidenceConfig
from doxa.society.dynamics.compartments import Alone, Compartments
from doxa.society.dynamics.deffuant import Deffuant, DeffuantConfig
from doxa.society.dynamics.degroot import DeGroot, DeGrootConfig
from doxa.society.dynamics.friedkin_johnsen import FriedkinJohnsen, FriedkinJohnsenConfig
from doxa.society.dynamics.voter import Voter, VoterConfig
from doxa.society.graph import Graph

law = Laws()

AGENTS = 8
OPINIONS = row(0.0, 1.0, AGENTS, AGENTS).map(lambda one: one.astype(np.float32))
ROUNDING = 2e-6
"""Opinions are kept in single precision."""


def _ring(order: Any = None) -> Graph:
    ends = np.arange(AGENTS)
    names = ends if order is None else np.argsort(order)
    return Graph.from_edges(AGENTS, names[ends], names[(ends + 1) % AGENTS])


def _tangle(seed: int, order: Any = None) -> Graph:
    """Edges at random beside a ring, so that nobody is alone; the same for other names of the agents."""
    rng, ends = rng_of(seed), np.arange(AGENTS)
    sources, targets = (
        np.append(ends, rng.integers(0, AGENTS, 6)),
        np.append((ends + 1) % AGENTS, rng.integers(0, AGENTS, 6)),
    )
    names = ends if order is None else np.argsort(order)
    return Graph.from_edges(AGENTS, names[sources], names[targets])


def _after(rule: Any, config: Any, seed: int = 0) -> np.ndarray:
    return rule.step(rng_of(seed), rule.init(rng_of(seed), config), Turn())[0].values.astype(float)


@law("DeGroot keeps the mean opinion where all have as many friends", x=OPINIONS)
def _mean(x: np.ndarray) -> bool:
    return near(_after(DeGroot(), DeGrootConfig(_ring(), x)).mean(), x.mean(dtype=float), absolute=ROUNDING)


@law("DeGroot stays between the least and the greatest opinion", x=OPINIONS, seed=SEEDS)
def _hull(x: np.ndarray, seed: int) -> bool:
    after = _after(DeGroot(), DeGrootConfig(_tangle(seed), x))
    return x.min() - ROUNDING <= after.min() and after.max() <= x.max() + ROUNDING


@law("DeGroot does not hang on the names of agents", x=OPINIONS, seed=SEEDS)
def _names(x: np.ndarray, seed: int) -> bool:
    order = rng_of(seed + 1).permutation(AGENTS)
    after = _after(DeGroot(), DeGrootConfig(_tangle(seed), x))
    return near(
        after[order], _after(DeGroot(), DeGrootConfig(_tangle(seed, order), x[order])), absolute=ROUNDING
    )


@law(
    "DeGroot is linear: opinions moved by a constant end moved by it",
    x=OPINIONS,
    c=real(-1.0, 1.0),
    seed=SEEDS,
)
def _moved(x: np.ndarray, c: float, seed: int) -> bool:
    c = float(np.float32(c))
    one = _after(DeGroot(), DeGrootConfig(_tangle(seed), x))
    return near(
        one + c, _after(DeGroot(), DeGrootConfig(_tangle(seed), x + np.float32(c))), absolute=ROUNDING
    )


@law("Hegselmann-Krause contracts and keeps the order of opinions", x=OPINIONS, near_by=real(0.0, 1.0))
def _contracts(x: np.ndarray, near_by: float) -> bool:
    after = _after(BoundedConfidence(), BoundedConfidenceConfig(WellMixed(AGENTS), near_by, x))
    kept = np.diff(after[np.argsort(x, kind="stable")]) >= -ROUNDING
    return bool(kept.all()) and np.ptp(after) <= np.ptp(x) + ROUNDING


@law("Hegselmann-Krause does not hang on the names of agents", x=OPINIONS, near_by=real(0.0, 1.0), seed=SEEDS)
def _named(x: np.ndarray, near_by: float, seed: int) -> bool:
    order = rng_of(seed).permutation(AGENTS)
    rule = BoundedConfidence()
    one = _after(rule, BoundedConfidenceConfig(WellMixed(AGENTS), near_by, x))
    return near(
        one[order],
        _after(rule, BoundedConfidenceConfig(WellMixed(AGENTS), near_by, x[order])),
        absolute=ROUNDING,
    )


@law(
    "Hegselmann-Krause is symmetric in for and against",
    x=OPINIONS,
    near_by=st.sampled_from([0.0, 0.21, 0.37, 2.0]),
)
def _mirrored(x: np.ndarray, near_by: float) -> bool:
    # opinions on a grid, so that rounding puts no distance on the other side of the confidence
    x = (np.round(x * 64) / 64).astype(np.float32)
    rule = BoundedConfidence()
    one = _after(rule, BoundedConfidenceConfig(WellMixed(AGENTS), near_by, x))
    return near(
        one, 1.0 - _after(rule, BoundedConfidenceConfig(WellMixed(AGENTS), near_by, 1 - x)), absolute=ROUNDING
    )


@law(
    "Deffuant keeps the mean opinion and never widens the range",
    x=OPINIONS,
    near_by=real(0.0, 1.0),
    rate=real(0.0, 0.5),
    seed=SEEDS,
)
def _meets(x: np.ndarray, near_by: float, rate: float, seed: int) -> bool:
    after = _after(Deffuant(), DeffuantConfig(_tangle(seed), near_by, rate, x), seed)
    return (
        near(after.mean(), x.mean(dtype=float), absolute=ROUNDING) and np.ptp(after) <= np.ptp(x) + ROUNDING
    )


@law("Friedkin-Johnsen is DeGroot for the open, and nothing for the closed", x=OPINIONS, seed=SEEDS)
def _openness(x: np.ndarray, seed: int) -> bool:
    graph, rule = _tangle(seed), FriedkinJohnsen()
    return near(_after(rule, FriedkinJohnsenConfig(graph, 0.0, x)), x, absolute=ROUNDING) and near(
        _after(rule, FriedkinJohnsenConfig(graph, 1.0, x)),
        _after(DeGroot(), DeGrootConfig(graph, x)),
        absolute=ROUNDING,
    )


@law("Friedkin-Johnsen is linear between the two", x=OPINIONS, openness=real(0.0, 1.0), seed=SEEDS)
def _between(x: np.ndarray, openness: float, seed: int) -> bool:
    graph = _tangle(seed)
    mixed = openness * _after(DeGroot(), DeGrootConfig(graph, x)) + (1.0 - openness) * x
    return near(
        _after(FriedkinJohnsen(), FriedkinJohnsenConfig(graph, openness, x)), mixed, absolute=ROUNDING
    )


@law("voters who agree go on agreeing, and nobody invents an opinion", seed=SEEDS, kinds=st.integers(1, 4))
def _voters(seed: int, kinds: int) -> bool:
    start = rng_of(seed).integers(0, kinds, AGENTS).astype(np.uint8)
    after = _after(Voter(), VoterConfig(_tangle(seed), start=start, opinions=4), seed)
    return set(after.astype(int)) <= set(start.tolist())


SEIRD = Compartments.seird()


@law("the distribution of the next compartment adds up to one", seed=SEEDS)
def _table(seed: int) -> bool:
    rng = rng_of(seed)
    moves = SEIRD.chances(rng.uniform(0.0, 20.0, (6, len(SEIRD.names))))
    table = SEIRD.table(rng.integers(0, len(SEIRD.names), 6), moves)
    return bool((table >= 0).all()) and near(table.sum(axis=1), 1.0, absolute=1e-12)


@law("competing ways out share 1 - Π(1 - p)", p=row(0.0, 0.99, 5, 5))
def _compete(p: np.ndarray) -> bool:
    shared = SEIRD.compete(p)
    out = np.bincount(SEIRD.sources, shared, minlength=len(SEIRD.names))
    alone = [1.0 - np.prod(1.0 - p[SEIRD.sources == code]) for code in range(len(SEIRD.names))]
    return near(out, alone, absolute=1e-12) and bool((shared <= p + 1e-12).all())


@law("two states without contact are in detailed balance", up=real(0.001, 0.999), down=real(0.001, 0.999))
def _balance(up: float, down: float) -> bool:
    two = Compartments(("no", "yes"), (Alone("no", "yes", up), Alone("yes", "no", down)))
    table = two.table(np.arange(2), two.chances(np.zeros((2, 2))))
    values, vectors = np.linalg.eig(table.T)
    stays = np.real(vectors[:, np.argmax(np.real(values))])
    flow = (stays / stays.sum())[:, None] * table
    return near(flow, flow.T, absolute=1e-12) and near(table[0, 1], up, absolute=1e-12)


def _system(seed: int, states: int = 2) -> GaussianSystem:
    rng = rng_of(seed)
    moves = rng.normal(size=(states, states))
    moves *= 0.9 / max(1e-9, np.abs(np.linalg.eigvals(moves)).max())
    roots = [rng.normal(size=(size, size)) for size in (states, 1, states)]
    drift, noise, first = (root @ root.T + 0.1 * np.eye(len(root)) for root in roots)
    sides = rng.normal(size=(states, 1)), rng.normal(size=(1, states)), rng.normal(size=(1, 1))
    return GaussianSystem(moves, *sides, drift, noise, rng.normal(size=states), first)


SERIES = row(-9.0, 9.0, 6, 6).map(lambda one: one.reshape(1, 6, 1))


@law(
    "Kalman: a state that stands still is a Normal mean", y=SERIES, noise=real(0.1, 5.0), prior=real(0.1, 5.0)
)
def _still(y: np.ndarray, noise: float, prior: float) -> bool:
    one, nothing = np.eye(1), np.zeros((1, 1))
    system = GaussianSystem(one, nothing, one, nothing, nothing, noise * one, np.zeros(1), prior * one)
    found = kalman_filter(system, y)
    precision = 1.0 / prior + np.arange(1, 7) / noise
    return near(found.means[0, :, 0], np.cumsum(y[0, :, 0]) / noise / precision, absolute=1e-9) and near(
        found.covariances[0, :, 0, 0], 1.0 / precision, absolute=1e-9
    )


@law("Kalman: worthless observations leave the prediction, exact ones are believed", seed=SEEDS, y=SERIES)
def _limits(seed: int, y: np.ndarray) -> bool:
    one = _system(seed, 1)

    def seeing(noise: float) -> Any:
        parts = (
            one.A,
            one.B,
            np.eye(1),
            np.zeros((1, 1)),
            one.Q,
            noise * np.eye(1),
            one.mean,
            one.covariance,
        )
        return kalman_filter(GaussianSystem(*parts), y)

    blind, exact = seeing(1e14), seeing(1e-12)
    return near(blind.means, blind.predicted_means, absolute=1e-9) and near(exact.means, y, absolute=1e-8)


@law("Kalman: what is uncertain does not hang on what is seen", seed=SEEDS, y=SERIES)
def _uncertain(seed: int, y: np.ndarray) -> bool:
    one = _system(seed)
    return near(kalman_filter(one, y).covariances, kalman_filter(one, -3.0 * y).covariances)


@law("Kalman: the likelihood of a series is that of its joint Normal", seed=SEEDS, y=SERIES)
def _joint(seed: int, y: np.ndarray) -> bool:
    one = _system(seed)
    now, means, moved = one.covariance, [one.mean], [np.eye(2)]
    spread = np.zeros((6, 6))
    for t in range(6):
        for later in range(t, 6):
            value = one.C @ np.linalg.matrix_power(one.A, later - t) @ now @ one.C.T
            spread[t, later] = spread[later, t] = value[0, 0] + (one.R[0, 0] if later == t else 0.0)
        now = one.A @ now @ one.A.T + one.Q
        means.append(one.A @ means[-1])
        moved.append(one.A @ moved[-1])
    error = y[0, :, 0] - np.array([(one.C @ mean)[0] for mean in means[:6]])
    direct = -0.5 * (error @ np.linalg.solve(spread, error) + np.linalg.slogdet(2 * np.pi * spread)[1])
    return near(kalman_filter(one, y).log_likelihood[0], direct, relative=1e-7, absolute=1e-7)


@law("smoothing knows at least what filtering knows, and the same at the end", seed=SEEDS, y=SERIES)
def _smoother(seed: int, y: np.ndarray) -> bool:
    one = _system(seed)
    past, whole = kalman_filter(one, y), rts_smoother(one, y)
    gained = np.linalg.eigvalsh(past.covariances - whole.covariances)
    return (
        near(past.means[:, -1], whole.means[:, -1], absolute=1e-8)
        and near(past.covariances[:, -1], whole.covariances[:, -1], absolute=1e-8)
        and bool((gained >= -1e-8).all())
    )


@law("coordinates of the state do not matter to the response", seed=SEEDS)
def _coordinates(seed: int) -> bool:
    one, turn = _system(seed, 3).linear, np.linalg.qr(rng_of(seed + 1).normal(size=(3, 3)))[0]
    other = LinearSystem(turn @ one.A @ turn.T, turn @ one.B, one.C @ turn.T, one.D)
    return near(one.impulse_response(8), other.impulse_response(8), absolute=1e-9)


@law("responses add up", seed=SEEDS, u=rows(-5.0, 5.0, 2, 8), c=real(-3.0, 3.0))
def _superposed(seed: int, u: np.ndarray, c: float) -> bool:
    one = _system(seed).linear
    first, second = (one.simulate(x.reshape(1, 8, 1)).outputs for x in u)
    return near(one.simulate((u[0] + c * u[1]).reshape(1, 8, 1)).outputs, first + c * second, absolute=1e-8)


@law("the frequency response at 0 is the static gain, and the last of a long step response", seed=SEEDS)
def _gain(seed: int) -> bool:
    one = _system(seed).linear
    gain = one.static_gain()
    return near(one.frequency_response(0.0)[0], gain, absolute=1e-9) and near(
        one.step_response(250)[-1], gain, relative=1e-7, absolute=1e-7
    )


@law("Ho-Kalman finds the response of a system without noise again", seed=SEEDS)
def _ho_kalman(seed: int) -> bool:
    rng = rng_of(seed)
    poles = rng.uniform(0.2, 0.45, 2) * np.where(rng.random(2) < 0.5, -1, 1)
    one = LinearSystem(
        np.diag(poles), np.ones((2, 1)), rng.uniform(0.5, 2.0, (1, 2)), rng.normal(size=(1, 1))
    )
    u = rng.normal(size=(60, 1))
    found = ho_kalman(u, one.simulate(u).outputs, 2, 26)
    return near(found.system.impulse_response(12), one.impulse_response(12), relative=1e-6, absolute=1e-6)
