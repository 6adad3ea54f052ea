from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society.herding import (
    BAYESIAN,
    CurvedCost,
    LinearCost,
    SocialLearning,
    TableAgents,
    ThresholdAgents,
)
from doxa.society.herding.model import NothingToLearnWarning, lowest_informative, outcome, private_belief

beliefs = st.floats(0.01, 0.99)
precisions = st.floats(0.5, 0.999)


def test_one_agent_by_hand():
    model = SocialLearning()
    assert model.action(0.6, 0.7, "B") == "B"
    assert model.action(0.8, 0.7, "B") == "G"
    assert model.action(0.2, 0.7, "G") == "B"
    assert model.action(0.7, 0.7, "B") == "B", "an indifferent agent follows its signal"
    assert model.update(0.5, 0.7, "G") == pytest.approx(0.7)
    assert model.update(0.7, 0.7, "B") == pytest.approx(0.5)
    assert model.update(0.8, 0.7, "G") == 0.8, "a cascade reveals nothing"


def test_a_signal_that_is_worth_nothing_moves_nobody():
    model = SocialLearning(baseline=0.5)
    assert model.update(0.5, 0.5, "G") == 0.5
    after = outcome(
        np.array([0.2, 0.5, 0.9]),
        np.full(3, 0.5),
        *BAYESIAN.respond(np.array([0.2, 0.5, 0.9]), np.full(3, 0.5)),
    )
    assert after.up.tolist() == after.down.tolist() == [0.2, 0.5, 0.9]


@given(beliefs, precisions)
def test_beliefs_are_a_martingale(b, q):
    b, q = np.array([b]), np.array([q])
    for agents in (BAYESIAN, ThresholdAgents(0.6), ThresholdAgents(tie="coin"), table()):
        after = outcome(b, q, *agents.respond(b, q))
        assert after.good * after.up + (1.0 - after.good) * after.down == pytest.approx(b)


@given(beliefs, precisions)
def test_updates_are_sums_of_log_odds(b, q):
    found = float(private_belief(np.array(b), np.array(q), np.array(True)))
    assert np.log(found / (1 - found)) == pytest.approx(np.log(b / (1 - b)) + np.log(q / (1 - q)), abs=1e-9)


@given(beliefs, st.floats(0.5, 2.0))
def test_the_lowest_informative_precision_divides(b, herding):
    agents = ThresholdAgents(alpha=herding)
    edge = lowest_informative(np.array([b]), herding)
    assert edge == pytest.approx(max(b, 1 - b)) or herding != 1.0
    above, below = np.minimum(edge + 1e-6, 1.0), edge - 1e-6
    response = agents.respond(np.array([b]), above)
    assert (response.after_good, response.after_bad) == (1.0, 0.0)
    if below[0] >= 0.5:
        response = agents.respond(np.array([b]), below)
        assert response.after_good == response.after_bad == float(b > 0.5)


def test_an_indifferent_agent_tosses_a_coin():
    response = ThresholdAgents(tie="coin").respond(np.array([0.7, 0.3, 0.5]), np.array([0.7, 0.7, 0.7]))
    assert response.after_good.tolist() == [1.0, 0.5, 1.0]
    assert response.after_bad.tolist() == [0.5, 0.0, 0.0]


def test_what_an_agent_thinks_agrees_with_what_it_does():
    agents = ThresholdAgents(1.0, 0.7, 1.6)
    rng = np.random.default_rng(0)
    b, q, good = rng.uniform(0.02, 0.98, 500), rng.uniform(0.51, 0.98, 500), rng.random(500) < 0.5
    thought = agents.thought(np.log(b / (1 - b)), q, good)
    response = agents.respond(b, q)
    acts = np.where(good, response.after_good, response.after_bad)
    assert ((thought > 0) == (acts > 0.5)).all()


def table():
    share = np.array([[0.2, 0.9], [0.6, 1.0]])
    return TableAgents(np.array([0.2, 0.8]), np.array([0.5, 1.0]), share, share - 0.1)


def test_a_table_is_read_between_its_rows():
    response = table().respond(np.array([0.5, 0.0]), np.array([0.75, 0.5]))
    assert response.after_good == pytest.approx([0.675, 0.2])
    assert response.after_bad == pytest.approx([0.575, 0.1])


def test_a_certain_prior_warns():
    with pytest.warns(NothingToLearnWarning, match="nothing to learn"):
        SocialLearning(prior=1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SocialLearning(baseline=1.0), "baseline=1.0: must be in"),
        (lambda: SocialLearning(baseline=0.4), "baseline=0.4"),
        (lambda: SocialLearning(prior=1.2), "prior=1.2"),
        (lambda: SocialLearning(discount=1.0), "value is infinite"),
        (lambda: SocialLearning(discount=-0.1), "discount=-0.1"),
        (lambda: SocialLearning(error_cost=-1.0), "error_cost=-1.0"),
        (lambda: SocialLearning(tie="toss"), "own_signal"),
        (lambda: LinearCost(-1.0), "k=-1.0"),
        (lambda: CurvedCost(lambda x: x + 1.0), "must cost nothing"),
        (lambda: CurvedCost(lambda x: x * (0.2 - x)), "must not fall"),
        (lambda: SocialLearning().is_informative(0.5, 70.0), "give 0.7"),
        (lambda: SocialLearning().is_informative(0.5, 0.3), "below 0.5"),
        (lambda: SocialLearning().is_informative(1.5, 0.7), "belief 1.5"),
        (lambda: SocialLearning().action(0.5, 0.7, "x"), "a signal is"),
        (lambda: SocialLearning().update(0.5, 0.7, "x"), "an action is"),
        (lambda: ThresholdAgents(alpha=0.0), "alpha=0.0"),
        (lambda: ThresholdAgents(gamma_consistent=-1.0), "gamma_consistent"),
        (
            lambda: TableAgents(np.array([0.5]), np.array([0.5, 1.0]), np.ones((1, 2)), np.ones((1, 2))),
            "increasing",
        ),
        (
            lambda: TableAgents(
                np.array([0.2, 0.8]), np.array([0.5, 1.0]), np.full((2, 2), 2.0), np.ones((2, 2))
            ),
            "shares in",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
