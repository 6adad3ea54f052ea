from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import polygamma

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.society.clusters.features import telling_states
from doxa.society.clusters.fusion import EpistemicFusion
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.line import fitted_line
from doxa.society.clusters.neural import NeuralPath, NeuralPlan, _Targets, check_seen
from doxa.society.clusters.one_step import hazards
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.rolling import _erring
from doxa.society.clusters.stacked_net import NetInputs, NetSize, forward, initial, recurrent
from doxa.society.clusters.symbolic import Prediction, SymbolicPath
from doxa.society.clusters.world import epidemic_plan, make_world
from doxa.society.dynamics import Alone, Compartments, Contact
from doxa.streams import torch_stream

PLAN = NeuralPlan(members=3, epochs=40, hidden=8)


@pytest.fixture(scope="module")
def model():
    world = make_world(epidemic_plan(agents_per_type=40, days=60), 3)
    places = np.eye(4)
    return ClusterModel(
        world.plan.compartments, world.graph, world.states, world.types, places, (8, 30), 3, plan=PLAN
    )


def test_the_posterior_of_a_plain_transition_is_the_beta_of_its_counts():
    made = Compartments(("a", "b"), (Alone("a", "b", 0.25),))
    counts = np.array([[[100, 0]], [[90, 10]], [[70, 30]]])
    events = np.array([[[10]], [[20]]])
    history = ClusterHistory(made, counts, events, np.eye(1))
    path = SymbolicPath(made, window=14, strength=2.0)
    posterior = path.posterior(history, np.array([2]))
    assert posterior.a.item() == 2 + 30
    assert posterior.b.item() == 6 + 90 + 70
    told = posterior.predict(np.ones((1, 1, 1)))
    assert expit(told.logit.item()) == pytest.approx(32 / (32 + 166))
    assert told.variance.item() == pytest.approx(polygamma(1, 32) + polygamma(1, 166))
    last = SymbolicPath(made, window=1, strength=2.0).posterior(history, np.array([2]))
    assert last.a.item() == 2 + 20, "older days are forgotten"


def test_rivals_are_no_trials():
    made = Compartments.seird()
    counts = np.zeros((2, 1, 5), dtype=np.int64)
    counts[:, 0, 2] = 50
    events = np.array([[[0, 0, 10, 5, 0]]])
    history = ClusterHistory(made, counts, events, np.eye(1))
    assert history.trials[0, 0].tolist() == [0, 0, 45, 40, 0]


def test_the_contact_rate_is_recovered():
    # with many links the infected hardly sit together, so that clusters' mean shares are what agents meet
    world = make_world(
        epidemic_plan(rhythm=0.0, days=40, shift_day=99, factors=(1.0,), agents_per_type=4000, links=60.0), 1
    )
    history = ClusterHistory.of_agents(world.plan.compartments, world.states, world.types, world.graph)
    posterior = SymbolicPath(world.plan.compartments, window=30).posterior(history, np.array([38]))
    rate = (posterior.a / posterior.b)[0, 0]
    assert rate[0] == pytest.approx(0.45, rel=0.1)
    assert rate[1] / (1 + rate[1]) == pytest.approx(0.25, rel=0.06)


def test_a_stack_is_its_members_one_by_one():
    size = NetSize(3, 4, 5, 2, 6, hidden=8)
    weights = initial(size, torch_stream(0, "t"))
    inputs = NetInputs(
        *(
            torch.randn(s, generator=torch_stream(1, "x", i))
            for i, s in enumerate(((7, 4), (7, 3, 5), (7, 2)))
        )
    )
    whole = forward(weights, inputs)
    for member in range(3):
        own = {name: tensor[member : member + 1] for name, tensor in weights.items()}
        assert torch.allclose(forward(own, inputs)[0], whole[member], atol=1e-6)
    # the recurrent layer against torch's own
    cell = torch.nn.LSTM(5, 8, 2, batch_first=True)
    order = torch.cat([torch.arange(8, 16), torch.arange(0, 8), torch.arange(24, 32), torch.arange(16, 24)])
    with torch.no_grad():
        for layer in range(2):
            for ours, theirs in (
                (f"in{layer}", f"weight_ih_l{layer}"),
                (f"back{layer}", f"weight_hh_l{layer}"),
            ):
                getattr(cell, theirs).copy_(weights[ours][0].T[order])
            bias = torch.zeros(32)
            bias[8:16] = 1.0
            getattr(cell, f"bias_ih_l{layer}").copy_(bias)
            getattr(cell, f"bias_hh_l{layer}").zero_()
        sequence = inputs.series.transpose(0, 1)[None]
        own = {name: tensor[:1] for name, tensor in weights.items()}
        for layer in range(2):
            sequence = recurrent(own, sequence, layer)
        assert torch.allclose(cell(inputs.series)[0][:, -1], sequence[0, -1], atol=1e-6)


def test_networks_beat_base_rates_on_their_days_and_are_the_same_again(model):
    days = np.arange(8, 31)
    history = model.history
    told = model.neural.predict(history.situations(days))
    events, trials = history.events[days], history.trials[days]

    def loss(logit):
        p = expit(logit)
        return -(events * np.log(p) + (trials - events) * np.log1p(-p)).sum()

    base = np.log(events.sum((0, 1)) / (trials - events).sum((0, 1)))
    assert loss(told.logit) < loss(np.broadcast_to(base, told.logit.shape))
    again = NeuralPath.fit(history, np.eye(4), days, seed=3, plan=PLAN).predict(history.situations(days))
    assert np.array_equal(again.logit, told.logit)
    assert np.all(told.variance > 0)


def test_a_transition_that_never_happens_is_named(model):
    world = make_world(epidemic_plan(rates=(0.45, 0.25, 0.15, 0.0, 0.05), agents_per_type=30, days=40), 3)
    history = ClusterHistory.of_agents(world.plan.compartments, world.states, world.types, world.graph)
    with pytest.raises(InputError, match="transition infected→dead: 0 of"):
        check_seen(history, np.arange(8, 30))
    with pytest.raises(InputError, match="places of 3 clusters"):
        NeuralPath.fit(model.history, np.eye(3), np.arange(8, 30), seed=0, plan=PLAN)


def test_the_authors_loss_trains_too(model):
    plan = NeuralPlan(members=2, epochs=5, hidden=8, loss="authors")
    told = NeuralPath.fit(model.history, np.eye(4), np.arange(8, 30), seed=0, plan=plan)
    assert np.isfinite(told.predict(model.history.situations(np.array([35]))).logit).all()
    with pytest.raises((InputError, TypeError), match="huber"):
        NeuralPlan(loss="huber")


def test_days_are_predicted_from_those_before_them(model):
    short = ClusterModel(
        model.compartments, model.graph, model.states[:50], model.labels, model.places, (8, 30), 3, plan=PLAN
    )
    whole, part = model.daily, short.daily
    shared = len(part.days)
    assert np.array_equal(whole.paths["fused"].logit[:shared], part.paths["fused"].logit)
    p = hazards(model.history, whole.paths["fused"])
    assert np.all((p > 0) & (p < 1))
    alone = model.predicted(EpistemicFusion("symbolic"), whole.days)
    assert np.array_equal(alone.paths["fused"].logit, whole.paths["symbolic"].logit)


def test_windows_hold_all_agents_and_start_where_they_are(model):
    forecast, seen = model.window(40, 7, paths=12)
    assert np.all(forecast.counts.sum(axis=(2, 3)) == 160)
    assert np.all(np.diff(forecast.staying, axis=1) <= 1e-12)
    dead = model.states[40] == 4
    assert np.all(forecast.staying[dead, -1] == 1.0)
    assert np.all((forecast.chance >= 0) & (forecast.chance <= 1))
    again, _ = model.window(40, 7, paths=12)
    assert np.array_equal(again.counts, forecast.counts)
    stayed = seen.left == 0
    assert np.all(model.states[47][stayed] == model.states[40][stayed])
    with pytest.raises(InputError, match="lookback=50"):
        model.window(40, 7, paths=12, lookback=50)
    with pytest.raises(InputError, match="last known day"):
        model.window(55, 7)


def test_agents_are_simulated_beyond_the_last_known_day(model):
    ahead = model.simulate(20, paths=6)
    assert ahead.counts.shape == (6, 20, 4, 5)
    assert np.all(ahead.counts.sum(axis=(2, 3)) == 160)
    dead = ahead.counts[..., 4].sum(axis=2)
    assert np.all(np.diff(dead, axis=1) >= 0)
    assert np.all(dead[:, 0] >= (model.states[-1] == 4).sum())
    with pytest.raises(InputError, match="origin=3"):
        model.simulate(7, origin=3)


def test_training_days_must_be_there(model):
    bad = ClusterModel(model.compartments, model.graph, model.states, model.labels, model.places, (2, 30), 3)
    with pytest.raises(InputError, match="trained"):
        _ = bad.neural


def test_the_line_is_the_fit_it_should_be():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3))
    yes = rng.random(400) < expit(-0.5 + rows @ [1.0, -0.5, 0.0])
    line = fitted_line(rows, yes.astype(float), np.ones(400), 0.7, np.ones(3))
    by_hand = LogisticRegression(C=1.0, tol=1e-8).fit(rows, yes)
    assert 0.7 + line[0] == pytest.approx(by_hand.intercept_[0], abs=1e-3)
    assert line[1:] == pytest.approx(by_hand.coef_[0], abs=1e-3)


def test_days_without_reports_do_not_drown_the_others():
    """Of counts of thousands that are 0 on a quarter of the days the mean is three quarters of what is reported."""
    rng = np.random.default_rng(0)
    trials = np.full((240, 1), 1_000_000.0)
    events = np.where(rng.random((240, 1)) < 0.25, 0.0, rng.poisson(4000, size=(240, 1)).astype(float))
    targets = _Targets.of(events, trials)
    logits = torch.linspace(-9, -3, 601)[:, None, None]
    loss = targets.loss(logits.expand(601, 240, 1), NeuralPlan(dispersion=0.1)).mean(dim=1)
    lowest = expit(float(logits[int(loss.argmin()), 0, 0]))
    assert lowest * 1e6 == pytest.approx(events.mean(), rel=0.02)
    assert float(loss.min()) >= 0.0


def test_only_states_that_matter_are_told_to_networks():
    assert telling_states(Compartments.seird()).tolist() == [0, 1, 2, 3]
    counted = Compartments(("s", "i", "r"), (Contact("s", "i", "i", 0.1),))
    assert telling_states(counted).tolist() == [0, 1], "the recovered drive nothing and only grow"


def test_errors_of_paths_keep_the_mean():
    noise = np.random.default_rng(0).normal(size=(40_000, 1, 1))
    for p, variance in ((0.02, 0.4), (0.5, 0.3), (0.9, 0.2)):
        told = Prediction(np.full((1, 1), np.log(p / (1 - p))), np.full((1, 1), variance))
        assert _erring(told, noise).mean() == pytest.approx(p, rel=0.03)
