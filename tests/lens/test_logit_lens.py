from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lens.capture import Wanted, activations, next_log_probs
from doxa.lens.logit_lens import lens_logits, logit_lens_margin
from tests.lens import lens_models

FAMILIES = [*lens_models.FAMILIES, *lens_models.WITHOUT_WRITES]


@pytest.mark.parametrize("family", FAMILIES)
def test_at_the_top_it_is_the_models_own_output(family: str):
    model = lens_models.model(family)
    rows = lens_models.rows(5, 30, 12)
    top = activations(model, rows, Wanted((1,)))[:, 0, 0]
    own = np.stack([lens_models.alone(model, row).logits[0, -1].numpy() for row in rows])
    np.testing.assert_allclose(lens_logits(model, top), own, atol=1e-5)
    log_probs = torch.log_softmax(torch.from_numpy(own), -1).numpy()
    np.testing.assert_allclose(next_log_probs(model, rows), log_probs, atol=1e-5)
    margin = logit_lens_margin(model, rows, [5, 6, 7], [8, 9, 4])
    assert margin.shape == (3, 3)
    expected = log_probs[[0, 1, 2], [5, 6, 7]] - log_probs[[0, 1, 2], [8, 9, 4]]
    np.testing.assert_allclose(margin[:, -1], expected, atol=1e-5)
    assert "forward" not in vars(model.get_decoder())


@pytest.mark.parametrize("tied", [True, False])
def test_it_is_head_of_norm_of_the_stream(tied: bool):
    model = lens_models.model("llama", tied=tied)
    hidden = activations(model, lens_models.rows(5, 7), Wanted((-1, 0)))
    with torch.no_grad():
        given = torch.from_numpy(hidden)
        with_norm = model.lm_head(model.model.norm(given)).numpy()
        without = model.lm_head(given).numpy()
    np.testing.assert_allclose(lens_logits(model, hidden), with_norm, atol=1e-5)
    np.testing.assert_allclose(lens_logits(model, hidden, final_norm=False), without, atol=1e-5)
    assert torch.is_tensor(lens_logits(model, given))
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied


def test_margins_change_sign_with_the_pair_and_are_the_lens_at_every_depth():
    model = lens_models.model("gemma2")
    rows = lens_models.rows(5, 7, 5)
    margin = logit_lens_margin(model, rows, [5, 6, 7], [8, 9, 4], batch_tokens=7)
    np.testing.assert_array_equal(
        logit_lens_margin(model, rows, [8, 9, 4], [5, 6, 7], batch_tokens=7), -margin
    )
    stream = activations(model, rows, Wanted((-1, 0, 1)))[:, 0]
    logits = lens_logits(model, stream)
    by_hand = [
        logits[row, :, true] - logits[row, :, false]
        for row, (true, false) in enumerate([(5, 8), (6, 9), (7, 4)])
    ]
    np.testing.assert_allclose(margin, by_hand, atol=1e-5)


def test_a_head_that_fails_leaves_the_decoder_as_it_was():
    model = lens_models.model("llama")
    hidden = activations(model, lens_models.rows(3))
    model.lm_head.forward = lambda stream: 1 / 0
    with pytest.raises(ZeroDivisionError):
        lens_logits(model, hidden)
    del model.lm_head.forward
    assert "forward" not in vars(model.model)


def test_a_forward_of_the_decoders_own_is_put_back():
    model = lens_models.model("llama")
    hidden = activations(model, lens_models.rows(3))
    plain, own = lens_logits(model, hidden), model.model.forward
    calls: list[int] = []

    def dispatched(*arguments: object, **named: object) -> object:
        calls.append(1)
        return own(*arguments, **named)

    model.model.forward = dispatched
    np.testing.assert_array_equal(lens_logits(model, hidden), plain)
    assert vars(model.model)["forward"] is dispatched
    activations(model, lens_models.rows(3))
    assert calls


def test_bad_input_is_refused():
    model = lens_models.model("llama")
    with pytest.raises(InputError, match="hidden has width 31, the model's residual stream 32"):
        lens_logits(model, np.zeros((2, 31), np.float32))
    with pytest.raises(InputError, match="1 true and 2 false ids for 2 rows"):
        logit_lens_margin(model, [[1], [2]], [3], [4, 5])
    with pytest.raises(InputError, match=r"rows\[1\]: true and false are the same token 5"):
        logit_lens_margin(model, [[1], [2]], [3, 5], [4, 5])
