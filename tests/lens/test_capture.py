from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from doxa.errors import ContextError, InputError
from doxa.lens.capture import Wanted, _together, activations, next_log_probs, stream_activations
from doxa.lens.rows import batches
from tests.lens import lens_models
from tests.subjects.tiny_models import DEVICES

LENGTHS = (5, 30, 12, 5, 41)


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_the_stream_is_what_transformers_itself_records(family: str):
    model = lens_models.model(family)
    rows = lens_models.rows(*LENGTHS)
    read = activations(model, rows, Wanted((-1, 0, 1)))
    assert lens_models.hooks(model) == 0
    assert read.shape == (5, 1, 3, 32)
    assert read.dtype == np.float32
    for row, values in zip(rows, read, strict=True):
        own = lens_models.alone(model, row).hidden_states
        np.testing.assert_allclose(values[0, 0], own[0][0, -1], atol=1e-5)
        np.testing.assert_allclose(values[0, 1], own[1][0, -1], atol=1e-4)


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_what_a_block_adds_is_the_sum_of_its_writes(family: str):
    model = lens_models.model(family)
    rows = lens_models.rows(*LENGTHS)
    wanted = {
        "stream": Wanted((-1, 0, 1)), "attention": Wanted(site="attention"), "mlp": Wanted(site="mlp")
    }  # fmt: skip
    for part in stream_activations(model, rows, wanted):
        stream, attention, mlp = (part.values[name][:, 0] for name in wanted)
        np.testing.assert_allclose(stream[:, 1:] - stream[:, :-1], attention + mlp, atol=2e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_is_read_as_it_stands(device: str):
    model = lens_models.model("qwen3", dtype=torch.bfloat16).to(device)
    rows = lens_models.rows(7, 7)
    read = activations(model, rows, Wanted((0,), places=3))
    own = lens_models.alone(model, rows[1]).hidden_states[1][0, 3].float().cpu().numpy()
    np.testing.assert_allclose(read[1, 0, 0], own, rtol=2e-2, atol=2e-2)
    assert np.array_equal(torch.from_numpy(read).bfloat16().float().numpy(), read)


def test_places_and_spans_of_each_row():
    model = lens_models.model("llama")
    rows = lens_models.rows(6, 9)
    read = activations(model, rows, Wanted((0,), places=[[0, slice(2, 5)], [-2, slice(None)]]))
    first, second = (lens_models.alone(model, row).hidden_states[1][0].numpy() for row in rows)
    expected = [[first[0], first[2:5].mean(0)], [second[-2], second.mean(0)]]
    np.testing.assert_allclose(read[:, :, 0], expected, atol=1e-4)


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_a_prefix_that_is_computed_once_equals_recomputation(family: str):
    model = lens_models.model(family)
    prefix, *rows = lens_models.rows(25, *LENGTHS)
    wanted = Wanted((-1, 0, 1), places=slice(None))
    together = activations(model, [np.concatenate([prefix, row]) for row in rows], Wanted((-1, 0, 1)))
    np.testing.assert_allclose(
        activations(model, rows, Wanted((-1, 0, 1)), prefix=prefix), together, atol=1e-4
    )
    log_probs = next_log_probs(model, rows, prefix=prefix)
    alone = [
        torch.log_softmax(lens_models.alone(model, np.concatenate([prefix, row])).logits[0, -1], -1)
        for row in rows
    ]
    np.testing.assert_allclose(log_probs, np.stack(alone), atol=1e-4)
    assert activations(model, rows, wanted, prefix=prefix).shape == (5, 1, 3, 32)


def test_a_prefix_works_where_the_past_cannot_be_shared():
    model = lens_models.model("mamba")
    prefix, *rows = lens_models.rows(9, 4, 7)
    read = activations(model, rows, Wanted((1,), places=0), prefix=prefix)
    whole = activations(model, [np.concatenate([prefix, row]) for row in rows], Wanted((1,), places=9))
    np.testing.assert_allclose(read, whole, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(1, 60), st.randoms())
def test_batches_and_order_change_nothing(lengths: list[int], size: int, random: Any):
    model = _llama()
    rows = lens_models.rows(*lengths)
    order = list(range(len(rows)))
    random.shuffle(order)
    read = activations(model, rows, batch_tokens=size)
    np.testing.assert_allclose(
        activations(model, [rows[place] for place in order]), read[order], atol=2e-5, rtol=1e-4
    )


def _llama(made: list[Any] = []) -> Any:  # noqa: B006 - one model for all examples
    if not made:
        made.append(lens_models.model("llama"))
    return made[0]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 500), st.integers(0, 300))
def test_every_row_stands_in_one_batch_of_the_size_allowed(lengths: list[int], size: int, past: int):
    rows = [np.full(length, place) for place, length in enumerate(lengths)]
    parts = list(batches(rows, size, past))
    assert sorted(place for part in parts for place in part.indices) == list(range(len(rows)))
    for part in parts:
        assert part.tokens.size <= size or len(part.indices) == 1
        for place, tokens, length in zip(part.indices, part.tokens, part.lengths, strict=True):
            assert length == lengths[place]
            assert (tokens[:length] == place).all()
            assert (tokens[length:] == 0).all()


def test_one_pass_feeds_everything_that_was_asked():
    model = lens_models.model("llama")
    calls: list[int] = []
    handle = model.model.register_forward_hook(lambda *given: calls.append(1))
    rows = lens_models.rows(5, 5)
    list(stream_activations(model, rows, {"a": Wanted(), "b": Wanted((0,), "mlp", 0)}, logits_at=-1))
    handle.remove()
    assert len(calls) == 1 + 3  # three small ones look for the parts, once


def test_the_head_does_not_run_unless_asked():
    model = lens_models.model("llama")
    calls: list[int] = []
    model.lm_head.register_forward_hook(lambda *given: calls.append(given[2].shape[1]))
    rows = lens_models.rows(5, 8)
    activations(model, rows)
    assert calls == []
    next_log_probs(model, rows)
    assert calls == [2]  # one column for each row's end


def test_memory_does_not_grow_with_the_rows():
    model = lens_models.model("llama")
    prefix = lens_models.rows(9)[0]
    peaks: list[int] = []

    def count(*given: Any) -> None:
        held = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
        peaks.append(sum(one.nbytes for one in held if not isinstance(one, torch.nn.Parameter)))

    def most(rows: int) -> int:
        gc.collect()
        peaks.clear()
        wanted = {"spans": Wanted(places=slice(0, 8)), "ends": Wanted(site="mlp")}
        for _ in stream_activations(
            model, lens_models.rows(*[16] * rows), wanted, batch_tokens=64, prefix=prefix, logits_at=-1
        ):
            count()
        return max(peaks)

    most(8)
    gc.freeze()  # what was there before is neither listed nor counted
    handle = model.lm_head.register_forward_hook(count)  # a pass holds most when its head has run
    try:
        few = most(8)
        assert few > 4 * 320 * 4
        assert most(80) <= few
    finally:
        gc.unfreeze()
    handle.remove()


def test_layers_on_different_devices_are_brought_together():
    with FakeTensorMode():
        kept = [torch.empty(2, 1, 4, device=device) for device in ("cpu", "xpu:0", "xpu:1")]
        together = _together(kept)
    assert (together.shape, together.device.type) == ((2, 1, 3, 4), "cpu")


def test_a_stream_that_is_dropped_leaves_no_hook():
    model = lens_models.model("llama").train()
    parts = stream_activations(model, lens_models.rows(3, 4, 5), {"a": Wanted()}, batch_tokens=1)
    next(parts)
    assert lens_models.hooks(model) == 0
    assert model.training
    assert torch.is_grad_enabled()
    del parts


def test_a_pass_that_fails_leaves_no_hook():
    model = lens_models.model("gpt2")
    activations(model, lens_models.rows(3))
    plain = model.transformer.h[1].forward
    model.transformer.h[1].forward = lambda *given, **named: 1 / 0
    with pytest.raises(ZeroDivisionError):
        activations(model, lens_models.rows(3))
    model.transformer.h[1].forward = plain
    assert lens_models.hooks(model) == 0


def test_an_activation_that_is_not_finite_is_named():
    model = lens_models.model("llama")
    activations(model, lens_models.rows(3))
    with torch.no_grad():
        model.model.embed_tokens.weight[7] = torch.inf
    with pytest.raises(InputError, match=r"row 1, layer 0, site 'residual': the activation is not finite"):
        activations(model, [np.array([4, 5]), np.array([4, 7, 7, 7])], Wanted((0, 1)))


@pytest.mark.parametrize(
    ("rows", "wanted", "said"),
    [
        ([], Wanted(), r"rows=\[\]"),
        ([[]], Wanted(), r"rows\[0\]: must be a sequence of at least one token id"),
        ([[1], [2, 320]], Wanted(), r"rows\[1\]: token id 320 is not in the vocabulary of 320"),
        ([[1, -1]], Wanted(), "rows carry no padding"),
        ([[1]], Wanted((2,)), "layer=2"),
        ([[1]], Wanted(()), r"layers=\(\)"),
        ([[1]], Wanted(places=1), "position 1 is outside row 0"),
    ],
)
def test_bad_input_is_refused_before_a_pass(rows: Any, wanted: Wanted, said: str):
    with pytest.raises(InputError, match=said):
        activations(_llama(), rows, wanted)


def test_a_row_that_is_too_long_is_refused():
    with pytest.raises(ContextError, match=r"rows\[0\]: 513 tokens with its prefix; the model takes 512"):
        activations(_llama(), [[1] * 500], prefix=[1] * 13)
    with pytest.raises(InputError, match="batch_tokens=0"):
        activations(_llama(), [[1]], batch_tokens=0)
