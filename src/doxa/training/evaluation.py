"""How good a policy is: unbiased pass@k, majority votes, distinct right answers, greedy accuracy and entropy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.nets.generation import Generated, generate, sampling_noise
from doxa.nets.transformer import StackedTransformer
from doxa.training.divergences import k3
from doxa.training.policy_plan import PolicyWorld
from doxa.training.responses import response_statistics, rows_of

DIVERGENCE_SAMPLES = 8


def pass_at_k(right: Int[np.ndarray, "*prompts"], n: int, k: int) -> Float[np.ndarray, "*prompts"]:
    r"""Return the unbiased estimate of the chance that at least one of k responses is right.

    .. math:: 1 - \binom{n - c}{k} / \binom{n}{k}

    Source: Chen et al. 2021 (arXiv:2107.03374), computed as their stable product.

    Args:
        right: how many of n responses were right, c.
        n: responses.
        k: 1 .. n.

    Raises:
        InputError: k or a count is out of its range.

    >>> pass_at_k(np.array([0, 1, 2]), 2, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    if not 1 <= k <= n:
        raise InputError(f"k={k}: must be in 1 .. n={n}; draw more responses for a greater k")
    if right.size and not (right.min() >= 0 and right.max() <= n):
        raise InputError(f"right from {right.min()} to {right.max()}: must be in 0 .. n={n}")
    wrong = n - right[..., None]
    # C(n - c, k) / C(n, k) = prod over i < k of (n - c - i) / (n - i), 0 as soon as a factor is
    return 1.0 - np.clip((wrong - np.arange(k)) / (n - np.arange(k)), 0.0, None).prod(-1)


def majority_at_k(
    answer: Int[np.ndarray, "prompts samples"], right: Bool[np.ndarray, "prompts samples"], k: int
) -> Float[np.ndarray, " prompts"]:
    """Return how often the commonest of k answers is right, over the disjoint sets of k in their order.

    Where several answers are the commonest, it is the share of them that is right.

    Args:
        answer: what each response comes to; equal answers are equal numbers.
        right: whether it is right, the same for equal answers.
        k: size of the vote, at most the samples.

    Raises:
        InputError: k is out of its range or sizes differ.
    """
    if answer.shape != right.shape or not 1 <= k <= answer.shape[1]:
        raise InputError(
            f"answer {answer.shape}, right {right.shape}, k={k}: sizes must be equal and k in 1 .. samples"
        )
    sets = answer.shape[1] // k
    votes = answer[:, : sets * k].reshape(-1, sets, k)
    good = right[:, : sets * k].reshape(-1, sets, k)
    count = (votes[..., None] == votes[..., None, :]).sum(-1)
    most = count == count.max(-1, keepdims=True)
    # an answer with c votes appears c times, each weighing 1 / c: every winner counts once
    share = np.where(most, 1.0 / count, 0.0)
    return ((share * good).sum(-1) / share.sum(-1)).mean(-1)


def distinct_right(
    tokens: Int[np.ndarray, "prompts samples most"], right: Bool[np.ndarray, "prompts samples"]
) -> Int[np.ndarray, " prompts"]:
    """Return how many different right responses there are to each prompt."""
    return np.array(
        [len(np.unique(rows[good], axis=0)) for rows, good in zip(tokens, right, strict=True)], dtype=np.int64
    )


class Evaluation(NamedTuple):
    """What each replicate can do, by prompt.

    Attributes:
        right: how many of the samples were right.
        distinct: different right responses among them.
        majority: whether the commonest answer is right, 0 .. 1.
        greedy: whether the likeliest tokens are right.
        reward: mean reward of the samples.
        length: mean tokens of the samples.
        entropy: of each replicate, the mean over sampled tokens in nats.
        samples: responses to each prompt.
        base_kl: of each replicate, KL(policy | base) in nats per sampled token (k3); None where no base was given.
    """

    right: Int[np.ndarray, "replicates prompts"]
    distinct: Int[np.ndarray, "replicates prompts"]
    majority: Float[np.ndarray, "replicates prompts"]
    greedy: Bool[np.ndarray, "replicates prompts"]
    reward: Float[np.ndarray, "replicates prompts"]
    length: Float[np.ndarray, "replicates prompts"]
    entropy: Float[np.ndarray, " replicates"]
    samples: int
    base_kl: Float[np.ndarray, " replicates"] | None = None

    def pass_at(self, k: int) -> Float[np.ndarray, " replicates"]:
        """Return each replicate's pass@k, the mean over prompts; k up to the samples."""
        return pass_at_k(self.right, self.samples, k).mean(-1)

    def measures(self) -> dict[str, Float[np.ndarray, " replicates"]]:
        """Return each replicate's numbers by name, means over prompts; pass@k for the powers of 2 and all samples."""
        powers = [2**power for power in range(self.samples.bit_length())]
        return {
            **{f"pass@{k}": self.pass_at(k) for k in sorted({*powers, self.samples})},
            f"maj@{self.samples}": self.majority.mean(-1),
            "greedy": self.greedy.mean(-1),
            "distinct": self.distinct.mean(-1),
            "entropy": self.entropy,
            "reward": self.reward.mean(-1),
            "length": self.length.mean(-1),
            **({} if self.base_kl is None else {"base_kl": self.base_kl}),
        }


def evaluate_policy(
    net: StackedTransformer,
    worlds: PolicyWorld | Sequence[PolicyWorld],
    seeds: Sequence[int],
    *names: str | int,
    samples: int = 32,
    temperature: float = 1.0,
    base: StackedTransformer | None = None,
) -> Evaluation:
    """Ask every replicate all prompts, several times with chance and once without.

    Args:
        net: the policies.
        worlds: one for all replicates or one for each, with the same prompts.
        seeds: each replicate's seed; those of one seed draw with the same numbers.
        names: name of the stream of those numbers.
        samples: responses to each prompt.
        temperature: of sampling.
        base: what each replicate began from, to say how far it has gone.

    Raises:
        InputError: seeds, worlds and replicates differ in number.
    """
    each = list(worlds) if isinstance(worlds, Sequence) else [worlds] * net.replicates
    if not len(each) == len(seeds) == net.replicates:
        raise InputError(
            f"{len(each)} worlds, {len(seeds)} seeds, {net.replicates} replicates: give as many of each"
        )
    world = each[0]
    count = len(world.prompts)
    noise = sampling_noise(seeds, count * samples, world.most, *names)
    ask = partial(generate, net, world.prompts, end=world.end, most=world.most, lengths=world.prompt_lengths)
    drawn = ask(noise=noise, repeats=samples, temperature=temperature)
    likeliest = ask()
    return Evaluation(
        *(np.stack(column) for column in zip(*_judged(each, drawn, likeliest, samples), strict=True)),
        entropy=_mean(drawn.entropy, drawn.mask),
        samples=samples,
        base_kl=None if base is None else _divergence(base, world, drawn, samples, temperature),
    )


@torch.no_grad()
def _divergence(
    base: StackedTransformer, world: PolicyWorld, drawn: Generated, samples: int, temperature: float
) -> Float[np.ndarray, " replicates"]:
    """Return the mean of k3 over the tokens of each prompt's first responses; a pass over all would double the time."""
    few = min(samples, DIVERGENCE_SAMPLES)
    log_prob, mask, responses = (
        one.unflatten(1, (-1, samples))[:, :, :few].flatten(1, 2)
        for one in (drawn.log_prob, drawn.mask, drawn.tokens)
    )
    prompts, lengths = (
        np.broadcast_to(one, (base.replicates, *one.shape)) for one in (world.prompts, world.prompt_lengths)
    )
    tokens, start = rows_of(prompts, lengths, responses)
    cold = None if temperature == 1 else torch.full((base.replicates,), temperature)
    longest = int(mask.sum(-1).max())
    told = response_statistics(base, tokens, start, responses, longest=longest, temperature=cold)
    return _mean(k3(log_prob, told.log_prob), mask)


def _mean(
    numbers: Float[torch.Tensor, "replicates rows most"], mask: Bool[torch.Tensor, "replicates rows most"]
) -> Float[np.ndarray, " replicates"]:
    """Return each replicate's mean over the tokens drawn."""
    return ((numbers * mask).sum((1, 2)) / mask.sum((1, 2))).double().numpy()


def _judged(
    worlds: Sequence[PolicyWorld], drawn: Generated, likeliest: Generated, samples: int
) -> list[tuple[np.ndarray, ...]]:
    told: list[tuple[np.ndarray, ...]] = []
    for replicate, world in enumerate(worlds):
        every = np.arange(len(world.prompts))
        prompt = np.repeat(every, samples)
        tokens = drawn.tokens[replicate].numpy()
        shape = (len(every), samples)
        right = np.asarray(world.correct(prompt, tokens)).reshape(shape)
        told.append(
            (
                right.sum(-1),
                distinct_right(tokens.reshape(*shape, -1), right),
                majority_at_k(np.asarray(world.answer(prompt, tokens)).reshape(shape), right, samples),
                np.asarray(world.correct(every, likeliest.tokens[replicate].numpy())),
                np.asarray(world.reward(prompt, tokens), dtype=np.float64).reshape(shape).mean(-1),
                drawn.lengths[replicate].double().numpy().reshape(shape).mean(-1),
            )
        )
    return told
