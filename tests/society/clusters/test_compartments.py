from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from doxa.errors import InputError
from doxa.society.clusters.compartments import Compartments, Transition, check_probabilities, per_step
from doxa.society.clusters.history import ClusterHistory, mixing_of
from doxa.society.clusters.realisation import Realisation, contacts_of, draw
from doxa.society.clusters.world import WorldPlan, epidemic_plan, make_world, simulate
from doxa.society.graph import Graph
from doxa.streams import stream


def run(rates, days, n=20_000, start=None, compartments=None, seed=0):
    plan = WorldPlan(
        compartments or Compartments.seird(),
        rates,
        days=days,
        rhythm=0.0,
        shift_day=10_000,
        start=start or {"I": n // 50},
        imported=0.0,
    )
    states, _ = simulate(plan, None, np.ones(n), stream(seed, "test"))
    kinds = len(plan.compartments.states)
    return np.stack([np.bincount(day, minlength=kinds) for day in states]) / n


def test_hazards_per_step():
    assert per_step(0.2, 7) == pytest.approx(0.031375, abs=1e-6)
    with pytest.raises(InputError, match="probability"):
        per_step(1.0, 7)


def test_competing_risks_share_the_sum_of_hazards():
    made = Compartments.seird()
    alone = np.array([[0.1, 0.2, 0.3, 0.05, 0.0]])
    p = made.compete(alone)[0]
    hazard = -np.log1p(-alone[0])
    assert p[2] + p[3] == pytest.approx(1 - np.exp(-(hazard[2] + hazard[3])))
    assert p[2] / p[3] == pytest.approx(hazard[2] / hazard[3])
    assert p[[0, 1, 4]] == pytest.approx(alone[0, [0, 1, 4]])


def test_mass_is_conserved_and_the_dead_stay_dead():
    shares = run((0.5, 0.3, 0.1, 0.05, 0.1), 60, n=2000)
    assert shares.sum(axis=1) == pytest.approx(np.ones(60))
    assert np.all(np.diff(shares[:, 4]) >= 0)
    assert shares[-1, 4] > 0


def test_nobody_is_infected_without_contact():
    shares = run((0.0, 0.3, 0.1, 0.0, 0.0), 40, n=2000)
    assert shares[-1, 0] == shares[0, 0]


def test_an_epidemic_below_the_threshold_dies_out():
    shares = run((0.05, 0.3, 0.2, 0.0, 0.0), 120, n=4000)
    assert shares[-1, 1] + shares[-1, 2] == 0
    assert shares[-1, 0] > 0.9


def test_a_large_well_mixed_population_follows_the_equations():
    beta, sigma, gamma, omega = 0.08, 0.07, 0.03, 0.015  # small steps, so that days are nearly continuous
    shares = run((beta, sigma, gamma, 0.0, omega), 160, n=20_000, start={"I": 600})

    def flow(_, y):
        s, e, i, r = y
        return [
            -beta * s * i + omega * r,
            beta * s * i - sigma * e,
            sigma * e - gamma * i,
            gamma * i - omega * r,
        ]

    hazards = -np.log1p(-np.array([sigma, gamma, omega]))
    sigma, gamma, omega = hazards
    true = solve_ivp(flow, (0, 159), [0.97, 0, 0.03, 0], t_eval=np.arange(160), rtol=1e-8).y.T
    assert np.abs(shares[:, :4] - true).max() < 0.03


def test_the_final_size_solves_its_equation():
    made = Compartments(("S", "I", "R"), (Transition("S", "I", 0.1, "I"), Transition("I", "R", 0.05)))
    shares = run((0.4, 0.2), 150, n=20_000, start={"I": 40}, compartments=made)
    ratio = 0.4 / 0.2  # with hazards β·I a day and 1 / 0.2 days the relation holds in days too
    z = brentq(lambda z: z - (1 - np.exp(-ratio * z)), 0.1, 1.0)
    assert shares[-1, 2] == pytest.approx(z, rel=0.03)


def test_realised_moves_keep_the_clusters_mean():
    world = make_world(epidemic_plan(days=20, agents_per_type=60), 1)
    made = world.plan.compartments
    realisation = Realisation(made, world.types, contacts_of(world.graph))
    states = world.states[15]
    wanted = np.random.default_rng(0).uniform(0.02, 0.9, size=(4, 5))
    moves = realisation.moves(states, wanted)
    for cluster in range(4):
        risk = (world.types == cluster) & (states == 0)
        assert moves[risk, 0].mean() == pytest.approx(wanted[cluster, 0], abs=1e-6)
        assert moves[risk, 0].std() > 0
    rng = np.random.default_rng(1)
    many = np.repeat(states[None, :], 4000, axis=0)
    after = draw(rng, made, many, np.repeat(moves[None], 4000, axis=0))
    risk = states == 0
    found = (after[:, risk] == 1).mean()
    assert found == pytest.approx(moves[risk, 0].mean(), abs=4 * np.sqrt(0.25 / (4000 * risk.sum())))


def test_the_table_of_next_states():
    made = Compartments.seird()
    table = made.table(np.array([2, 4]), np.array([[0.5, 0.5, 0.2, 0.1, 0.5]] * 2))
    assert table[0] == pytest.approx([0, 0, 0.7, 0.2, 0.1])
    assert table[1] == pytest.approx([0, 0, 0, 0, 1])


def test_impossible_histories_are_refused():
    made = Compartments.seird()
    with pytest.raises(InputError, match=r"D→S.*absorbing"):
        made.moved(np.array([[4]]), np.array([[0]]))
    with pytest.raises(InputError, match=r"S→I.*no transition"):
        made.moved(np.array([[0]]), np.array([[2]]))
    with pytest.raises(InputError, match="state 7"):
        made.moved(np.array([[7]]), np.array([[0]]))
    with pytest.raises(InputError, match=r"did you mean|known"):
        made.index("X")
    counts, events = np.full((2, 1, 5), 3), np.zeros((1, 1, 5), dtype=np.int64)
    for bad in (-1, 0.5, np.nan):
        wrong = events.astype(float)
        wrong[0, 0, 1] = bad
        with pytest.raises(InputError, match="whole number"):
            ClusterHistory(made, counts, wrong, np.eye(1))
    wrong = events.copy()
    wrong[0, 0, 2] = 4
    with pytest.raises(InputError, match="I→R on day 0"):
        ClusterHistory(made, counts, wrong, np.eye(1))
    with pytest.raises(InputError, match=r"once|stays"):
        Compartments(("S", "S"), (Transition("S", "S", 0.1),))
    with pytest.raises(InputError, match="prior"):
        Compartments(("S", "I"), (Transition("S", "I", 1.5),))
    with pytest.raises(InputError, match="must be in"):
        check_probabilities(np.array([[1.2]]), ["S→E"], "path")


def test_a_window_needs_days_before_it():
    world = make_world(epidemic_plan(days=20, agents_per_type=20), 1)
    history = ClusterHistory.of_agents(world.plan.compartments, world.states, world.types, world.graph)
    with pytest.raises(InputError, match="needs 8 days before it"):
        history.situations(np.array([5]))
    assert history.counts.sum() == 20 * 80
    assert history.mixing.sum(axis=1) == pytest.approx(np.ones(4))


def test_mixing_counts_links():
    graph = Graph.from_edges(4, np.array([0, 1, 2]), np.array([1, 2, 3]))
    assert mixing_of(graph, np.array([0, 0, 1, 1])) == pytest.approx(
        np.array([[2 / 3, 1 / 3], [1 / 3, 2 / 3]])
    )
