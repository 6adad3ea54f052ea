"""Small networks that learn the two registers, many of one population as one stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.nets.plan import NetShape, Precision, TrainingPlan
from doxa.streams import stream
from doxa.worlds.trust_registers import FIRST_LEVEL, TrustRegisters, TrustTokens

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer


class TrustModels(NamedTuple):
    """Trained networks, one per corpus.

    Attributes:
        corpora: what each read.
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
        loss: mean cross-entropy of each stretch of steps, in nats.
    """

    corpora: tuple[TrustRegisters, ...]
    net: StackedTransformer
    loss: Float[np.ndarray, "replicates stretches"]

    @property
    def tokens(self) -> TrustTokens:
        """The vocabulary they share."""
        return self.corpora[0].tokens


def train_registers(
    corpora: Sequence[TrustRegisters],
    seeds: Sequence[int],
    *,
    steps: int = 1600,
    batch: int = 64,
    width: int = 48,
    layers: int = 2,
    heads: int = 2,
    peak_rate: float = 6e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> TrustModels:
    """Train one network per corpus, all as one stack.

    The three tokens of a level begin as one embedding and a mark, and the first block begins with equal queries and
    keys, so that a token looks at other forms of itself; without this the use of statements takes many more steps.

    Args:
        corpora: at least one, all about people with the same levels.
        seeds: of each network's weights and data.
        steps: optimiser steps.
        batch: rows of a step and network.
        width: of the residual stream.
        layers: blocks.
        heads: attention heads of a block.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).

    Raises:
        InputError: no corpora, or of different vocabularies.
    """
    from doxa.nets.trainer import train_stack
    from doxa.nets.transformer import StackedTransformer

    if not corpora or len({corpus.tokens.vocabulary for corpus in corpora}) > 1:
        raise InputError("corpora: give at least one, all about people with the same levels")
    layout = corpora[0].tokens
    shape = NetShape(
        layout.vocabulary, width=width, layers=layers, heads=heads, positions=4 * layout.row_tokens
    )
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    initial = _kindred(StackedTransformer.initial(shape, seeds, "trust-registers"), layout, seeds)
    samplers = [corpus.sampler() for corpus in corpora]
    names = ("trust-registers",)
    trained = train_stack(
        shape, samplers, seeds, plan, stream_names=names, initial=initial, progress=progress
    )
    return TrustModels(tuple(corpora), trained.net, trained.loss)


def _kindred(net: StackedTransformer, layout: TrustTokens, seeds: Sequence[int]) -> StackedTransformer:
    """Return the networks with kindred tokens for each level and a first block that looks for them."""
    embedding, levels = net.weights["embedding"], layout.n_levels
    profile = embedding[:, FIRST_LEVEL : FIRST_LEVEL + levels].clone()
    marks = [stream(seed, "trust-registers", "mark").standard_normal(embedding.shape[2]) for seed in seeds]
    mark = embedding.new_tensor(np.stack(marks))[:, None] * net.shape.init_std
    for form, sign in ((1, 1.0), (2, -1.0)):
        start = FIRST_LEVEL + form * levels
        embedding[:, start : start + levels] = profile + sign * mark
    net.weights["0.key"].copy_(net.weights["0.query"])
    return net
