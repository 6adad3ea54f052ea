from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from doxa.errors import InputError
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.neural import NeuralPath, NeuralPlan
from doxa.society.clusters.series import INFECTIOUS, Series, load_countries, load_world
from doxa.society.clusters.weekly import (
    HORIZON,
    RECORD,
    ahead,
    log_normal_nll,
    past_errors,
    totals,
    weekly_forecasts,
)
from doxa.society.dynamics import Compartments, Contact


@pytest.fixture(scope="module")
def growing():
    """A made-up country whose infectious each infect 0.1 a day among very many."""
    new = [100] * INFECTIOUS
    for _ in range(166):
        new.append(round(0.1 * sum(new[-INFECTIOUS:])))
    new = np.array(new)
    total = np.concatenate([[0], np.cumsum(new)])
    infectious = total - np.concatenate([np.zeros(INFECTIOUS, dtype=int), total])[: len(total)]
    people = 10**13
    counts = np.stack([people - total, infectious, total - infectious], axis=-1)[:, None, :]
    made = Compartments(
        ("susceptible", "infected", "recovered"), (Contact("susceptible", "infected", "infected", 0.1),)
    )
    gone = np.concatenate([np.zeros(INFECTIOUS, dtype=int), new])[: len(new), None]
    return Series(
        ("made up",),
        ("",) * len(counts),
        ClusterHistory(made, counts, new[:, None, None], np.eye(1)),
        gone,
        0,
    )


def test_a_mechanism_that_is_right_foresees_the_week(growing):
    from doxa.society.clusters.symbolic import SymbolicPath

    origins = np.array([60, 80])
    posterior = SymbolicPath(growing.history.compartments, imported=1e-20).posterior(growing.history, origins)
    found = ahead(growing, origins, lambda now: posterior.predict(now.force))
    assert found.ravel() == pytest.approx(totals(growing, origins).ravel(), rel=0.03)


def test_a_forecast_uses_no_later_day(growing):
    from dataclasses import replace

    cut = 150
    history = growing.history
    early = replace(
        growing,
        history=ClusterHistory(
            history.compartments, history.counts[:cut], history.events[: cut - 1], np.eye(1)
        ),
        leaving=growing.leaving[: cut - 1],
    )
    plan = NeuralPlan(members=2, epochs=3, hidden=4, dispersion=0.1)
    whole, part = (weekly_forecasts(one, first=120, refit=30, seed=0, plan=plan) for one in (growing, early))
    weeks = len(part.origins)
    for name in ("symbolic", "neural", "fused", "last week"):
        assert np.array_equal(whole.expected[name][:weeks], part.expected[name])
        assert np.array_equal(whole.deviation[name][:weeks], part.deviation[name])


def test_networks_are_judged_on_days_they_did_not_learn(growing, monkeypatch):
    learned = []
    fit = NeuralPath.fit

    def watched(history, places, days, **more):
        learned.append((int(days[0]), int(days[-1])))
        return fit(history, places, days, **more)

    monkeypatch.setattr(NeuralPath, "fit", watched)
    plan = NeuralPlan(members=2, epochs=2, hidden=4, dispersion=0.1)
    weekly_forecasts(growing, first=120, refit=40, seed=0, plan=plan)
    begins = range(120 - RECORD, growing.history.days - HORIZON, 40)
    assert [last for _, last in learned] == [day - RECORD - 1 for day in begins]


def test_errors_count_once_their_week_is_over():
    observed, expected = np.full((20, 1), 100), np.full((20, 1), 100.5)
    expected[3] *= np.e
    errors = past_errors(observed, expected)
    assert errors[:HORIZON, 0] == pytest.approx(0.25)
    assert errors[HORIZON, 0] < 1e-3
    assert errors[3 + HORIZON, 0] == pytest.approx(1 / (1 + 0.95 + 0.95**2 + 0.95**3), rel=0.01)


def test_the_score_is_a_distribution_over_whole_numbers():
    expected, deviation = 12.0, 0.4
    every = np.arange(0, 400)
    p = np.exp(-log_normal_nll(every, np.full(400, expected), np.full(400, deviation)))
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    by_hand = norm.cdf(np.log(12.5 / 12) / 0.4) - norm.cdf(np.log(11.5 / 12) / 0.4)
    assert p[12] == pytest.approx(by_hand)
    far = log_normal_nll(np.array([10**6]), np.array([10.0]), np.array([0.1]))
    assert np.isfinite(far).all()
    assert far[0] > 1000


def test_the_reported_series_are_read(trust_data):
    countries, world = load_countries(), load_world()
    assert countries.names[:2] == ("China", "US")
    assert countries.history.days == 816
    assert countries.corrections == 20
    assert countries.history.events[:, 1, 0].sum() == 80_625_120 - 1
    assert world.dates[-1] == "2021-08-04"
    assert world.history.counts[:, 0, 1].min() > 0
    assert np.all(world.history.counts.sum(axis=-1) == world.history.sizes)


def test_without_the_data_the_message_says_what_helps(monkeypatch, tmp_path):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("DOXA_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="doxa data get physicsagentabm"):
        load_countries()
