from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.tokens import TokenStatistics, token_entropy, token_log_probs, token_statistics


def normal(*size: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*size, generator=torch_stream(seed, "normal"), dtype=torch.float64)


def ids(*size: int, vocabulary: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(vocabulary, size, generator=torch_stream(seed, "ids"))


def slow(
    hidden: torch.Tensor, head: torch.Tensor, tokens: torch.Tensor, temperature: float
) -> TokenStatistics:
    """Row by row, with no trick."""
    logits = hidden @ head / temperature
    log_p = logits.log_softmax(-1)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    concentration = (log_p.exp() ** 2 * (log_p + entropy.unsqueeze(-1))).sum(-1)
    return TokenStatistics(log_p.gather(-1, tokens.unsqueeze(-1)).squeeze(-1), entropy, concentration)


def test_entropy_by_hand():
    logits = torch.tensor(
        [[0.0, 0.0, 0.0, 0.0], [0.0, math.log(3.0), -math.inf, -math.inf], [0.0, 900.0, 0.0, 0.0]]
    )
    halves = math.log(4.0) - 0.75 * math.log(3.0)
    torch.testing.assert_close(token_entropy(logits), torch.tensor([math.log(4.0), halves, 0.0]))
    torch.testing.assert_close(
        token_log_probs(logits, torch.tensor([2, 1, 2])),
        torch.tensor([-math.log(4.0), math.log(0.75), -900.0]),
    )
    assert token_entropy(torch.tensor([[0.0, -math.inf]])).tolist() == [0.0]
    assert token_log_probs(torch.tensor([[0.0, -math.inf]]), torch.tensor([1])).tolist() == [-math.inf]


def test_the_gradient_of_an_excluded_token_is_0():
    logits = torch.tensor([[0.0, 1.0, -math.inf]], requires_grad=True)
    (token_entropy(logits) + token_log_probs(logits, torch.tensor([0]))).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 2] == 0.0


@settings(max_examples=30, deadline=None)
@given(vocabulary=st.integers(2, 9), shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_entropy_is_bounded_and_does_not_see_a_constant(vocabulary: int, shift: float, seed: int):
    logits = normal(3, 5, vocabulary, seed=seed, scale=3.0)
    entropy = token_entropy(logits)
    assert (entropy >= 0).all()
    assert (entropy <= math.log(vocabulary) + 1e-12).all()
    torch.testing.assert_close(token_entropy(logits + shift), entropy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("chunk_bytes", [1, 3 * 7 * 8 * 2, 1 << 25])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_fused_statistics_are_the_slow_ones_whatever_the_chunk(chunk_bytes: int, temperature: float):
    hidden, head, tokens = normal(3, 5, 4), normal(3, 4, 7, seed=1), ids(3, 5, vocabulary=7)
    sources = [(hidden.clone().requires_grad_(), head.clone().requires_grad_()) for _ in range(2)]
    got = token_statistics(
        *sources[0], tokens, temperature=temperature, concentration=True, chunk_bytes=chunk_bytes
    )
    expected = slow(*sources[1], tokens, temperature)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert got.concentration is not None
    assert not got.concentration.requires_grad
    weights = normal(2, 3, 5, seed=2)
    for statistics in (got, expected):
        (weights[0] * statistics.log_prob + weights[1] * statistics.entropy).sum().backward()
    for one, other in zip(*sources, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 25])
def test_gradients_are_those_of_finite_differences(chunk_bytes: int):
    tokens = ids(2, 3, vocabulary=5)

    def both(hidden: torch.Tensor, head: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = token_statistics(hidden, head, tokens, temperature=1.7, chunk_bytes=chunk_bytes)
        return found.log_prob, found.entropy

    hidden, head = normal(2, 3, 4).requires_grad_(), normal(4, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(both, (hidden, head))
    logits = normal(2, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(token_entropy, (logits,))
    assert torch.autograd.gradcheck(lambda z: token_log_probs(z, tokens, temperature=0.5), (logits,))


def test_one_head_serves_a_batch_and_a_tied_head_is_a_view():
    hidden, embedding, tokens = normal(2, 6, 4), normal(9, 4, seed=1), ids(2, 6, vocabulary=9)
    got = token_statistics(hidden, embedding.T, tokens)
    torch.testing.assert_close(got.log_prob, slow(hidden, embedding.T, tokens, 1.0).log_prob)
    assert got.concentration is None


def test_nothing_of_the_size_of_the_logits_is_kept():
    hidden = normal(64, 8).float().requires_grad_()
    head, tokens = normal(8, 1000).float(), ids(64, vocabulary=1000)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        token_statistics(hidden, head, tokens, chunk_bytes=8 * 1000 * 4)
    assert max(kept) <= head.numel()


def test_bfloat16_is_near_float32():
    hidden, head, tokens = normal(50, 16).float(), normal(16, 11, seed=1).float(), ids(50, vocabulary=11)
    exact = token_statistics(hidden, head, tokens)
    rough = token_statistics(hidden.bfloat16(), head, tokens)
    assert rough.log_prob.dtype == torch.float32
    assert 0 < (rough.log_prob - exact.log_prob).abs().max() < 0.1


def test_bad_input_is_named():
    with pytest.raises(InputError, match="temperature=0"):
        token_entropy(torch.zeros(2, 3), temperature=0.0)
    with pytest.raises(InputError, match="one more dimension"):
        token_log_probs(torch.zeros(2, 4, 3), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InputError, match="chunk_bytes=0"):
        token_statistics(
            torch.zeros(2, 3), torch.zeros(3, 4), torch.zeros(2, dtype=torch.long), chunk_bytes=0
        )
    with pytest.raises(InputError, match="stack of heads"):
        token_statistics(torch.zeros(2, 2, 3), torch.zeros(5, 3, 4), torch.zeros(2, 2, dtype=torch.long))
    with pytest.raises(InputError, match="must be"):
        token_statistics(torch.zeros(2, 3), torch.zeros(5, 4), torch.zeros(2, dtype=torch.long))
    for wrong in (-100, 4):
        with pytest.raises(InputError, match=r"must be in 0 \.\. 3; labels such as -100"):
            token_log_probs(torch.zeros(2, 4), torch.tensor([0, wrong]))
        with pytest.raises(InputError, match=r"must be in 0 \.\. 3"):
            token_statistics(torch.zeros(2, 3), torch.zeros(3, 4), torch.tensor([0, wrong]))
