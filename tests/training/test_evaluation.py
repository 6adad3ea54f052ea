from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.nets.generation import generate, sampling_noise
from doxa.streams import stream
from doxa.training.evaluation import distinct_right, evaluate_policy, majority_at_k, pass_at_k
from tests.training.policy_worlds import WORLD, bases


@given(n=st.integers(1, 9), data=st.data())
def test_pass_at_k_is_the_share_of_sets_with_a_right_one(n: int, data: st.DataObject):
    right, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    sets = list(itertools.combinations([True] * right + [False] * (n - right), k))
    assert pass_at_k(np.array([right]), n, k)[0] == pytest.approx(np.mean([any(one) for one in sets]))


def test_pass_at_k_does_not_overflow():
    assert pass_at_k(np.array([1, 500]), 1000, 500) == pytest.approx([0.5, 1.0])


def test_a_majority_by_hand():
    answer = np.array([[7, 7, 5, 5, 5, 9], [1, 2, 3, 3, 2, 1]])
    right = answer == np.array([[5], [2]])
    assert majority_at_k(answer, right, 6) == pytest.approx([1.0, 1 / 3])
    # sets of three: 7 7 5 and 5 5 9; 1 2 3, a tie of three, and 3 2 1
    assert majority_at_k(answer, right, 3) == pytest.approx([0.5, 1 / 3])
    assert majority_at_k(answer, right, 1) == pytest.approx(right.mean(1))


@given(seed=st.integers(0, 10**6), k=st.integers(1, 5))
def test_a_majority_is_that_of_counting(seed: int, k: int):
    answer = stream(seed, "votes").integers(0, 3, (4, 11))
    right = answer == 1
    for row, share in zip(answer, majority_at_k(answer, right, k), strict=True):
        expected: list[float] = []
        for start in range(0, 11 - k + 1, k):
            counts = np.bincount(row[start : start + k], minlength=3)
            winners = np.flatnonzero(counts == counts.max())
            expected.append((winners == 1).mean())
        assert share == pytest.approx(np.mean(expected))


def test_distinct_right_responses_by_hand():
    tokens = np.array([[[1, 2], [1, 2], [2, 1]], [[1, 2], [2, 1], [3, 0]]])
    right = np.array([[True, True, True], [False, False, True]])
    assert distinct_right(tokens, right).tolist() == [3 - 1, 1]
    assert distinct_right(tokens, np.zeros((2, 3), dtype=bool)).tolist() == [0, 0]


def test_an_evaluation_counts_what_the_networks_say():
    """Beside exact probabilities: the chance of a right response by enumeration of all of three digits at most."""
    net = bases((4,))
    found = evaluate_policy(net, WORLD, [4], "evaluation", samples=2000)
    exact = []
    for prompt, target in zip(WORLD.prompts, WORLD.targets, strict=True):
        total = 0.0
        for digits in (d for n in (1, 2, 3) for d in itertools.product(range(1, 10), repeat=n)):
            if sum(digits) == target:
                row = np.array([[*prompt, *digits]])
                log_probs = net.log_probs(row, range(row.shape[1]))[0, 0]
                total += np.exp(log_probs[np.arange(len(digits) + 1), [*digits, 0]].sum())
        exact.append(total)
    error = np.sqrt(np.maximum(exact, 1e-3) / 2000)
    assert (np.abs(found.right[0] / 2000 - exact) < 4.5 * error).all()
    measures = found.measures()
    assert measures["pass@1"][0] == pytest.approx(found.right[0].mean() / 2000)
    told = {"maj@2000", "greedy", "distinct", "entropy", "reward", "length"}
    assert set(measures) == told | {f"pass@{k}" for k in (*(2**power for power in range(11)), 2000)}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_divergence_from_the_base_is_that_of_the_distributions(
    temperature: float, monkeypatch: pytest.MonkeyPatch
):
    """Beside the exact sum over the vocabulary at every position that was sampled."""
    base = bases((4,))
    net = base.select([0])
    net.weights["embedding"].mul_(1.15)
    samples = 3000
    monkeypatch.setattr("doxa.training.evaluation.DIVERGENCE_SAMPLES", samples)
    found = evaluate_policy(net, WORLD, [4], "kl", samples=samples, temperature=temperature, base=base)
    same = evaluate_policy(base, WORLD, [4], "kl", samples=4, temperature=temperature, base=base)
    noise = sampling_noise([4], len(WORLD.prompts) * samples, WORLD.most, "kl")
    drawn = generate(
        net, WORLD.prompts, end=0, most=WORLD.most, noise=noise, repeats=samples, temperature=temperature
    )
    rows = np.concatenate([np.repeat(WORLD.prompts, samples, axis=0), drawn.tokens[0].numpy()], axis=1)[
        :, :-1
    ]
    own, other = (
        F.log_softmax(torch.from_numpy(one.log_probs(rows, range(WORLD.most))) / temperature, -1)[0]
        for one in (net, base)
    )
    exact = ((own.exp() * (own - other)).sum(-1) * drawn.mask[0]).sum() / drawn.mask[0].sum()
    assert found.base_kl is not None
    assert same.base_kl is not None
    assert found.base_kl[0] == pytest.approx(float(exact), rel=0.1)
    assert abs(same.base_kl[0]) < 1e-6


def test_replicates_of_one_seed_draw_with_the_same_numbers():
    net = bases((4,)).select([0, 0, 0])
    found = evaluate_policy(net, WORLD, [7, 7, 8], "evaluation", samples=8)
    assert np.array_equal(found.right[0], found.right[1])
    assert np.array_equal(found.entropy[:1], found.entropy[1:2])
    assert not np.array_equal(found.length[0], found.length[2])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pass_at_k(np.array([1]), 4, 5), "k=5"),
        (lambda: pass_at_k(np.array([1]), 4, 0), "k=0"),
        (lambda: pass_at_k(np.array([5]), 4, 1), "0 .. n=4"),
        (lambda: majority_at_k(np.ones((1, 2), dtype=int), np.ones((1, 2), dtype=bool), 3), "k=3"),
        (lambda: evaluate_policy(bases(), WORLD, [1]), "1 seeds, 2 replicates"),
    ],
)
def test_bad_input_is_refused(make: object, said: str):
    with pytest.raises(InputError, match=said):
        make()  # pyright: ignore[reportCallIssue]
