"""SIS, SIR, SEIRD and any compartments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import lambertw

from doxa.errors import InputError
from doxa.society import Graph
from doxa.society.dynamics import (
    Alone,
    Compartments,
    Contact,
    MarkovCompartments,
    MarkovCompartmentsConfig,
    Seird,
    SeirdConfig,
    Sir,
    SirConfig,
    Sis,
    SisConfig,
    Turn,
    WellMixed,
)
from doxa.society.dynamics.compartments import per_step
from doxa.society.randomness import key_from
from doxa.society.schedules import Schedule, random_contacts
from doxa.streams import stream
from tests.society.dynamics import slow

ORDER = np.array([5, 3, 5, 0, 39, 17], np.int32)
TURNS = [Turn(), Turn(ORDER), Turn(ORDER, in_turn=True), Turn(in_turn=True)]
GRAPHS = [slow.random_graph(), slow.random_graph(weighted=True, directed=True)]
FACTOR = np.linspace(0, 2, 40).astype(np.float32)
RUMOUR = Compartments(
    ("unaware", "telling", "tired", "gone"),
    (
        Contact("unaware", "telling", "telling", 0.3),
        Contact("unaware", "tired", "tired", 0.2),
        Contact("telling", "tired", "tired", 1.0),
        Alone("telling", "gone", 0.1),
        Alone("tired", "unaware", 0.2),
        Alone("tired", "gone", 0.1),
    ),
)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("factor", [None, FACTOR], ids=["alike", "unlike"])
def test_any_compartments_step_by_step(graph, turn, factor):
    config = MarkovCompartmentsConfig(
        graph=graph, rules=RUMOUR, begin={"telling": 0.2, "tired": 0.1}, susceptibility=factor
    )
    ways = [
        (
            RUMOUR.code(way.source),
            RUMOUR.code(way.target),
            RUMOUR.code(way.via) if isinstance(way, Contact) else None,
            way.probability,
        )
        for way in RUMOUR.transitions
    ]
    state = MarkovCompartments().init(stream(1), config)
    for step in range(6):
        old = state.values
        agents = None if turn.agents is None else turn.agents.tolist()
        expected = slow.compartments(
            int(key_from(stream(2, step))), old.tolist(), graph, 4, ways, agents, turn.in_turn, factor
        )
        state, info = MarkovCompartments().step(stream(2, step), state, turn)
        assert state.values.tolist() == expected
        if agents is None:
            if not turn.in_turn:
                moved = np.zeros((4, 4), int)
                np.add.at(moved, (old, state.values), 1)
                assert info.moves.tolist() == moved.tolist()
            assert info.moves.sum() == 40


def test_one_contact_transition_is_the_textbook_s_formula():
    """A susceptible with k infected neighbours is infected with 1 - (1 - β)^k."""
    star = Graph.from_edges(4, np.zeros(3, int), np.arange(1, 4))
    config = SirConfig(graph=star, infection=0.2, recovery=0.0, start=np.array([0, 1, 1, 1], np.uint8))
    state = Sir().init(stream(0), config)
    hit = sum(int(Sir().step(stream(seed), state, Turn())[0].values[0]) for seed in range(4_000))
    expected = 1 - 0.8**3
    assert abs(hit / 4_000 - expected) < 4 * np.sqrt(expected * (1 - expected) / 4_000)


def test_competing_hazards_add_up_and_split_in_proportion():
    n = 200_000
    config = SeirdConfig(
        graph=Graph.from_edges(n, np.array([0]), np.array([1])),
        infection=0.0,
        incubation=0.0,
        recovery=0.3,
        death=0.1,
        start=np.full(n, 2, np.uint8),
    )
    _, info = Seird().step(stream(0), Seird().init(stream(0), config), Turn())
    recovery, death = -np.log(0.7), -np.log(0.9)
    leaving = 1 - 0.7 * 0.9
    shares = info.moves[2] / n
    assert shares[2] == pytest.approx(1 - leaving, abs=5e-3)
    assert shares[3] == pytest.approx(leaving * recovery / (recovery + death), abs=5e-3)
    assert shares[4] == pytest.approx(leaving * death / (recovery + death), abs=5e-3)


def test_dead_stay_dead_and_nobody_is_lost():
    config = SeirdConfig(
        graph=slow.random_graph(300, 1500),
        infection=0.5,
        incubation=0.4,
        recovery=0.2,
        death=0.2,
        waning=0.2,
        begin={"infected": 0.1},
    )
    state, dead = Seird().init(stream(0), config), np.zeros(300, bool)
    assert np.bincount(state.values).tolist() == [270, 0, 30]
    for step in range(40):
        state, _ = Seird().step(stream(0, step), state, Turn())
        assert (state.values[dead] == 4).all()
        dead = state.values == 4
    assert dead.any()


def test_without_infection_or_below_the_threshold_it_dies_out():
    for infection in (0.0, 0.02):
        config = SisConfig(
            graph=random_contacts(stream(0), 2_000, 10),
            infection=infection,
            recovery=0.5,
            begin={"infected": 0.1},
        )
        state = Sis().init(stream(0), config)
        for step in range(60):
            state, info = Sis().step(stream(0, step), state, Turn())
            assert infection > 0 or info.moves[0, 1] == 0
        assert not state.values.any()


CONTACTS = 4
SIZES = [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)]


def well_mixed(model, config, steps: int) -> np.ndarray:
    """Shares of each compartment before and after each step, with contacts drawn anew in each."""
    schedule, n = Schedule(contacts=CONTACTS), config.graph.n
    state, shares = model.init(stream(0, "init"), config), []
    for step in range(steps + 1):
        shares.append(np.bincount(state.values, minlength=len(config.rules.names)) / n)
        turn = schedule.turn(stream(0, "schedule", step), n)
        state, _ = model.step(stream(0, "step", step), state, turn)
    return np.array(shares)


def solved(equation, start: list[float], steps: int) -> np.ndarray:
    return solve_ivp(equation, (0, steps), start, t_eval=np.arange(steps + 1), rtol=1e-8, atol=1e-10).y


@pytest.mark.parametrize("n", SIZES)
def test_sis_follows_the_mean_field_equation(n):
    beta, gamma, steps = 0.005, 0.01, 100  # small, so that a step is near to the equation's unit of time
    config = SisConfig(graph=WellMixed(n), infection=beta, recovery=gamma, begin={"infected": 0.2})
    found = well_mixed(Sis(), config, steps)[:, 1]
    expected = solved(lambda _, y: CONTACTS * beta * y * (1 - y) - gamma * y, [0.2], steps)[0]
    assert np.abs(found / expected - 1).max() < 0.03


@pytest.mark.parametrize("n", SIZES)
def test_sir_follows_the_mean_field_equation(n):
    beta, gamma, begin, steps = 0.01, 0.02, 0.1, 80
    config = SirConfig(graph=WellMixed(n), infection=beta, recovery=gamma, begin={"infected": begin})
    found = well_mixed(Sir(), config, steps)
    force = CONTACTS * beta
    expected = solved(
        lambda _, y: [-force * y[0] * y[1], force * y[0] * y[1] - gamma * y[1]], [1 - begin, begin], steps
    )
    assert np.abs(found[:, 0] / expected[0] - 1).max() < 0.03
    assert np.abs(found[:, 1] / expected[1] - 1).max() < 0.03


def test_sir_s_final_size_solves_its_equation():
    beta, gamma, begin = 0.04, 0.08, 0.02
    config = SirConfig(graph=WellMixed(60_000), infection=beta, recovery=gamma, begin={"infected": begin})
    found = well_mixed(Sir(), config, 220)[-1, 2]
    r0 = CONTACTS * beta / gamma
    final = brentq(lambda z: 1 - (1 - begin) * np.exp(-r0 * z) - z, 1e-6, 1)
    assert found == pytest.approx(final, rel=0.02)
    # from few at first z = 1 - exp(-R0 z), whose solution is Lambert's
    assert 1 + lambertw(-r0 * np.exp(-r0)).real / r0 == pytest.approx(final, rel=0.02)


@pytest.mark.parametrize(
    ("names", "ways", "message"),
    [
        (("a",), (), "give 2 to 256 compartments"),
        (("a", "a"), (), "each once"),
        (("a", "b"), (Alone("a", "c", 0.1),), "no compartment 'c'"),
        (("a", "b"), (Contact("a", "b", "x", 0.1),), "no compartment 'x'"),
        (("a", "b"), (Alone("a", "a", 0.1),), "from a to itself"),
        (("a", "b"), (Alone("a", "b", 1.1),), "must be from 0 to 1"),
        (("a", "b"), (Alone("a", "b", 0.1), Alone("a", "b", 0.2)), "stands there twice"),
    ],
)
def test_rules_that_make_no_sense_are_told_of(names, ways, message):
    with pytest.raises(InputError, match=message):
        Compartments(names, ways)


def test_configs_that_make_no_sense_are_told_of():
    graph = slow.random_graph()
    good = {"infection": 0.1, "recovery": 0.1}
    with pytest.raises(InputError, match="at most 1 in all"):
        Sis().init(stream(0), SisConfig(graph=graph, **good, begin={"infected": 1.2}))
    with pytest.raises(InputError, match="did you mean 'infected'"):
        Sis().init(stream(0), SisConfig(graph=graph, **good, begin={"infectd": 0.2}))
    with pytest.raises(InputError, match="susceptibility: must be 40 float32 >= 0"):
        SisConfig(graph=graph, **good, susceptibility=np.full(40, -1, np.float32))
    with pytest.raises(InputError, match="must be from 0 to 1"):
        SisConfig(graph=graph, infection=2.0, recovery=0.1)
    state = Sis().init(stream(0), SisConfig(graph=WellMixed(40), **good))
    with pytest.raises(InputError, match="needs a graph"):
        Sis().step(stream(0), state, Turn())


def test_seirds_follows_the_mean_field_equation():
    beta, sigma, gamma, omega, steps = 0.002, 0.02, 0.01, 0.004, 150
    config = SeirdConfig(
        graph=WellMixed(60_000),
        infection=beta,
        incubation=sigma,
        recovery=gamma,
        death=0.0,
        waning=omega,
        begin={"infected": 0.1},
    )
    found = well_mixed(Seird(), config, steps)[:, :4]
    sigma, gamma, omega = -np.log1p(-np.array([sigma, gamma, omega]))

    def flow(_, y):
        s, e, i, r = y
        caught = CONTACTS * beta * s * i
        return [omega * r - caught, caught - sigma * e, sigma * e - gamma * i, gamma * i - omega * r]

    expected = solved(flow, [0.9, 0.0, 0.1, 0.0], steps).T
    assert np.abs(found - expected).max() < 0.005
    assert np.abs(found[:, 0] / expected[:, 0] - 1).max() < 0.03


def test_chances_are_what_the_kernel_draws_from():
    weighted, many = GRAPHS[1], 4000
    config = MarkovCompartmentsConfig(
        graph=weighted,
        rules=RUMOUR,
        start=(np.arange(40) % 4).astype(np.uint8),
        susceptibility=FACTOR,
    )
    model = MarkovCompartments()
    state = model.init(stream(1), config)
    met = weighted.to_scipy() @ np.eye(4)[state.values] * FACTOR[:, None]
    expected = RUMOUR.table(state.values.astype(int), RUMOUR.chances(met))
    counts = np.zeros((40, 4))
    for draw in range(many):
        counts[np.arange(40), model.step(stream(3, draw), state, Turn())[0].values] += 1
    spread = np.sqrt(expected * (1 - expected) / many)
    assert np.all(np.abs(counts / many - expected) <= 4.5 * spread + 1e-9)


def test_competing_transitions_share_the_sum_of_their_hazards():
    rules = Compartments.seird()
    alone = np.array([[0.1, 0.2, 0.3, 0.05, 0.0]])
    p, hazard = rules.compete(alone)[0], -np.log1p(-alone[0])
    assert p[2] + p[3] == pytest.approx(1 - np.exp(-(hazard[2] + hazard[3])))
    assert p[2] / p[3] == pytest.approx(hazard[2] / hazard[3])
    assert p[[0, 1, 4]] == pytest.approx(alone[0, [0, 1, 4]])
    assert per_step(0.2, 7) == pytest.approx(0.031375, abs=1e-6)
    with pytest.raises(InputError, match="probability"):
        per_step(1.0, 7)


def test_the_table_of_next_states():
    table = Compartments.seird().table(np.array([2, 4]), np.array([[0.5, 0.5, 0.2, 0.1, 0.5]] * 2))
    assert table[0] == pytest.approx([0, 0, 0.7, 0.2, 0.1])
    assert table[1] == pytest.approx([0, 0, 0, 0, 1])


def test_steps_that_cannot_be_are_refused():
    rules = Compartments.seird()
    assert rules.moved(np.array([0, 1, 2]), np.array([1, 1, 4])).tolist() == [0, -1, 3]
    with pytest.raises(InputError, match=r"dead→susceptible.*absorbing"):
        rules.moved(np.array([[4]]), np.array([[0]]))
    with pytest.raises(InputError, match=r"susceptible→infected.*no transition"):
        rules.moved(np.array([[0]]), np.array([[2]]))
    with pytest.raises(InputError, match="state 7"):
        rules.moved(np.array([[7]]), np.array([[0]]))
    twice = Compartments(("a", "b"), (Alone("a", "b", 0.1), Contact("a", "b", "b", 0.1)))
    with pytest.raises(InputError, match="same ends"):
        twice.moved(np.array([0]), np.array([1]))


def test_the_sets_that_come_along():
    assert Compartments.seird().ways[0] == "susceptible→exposed"
    market = Compartments.market(0.3)
    assert market.names == ("bearish", "neutral", "bullish")
    assert np.array_equal(market.drivers, market.targets), "traders go where linked traders already are"
    assert Compartments.attention().ways[-1] == "fatigued→aware"
    assert Compartments.seird().absorbing.tolist() == [False] * 4 + [True]
