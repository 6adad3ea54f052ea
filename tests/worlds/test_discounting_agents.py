from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.belief.updating import posterior_log_odds
from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.discounting_agents import BAYESIAN, DiscountingAgent, simulate_agents


def test_one_update_by_hand():
    agent = DiscountingAgent(power=0.5, anchor=0.25)
    after = agent.update(np.array([1.0]), np.array([2.0]), np.array([-1.0]))
    assert after[0] == pytest.approx(0.75 * 2.0 - 0.25)


def test_a_bayesian_is_bayes():
    reports = simulate_agents(stream(0, "agents"), 3, 20, agent=DiscountingAgent(noise=0.0), spread=0.0)
    evidence = reports.inputs[0, :, 0]
    reliability = 1.0 / (1.0 + np.exp(-np.abs(evidence)))
    assert reports.states[0, -1, 0] == pytest.approx(posterior_log_odds(0.0, evidence > 0.0, reliability))
    np.testing.assert_array_equal(reports.observed, reports.states)


@given(st.floats(0.0, 1.0), st.floats(0.05, 0.9))
def test_an_anchored_agent_settles_where_evidence_and_anchor_balance(power, anchor):
    agent, held, first = DiscountingAgent(power, anchor), np.array([0.3]), np.array([0.3])
    for _ in range(600):
        held = agent.update(held, np.array([0.7]), first)
    assert held[0] == pytest.approx(0.3 + (1.0 - anchor) / anchor * power * 0.7, rel=1e-6)


def test_those_who_discount_are_less_sure_of_the_truth():
    sure, timid = (
        np.abs(simulate_agents(stream(0, "agents"), 200, agent=agent).states[:, -1]).mean()
        for agent in (BAYESIAN, DiscountingAgent(power=0.6, anchor=0.05))
    )
    assert timid < 0.6 * sure


def test_evidence_is_worth_what_its_reliability_says():
    # by Bayes' rule E[exp(-u)] = 1 for evidence u seen where the proposition is true, and so for exp(u) where it is not
    inputs = simulate_agents(stream(0, "agents"), 4000, 10, spread=0.0).inputs[..., 0]
    away = np.exp(-np.abs(inputs))
    assert np.mean(away / (1.0 + away)) == pytest.approx(0.325, abs=0.002)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: DiscountingAgent(power=-1.0), "power=-1"),
        (lambda: DiscountingAgent(anchor=1.0), "anchor=1"),
        (lambda: simulate_agents(stream(0, "x"), 0), "agents=0"),
        (lambda: simulate_agents(stream(0, "x"), 1, reliability=(0.5, 1.0)), "reliability"),
    ],
)
def test_bad_agents_are_refused(call, told):
    with pytest.raises(InputError, match=told):
        call()
