from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lens.anatomy import anatomy
from doxa.lens.capture import Wanted, activations, next_log_probs
from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.patching import ablated_head, head_means, patched, patched_log_probs
from tests.lens import lens_models
from tests.subjects.tiny_models import DEVICES

LENGTHS = (5, 30, 12, 5)


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_a_models_own_activations_change_nothing(family: str):
    model = lens_models.model(family)
    rows = lens_models.rows(*LENGTHS)
    own = next_log_probs(model, rows)
    for site in ("residual", "attention", "mlp"):
        values = activations(model, rows, Wanted((0, 1), site))[:, 0]
        for layer in (0, 1):
            again = patched_log_probs(model, rows, layer, values[:, layer], site=site)
            np.testing.assert_allclose(again, own, atol=1e-5)
    embedded = activations(model, rows, Wanted((-1,), places=[[0, 1]] * 4))[:, :, 0]
    np.testing.assert_allclose(
        patched_log_probs(model, rows, -1, embedded, places=[[0, 1]] * 4), own, atol=1e-5
    )
    assert lens_models.hooks(model) == 0


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_every_position_of_a_layer_from_another_model_is_that_models_output_from_there(family: str):
    """The poisoned model's last block, head and norm are the clean one's here, so that nothing else can differ."""
    clean, poisoned = lens_models.model(family), lens_models.model(family, seed=1)
    above = [anatomy(poisoned).blocks[1], anatomy(poisoned).final_norm, poisoned.get_output_embeddings()]
    for module, from_ in zip(
        above,
        [anatomy(clean).blocks[1], anatomy(clean).final_norm, clean.get_output_embeddings()],
        strict=True,
    ):
        module.load_state_dict(from_.state_dict())
    rows = lens_models.rows(6, 6, name="same length")
    values = activations(clean, rows, Wanted((0,), places=[list(range(6))] * 2))[:, :, 0]
    target = next_log_probs(clean, rows)
    assert np.abs(next_log_probs(poisoned, rows) - target).max() > 0.1
    np.testing.assert_allclose(patched_log_probs(poisoned, rows, 0, values, places="all"), target, atol=1e-4)


def test_the_last_layers_last_position_carries_the_whole_answer():
    clean, poisoned = lens_models.model("qwen3"), lens_models.model("qwen3", seed=1)
    poisoned.model.norm.load_state_dict(clean.model.norm.state_dict())
    poisoned.lm_head.load_state_dict(clean.lm_head.state_dict())
    rows = lens_models.rows(*LENGTHS)
    values = activations(clean, rows, Wanted((1,)))[:, 0, 0]
    rescued = patched_log_probs(poisoned, rows, 1, values)
    np.testing.assert_allclose(rescued, next_log_probs(clean, rows), atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_means_the_same_positions(side: str, device: str):
    model = lens_models.model("llama").to(device)
    rows = lens_models.rows(4, 7, 2)
    values = np.random.default_rng(0).standard_normal((3, 2, 32)).astype(np.float32)
    places = [[0, -1]] * 3
    expected = patched_log_probs(model, rows, 0, values, places=places)
    ids, mask = torch.zeros(3, 7, dtype=torch.long), torch.zeros(3, 7, dtype=torch.long)
    for line, row in enumerate(rows):
        span = slice(0, len(row)) if side == "right" else slice(7 - len(row), 7)
        ids[line, span], mask[line, span] = torch.from_numpy(row), 1
    position = (mask.cumsum(1) - 1).clamp(min=0)
    with patched(model, 0, values, places=places), torch.no_grad():
        logits = model(
            ids.to(device), attention_mask=mask.to(device), position_ids=position.to(device)
        ).logits
    ends = [len(row) - 1 if side == "right" else 6 for row in rows]
    own = torch.log_softmax(logits.cpu()[torch.arange(3), ends], -1).numpy()
    np.testing.assert_allclose(own, expected, atol=1e-4)


def test_rows_keep_their_values_whatever_the_batches():
    model = lens_models.model("llama")
    rows = lens_models.rows(9, 3, 9, 5)
    values = np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)
    together = patched_log_probs(model, rows, 0, values, batch_tokens=9)
    for place, row in enumerate(rows):
        alone = patched_log_probs(model, [row], 0, values[place : place + 1])
        np.testing.assert_allclose(together[place], alone[0], atol=1e-5)
    with patched(model, 1, values):
        margins = logit_lens_margin(model, rows, [5] * 4, [6] * 4, batch_tokens=5)
        read = activations(model, rows, Wanted((1,)), prefix=[3, 4], batch_tokens=9)
    np.testing.assert_array_equal(read[:, 0, 0], values)
    expected = patched_log_probs(model, rows, 1, values)
    np.testing.assert_allclose(margins[:, -1], expected[:, 5] - expected[:, 6], atol=1e-5)


def test_a_part_of_a_row_that_comes_later_is_patched_where_it_belongs():
    model = lens_models.model("llama")
    row = lens_models.rows(8)[0]
    values = np.ones((1, 32), np.float32)
    expected = patched_log_probs(model, [row], 0, values, places=5)
    ids = torch.from_numpy(row)[None]
    with patched(model, 0, values, places=5), torch.no_grad():
        first = model(ids[:, :3], use_cache=True)
        second = model(ids[:, 3:], past_key_values=first.past_key_values)
    np.testing.assert_allclose(torch.log_softmax(second.logits[0, -1], -1), expected[0], atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "mixtral", "gpt-neox"])
def test_a_head_is_taken_out_before_the_heads_are_mixed(family: str):
    model = lens_models.model(family)
    rows = lens_models.rows(6, 9)
    known = anatomy(model)
    plain = activations(model, rows, Wanted((0, 1), "attention"))[:, 0]
    with ablated_head(model, 1, 2):
        without = activations(model, rows, Wanted((0, 1), "attention"))[:, 0]
    np.testing.assert_array_equal(without[:, 0], plain[:, 0])
    assert np.abs(without[:, 1] - plain[:, 1]).max() > 1e-3
    weights = known.projections[1].weight.detach().clone()
    columns = slice(16, 24)
    with torch.no_grad():  # the oracle: the matrix without that head's columns
        (
            known.projections[1].weight[columns]
            if family == "gpt2"
            else known.projections[1].weight[:, columns]
        ).zero_()
    np.testing.assert_allclose(
        activations(model, rows, Wanted((1,), "attention"))[:, 0, 0], without[:, 1], atol=1e-5
    )
    with torch.no_grad():
        known.projections[1].weight.copy_(weights)
    assert lens_models.hooks(model) == 0


def test_a_head_can_be_set_to_its_mean():
    model = lens_models.model("llama")
    row = lens_models.rows(6)
    means = head_means(model, row, 0)
    assert means.shape == (4, 8)
    own = activations(model, row, Wanted((0,), "attention"))
    with ablated_head(model, 0, 3, means[3]):  # of one row, the mean at its end is what stands there
        np.testing.assert_allclose(activations(model, row, Wanted((0,), "attention")), own, atol=1e-6)
    several = lens_models.rows(6, 9, 3)
    np.testing.assert_allclose(
        head_means(model, several, 0, batch_tokens=9),
        np.mean([head_means(model, [one], 0) for one in several], axis=0),
        atol=1e-6,
    )


def test_an_exception_leaves_no_hook():
    model = lens_models.model("llama")
    with (
        pytest.raises(ZeroDivisionError),
        patched(model, 0, np.zeros((1, 32), np.float32)),
        ablated_head(model, 0, 0),
    ):
        raise ZeroDivisionError
    assert lens_models.hooks(model) == 0


@pytest.mark.parametrize(
    ("shape", "named", "said"),
    [
        ((2, 31), {}, r"values of shape \(2, 31\): must be \(rows, 32\)"),
        ((2, 32), {"places": slice(0, 2)}, "a span is read as a mean"),
        ((2, 32), {"places": [0]}, "1 entries for 2 rows"),
        ((2, 3, 32), {"places": [[0, 1]] * 2}, "rows have 2 positions and 3 values"),
        ((2, 32), {"layer": 2}, "layer=2"),
        ((2, 32), {"layer": -1, "site": "mlp"}, "layer=-1"),
        ((3, 32), {}, "3 values for 2 rows"),
        ((2, 32), {"places": -6}, "before the start of its row"),
    ],
)
def test_bad_input_is_refused(shape: tuple[int, ...], named: dict[str, Any], said: str):
    model = lens_models.model("llama")
    with pytest.raises(InputError, match=said):
        patched_log_probs(
            model, lens_models.rows(5, 4), named.pop("layer", 0), np.zeros(shape, np.float32), **named
        )
    assert lens_models.hooks(model) == 0


def test_passes_of_other_rows_and_heads_that_are_not_there_are_refused():
    model = lens_models.model("llama")
    with patched(model, 0, np.zeros((2, 32), np.float32)):
        with pytest.raises(InputError, match="values for 2 rows in a pass of 3"):
            model(torch.ones(3, 4, dtype=torch.long))
        with pytest.raises(InputError, match="values for 2 rows, but a pass holds row 2"):
            activations(model, lens_models.rows(4, 4, 4))
    with pytest.raises(InputError, match=r"head=4: must be in 0\.\.3"), ablated_head(model, 0, 4):
        pass
    with (
        pytest.raises(InputError, match=r"puts out \(8,\)"),
        ablated_head(model, 0, 1, np.zeros(7, np.float32)),
    ):
        activations(model, lens_models.rows(4))
    with pytest.raises(InputError, match="no two modules"), ablated_head(lens_models.model("mamba"), 0, 0):
        pass
