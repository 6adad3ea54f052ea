from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society.herding import (
    BAYESIAN,
    AltruisticPlanner,
    BiasedPlanner,
    CurvedCost,
    FixedPrecision,
    LinearCost,
    Mirrored,
    SocialLearning,
    ThresholdAgents,
    exact_value,
    myopic,
    myopic_thresholds,
    no_control_value,
    policy_value,
)
from doxa.society.herding.closed_forms import (
    altruistic_value,
    biased_myopic_value,
    obfuscation_value,
    perfect_value,
)

PLACES = np.array([0.03, 0.1, 0.123, 0.2, 0.29, 0.3, 0.31, 0.4, 0.5, 0.6, 0.7, 0.75, 0.9])


def world(k, **more):
    return SocialLearning(precision_cost=LinearCost(k), **more)


def altruistic(k, grid=120, **more):
    return AltruisticPlanner(world(k, **more)).solve(grid, gap=False)


def biased(k, grid=120, q_grid=50, least=0.5, **more):
    return BiasedPlanner(world(k, **more), least=least).solve(grid, q_grid, gap=False)


def test_the_closed_form_where_only_stopping_and_certainty_win():
    solution = altruistic(0.5)
    known = [altruistic_value(solution.menu.model, float(b)) for b in solution.beliefs]
    assert solution.value == pytest.approx(known, abs=1e-12)
    assert [phase.label for phase in solution.phases] == ["stop", "perfect", "stop"]
    assert solution.phases[0].high == pytest.approx(0.015, abs=1e-9)
    assert solution.convexity_violation < 1e-9
    assert solution.converged


def test_a_middle_phase_opens_with_the_cost():
    labels = {phase.label: phase for phase in altruistic(4.0).phases[:3]}
    assert labels["stop"].high == pytest.approx(0.11975, abs=1e-6)
    assert labels["lowest"].high == pytest.approx(0.122807, abs=1e-6)
    assert labels["perfect"].low == pytest.approx(0.122807, abs=1e-6)


def test_v_has_a_concave_kink_where_baseline_learning_ends():
    assert altruistic(6.0, 1500).convexity_violation == pytest.approx(1.65, abs=0.005)


@pytest.mark.parametrize(
    ("k", "p"), [(0.5, 0.7), (4.0, 0.7), (6.0, 0.7), (8.0, 0.7), (2.0, 0.55), (6.0, 0.9)]
)
def test_the_grid_agrees_with_values_without_one(k, p):
    solution = altruistic(k, 250, baseline=p)
    known = [exact_value(solution.menu.model, float(b)) for b in PLACES]
    found = [solution.value_at(float(b)) for b in PLACES]
    assert found == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize("k", [2.0, 6.0])
def test_no_precision_between_the_end_points_wins(k):
    plain, finer = altruistic(k), AltruisticPlanner(world(k)).solve(120, 60, gap=False)
    assert finer.value == pytest.approx([plain.value_at(float(b)) for b in finer.beliefs], abs=1e-4)


def test_the_error_falls_with_the_square_of_the_step():
    truth = exact_value(world(6.0), 0.2, tol=1e-12)
    errors = [abs(altruistic(6.0, size).value_at(0.2) - truth) for size in (125, 250, 500)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.3)
    gap = AltruisticPlanner(world(6.0)).solve(125).interpolation_gap
    assert errors[0] / 4 < gap < 10 * errors[0]


@settings(max_examples=3, deadline=None)
@given(k=st.floats(0.1, 8.0), p=st.floats(0.55, 0.9), scale=st.floats(0.5, 4.0))
def test_laws_of_the_altruistic_value(k, p, scale):
    one = altruistic(k, 60, baseline=p)
    mirrored = [one.value_at(1.0 - float(b)) for b in PLACES]
    here = np.array([one.value_at(float(b)) for b in PLACES])
    assert here == pytest.approx(mirrored, abs=1e-6)
    more = AltruisticPlanner(
        SocialLearning(baseline=p, error_cost=scale, precision_cost=LinearCost(k * scale))
    ).solve(60, gap=False)
    assert np.array([more.value_at(float(b)) for b in PLACES]) == pytest.approx(scale * here, abs=1e-6)
    dearer = altruistic(1.5 * k, 60, baseline=p)
    worse = AltruisticPlanner(SocialLearning(baseline=p, error_cost=1.5, precision_cost=LinearCost(k))).solve(
        60, gap=False
    )
    for other in (dearer, worse):
        assert (np.array([other.value_at(float(b)) for b in PLACES]) <= here + 1e-6).all()


@pytest.mark.parametrize("aim", ["right", "G"])
@pytest.mark.parametrize("k", [0.5, 2.0, 6.0])
def test_no_fixed_policy_is_worth_more(aim, k):
    solution = altruistic(k) if aim == "right" else biased(k)
    for q in (0.7, 0.8, 0.95, 1.0):
        grid, value = policy_value(solution.menu.model, FixedPrecision(q), BAYESIAN, aim, grid=120)
        best = np.array([solution.value_at(float(b)) for b in grid.nodes])
        assert (best >= value - 1e-6).all()
    grid, value = policy_value(solution.menu.model, solution, BAYESIAN, aim, grid=120)
    best = np.array([solution.value_at(float(b)) for b in PLACES])
    assert grid.read(value, PLACES) == pytest.approx(best, abs=2e-3), "the policy is worth what V says"


def test_without_control():
    grid, value = policy_value(world(1.0), FixedPrecision(0.7), BAYESIAN, "right", grid=100)
    assert grid.read(value, np.array([0.5]))[0] == pytest.approx(no_control_value(0.7, 0.9), abs=1e-12)


def test_the_biased_planner_at_both_ends_and_beside_one_half():
    solution = biased(0.5)
    assert solution.value_at(0.0) == pytest.approx(-10.0)
    assert solution.value_at(0.8) == pytest.approx(0.0, abs=1e-12)
    assert solution.value_right(0.5) == pytest.approx(-1.0, abs=1e-7), "V jumps at 1/2"
    assert solution.value_at(0.5) < -1.9
    for b in (0.51, 0.6, 0.7):
        known = obfuscation_value(solution.menu.model, b)
        assert solution.value_at(b) == pytest.approx(known, abs=1e-7)
    assert solution.value_at(0.2) >= perfect_value(solution.menu.model, 0.2, biased=True)


def test_the_worked_example_of_the_biased_planner():
    solution = biased(2.0, 300, 100)
    hides = next(phase for phase in solution.phases if phase.label == "obfuscate")
    assert hides.low == pytest.approx(0.581, abs=5e-4)
    assert hides.high == pytest.approx(0.7, abs=1e-6)
    assert solution.value_at(0.5) == pytest.approx(-3.294, abs=5e-4)


def test_what_may_not_go_below_the_baseline_hides_nothing():
    solution = biased(0.5, least=0.7)
    assert "obfuscate" not in {phase.label for phase in solution.phases}
    assert solution.precision(np.linspace(0.0, 1.0, 101)).min() >= 0.7 - 1e-12


@pytest.mark.parametrize("k", [0.3, 0.8, 2.0])
def test_without_a_future_both_planners_follow_the_myopic_formulas(k):
    model = world(k)
    solution = myopic(BiasedPlanner(model)).solve(120, 50, gap=False)
    for b in np.linspace(0.01, 0.99, 50):
        if abs(b - 0.5) > 0.005:
            assert solution.value_at(float(b)) == pytest.approx(
                biased_myopic_value(model, k, float(b)), abs=1e-7
            )
    known = myopic_thresholds(0.7, k)
    assert solution.phases[0].high == pytest.approx(known.escape, abs=1e-8)
    kind = myopic(AltruisticPlanner(model)).solve(120, gap=False)
    if known.invest < 0.5:
        assert kind.phases[0].high == pytest.approx(known.invest, abs=1e-8)
        assert altruistic(k).phases[0].high <= known.invest, "who looks ahead invests longer"
    else:
        assert "perfect" not in {phase.label for phase in kind.phases}


def test_steering_to_b_is_the_mirror_of_steering_to_g():
    solution = biased(0.5)
    beliefs = np.array([0.1, 0.35, 0.45, 0.8])
    assert Mirrored(solution).precision(beliefs) == pytest.approx(solution.precision(1.0 - beliefs))


def test_a_signal_that_costs_nothing_is_made_certain_at_once():
    assert altruistic(0.0).precision(np.linspace(0.01, 0.99, 30)).tolist() == [1.0] * 30


@pytest.mark.parametrize("herding", [0.625, 1.0, 1.25])
def test_a_policy_for_other_agents(herding):
    agents = ThresholdAgents(alpha=herding)
    for planner, aim, b in ((BiasedPlanner, "G", 0.6), (AltruisticPlanner, "right", 0.25)):
        model = world(2.0 if aim == "G" else 6.0)
        naive, own = planner(model).solve(100, gap=False), planner(model, agents).solve(100, gap=False)
        worth = [
            float(grid.read(value, np.array([b]))[0])
            for grid, value in (policy_value(model, one, agents, aim, grid=100) for one in (naive, own))
        ]
        if herding == 1.0:
            assert worth[0] == pytest.approx(worth[1], abs=1e-9)
        else:
            assert worth[0] < worth[1] - 1e-3


def test_a_convex_cost_is_solved_on_a_grid():
    model = SocialLearning(precision_cost=CurvedCost(lambda x: 20.0 * x**2))
    solution = AltruisticPlanner(model).solve(100, 200, gap=False)
    inner = solution.precision(np.array([0.5]))[0]
    assert 0.71 < inner < 0.99


def test_levels_get_the_baseline():
    solution = AltruisticPlanner(world(2.0)).solve(50, levels=(0.8, 0.9), gap=False)
    assert solution.notes == ("the baseline 0.7 was added to the levels",)
    assert set(solution.precision(np.linspace(0, 1, 50))) <= {0.7, 0.8, 0.9}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedPrecision(70.0), "give 0.7"),
        (lambda: BiasedPlanner(world(1.0), least=0.8), "at most the baseline"),
        (lambda: AltruisticPlanner(world(1.0)).solve(1), "grid=1"),
        (lambda: AltruisticPlanner(world(1.0)).solve(50, tol=0.0), "tol=0.0"),
        (lambda: AltruisticPlanner(world(1.0, tie="coin")).solve(50), "tie='coin'"),
        (lambda: AltruisticPlanner(world(1.0)).solve(50, 10, levels=(0.7,)), "not both"),
        (
            lambda: AltruisticPlanner(SocialLearning(precision_cost=CurvedCost(lambda x: x**2))).solve(50),
            "convex cost",
        ),
        (lambda: exact_value(world(1.0), 2.0), "belief 2"),
        (lambda: exact_value(world(1.0), 0.4, tol=0.0), "tol=0.0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
