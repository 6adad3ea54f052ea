from __future__ import annotations

import math

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.minds import RuleMind
from doxa.society.rumour import (
    FakeNewsPropagation,
    intervention_frontier,
    propagation_features,
    speed,
    susceptibility,
)
from doxa.society.rumour.analysis import trait_effects
from doxa.society.rumour.outcome import half_peak
from doxa.society.rumour.town import Announcement
from doxa.society.sis_fit import fit_sis


def plan(table, **town):
    """Return a run in which agent i believes on day t as the table says; at the start those believe who are drawn."""
    beliefs = np.array(table)
    mind = RuleMind(lambda asked: beliefs[asked.agent, asked.time - 1])
    return FakeNewsPropagation(
        "news",
        n_susceptible=len(beliefs) - 1,
        n_infected=1,
        contacts=1,
        days=beliefs.shape[1],
        mind=mind,
        stop_when_extinct=None,
        **town,
    ).run()


def test_speed_by_hand():
    run = plan([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 1, 0]])
    start = run.infected[0, 0]
    fast = speed(run)
    assert run.infected[0].tolist() == [start, 1, 2, 2, 2]
    assert fast.peak[0] == 0.5
    assert fast.final[0] == 0.5
    assert fast.area[0] == pytest.approx(1 / 2 + 1 + 2 + 2 + 2 / 2)
    ill = run.health[0] == 1
    assert fast.flips[0] == pytest.approx(np.abs(np.diff(ill.astype(int), axis=1)).sum() / 4)
    assert fast.never[0] == (~ill.any(axis=1)).mean()
    assert (fast.never + fast.once)[0] <= 1.0


def test_spells_and_the_chronic():
    # six days: agent 1 believes in 4 of 4 days from the third on, agent 2 in 2 of 4, agent 3 in two spells
    run = plan([[0] * 6, [0, 0, 1, 1, 1, 1], [0, 0, 1, 0, 0, 1], [1, 0, 1, 0, 1, 0]])
    ill = run.health[0] == 1
    starts = [int(ill[i, 0]) + int(((~ill[i, :-1]) & ill[i, 1:]).sum()) for i in range(4)]
    fast = speed(run)
    assert fast.once[0] == sum(one == 1 for one in starts) / 4
    chronic = [ill[i].any() and ill[i].sum() >= 0.8 * (7 - ill[i].argmax()) for i in range(4)]
    assert fast.chronic[0] == sum(chronic) / 4
    assert chronic[1] or ill[1, 0]


def test_half_of_the_peak_between_days():
    assert half_peak(np.array([0.0, 2.0, 8.0, 10.0])) == pytest.approx(1.5)
    assert half_peak(np.array([6.0, 10.0])) == 0.0
    assert math.isnan(half_peak(np.zeros(3)))


def test_features_of_a_rumour():
    table = propagation_features(FakeNewsPropagation("news", mind=RuleMind("any")).run(3))
    assert table.height == 3
    assert (table["final"] == 1.0).all()
    assert (table["reached"] == 1.0).all()
    assert (table["r"] > 0.5).all()
    assert table["depth"].is_between(2, 15).all()
    assert (table["mean_depth"] <= table["depth"]).all()
    silent = propagation_features(FakeNewsPropagation("news", n_infected=0, mind=RuleMind("never")).run(1))
    assert silent["r"].item() is None
    assert silent["half_peak_day"].is_nan().all()


def kind(asked):
    """Believe if agreeable."""
    return np.array([int(person.levels["agreeableness"] == "high") for person in asked.persona])


def test_who_comes_to_believe():
    run = FakeNewsPropagation("news", mind=RuleMind(kind)).run(4)
    table = susceptibility(run)
    assert table["level"].to_list() == ["high", "low"]
    assert table["share_ever_infected"].to_list() == [1.0, 0.0]
    assert table["n"].sum() == 4 * 28
    effects = trait_effects(run)
    assert effects["agreeableness"] == 1.0
    assert abs(effects["intellect"]) < 0.5
    ages = susceptibility(run, by="age")
    assert ages["level"].to_list()[0] == "10-19"
    assert (ages["ci_low"] <= ages["share_ever_infected"]).all()
    assert susceptibility(run, by="education").height == 9
    with pytest.raises(InputError, match="did you mean 'agreeableness'"):
        susceptibility(run, by="agreeable")


def denied(days, seed=0):
    mind = RuleMind(lambda asked: ((asked.heard.speaker != -2).all(axis=1) & (asked.time < 9)).astype(int))
    sim = FakeNewsPropagation(
        "news",
        mind=mind,
        interventions=[Announcement(days)] if days else [],
        seed=seed,
        stop_when_extinct=None,
    )
    return sim.run(3)


def test_the_frontier_pairs_policies():
    table = intervention_frontier({"twice": denied((2, 3)), "none": denied(()), "once": denied((4,))})
    assert table["policy"].to_list() == ["none", "once", "twice"]
    assert table["benefit"].to_list() == [0.0, 30.0, 60.0]
    assert table["per_announcement"].to_list() == [None, 30.0, 30.0]
    with pytest.raises(InputError, match="0 of"):
        intervention_frontier({"once": denied((4,))})
    with pytest.raises(InputError, match="other seeds"):
        intervention_frontier({"none": denied(()), "once": denied((4,), seed=1)})


def test_the_mean_of_an_item_that_spreads_is_an_sis_curve():
    run = FakeNewsPropagation("news", plausibility=-0.6, seed=100).run(40)
    fit = fit_sis(run.infected.mean(axis=0), 30)
    assert fit.identified
    assert fit.r2 > 0.9
    assert speed(FakeNewsPropagation("news", plausibility=-1.6, seed=100).run(20)).final.max() < 0.05


def test_tweets_are_less_varied_without_short_memory():
    def varied(*memory):
        return FakeNewsPropagation("news", memory=memory, plausibility=-0.4, stop_when_extinct=None).run(5)

    full, none = varied("short", "long"), varied("long")
    for n in (1, 2):
        assert (full.distinct(n) > none.distinct(n)).all()
    said = full.tweets.filter(population=2)
    from doxa.society.diversity import distinct_n

    assert full.distinct(2)[2] == pytest.approx(distinct_n(said["text"].to_list(), 2))
