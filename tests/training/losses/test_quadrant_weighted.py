"""The loss that weighs tokens by quadrant."""

from __future__ import annotations

import pytest
import torch

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.objectives import open_loss


def batch(dtype=torch.float64):
    rng = torch_stream(0, "quadrants")
    logits = 2 * torch.randn(4, 6, 9, generator=rng, dtype=dtype)
    log_p = logits.log_softmax(-1)
    tokens = torch.randint(9, (4, 6, 1), generator=rng)
    logp = log_p.gather(-1, tokens).squeeze(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    mask = torch.ones(4, 6)
    mask[1, 4:] = 0
    return logp, logp - 0.1, torch.tensor([1.0, -1.0, 0.5, -2.0], dtype=dtype), mask, entropy


def test_weights_of_one_are_dual_clip():
    logp, old, adv, mask, entropy = batch()
    ours = open_loss("quadrant-weighted")(logp, old, adv, mask, entropy=entropy)
    plain = open_loss("dual-clip?clip_high=0.28&dual_clip=10")(logp, old, adv, mask)
    assert torch.equal(ours.loss, plain.loss)
    assert ours.weights.sum() == mask.sum()


@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("kind", ["likely", "rare"])
def test_each_quadrant_gets_its_weight(sign, kind):
    logp, old, adv, mask, entropy = batch()
    found = open_loss(f"quadrant-weighted?{sign}_{kind}=3")(logp, old, adv, mask, entropy=entropy)
    for row in range(4):
        for place in range(6):
            inside = (adv[row] > 0) == (sign == "positive")
            inside &= bool(logp[row, place] > -entropy[row, place]) == (kind == "likely")
            expected = 0.0 if not mask[row, place] else 3.0 if inside else 1.0
            assert found.weights[row, place] == expected


def test_the_gradient_is_the_weight_times_that_of_the_clipped_loss():
    logp, old, adv, mask, entropy = batch()
    addresses = (
        "quadrant-weighted?positive_rare=0.25&negative_likely=2",
        "dual-clip?clip_high=0.28&dual_clip=10",
    )
    leaf = logp.clone().requires_grad_(True)
    outputs = [open_loss(address)(leaf, old, adv, mask, entropy=entropy) for address in addresses]
    ours, plain = (torch.autograd.grad(output.loss, leaf)[0] for output in outputs)
    assert torch.allclose(ours, plain * outputs[0].weights)


def test_bad_input_is_named():
    logp, old, adv, mask, entropy = batch()
    with pytest.raises(InputError, match="must be finite and >= 0"):
        open_loss("quadrant-weighted?negative_rare=-1")(logp, old, adv, mask, entropy=entropy)
    with pytest.raises(InputError, match="needs the entropy"):
        open_loss("quadrant-weighted")(logp, old, adv, mask)
