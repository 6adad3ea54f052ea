from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from doxa.errors import InputError
from doxa.nets import NetShape
from doxa.nets.generation import BLOCK_TOKENS, _passed, generate, sampling_noise
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream

SHAPE = NetShape(11, width=16, layers=2, heads=2, positions=24)
UNTIED = NetShape(700, width=16, layers=1, heads=2, positions=24, tied=False)
END, MOST = 0, 6


def net_of(
    shape: NetShape = SHAPE, seeds: tuple[int, ...] = (1, 2), spread: float = 2.0
) -> StackedTransformer:
    """A stack whose distributions are far from even, with gains that are not 1."""
    net = StackedTransformer.initial(shape, seeds, "generation")
    for name, weight in net.weights.items():
        weight.mul_(1.0 + 0.3 * torch.linspace(-1, 1, weight.shape[-1]) if name.endswith("norm") else spread)
    return net


def prompts_of(count: int, length: int, vocabulary: int = 11) -> np.ndarray:
    return stream(0, "prompts", count, length).integers(1, vocabulary, (count, length))


def uncached(net: StackedTransformer, prompt: np.ndarray, tokens: torch.Tensor, temperature: float):
    """The log-probabilities of one row's drawn tokens and the entropies, from one pass without a cache."""
    row = torch.cat([torch.from_numpy(prompt), tokens])[:-1].view(1, 1, -1).expand(net.replicates, 1, -1)
    hidden = net.hidden(row, range(len(prompt) - 1, row.shape[-1]))
    log_probs = F.log_softmax(net.logits(hidden) / temperature, -1)[:, 0]
    return log_probs, -(log_probs.exp() * log_probs).sum(-1)


@pytest.mark.parametrize("shape", [SHAPE, UNTIED])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_cached_log_probs_and_entropies_are_those_of_a_pass_without_a_cache(
    shape: NetShape, temperature: float
):
    net = net_of(shape)
    lengths = np.array([3, 1, 4, 2])
    prompts = prompts_of(4, 4, shape.vocabulary)
    noise = sampling_noise([5, 6], 12, MOST, "noise")
    drawn = generate(
        net, prompts, end=END, most=MOST, noise=noise, repeats=3, lengths=lengths, temperature=temperature,
        concentration=True,
    )  # fmt: skip
    assert drawn.concentration is not None
    for replicate in range(2):
        for row in range(12):
            prompt, length = prompts[row // 3, : lengths[row // 3]], int(drawn.lengths[replicate, row])
            tokens = drawn.tokens[replicate, row, :length]
            log_probs, entropy = uncached(net, prompt, tokens, temperature)
            own, h = log_probs[replicate], entropy[replicate]
            expected = own.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
            torch.testing.assert_close(drawn.log_prob[replicate, row, :length], expected, atol=1e-5, rtol=0)
            torch.testing.assert_close(drawn.entropy[replicate, row, :length], h, atol=1e-5, rtol=0)
            mass = (own.exp().square() * (own + h.unsqueeze(-1))).sum(-1)
            torch.testing.assert_close(drawn.concentration[replicate, row, :length], mass, atol=1e-5, rtol=0)


def test_a_response_ends_at_its_end_token_and_counts_it():
    drawn = generate(net_of(), prompts_of(30, 2), end=END, most=MOST, noise=sampling_noise([0, 1], 30, MOST))
    ends = drawn.tokens == END
    first = torch.where(ends.any(-1), ends.int().argmax(-1) + 1, MOST)
    assert torch.equal(drawn.lengths, first)
    assert torch.equal(drawn.mask.sum(-1), drawn.lengths)
    assert 1 <= int(drawn.lengths.min()) < int(drawn.lengths.max()) == MOST
    for numbers in (drawn.log_prob, drawn.entropy):
        assert not numbers[~drawn.mask].any()
    assert drawn.tokens[~drawn.mask].eq(END).all()


def test_greedy_takes_the_likeliest_token():
    net, prompts = net_of(), prompts_of(7, 3)
    drawn = generate(net, prompts, end=END, most=MOST)
    for row in range(7):
        for replicate in range(2):
            tokens = drawn.tokens[replicate, row, : int(drawn.lengths[replicate, row])]
            log_probs, _ = uncached(net, prompts[row], tokens, 1.0)
            assert torch.equal(tokens, log_probs[replicate].argmax(-1))


def test_tokens_are_drawn_with_their_exact_probabilities():
    """All pairs of two tokens, beside their probabilities by enumeration."""
    net = net_of(NetShape(5, width=8, layers=1, heads=2, positions=8), (3,), spread=1.5)
    rows = 20_000
    drawn = generate(
        net, np.array([[1, 2]]), end=END, most=2, noise=sampling_noise([8], rows, 2), repeats=rows
    )
    first = net.log_probs(np.array([[1, 2]]))[0, 0, 0]
    second = net.log_probs(np.array([[1, 2, token] for token in range(5)]))[0, :, 0]
    expected = np.exp(first[:, None] + second).astype(np.float64)
    expected[END] = [np.exp(first[END]), 0, 0, 0, 0]
    pairs = drawn.tokens[0].numpy()
    seen = np.bincount(pairs[:, 0] * 5 + pairs[:, 1], minlength=25)
    possible = expected.ravel() > 0
    assert not seen[~possible].any()
    shares = expected.ravel()[possible]
    assert chisquare(seen[possible], rows * shares / shares.sum()).pvalue > 0.01


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 2000), seed=st.integers(0, 10**6), sparse=st.booleans())
def test_a_long_vocabulary_is_searched_as_a_sum_of_all_its_weights(size: int, seed: int, sparse: bool):
    rng = stream(seed, "weights")
    weight = rng.exponential(size=(4, size)) * (rng.random((4, size)) < 0.1 if sparse else 1.0)
    weight[:, rng.integers(size)] += 1.0
    weight = weight.astype(np.float32)
    noise = rng.random(4, dtype=np.float32)
    chosen = _passed(torch.from_numpy(weight), torch.from_numpy(noise)).numpy()
    assert (weight[np.arange(4), chosen] > 0).all()
    cumulative = weight.astype(np.float64).cumsum(1)
    wanted = noise * cumulative[:, -1]
    slack = 1e-5 * cumulative[:, -1]
    before = cumulative[np.arange(4), chosen] - weight[np.arange(4), chosen]
    assert (before <= wanted + slack).all()
    assert (cumulative[np.arange(4), chosen] >= wanted - slack).all()


def test_noise_at_its_ends_draws_a_token_that_has_weight():
    weight = torch.zeros(2, 5 * BLOCK_TOKENS)
    weight[:, 200:300] = 1.0
    noise = torch.tensor([0.0, 1.0 - 2.0**-24])
    assert _passed(weight, noise).tolist() == [200, 299]


@settings(max_examples=10, deadline=None)
@given(company=st.lists(st.integers(0, 50), max_size=3), place=st.integers(0, 3), at_once=st.integers(1, 40))
def test_rows_depend_neither_on_company_nor_on_the_split_of_a_batch(
    company: list[int], place: int, at_once: int
):
    seeds = [*company[:place], 99, *company[place:]]
    at = seeds.index(99)
    prompts = prompts_of(5, 2)
    together = generate(
        net_of(seeds=tuple(seeds)), prompts, end=END, most=MOST, repeats=2, rows_at_once=at_once,
        noise=sampling_noise(seeds, 10, MOST, "company"),
    )  # fmt: skip
    alone = generate(
        net_of(seeds=(99,)),
        prompts,
        end=END,
        most=MOST,
        repeats=2,
        noise=sampling_noise([99], 10, MOST, "company"),
    )
    assert torch.equal(together.tokens[at], alone.tokens[0])
    torch.testing.assert_close(together.log_prob[at], alone.log_prob[0], atol=1e-5, rtol=0)


def test_replicates_may_have_prompts_and_temperatures_of_their_own():
    net, noise = net_of(), sampling_noise([4, 4], 3, MOST)
    prompts = np.stack([prompts_of(3, 2), prompts_of(3, 2) % 5 + 1])
    lengths = np.array([[2, 1, 2], [1, 2, 2]])
    both = generate(net, prompts, end=END, most=MOST, noise=noise, lengths=lengths, temperature=[0.5, 2.0])
    for replicate, temperature in enumerate((0.5, 2.0)):
        alone = generate(
            net.select([replicate]), prompts[replicate], end=END, most=MOST, noise=noise[:1],
            lengths=lengths[replicate], temperature=temperature,
        )  # fmt: skip
        assert torch.equal(both.tokens[replicate], alone.tokens[0])


def test_what_fills_a_prompt_up_changes_nothing():
    net, noise = net_of(), sampling_noise([4, 5], 3, MOST)
    prompts, lengths = prompts_of(3, 4), np.array([1, 4, 2])
    other = np.where(np.arange(4) < lengths[:, None], prompts, 7)
    first, second = (
        generate(net, rows, end=END, most=MOST, noise=noise, lengths=lengths) for rows in (prompts, other)
    )
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.log_prob, second.log_prob)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"most": 0}, "most=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"end": 11}, "end=11"),
        ({"most": 30}, "most <= 23"),
        ({"noise": torch.zeros(2, 3, 5)}, r"must be \(2, 3, 6\)"),
        ({"temperature": 0.0}, "must be > 0"),
        ({"lengths": np.array([0, 1, 2])}, "must be in 1 .. 2"),
        ({"prompts": np.zeros((0, 2), dtype=int)}, "at least one prompt"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], said: str):
    given = {"prompts": prompts_of(3, 2), "end": END, "most": MOST, "noise": sampling_noise([0, 1], 3, MOST)}
    with pytest.raises(InputError, match=said):
        generate(net_of(), **(given | change))  # pyright: ignore[reportArgumentType]
