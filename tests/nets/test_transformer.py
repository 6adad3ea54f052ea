from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.nets import NetShape
from doxa.nets.transformer import StackedTransformer, causal_attention, parameter_sizes
from doxa.streams import torch_stream

SHAPE = NetShape(23, width=16, layers=2, heads=2, positions=64)


def tokens(seed: int, *size: int) -> torch.Tensor:
    return torch.randint(SHAPE.vocabulary, size, generator=torch_stream(seed, "tokens"))


def test_attention_by_hand():
    # One head of width 2; the second query is orthogonal to its own key and aligned with the first.
    key = torch.tensor([[2**0.5 * math.log(3), 0.0], [0.0, 0.0]]).view(1, 1, 2, 2)
    value = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 1, 2, 2)
    query = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).view(1, 1, 2, 2)
    got = causal_attention(query, key, value, [0, 1], heads=1)
    np.testing.assert_allclose(got[0, 0].numpy(), [[1.0, 0.0], [0.75, 0.25]], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 12), positions=st.integers(1, 20), data=st.data())
def test_attention_is_that_of_a_slow_loop(batch: int, positions: int, data: st.DataObject):
    columns = sorted(data.draw(st.sets(st.integers(0, positions - 1), min_size=1)))
    generator = torch_stream(0, "attention", batch, positions)
    key, value = (torch.randn(2, batch, positions, 8, generator=generator) for _ in range(2))
    query = torch.randn(2, batch, len(columns), 8, generator=generator)
    got = causal_attention(query, key, value, columns, heads=2)
    for replicate, row, place, head in np.ndindex(2, batch, len(columns), 2):
        part = slice(4 * head, 4 * head + 4)
        seen = slice(0, columns[place] + 1)
        score = key[replicate, row, seen, part] @ query[replicate, row, place, part] / 2
        slow = score.softmax(0) @ value[replicate, row, seen, part]
        torch.testing.assert_close(got[replicate, row, place, part], slow, atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize("columns", [[0], [6], [0, 2, 4, 6], [1, 2, 6]])
def test_asking_some_positions_gives_what_asking_all_gives(columns: list[int]):
    net = StackedTransformer.initial(SHAPE, [1, 2, 3])
    ids = tokens(0, 3, 6, 7)
    torch.testing.assert_close(net.hidden(ids, columns), net.hidden(ids)[:, :, columns], atol=1e-5, rtol=1e-5)


def test_the_future_changes_nothing():
    net = StackedTransformer.initial(SHAPE, [1])
    ids = tokens(1, 1, 4, 9)
    changed = ids.clone()
    changed[:, :, 5:] = 0
    torch.testing.assert_close(net.hidden(ids)[:, :, :5], net.hidden(changed)[:, :, :5], atol=1e-6, rtol=1e-6)


def test_a_replicate_is_the_same_alone_and_in_company():
    together = StackedTransformer.initial(SHAPE, [5, 6, 7], "name")
    alone = StackedTransformer.initial(SHAPE, [6], "name")
    for name, tensor in alone.weights.items():
        assert torch.equal(tensor[0], together.weights[name][1])
    rows = tokens(2, 10, 8).numpy()
    np.testing.assert_allclose(alone.log_probs(rows)[0], together.log_probs(rows)[1], atol=2e-6)
    assert torch.equal(together.select([1]).weights["0.query"], alone.weights["0.query"])


@pytest.mark.parametrize("rows_at_once", [1, 7, 1000])
def test_log_probs_are_normalised_whatever_the_chunk(rows_at_once: int):
    net = StackedTransformer.initial(SHAPE, [1, 2])
    rows = tokens(3, 2, 10, 6).numpy()
    got = net.log_probs(rows, columns=(2, -1), rows_at_once=rows_at_once)
    assert got.shape == (2, 10, 2, SHAPE.vocabulary)
    np.testing.assert_allclose(np.exp(got).sum(-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(got[:, :, 1], net.log_probs(rows)[:, :, 0], atol=1e-5)
    assert net.log_probs(rows[:, :0]).shape == (2, 0, 1, SHAPE.vocabulary)


def test_bfloat16_is_near_float32():
    net = StackedTransformer.initial(SHAPE, [1])
    rows = tokens(4, 10, 8).numpy()
    exact = net.log_probs(rows)
    net.bfloat16 = True
    rough = net.log_probs(rows)
    assert 0 < np.abs(rough - exact).max() < 0.1


def test_bad_input_is_named():
    net = StackedTransformer.initial(SHAPE, [1])
    with pytest.raises(InputError, match="seeds"):
        StackedTransformer.initial(SHAPE, [])
    with pytest.raises(InputError, match="columns"):
        net.hidden(tokens(0, 1, 2, 3), [2, 1])
    with pytest.raises(InputError, match="columns"):
        net.hidden(tokens(0, 1, 2, 3), [3])
    with pytest.raises(InputError, match="weights"):
        StackedTransformer(SHAPE, {"embedding": net.weights["embedding"]})
    with pytest.raises(InputError, match="norm"):
        StackedTransformer(SHAPE, net.weights | {"norm": torch.ones(1, 3)})
    assert list(net.weights) == list(parameter_sizes(SHAPE))
