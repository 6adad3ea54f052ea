from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.herding import (
    BAYESIAN,
    AltruisticPlanner,
    LinearCost,
    Responses,
    Simulator,
    SocialLearning,
    ThresholdAgents,
    fit_nonbayesian,
    learn,
    persuade,
)
from doxa.society.herding.learning import binned

MODEL = SocialLearning(precision_cost=LinearCost(2.0))
LEVELS = np.round(np.linspace(0.7, 1.0, 7), 6)


def learnt(dealt=False, steps=1500):
    return learn(
        Simulator(MODEL, BAYESIAN, "right", 1024, 0, dealt=dealt),
        LEVELS,
        discount=0.9,
        steps=steps,
        n_bins=20,
    )


def test_a_learner_that_never_sees_the_model_comes_to_the_best_policy():
    best = AltruisticPlanner(MODEL).solve(100, gap=False)
    beliefs = np.linspace(0.005, 0.995, 100)
    own = np.abs(learnt().precision(beliefs) - best.precision(beliefs)).mean()
    none = np.abs(learnt(dealt=True).precision(beliefs) - best.precision(beliefs)).mean()
    assert own < 0.05
    assert none > 0.1


def test_bins_are_closed_away_from_one_half():
    assert binned(np.array([0.5]), 20).tolist() == [0]
    assert binned(np.array([0.51, 0.55]), 20).tolist() == [1, 1]
    assert binned(np.array([0.49, 0.45]), 20).tolist() == [11, 11]
    assert binned(np.array([1.0, 0.0]), 20).tolist() == [10, 20]


@pytest.mark.parametrize("changes", [{"steps": 0}, {"n_bins": 5}, {"explore": 0.0}, {"decay": 2.0}])
def test_bad_recipes(changes):
    with pytest.raises(InputError):
        learn(Simulator(MODEL, BAYESIAN, "right", 8, 0), LEVELS, discount=0.9, **changes)


def responses(n=4000, noise=0.5, agents=ThresholdAgents(0.9, 0.6, 1.5)):  # noqa: B008
    rng = np.random.default_rng(1)
    log_odds, q, good = rng.uniform(-3, 3, n), rng.uniform(0.55, 0.95, n), rng.random(n) < 0.5
    return Responses(log_odds, q, good, agents.thought(log_odds, q, good) + noise * rng.standard_normal(n))


def test_weights_are_recovered_with_honest_errors():
    exact = fit_nonbayesian(responses(noise=0.0))
    assert [weight.estimate for weight in exact[:3]] == pytest.approx([0.9, 0.6, 1.5])
    assert exact.r_squared == pytest.approx(1.0)
    fit = fit_nonbayesian(responses())
    for weight, true in zip(fit[:3], (0.9, 0.6, 1.5), strict=True):
        assert abs(weight.estimate - true) < 3.5 * weight.error
        assert 0.003 < weight.error < 0.05
    assert fit.agents.herding == pytest.approx(0.6, abs=0.03)


def test_errors_within_clusters_are_larger():
    few = responses(200)
    shared = np.repeat(np.arange(20), 10)
    push = np.random.default_rng(2).standard_normal(20)[shared] * few.log_odds
    moved = few._replace(stated=few.stated + push)
    assert fit_nonbayesian(moved, shared).alpha.error > 0.5 * fit_nonbayesian(moved).alpha.error


@pytest.mark.parametrize(
    "broken",
    [
        lambda one: one._replace(stated=one.stated[:-1]),
        lambda one: one._replace(stated=one.stated * np.nan),
        lambda one: Responses(*(column[:2] for column in one)),
        lambda one: one._replace(
            log_odds=np.abs(one.log_odds), signal_good=np.ones(one.log_odds.size, dtype=bool)
        ),
    ],
)
def test_bad_responses(broken):
    with pytest.raises(InputError, match="responses"):
        fit_nonbayesian(broken(responses(50)))


def test_one_agent_is_persuaded_by_the_concave_closure():
    beliefs = np.linspace(0.0, 1.0, 101)
    acts = (beliefs >= 0.5).astype(float)
    for prior in (0.1, 0.3, 0.5, 0.8):
        assert persuade(prior, beliefs, acts).value == pytest.approx(min(1.0, 2 * prior))
    found = persuade(0.3, beliefs, acts)
    assert sum(c * b for c, b in zip(found.chances, found.posteriors, strict=True)) == pytest.approx(0.3)
    convex = persuade(0.3, beliefs, beliefs**2)
    assert convex.posteriors == (0.0, 1.0)
    concave = persuade(0.3, beliefs, -(beliefs**2))
    assert concave.value == pytest.approx(-0.09)
    with pytest.raises(InputError, match="within the beliefs"):
        persuade(1.5, beliefs, acts)
    with pytest.raises(InputError, match="increasing"):
        persuade(0.5, beliefs[::-1], acts)
