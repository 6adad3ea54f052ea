from __future__ import annotations

import numpy as np
import torch

from doxa.nets import NetShape
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.transformer import StackedTransformer

SHAPE = NetShape(7, width=8, layers=1, heads=2, positions=8)


def loss_of(weights: dict[str, torch.Tensor], step: int) -> torch.Tensor:
    """A loss of each replicate that pulls all its weights, more strongly each step."""
    each = [
        ((weight - 0.1 * place) * (1 + step)).square().flatten(1).sum(1)
        for place, weight in enumerate(weights.values())
    ]
    return torch.stack(each).sum(0)


def test_each_replicate_has_its_own_rate_bound_and_count_of_steps():
    """Beside torch's AdamW and clipping for each replicate alone; the second one rests in two of five steps."""
    rates, bounds, resting = [1e-2, 3e-3, 1e-3], [0.5, 0.0, 5.0], (1, 3)
    net = StackedTransformer.initial(SHAPE, [0, 1, 2])
    alone = [net.select([place]) for place in range(3)]
    zeros = [[torch.zeros_like(weight) for weight in net.weights.values()] for _ in range(2)]
    stacked = StackedAdamW(net.weights, *zeros, updates=[0, 0, 0], weight_decay=0.1, clip_norm=bounds)
    peers: list[torch.optim.Optimizer] = []
    for one in alone:
        plain = [w.requires_grad_() for n, w in one.weights.items() if n.endswith(("norm", "embedding"))]
        decayed = [
            w.requires_grad_() for n, w in one.weights.items() if not n.endswith(("norm", "embedding"))
        ]
        peers.append(
            torch.optim.AdamW([{"params": decayed}, {"params": plain, "weight_decay": 0.0}], weight_decay=0.1)
        )
    for step in range(5):
        active = np.array([True, step not in resting, True])
        norms = stacked.step(loss_of(net.weights, step), rates, active)
        for place, (one, peer) in enumerate(zip(alone, peers, strict=True)):
            if not active[place]:
                continue
            peer.zero_grad()
            loss_of(one.weights, step).sum().backward()
            norm = torch.nn.utils.clip_grad_norm_(one.weights.values(), bounds[place] or float("inf"))
            torch.testing.assert_close(norms[place], norm)
            for group in peer.param_groups:
                group["lr"] = rates[place]
            peer.step()
    assert stacked.updates == [5, 3, 5]
    stacked.release()
    for place, one in enumerate(alone):
        for name, weight in one.weights.items():
            torch.testing.assert_close(net.weights[name][place], weight[0].detach(), atol=1e-6, rtol=1e-5)


def test_an_optimiser_goes_on_where_another_stopped():
    whole, parted = (StackedTransformer.initial(SHAPE, [0, 1]) for _ in range(2))
    kept = [[torch.zeros_like(weight) for weight in parted.weights.values()] for _ in range(2)]
    fresh = [[torch.zeros_like(weight) for weight in whole.weights.values()] for _ in range(2)]
    optimiser = StackedAdamW(whole.weights, *fresh, updates=[0, 0])
    for step in range(4):
        optimiser.step(loss_of(whole.weights, step), [1e-2, 1e-3])
    updates = [0, 0]
    for step in range(4):
        again = StackedAdamW(parted.weights, *kept, updates=updates)
        again.step(loss_of(parted.weights, step), [1e-2, 1e-3])
        updates = again.updates
        again.release()
    for name, weight in whole.weights.items():
        assert torch.equal(weight, parted.weights[name])
