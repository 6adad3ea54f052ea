from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.herding import FixedPrecision, SocialLearning, ThresholdAgents, fit_nonbayesian, simulate
from doxa.society.herding.network import (
    HistoryTokens,
    NetworkAgents,
    acted,
    history_sampler,
    stated_responses,
    train_histories,
)

TOKENS = HistoryTokens(n_levels=6, n_beliefs=21, widest=4.0, most=3)


def test_rows_hold_what_an_agent_can_see():
    rows = TOKENS.rows(
        np.array([0.0]), np.array([[1, 2]]), np.array([[True, False]]), np.array([3]), np.array([True])
    )
    first, own, action = TOKENS.first_event, TOKENS.first_own, TOKENS.action
    assert rows.tolist() == [[10, first + 3, first + 4, own + 7, action + 2, action + 3]]
    assert rows.max() < TOKENS.vocabulary


def test_a_batch_asks_each_row_once_for_action_and_belief():
    batch = history_sampler(ThresholdAgents(), TOKENS)(np.random.default_rng(0), 200)
    asked = batch.targets >= 0
    assert (asked.sum(axis=1) == 2).all()
    place = asked.argmax(axis=1)
    assert set(place) == {2, 3, 4, 5}
    acts = batch.targets[np.arange(200), place]
    assert set(acts) == {TOKENS.action, TOKENS.action + 1}
    assert (batch.targets[np.arange(200), place + 1] < TOKENS.n_beliefs).all()


def test_agents_of_the_rows_follow_their_rule():
    rng = np.random.default_rng(0)
    levels = np.full((400, 4), 2)
    told = acted(ThresholdAgents(), TOKENS, rng, np.zeros(400), rng.random(400) < 0.5, levels)
    assert (told.actions[:, 0] == told.signal[:, 0]).all()
    agreed = told.actions[:, 0] == told.actions[:, 1]
    assert (told.actions[agreed, 2] == told.actions[agreed, 0]).all(), "two alike begin a cascade"


def test_without_kinds_nothing_is_trained():
    with pytest.raises(InputError, match="kinds"):
        train_histories([], 0)


@pytest.mark.slow
def test_a_network_learns_the_weights_and_is_steered():
    kinds = [ThresholdAgents(1.0, 0.5, 1.6), ThresholdAgents()]
    models = train_histories(kinds, 0, tokens=TOKENS, steps=400)
    planted, plain = (fit_nonbayesian(stated_responses(models, which)) for which in (0, 1))
    assert planted.gamma_consistent.estimate < plain.gamma_consistent.estimate - 0.2
    assert planted.gamma_inconsistent.estimate > plain.gamma_inconsistent.estimate + 0.2
    network = NetworkAgents(models, 1, 0.0)
    seen = simulate(
        SocialLearning(baseline=0.7), FixedPrecision(0.7), network, n_agents=3, n_runs=400, state="G"
    )
    assert (seen.action[:, 0] == seen.signal[:, 0]).mean() > 0.9
    assert seen.belief[:, -1].mean() > 0.6
