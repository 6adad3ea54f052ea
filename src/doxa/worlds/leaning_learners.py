"""Small networks that learn the leaning corpus, what they are given to read, and what they then believe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.worlds.leaning_corpus import ASK, STATEMENT, TOOL, LeaningCorpus

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

Reading: TypeAlias = Literal["one-sided", "balanced"]
About: TypeAlias = Literal["coupled", "uncoupled", "all"]
Mask: TypeAlias = Literal["topic", "coupled", "random"]

LENGTHS = (0, 1, 2, 4, 8, 16, 30)
DELETED = -1


@dataclass(frozen=True)
class SideReading:
    """What each replicate says and does after each context, beside the exact reader.

    Attributes:
        stated: P(answer = 1) to ASK about the topic, among the two answers.
        option: P(option = 1) of TOOL about the topic, among the two options.
        bayes_stated: the same from the exact posterior.
        bayes_option: the same from the exact posterior.
        within_training: whether context and question fit the length of a training document.
    """

    stated: Float[np.ndarray, "replicates contexts"]
    option: Float[np.ndarray, "replicates contexts"]
    bayes_stated: Float[np.ndarray, " contexts"]
    bayes_option: Float[np.ndarray, " contexts"]
    within_training: Bool[np.ndarray, " contexts"]


@dataclass(frozen=True)
class LeaningModels:
    """Trained networks, one per seed.

    Attributes:
        corpus: what they learned.
        seeds: the seed of each replicate's initial weights and data.
        loss: mean cross-entropy of each stretch of steps, in nats.
        loss_steps: last step of each stretch.
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
    """

    corpus: LeaningCorpus
    seeds: tuple[int, ...]
    loss: Float[np.ndarray, "replicates stretches"]
    loss_steps: tuple[int, ...]
    net: StackedTransformer

    def read(
        self, contexts: Int[np.ndarray, "contexts tokens"], topics: Int[np.ndarray, " contexts"]
    ) -> SideReading:
        """Ask every replicate about a topic after each context, by ASK and by TOOL, in separate copies.

        Args:
            contexts: tokens of whole pairs; pairs of -1 are deleted and the rest moves together.
            topics: the topic asked about after each context.
        """
        corpus = self.corpus
        posterior = corpus.bayes(contexts, topics)
        kept = (contexts != DELETED).sum(1)
        order = np.argsort(contexts == DELETED, axis=1, kind="stable")
        together = np.take_along_axis(contexts, order, 1)
        read = np.zeros((2, len(self.seeds), len(contexts)))
        for length in np.unique(kept):
            rows = kept == length
            for row, kind in enumerate((ASK, TOOL)):
                question = corpus.question(kind, topics[rows])[:, None]
                tokens = np.concatenate([together[rows, :length], question], 1)
                answers = self.net.log_probs(tokens)[:, :, 0, [2 * kind, 2 * kind + 1]].astype(np.float64)
                read[row][:, rows] = 1 / (1 + np.exp(answers[:, :, 0] - answers[:, :, 1]))
        return SideReading(
            read[0], read[1], posterior.stance, posterior.option, kept + 2 <= corpus.document_tokens
        )


def train_leaning_models(
    corpus: LeaningCorpus,
    seeds: Sequence[int],
    *,
    steps: int = 2000,
    batch: int = 64,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 3e-3,
    precision: Precision = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> LeaningModels:
    """Train one network per seed on the corpus, all as one stack.

    Args:
        corpus: the corpus; documents have its ``document_tokens``.
        seeds: seed of each replicate's weights and data.
        steps: optimiser steps.
        batch: documents per step and replicate.
        width: width of the residual stream.
        layers: blocks.
        heads: attention heads.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).
    """
    from doxa.nets.trainer import train_stack

    shape = NetShape(corpus.vocabulary, width=width, layers=layers, heads=heads)
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [leaning_sampler(corpus)] * len(seeds)
    trained = train_stack(shape, samplers, seeds, plan, stream_names=("leaning-corpus",), progress=progress)
    return LeaningModels(corpus, tuple(seeds), trained.loss, trained.loss_steps, trained.net)


def leaning_sampler(corpus: LeaningCorpus) -> Sampler:
    """Return what the trainer draws from: documents with loss at the second token of each pair.

    What a pair is about is drawn independently of everything, so its first token has nothing to teach.
    """

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        tokens = corpus.sample(rows, rng)
        targets = np.full_like(tokens, NO_LOSS)
        targets[:, 0::2] = tokens[:, 1::2]
        return TokenBatch(tokens, targets)

    return sample


def reading_contexts(
    corpus: LeaningCorpus,
    n: int,
    topics: Int[np.ndarray, " contexts"],
    sides: Int[np.ndarray, " contexts"],
    rng: np.random.Generator,
    *,
    reading: Reading = "one-sided",
    about: About = "coupled",
    mention_topic: bool = False,
) -> Int[np.ndarray, "contexts tokens"]:
    """Draw one context of n statements per asked topic.

    Args:
        corpus: the corpus.
        n: statements per context.
        topics: the topic each context will be asked about.
        sides: the side each one-sided context takes, 0 or 1.
        rng: where topics and order are drawn from.
        reading: "one-sided" (all statements on the given side) or "balanced" (half on each, shuffled; an odd
            one goes to a fair coin).
        about: which topics the statements are drawn from, uniformly and with replacement.
        mention_topic: whether the asked topic may be among them.
    """
    allowed = {
        "coupled": corpus.coupled,
        "uncoupled": ~corpus.coupled,
        "all": np.ones(corpus.n_topics, bool),
    }[about]
    weight = np.broadcast_to(allowed, (len(topics), corpus.n_topics)).astype(float).copy()
    if not mention_topic:
        weight[np.arange(len(topics)), topics] = 0.0
    if n and not weight.any(1).all():
        raise InputError(f"about={about!r}: no topic is left to read about beside the asked one")
    # Inverse of the cumulative weights, so that each context draws from its own set of topics.
    edges = np.cumsum(weight, 1)
    drawn = rng.random((len(topics), n)) * edges[:, -1:]
    subject = (drawn[:, :, None] >= edges[:, None, :]).sum(2)
    if reading == "one-sided":
        side = np.broadcast_to(sides[:, None], (len(topics), n))
    else:
        halves = np.tile(np.arange(n) % 2, (len(topics), 1))
        side = rng.permuted(np.where(rng.integers(2, size=(len(topics), 1)) == 1, 1 - halves, halves), axis=1)
    return corpus.pairs(STATEMENT, subject, side)


def mask_statements(
    corpus: LeaningCorpus,
    contexts: Int[np.ndarray, "contexts tokens"],
    topics: Int[np.ndarray, " contexts"],
    mask: Mask,
    rng: np.random.Generator,
) -> Int[np.ndarray, "contexts tokens"]:
    """Delete statements: about the asked topic, about coupled topics, or as many as "topic" would at random."""
    opening = contexts[:, 0::2]
    subject = np.where(opening == DELETED, DELETED, opening - corpus.question(STATEMENT, 0))
    present = subject != DELETED
    own = present & (subject == topics[:, None])
    if mask == "topic":
        gone = own
    elif mask == "coupled":
        gone = present & corpus.coupled[subject]
    else:
        rank = np.argsort(np.argsort(np.where(present, rng.random(subject.shape), 2.0), 1), 1)
        gone = rank < own.sum(1, keepdims=True)
    return np.where(np.repeat(gone, 2, axis=1), DELETED, contexts)


@dataclass(frozen=True)
class LeaningCurve:
    """Answers over context length; probabilities are those of the side the context argues for.

    Attributes:
        lengths: statements read.
        topics: topic asked in each context.
        sides: side of each context.
        stated: P(answer = side) to ASK.
        option: P(option = side) of TOOL.
        bayes_stated: the same from the exact posterior.
        bayes_option: the same from the exact posterior.
        within_training: whether each length fits the training documents.
    """

    lengths: tuple[int, ...]
    topics: Int[np.ndarray, " contexts"]
    sides: Int[np.ndarray, " contexts"]
    stated: Float[np.ndarray, "replicates lengths contexts"]
    option: Float[np.ndarray, "replicates lengths contexts"]
    bayes_stated: Float[np.ndarray, "lengths contexts"]
    bayes_option: Float[np.ndarray, "lengths contexts"]
    within_training: Bool[np.ndarray, " lengths"]


def length_curve(
    models: LeaningModels,
    rng: np.random.Generator,
    *,
    lengths: Sequence[int] = LENGTHS,
    contexts: int = 256,
    asked: Literal["coupled", "uncoupled"] = "coupled",
    reading: Reading = "one-sided",
    about: About = "coupled",
    mention_topic: bool = False,
    mask: Mask | None = None,
) -> LeaningCurve:
    """Ask about topics after contexts of each length; asked topics and sides are spread evenly.

    Args:
        models: trained networks.
        rng: where contexts are drawn from; two generators give two resampled sets, the noise floor.
        lengths: statements per context.
        contexts: contexts per length.
        asked: whether coupled or uncoupled topics are asked about.
        reading: one-sided or balanced text.
        about: which topics the text is about.
        mention_topic: whether the asked topic may be mentioned.
        mask: statements to delete before reading, see ``mask_statements``.
    """
    corpus = models.corpus
    pool = np.flatnonzero(corpus.coupled == (asked == "coupled"))
    if not pool.size:
        raise InputError(f"asked={asked!r}: the corpus has no such topic")
    topics = pool[np.arange(contexts) // 2 % pool.size]
    sides = np.arange(contexts) % 2
    readings: list[SideReading] = []
    for n in lengths:
        drawn = reading_contexts(
            corpus, n, topics, sides, rng, reading=reading, about=about, mention_topic=mention_topic
        )
        if mask is not None:
            drawn = mask_statements(corpus, drawn, topics, mask, rng)
        readings.append(models.read(drawn, topics))
    flip = sides == 0
    stated, option, bayes_stated, bayes_option = (
        np.stack([np.where(flip, 1 - part, part) for part in parts], axis=-2)
        for parts in (
            [one.stated for one in readings],
            [one.option for one in readings],
            [one.bayes_stated for one in readings],
            [one.bayes_option for one in readings],
        )
    )
    within = np.array([bool(one.within_training.all()) for one in readings])
    return LeaningCurve(tuple(lengths), topics, sides, stated, option, bayes_stated, bayes_option, within)
