from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.rescue import activation_patch, check_alike, head_ablation, margins_of
from doxa.lens.truth_margin import verdicts
from doxa.lens.truth_tokens import TokenPairs
from doxa.streams import stream
from tests.subjects import tiny_models

FAMILIES = ("llama", "qwen3", "gemma2", "gpt2")


def items(seed=0, count=12):
    """Return rows of several lengths with two tokens to choose between."""
    rng = stream(seed, "items")
    rows = [rng.integers(3, 300, int(length)) for length in rng.integers(3, 7, count)]
    true = rng.integers(3, 150, count)
    return TokenPairs(rows, true, true + rng.integers(1, 100, count))


@pytest.mark.parametrize("family", FAMILIES)
def test_margins_are_the_models_own(family):
    model, pairs = tiny_models.model(family), items()
    read = margins_of(model, pairs)
    for row, true, false, value in zip(*pairs, read, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor(row)[None]).logits[0, -1]
        assert value == pytest.approx(float(logits[true] - logits[false]), abs=1e-4)
    np.testing.assert_allclose(logit_lens_margin(model, *pairs)[:, -1], read, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("site", ["residual", "attention", "mlp"])
@pytest.mark.parametrize("positions", ["last", "all"])
def test_patching_with_a_models_own_activations_changes_nothing(family, site, positions):
    model, pairs = tiny_models.model(family), items()
    table = activation_patch(model, model, pairs, site, positions)
    np.testing.assert_allclose(table.margins, np.repeat(margins_of(model, pairs)[:, None], 2, 1), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_clean_tokens_everywhere_give_the_clean_answer(family):
    clean, poisoned, pairs = tiny_models.model(family), tiny_models.model(family, seed=1), items()
    # the heads are made alike: what is patched is the stream before them
    poisoned.load_state_dict(
        poisoned.state_dict()
        | {
            name: weight
            for name, weight in clean.state_dict().items()
            if "embed" in name
            or "wte" in name
            or "head" in name
            or name.split("model.")[-1] == "norm.weight"
            or "ln_f" in name
        }
    )
    table = activation_patch(clean, poisoned, pairs, positions="all")
    np.testing.assert_allclose(table.margins[:, -1], margins_of(clean, pairs), atol=1e-3)
    last = activation_patch(clean, poisoned, pairs)
    np.testing.assert_allclose(last.margins[:, -1], margins_of(clean, pairs), atol=1e-3)


def test_clean_to_clean_rescues_what_is_true():
    model, pairs = tiny_models.model("llama"), items(count=30)
    true = pairs.chosen(np.flatnonzero(verdicts(margins_of(model, pairs)) == 1))
    table = activation_patch(model, model, true)
    assert table.rescued.tolist() == [1.0, 1.0]
    assert table.corrupted.tolist() == [0.0, 0.0]
    assert table.patchability.tolist() == [1.0] * len(true.rows)


def test_rates_are_shares_of_the_items():
    table = activation_patch(tiny_models.model("llama"), tiny_models.model("llama", seed=1), items(count=30))
    read = verdicts(table.margins)
    assert table.rescued.tolist() == pytest.approx((read == 1).mean(0).tolist())
    assert ((table.rescued + table.corrupted) <= 1).all()


def test_ablating_a_head_that_writes_nothing_changes_nothing():
    model, pairs = copy.deepcopy(tiny_models.model("llama")), items()
    width = model.config.hidden_size // model.config.num_attention_heads
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight[:, width : 2 * width] = 0
    rescued, margin = head_ablation(model, pairs)
    own = margins_of(model, pairs)
    assert margin[0, 1] == pytest.approx(own.mean(), abs=1e-5)
    assert rescued[0, 1] == pytest.approx((verdicts(own) == 1).mean())
    assert margin[1, 0] != pytest.approx(own.mean(), abs=1e-5)


def test_models_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="patch between models of one shape"):
        check_alike(tiny_models.model("llama"), wider())
    with pytest.raises(InputError, match="no item is given"):
        activation_patch(tiny_models.model("llama"), tiny_models.model("llama"), items().chosen([]))


def wider():
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(
        tiny_models.CONFIGS["llama"]().__class__(**{**tiny_models._SMALL, "hidden_size": 64})
    ).eval()
