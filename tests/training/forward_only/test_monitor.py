from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from doxa.errors import InputError
from doxa.nets.llama import llama_config
from doxa.nets.plan import NetShape
from doxa.training.forward_only import SKAMonitor, SKANetwork
from tests.training.forward_only.test_network import inputs


class Stack(nn.Module):
    """Linear layers with sigmoids, whose weights are those of a forward-only network."""

    def __init__(self, network):
        super().__init__()
        widths = (network.input_dim, *network.layer_sizes)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.take(network)

    def take(self, network):
        with torch.no_grad():
            for layer, weight, bias in zip(self.layers, network.weights, network.biases, strict=True):
                layer.weight.copy_(weight.T)
                layer.bias.copy_(bias)

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x


def test_the_monitor_reads_what_the_network_records():
    network = SKANetwork((5, 3), 6, 0.4)
    stack = Stack(network)
    monitor = SKAMonitor(stack, ["layers.*"], inputs(), dt=0.2)
    records = []
    for _ in range(8):
        monitor.measure()
        records.append(network.step(inputs(), 0.2))
        stack.take(network)
    own, seen = type(monitor.history()).of(records, 0.2), monitor.history()
    assert monitor.layers == ("layers.0", "layers.1")
    for name in (
        "entropy",
        "cosine",
        "flow_norm",
        "tensor_net",
        "lagrangian",
        "knowledge_norm",
        "weight_norm",
        "shannon",
    ):
        np.testing.assert_allclose(seen.curve(name), own.curve(name), rtol=2e-4, atol=1e-5)


def test_watching_changes_nothing():
    def trained(watch):
        model = Stack(SKANetwork((5, 3), 6, 0.4))
        model.train()
        optimiser = torch.optim.SGD(model.parameters(), 0.5)
        monitor = SKAMonitor(model, ["layers.*"], inputs())
        for _ in range(4):
            optimiser.zero_grad()
            (model(inputs()) - 1).square().sum().backward()
            if watch:
                monitor.measure()
            optimiser.step()
        assert model.training
        assert not model.layers[0]._forward_hooks
        return torch.cat([one.flatten() for one in model.parameters()])

    assert torch.equal(trained(True), trained(False))


def test_a_model_of_transformers_while_it_is_trained():
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(llama_config(NetShape(11, width=8, layers=2, heads=2, positions=16)))
    tokens = torch.arange(10).reshape(2, 5)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    monitor = SKAMonitor(model, ["*.mlp.gate_proj"], {"input_ids": tokens, "attention_mask": mask}, dt=0.1)
    optimiser = torch.optim.SGD(model.parameters(), 0.005)
    for _ in range(3):
        monitor.measure()
        optimiser.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimiser.step()
    assert monitor.layers == ("model.layers.0.mlp.gate_proj", "model.layers.1.mlp.gate_proj")
    history = monitor.history()
    assert history.entropy.shape == (2, 3)
    assert (history.flow_norm[:, 1:] > 0).all()
    np.testing.assert_allclose(history.cumulative("entropy_midpoint"), history.exact_entropy(), atol=2e-3)
    # rows are the 8 unmasked positions: the decisions' entropy is near 1 bit each while weights are small
    assert history.shannon[0, 0] == pytest.approx(8 * 16, rel=0.2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [(["layer.0"], "did you mean 'layers.0'"), ([], "give a list"), ("layers.0", "give a list")],
)
def test_layers_that_are_not_there_are_named(layers, message):
    with pytest.raises(InputError, match=message):
        SKAMonitor(Stack(SKANetwork((3,), 6)), layers, inputs())


def test_a_probe_that_does_not_fit_is_named():
    model = Stack(SKANetwork((3,), 6))
    model.unused = nn.Linear(2, 2)
    with pytest.raises(InputError, match="does not reach it"):
        SKAMonitor(model, ["unused"], inputs()).measure()
    with pytest.raises(InputError, match="dt=0"):
        SKAMonitor(model, ["layers.0"], inputs(), dt=0.0)
    with pytest.raises(InputError, match="NaN or infinity"):
        SKAMonitor(model, ["layers.0"], inputs() * float("nan")).measure()
    probe = [inputs()]
    monitor = SKAMonitor(model, ["layers.0"], probe)
    monitor.measure()
    probe[0] = inputs(5)
    with pytest.raises(InputError, match="keep the probe"):
        monitor.measure()
