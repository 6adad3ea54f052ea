from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.forward_only import Convergence, ForwardOnlyWarning, SKAHistory, SKANetwork

LN2 = math.log(2.0)


def inputs(n=20, d=6, seed=0, dtype=torch.float32):
    return torch.rand(n, d, generator=torch_stream(seed, "tests", "inputs")).to(dtype)


def reference(x, weights, dt, steps):
    """The rule in plain numpy, entry by entry as the definitions read."""
    w = [one.numpy().astype(np.float64) for one in weights]
    b = [np.zeros(one.shape[1]) for one in w]
    x, z_old, d_old, rows = x.numpy().astype(np.float64), None, None, []
    for _ in range(steps):
        z, d, below = [], [], x
        for layer in range(len(w)):
            z.append(below @ w[layer] + b[layer])
            d.append(1.0 / (1.0 + np.exp(-z[-1])))
            below = d[-1]
        if z_old is not None:
            row = []
            for layer in range(len(w)):
                change, moved, slope = (
                    d[layer] - d_old[layer],
                    z[layer] - z_old[layer],
                    d[layer] * (1 - d[layer]),
                )
                entropy = -np.sum(z[layer] * change) / LN2
                norms = np.linalg.norm(z[layer]) * np.linalg.norm(change)
                row.append(
                    (
                        entropy,
                        np.sum(z[layer] * change) / norms if norms else 0.0,
                        np.linalg.norm(moved) / dt,
                        np.sum(moved * (d[layer] - z[layer] * slope / LN2)),
                        -np.sum(z[layer] * slope * moved) / dt,
                    )
                )
                gradient = -(z[layer] * slope + change) / LN2
                seen = x if layer == 0 else d_old[layer - 1]
                w[layer] = w[layer] - dt * seen.T @ gradient / len(x)
                b[layer] = b[layer] - dt * gradient.mean(axis=0)
            rows.append(row)
        z_old, d_old = z, d
    return np.array(rows), w, b


def test_the_rule_is_the_one_of_the_definitions():
    x = inputs(dtype=torch.float64)
    net = SKANetwork((5, 4, 3), 6, 0.5, seed=3, dtype=torch.float64)
    rows, weights, biases = reference(x, net.weights, 0.05, 12)
    history = net.run(x, 0.05, 12)
    names = ("entropy", "cosine", "flow_norm", "tensor_net", "lagrangian")
    for place, name in enumerate(names):
        np.testing.assert_allclose(history.curve(name)[:, 1:].T, rows[:, :, place], rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(net.weights, weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10)
    for ours, theirs in zip(net.biases, biases, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-14)


def test_one_step_by_hand():
    net = SKANetwork((1,), 1, seed=0, dtype=torch.float64)
    net.weights[0] = torch.tensor([[0.5]], dtype=torch.float64)
    x = torch.tensor([[1.0]], dtype=torch.float64)
    first = net.step(x, 0.1)
    assert first.steps is None
    assert float(net.weights[0]) == 0.5, "the first pass changes nothing"
    second = net.step(x, 0.1)
    assert second.steps[0].entropy == second.steps[0].flow_norm == second.steps[0].cosine == 0.0
    s = 1 / (1 + math.exp(-0.5))
    moved = 0.1 * 0.5 * s * (1 - s) / LN2
    assert float(net.weights[0]) == pytest.approx(0.5 + moved)
    assert float(net.biases[0]) == pytest.approx(moved)
    third = net.step(x, 0.1)
    assert third.time == pytest.approx(0.2)
    assert third.steps[0].flow_norm == pytest.approx(2 * moved / 0.1)
    assert third.steps[0].cosine == pytest.approx(1.0)


def test_seed_42_is_drawn_as_the_released_code_does():
    net = SKANetwork((3, 2), 4, seed=42)
    state = torch.Generator().manual_seed(42)
    assert torch.equal(net.weights[0], torch.randn(4, 3, generator=state) * 0.01)
    assert torch.equal(net.weights[1], torch.randn(3, 2, generator=state) * 0.01)


def test_zero_weights_stay_where_they_are():
    history = SKANetwork((4, 3), 6, init_std=0.0).run(inputs(), 0.1, 6)
    assert not history.knowledge_norm[0].any()
    for name in ("entropy", "cosine", "lagrangian", "flow_norm", "tensor_net"):
        assert not np.nanmax(np.abs(history.curve(name)))
    assert history.zero_crossings() == (None, None)


def test_a_single_layer_is_symmetric_under_a_change_of_sign():
    plus, minus = (SKANetwork((4,), 6, 0.3, seed=1, dtype=torch.float64) for _ in range(2))
    minus.weights[0] = -minus.weights[0]
    x = inputs(dtype=torch.float64)
    one, other = plus.run(x, 0.05, 20), minus.run(x, 0.05, 20)
    assert torch.allclose(plus.forward(x)[0].knowledge, -minus.forward(x)[0].knowledge)
    for name in ("entropy", "cosine", "lagrangian", "flow_norm"):
        np.testing.assert_allclose(one.curve(name), other.curve(name), rtol=1e-9)
    assert not np.allclose(one.tensor_net[:, 1:], other.tensor_net[:, 1:])


def test_layers_below_do_not_see_a_change_above():
    one, other = SKANetwork((4, 3, 2), 6, 0.3), SKANetwork((4, 3, 2), 6, 0.3)
    for net in (one, other):
        net.step(inputs(), 0.1)
    other.weights[2] = other.weights[2] + 1.0
    for net in (one, other):
        net.step(inputs(), 0.1)
    assert torch.equal(one.weights[0], other.weights[0])
    assert torch.equal(one.weights[1], other.weights[1])
    one.run(inputs(), 0.1, 10)
    other.run(inputs(), 0.1, 10)
    assert torch.equal(one.weights[0], other.weights[0])
    assert not torch.allclose(one.weights[2], other.weights[2])


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(20)))
def test_the_order_of_samples_does_not_count(order):
    x = inputs(dtype=torch.float64)
    straight, mixed = (SKANetwork((4, 3), 6, 0.3, dtype=torch.float64) for _ in range(2))
    one, other = straight.run(x, 0.1, 6), mixed.run(x[list(order)], 0.1, 6)
    for name in ("entropy", "cosine", "tensor_net", "knowledge_norm"):
        np.testing.assert_allclose(one.curve(name), other.curve(name), rtol=1e-9, atol=1e-12)


def test_a_doubled_batch_doubles_entropy_and_leaves_weights():
    x = inputs(dtype=torch.float64)
    once, twice = (SKANetwork((4, 3), 6, 0.3, dtype=torch.float64) for _ in range(2))
    one, other = once.run(x, 0.1, 8), twice.run(torch.cat([x, x]), 0.1, 8)
    np.testing.assert_allclose(2 * one.entropy, other.entropy, rtol=1e-9)
    np.testing.assert_allclose(one.cosine, other.cosine, rtol=1e-9)
    for before, after in zip(once.weights, twice.weights, strict=True):
        assert torch.allclose(before, after)


def test_sums_come_to_the_closed_forms_and_the_midpoint_is_a_better_one():
    x = inputs(dtype=torch.float64)
    errors = []
    for dt, steps in ((0.2, 41), (0.1, 81)):
        history = SKANetwork((8, 4), 6, 0.4, dtype=torch.float64).run(x, dt, steps)
        exact = history.exact_entropy()[:, -1]
        errors.append(
            [
                np.abs(history.cumulative(name)[:, -1] / exact - 1.0)
                for name in ("entropy", "entropy_midpoint")
            ]
            + [
                np.abs(history.cumulative("tensor_net")[:, -1] / history.exact_net()[:, -1] - 1.0),
                np.abs(dt * history.cumulative("lagrangian")[:, -1] / LN2 / exact - 1.0),
            ]
        )
        z0 = SKANetwork((8, 4), 6, 0.4, dtype=torch.float64).forward(x)
        assert history.shannon[0, 0] == pytest.approx(
            float(sum(-(p * p.log2() + (1 - p) * (1 - p).log2()).sum() for p in [z0[0].decision]))
        )
    coarse, fine = np.array(errors)
    np.testing.assert_allclose(coarse[0] / fine[0], 2.0, rtol=0.15)
    np.testing.assert_allclose(coarse[1] / fine[1], 4.0, rtol=0.3)
    assert (coarse[3] / fine[3] > 1.8).all(), "the action's error falls at least as fast as the step"
    assert (fine[1] < 0.1 * fine[0]).all()


def test_a_run_stops_where_nothing_changes():
    long = SKANetwork((4,), 6, 0.5).run(inputs(), 0.5, 3000, stop=Convergence(0.02, 4))
    assert 4 < long.steps < 3000
    last = long.flow_norm[0, -5:]
    assert np.all(np.abs(np.diff(last)) <= 0.02 * np.maximum(last[1:], last[:-1]))
    seen = []
    SKANetwork((4,), 6).run(inputs(), 0.1, total_time=0.5, callback=lambda record: seen.append(record.step))
    assert seen == [0, 1, 2, 3, 4]


def test_noise_is_drawn_from_its_generator():
    def weights(seed):
        net = SKANetwork((3,), 6)
        net.run(inputs(), 0.1, 4, weight_noise=0.1, generator=torch_stream(seed, "tests"))
        return net.weights[0]

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.run(inputs(), 0.0, 5), "dt=0.0: must be > 0"),
        (lambda net: net.run(inputs(), math.nan, 5), "dt=nan"),
        (lambda net: net.run(inputs(), 0.1, 1), "steps=1: must be >= 2"),
        (lambda net: net.run(inputs(), 0.1, total_time=0.1), "too short"),
        (lambda net: net.run(inputs(), 0.1), "give one of them"),
        (lambda net: net.run(inputs().reshape(20, 2, 3), 0.1, 5), "flatten images"),
        (lambda net: net.run(inputs() * math.nan, 0.1, 5), "NaN"),
        (lambda net: net.run(inputs(d=5), 0.1, 5), "5 features"),
        (lambda net: net.run(inputs(), 0.1, 5, labels=[1]), "SKA takes no labels"),
        (lambda net: net.run((inputs(), torch.zeros(20)), 0.1, 5), "SKA takes no labels"),
        (lambda net: (net.step(inputs(), 0.1), net.step(inputs(seed=1), 0.1)), "full-batch"),
        (lambda net: net.step(inputs(), 0.1, weight_noise=0.1), "generator"),
        (lambda net: net.run([[1.0, 2.0], [3.0]], 0.1, 5), "rows of one length"),
        (lambda net: SKANetwork((), 6), "give at least one layer"),
        (lambda net: SKANetwork((3, 0), 6), "layer_sizes=0"),
        (lambda net: SKANetwork((3,), 6, -1.0), "init_std=-1.0"),
        (lambda net: Convergence(0.0), "tolerance"),
        (lambda net: SKAHistory.of([net.step(inputs(), 0.1)], 0.1), "two or more"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call(SKANetwork((3,), 6))


@pytest.mark.parametrize("kind", [torch.clone, torch.Tensor.numpy])
def test_a_batch_that_is_filled_anew_is_another_one(kind):
    net, x = SKANetwork((3,), 6), kind(inputs())
    net.step(x, 0.1)
    net.step(x, 0.1)
    x[0] += 0.5
    with pytest.raises(InputError, match="full-batch"):
        net.step(x, 0.1)


def test_another_batch_is_welcome_after_a_reset():
    net = SKANetwork((3,), 6)
    net.step(inputs(), 0.1)
    net.reset()
    assert net.step(inputs(seed=1), 0.1).steps is None


def test_inputs_out_of_range_are_warned_about():
    with pytest.warns(ForwardOnlyWarning, match=r"not in \[0, 1\].*lambda_max.*at most"):
        SKANetwork((3,), 6).run(10 * inputs() - 1, 0.01, 3)
    with pytest.warns(ForwardOnlyWarning, match="dt=5 should be at most"):
        SKANetwork((3,), 6).run(inputs(), 5.0, 3)
    with pytest.warns(ForwardOnlyWarning, match="dt=5 should be at most"):
        SKANetwork((3,), 6).step(inputs(), 5.0)
