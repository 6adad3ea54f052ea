from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.neural import NeuralPlan
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.recording import base_rates
from doxa.society.clusters.scoring import next_states
from doxa.society.clusters.symbolic import SymbolicPath
from doxa.society.clusters.world import WorldPlan, epidemic_plan, make_world, true_staying
from doxa.society.dynamics import Compartments
from doxa.streams import stream


def market_plan(herding: float, **changes) -> WorldPlan:
    """Return traders with many links, who follow at a hazard of herding·share."""
    plan = {
        "factors": (1.0,),
        "agents_per_type": 800,
        "blocks": 1,
        "links": 40.0,
        "inside": 1.0,
        "days": 50,
        "rhythm": 0.0,
        "shift_day": 99,
        "imported": 0.002,
        "start": {"neutral": 300, "bullish": 250},
    }
    return WorldPlan(Compartments.market(), (herding,) * 4, **(plan | changes))


@pytest.mark.parametrize("herding", [0.1, 0.5])
def test_the_herding_of_a_market_is_recovered(herding):
    world = make_world(market_plan(herding), 2)
    made = world.plan.compartments
    history = ClusterHistory.of_agents(made, world.states, world.types, world.graph)
    posterior = SymbolicPath(made, window=49).posterior(history, np.array([49]))
    assert (posterior.a / posterior.b).ravel() == pytest.approx(np.full(4, herding), rel=0.08)


def test_a_market_goes_through_the_whole_pipeline():
    plan = NeuralPlan(members=2, epochs=40, hidden=8)
    world = make_world(
        market_plan(
            0.5, factors=(0.5, 1.5), agents_per_type=150, days=60, start={"neutral": 100, "bullish": 100}
        ),
        2,
    )
    model = ClusterModel(
        world.plan.compartments, world.graph, world.states, world.types, np.eye(2), (8, 30), 2, plan=plan
    )
    days = np.arange(31, 59)
    fused = model.scored(model.daily.held(31).paths["fused"], days).nll
    assert fused < model.scored(base_rates(model, len(days)), days).nll
    forecast, _ = model.window(40, 7, paths=10)
    assert np.all(forecast.counts.sum(axis=(2, 3)) == 300)


def test_true_moves_are_how_often_agents_move():
    world = make_world(epidemic_plan(), 4)
    made, before, after = world.plan.compartments, world.states[:-1], world.states[1:]
    moved = made.moved(before, after)
    for place in range(5):
        at_risk = before == made.sources[place]
        p = world.moves[..., place][at_risk]
        assert (moved[at_risk] == place).sum() == pytest.approx(p.sum(), abs=4 * np.sqrt((p * (1 - p)).sum()))
    # and those of a higher factor are infected more often
    risk = before == 0
    means = [
        world.moves[..., 0][:, world.types == kind][risk[:, world.types == kind]].mean() for kind in (0, 3)
    ]
    assert means[1] > 1.8 * means[0]


def test_true_probabilities_are_calibrated_and_the_floor():
    world = make_world(epidemic_plan(), 4)
    days = np.arange(39, 83)
    made = world.plan.compartments
    true = next_states(made, world.states, days, iter(world.moves[days]))
    for part in true.reliability:
        spread = np.sqrt(part.credence * (1 - part.credence) / part.n)
        assert part.share_true == pytest.approx(part.credence, abs=4 * spread)
    for factor in (0.5, 1.5):
        wrong = next_states(made, world.states, days, iter(world.moves[days] * factor))
        assert wrong.nll > true.nll
        assert wrong.brier > true.brier
        assert wrong.ece > true.ece


def test_true_staying_starts_at_the_true_moves():
    world = make_world(epidemic_plan(agents_per_type=40), 4)
    staying = true_staying(world, 30, 7, stream(0, "test"), 20)
    out = np.where(world.plan.compartments.sources == world.states[30][:, None], world.moves[30], 0.0).sum(
        axis=1
    )
    assert staying[:, 1] == pytest.approx(1 - out)
    assert np.all(np.diff(staying, axis=1) <= 1e-12)
    assert np.all(staying[world.states[30] == 4] == 1.0)


def test_without_contact_and_import_nobody_is_infected():
    world = make_world(
        epidemic_plan(rates=(0.0, 0.25, 0.15, 0.004, 0.05), imported=0.0, agents_per_type=40), 1
    )
    infected = ((world.states[:-1] == 0) & (world.states[1:] == 1)).sum()
    assert infected == 0
    with pytest.raises(InputError, match="give one >= 0 for susceptible→exposed"):
        epidemic_plan(rates=(0.1,))
