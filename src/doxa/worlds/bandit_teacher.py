"""An over-confident player of two-armed bandits, and small networks that learn to speak and act like it.

The teacher believes what the prompt says: unit-variance Normal priors give P = P(arm B is better), which it sharpens
to p = P²/(P² + (1 - P)²). It thinks three words: each is filler with probability 1/4, else a word of doubt with
probability H(p)/ln 2, else a word of certainty. Where words of certainty dominate it takes the better arm, with
probability 0.98; where words of doubt do, P(B) = 1/2 + 0.6 (p - 1/2); where neither does, P(B) = p. So the thought is
a real cause of the action. The networks see its texts only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.information import binary_entropy_nats, expit, logit
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.worlds.bandit_tokens import (
    ACT,
    ARM_A,
    ARM_B,
    COMPLETION_TOKENS,
    FILLER,
    SURE,
    THOUGHTS,
    UNSURE,
    WORDINGS,
    BanditTokens,
    Play,
    Read,
)
from doxa.worlds.bandits import NormalPrior

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

FILLER_SHARE = 0.25
GREEDY = 0.98
EVEN_SLOPE = 0.6
SHARPENING = 2.0


def sharpened_belief(read: Read) -> Float[np.ndarray, " rows"]:
    """Return p = P²/(P² + (1 - P)²) of P = P(arm B is better | what the prompt says), in [0, 1]."""
    better = NormalPrior().posterior(read.counts, read.sums).probability_second_better
    return np.asarray(expit(SHARPENING * np.asarray(logit(better))))


def doubt(p: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Return H(p)/ln 2, the chance that a word which is no filler is one of doubt."""
    return np.asarray(binary_entropy_nats(np.asarray(logit(p)))) / np.log(2)


def arm_probability(
    p: Float[np.ndarray, " rows"], unsure: Int[np.ndarray, " rows"], sure: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """Return the probability of arm B after a thought with so many words of doubt and of certainty."""
    greedy = np.where(p > 0.5, GREEDY, np.where(p < 0.5, 1 - GREEDY, 0.5))
    return np.where(sure > unsure, greedy, np.where(unsure > sure, 0.5 + EVEN_SLOPE * (p - 0.5), p))


def teacher_policy(p: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Return the probability of arm B over all thoughts: a sum over how many words of each kind are thought."""
    unsure_share = (1 - FILLER_SHARE) * doubt(p)
    sure_share = 1 - FILLER_SHARE - unsure_share
    total = np.zeros_like(p)
    for unsure in range(THOUGHTS + 1):
        for sure in range(THOUGHTS + 1 - unsure):
            filler = THOUGHTS - unsure - sure
            ways = factorial(THOUGHTS) / (factorial(unsure) * factorial(sure) * factorial(filler))
            chance = ways * unsure_share**unsure * sure_share**sure * FILLER_SHARE**filler
            total += chance * arm_probability(p, np.full(p.shape, unsure), np.full(p.shape, sure))
    return total


def teacher_entropy_nats(p: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Return the entropy of the teacher's action in [0, ln 2], exact."""
    return np.asarray(binary_entropy_nats(np.asarray(logit(teacher_policy(p)))))


def teacher_completions(
    p: Float[np.ndarray, " rows"], wording: Int[np.ndarray, " rows"], rng: np.random.Generator
) -> Int[np.ndarray, "rows tokens"]:
    """Return what the teacher says: three words, ACT, an arm."""
    rows = len(p)
    kind = rng.random((rows, THOUGHTS))
    unsure = FILLER_SHARE + (1 - FILLER_SHARE) * doubt(p)[:, None]
    words = np.where(
        kind < FILLER_SHARE,
        FILLER,
        np.where(kind < unsure, rng.choice(UNSURE, (rows, THOUGHTS)), rng.choice(SURE, (rows, THOUGHTS))),
    )
    counted = [np.isin(words, own).sum(1) for own in (UNSURE, SURE)]
    second = rng.random(rows) < arm_probability(p, *counted)
    arm = np.where(second, np.asarray(ARM_B)[wording], np.asarray(ARM_A)[wording])
    return np.concatenate([words, np.full((rows, 1), ACT), arm[:, None]], 1)


def random_play(tokens: BanditTokens, rows: int, rng: np.random.Generator) -> Play:
    """Return play of every length and every lopsidedness on bandits drawn from the teacher's prior.

    The true means are Normal(centre, spread²); arm B is pulled in a share of the rounds drawn from Beta(0.7, 0.7).
    """
    means = tokens.centre + tokens.spread * rng.standard_normal((rows, 2))
    share = rng.beta(0.7, 0.7, (rows, 1))
    arms = (rng.random((rows, tokens.horizon)) < share).astype(np.int64)
    paid = np.take_along_axis(means, arms, 1) + tokens.spread * rng.standard_normal(arms.shape)
    length = rng.integers(tokens.horizon, size=(rows, 1))
    return Play(np.where(np.arange(tokens.horizon) < length, arms, -1), paid)


def teacher_sampler(tokens: BanditTokens) -> Sampler:
    """Return what the trainer draws from: prompts in both wordings with the teacher's completion; loss on that only."""

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        play, wording = random_play(tokens, rows, rng), rng.integers(WORDINGS, size=rows)
        prompts = tokens.prompts(play, wording)
        said = teacher_completions(sharpened_belief(prompts.read), wording, rng)
        width = tokens.prompt_tokens + COMPLETION_TOKENS
        text = np.zeros((rows, width), dtype=np.int64)
        text[:, : prompts.tokens.shape[1]] = prompts.tokens
        targets = np.full((rows, width), NO_LOSS)
        places = prompts.lengths[:, None] + np.arange(COMPLETION_TOKENS)
        np.put_along_axis(text, places, said, 1)
        np.put_along_axis(targets, places - 1, said, 1)
        return TokenBatch(text, targets)

    return sample


class Students(NamedTuple):
    """Networks that learned to imitate the teacher.

    Attributes:
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
        loss: mean cross-entropy of each stretch of steps, in nats.
    """

    net: StackedTransformer
    loss: Float[np.ndarray, "replicates stretches"]


def train_students(
    tokens: BanditTokens,
    seeds: Sequence[int],
    *,
    steps: int = 1500,
    batch: int = 128,
    width: int = 48,
    layers: int = 3,
    heads: int = 4,
    peak_rate: float = 3e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Students:
    """Train one network per seed, all as one stack.

    Args:
        tokens: layout of the texts.
        seeds: seed of each network's weights and data.
        steps: optimiser steps.
        batch: texts of a step and network.
        width: width of the residual stream.
        layers: blocks.
        heads: attention heads.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).
    """
    from doxa.nets.trainer import train_stack

    positions = tokens.prompt_tokens + COMPLETION_TOKENS
    shape = NetShape(tokens.vocabulary, width=width, layers=layers, heads=heads, positions=positions)
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [teacher_sampler(tokens)] * len(seeds)
    trained = train_stack(shape, samplers, seeds, plan, stream_names=("bandit-teacher",), progress=progress)
    return Students(trained.net, trained.loss)
