from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.herding import (
    BAYESIAN,
    AltruisticPlanner,
    BiasedPlanner,
    FixedPrecision,
    LinearCost,
    SocialLearning,
    ThresholdAgents,
    cascade_from,
    cascade_probabilities,
    mean_agents_to_cascade,
    no_control_value,
    simulate,
)

NOBODY = FixedPrecision(0.7)


@pytest.mark.parametrize("tie", ["own_signal", "coin"])
def test_cascades_begin_as_often_as_the_closed_form_says(tie):
    runs = 20_000
    seen = simulate(SocialLearning(tie=tie), NOBODY, ThresholdAgents(tie=tie), n_agents=40, n_runs=runs)
    known = cascade_probabilities(0.7, 10, tie)
    begun = (seen.cascade_start >= 0) & (seen.cascade_start <= 10)
    right = (begun & (seen.action[:, -1] == seen.state_good)).mean()
    assert right == pytest.approx(known.right, abs=3 * np.sqrt(known.right * (1 - known.right) / runs))
    none = 1.0 - begun.mean()
    assert none == pytest.approx(known.none, abs=3 * np.sqrt(known.none / runs) + 1e-9)


def test_how_soon_and_from_any_prior():
    seen = simulate(SocialLearning(), NOBODY, BAYESIAN, state="G", n_runs=20_000, n_agents=60)
    assert seen.cascade_start.mean() == pytest.approx(mean_agents_to_cascade(0.7), abs=0.08)
    tilted = simulate(SocialLearning(prior=0.55), NOBODY, BAYESIAN, state="B", n_runs=20_000, n_agents=60)
    right = (~tilted.action[:, -1]).mean()
    assert right == pytest.approx(cascade_from(0.55, 0.7, good=False).right, abs=0.012)


def test_welfare_is_what_values_promise():
    seen = simulate(SocialLearning(), NOBODY, BAYESIAN, n_runs=20_000, n_agents=120)
    spread = seen.welfare.total.std() / np.sqrt(20_000)
    assert seen.welfare.total.mean() == pytest.approx(no_control_value(0.7, 0.9), abs=3 * spread)
    model = SocialLearning(prior=0.55, precision_cost=LinearCost(2.0))
    planner = BiasedPlanner(model).solve(200, 50, gap=False)
    seen = simulate(model, planner, BAYESIAN, n_runs=20_000, n_agents=120)
    lost = -seen.welfare.missed - seen.welfare.costs
    assert lost.mean() == pytest.approx(planner.value_at(0.55), abs=3 * lost.std() / np.sqrt(20_000))


def test_the_public_belief_is_a_martingale_under_any_planner():
    model = SocialLearning(prior=0.4, precision_cost=LinearCost(6.0))
    for planner in (NOBODY, AltruisticPlanner(model).solve(100, gap=False)):
        mean, error = simulate(model, planner, BAYESIAN, n_runs=20_000).martingale_gap
        assert abs(mean) < 3 * error


def test_planners_are_compared_on_the_same_luck():
    one = simulate(SocialLearning(), NOBODY, BAYESIAN, n_runs=50, seed=3)
    other = simulate(SocialLearning(), FixedPrecision(0.75), BAYESIAN, n_runs=50, seed=3)
    assert (one.state_good == other.state_good).all()
    assert (one.signal == other.signal).mean() > 0.9
    again = simulate(SocialLearning(), NOBODY, BAYESIAN, n_runs=50, seed=3)
    assert (one.belief == again.belief).all()


def test_at_one_half_nothing_moves():
    seen = simulate(SocialLearning(baseline=0.5), FixedPrecision(0.5), BAYESIAN, n_runs=20, n_agents=10)
    assert (seen.belief == 0.5).all()


@pytest.mark.parametrize("changes", [{"state": "X"}, {"n_agents": 0}, {"n_runs": 0}])
def test_bad_input(changes):
    with pytest.raises(InputError, match="must be"):
        simulate(SocialLearning(), NOBODY, BAYESIAN, **changes)
