"""A corpus whose authors have a hidden leaning, with the exact posterior of what they will say next.

A document has a leaning z ~ Bernoulli(1/2) and a side s_k on each topic: for coupled topics s_k = z with
probability ``rho``, for uncoupled ones s_k ~ Bernoulli(1/2). It is a stream of pairs of tokens about topics
drawn uniformly: with probability 0.60 a statement (topic, s_k flipped with probability ``noise``), 0.25 a
question ASK (answer s_k), 0.15 a tool call TOOL (option s_k with probability ``tau``).
Given a context, every topic contributes a likelihood of each side, and the posterior is
log odds of z = sum_k log[(rho L_k(1) + (1 - rho) L_k(0)) / (rho L_k(0) + (1 - rho) L_k(1))] over coupled k.
Source: context drift (arXiv:2511.01805), our embedded design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError

Kind: TypeAlias = Literal["statement", "ask", "tool"]
KINDS: tuple[Kind, ...] = ("statement", "ask", "tool")
STATEMENT, ASK, TOOL = range(3)
KIND_SHARES = (0.60, 0.25, 0.15)

# Tokens: for each kind its two sides, then for each kind its topics.
FIRST_TOPIC = 2 * len(KINDS)


class Posterior(NamedTuple):
    """What an exact reader of a context believes.

    Attributes:
        log_odds: log odds of z = 1, in nats.
        stance: P(s_topic = 1).
        option: P(the tool option on the topic is 1).
    """

    log_odds: Float[np.ndarray, "*contexts"]
    stance: Float[np.ndarray, "*contexts"]
    option: Float[np.ndarray, "*contexts"]


@dataclass(frozen=True)
class LeaningCorpus:
    """The corpus and its exact reader.

    Attributes:
        rho: probability that a coupled topic's side is the document's leaning.
        tau: probability that a tool option is the topic's side.
        noise: probability that a statement is flipped.
        n_topics: topics in all.
        n_coupled: topics 0 .. n_coupled - 1 follow the leaning.
        document_tokens: length of a document, even.
    """

    rho: float = 0.85
    tau: float = 0.70
    noise: float = 0.10
    n_topics: int = 12
    n_coupled: int = 8
    document_tokens: int = 40

    def __post_init__(self) -> None:
        for name in ("rho", "tau", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)}: must be a probability in [0, 1]")
        if not 0 <= self.n_coupled <= self.n_topics or self.n_topics < 1:
            raise InputError(
                f"n_coupled={self.n_coupled}: must be in 0 .. n_topics={self.n_topics}, with n_topics >= 1"
            )
        if self.document_tokens < 2 or self.document_tokens % 2:
            raise InputError(f"document_tokens={self.document_tokens}: must be even and >= 2")

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return FIRST_TOPIC + len(KINDS) * self.n_topics

    @property
    def coupled(self) -> Bool[np.ndarray, " topics"]:
        """Whether each topic follows the leaning."""
        return np.arange(self.n_topics) < self.n_coupled

    def pairs(
        self,
        kind: int | Int[np.ndarray, ...],
        topic: int | Int[np.ndarray, ...],
        side: int | Int[np.ndarray, ...],
    ) -> Int[np.ndarray, ...]:
        """Return the tokens of pairs; a last axis of pairs becomes one of twice as many tokens."""
        kinds, topics, sides = np.broadcast_arrays(kind, topic, side)
        both = np.stack([self.question(kinds, topics), 2 * kinds + sides], -1)
        return both.reshape(*kinds.shape[:-1], -1) if kinds.ndim else both

    def question(
        self, kind: int | Int[np.ndarray, ...], topic: int | Int[np.ndarray, ...]
    ) -> Int[np.ndarray, ...]:
        """Return the token that opens a pair: the topic of a statement, ASK_k or TOOL_k."""
        return np.asarray(FIRST_TOPIC + np.asarray(kind) * self.n_topics + topic)

    def sample(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "documents tokens"]:
        """Draw n documents of ``document_tokens`` tokens."""
        if n < 1:
            raise InputError(f"n={n}: must be >= 1")
        length = self.document_tokens // 2
        leaning = rng.integers(2, size=(n, 1))
        follows = np.where(self.coupled, self.rho, 0.5)
        side_of = np.where(rng.random((n, self.n_topics)) < follows, leaning, 1 - leaning)
        kind = rng.choice(len(KINDS), size=(n, length), p=KIND_SHARES)
        topic = rng.integers(self.n_topics, size=(n, length))
        side = np.take_along_axis(side_of, topic, 1)
        flip = rng.random((n, length)) < np.array([self.noise, 0.0, 1 - self.tau])[kind]
        return self.pairs(kind, topic, np.where(flip, 1 - side, side))

    def bayes(
        self, context: Int[np.ndarray, "*contexts tokens"], topic: int | Int[np.ndarray, "*contexts"]
    ) -> Posterior:
        """Return the exact posterior of a topic's side after a context.

        Args:
            context: tokens of whole pairs, -1 (in pairs) for what was deleted; one context or many.
            topic: topic asked about, in 0 .. n_topics - 1.

        Raises:
            InputError: the context has half a pair, an unknown token, or is impossible under the corpus.
        """
        kind, about, side = self._read(np.asarray(context))
        asked = np.broadcast_to(np.asarray(topic), np.asarray(context).shape[:-1])
        if asked.size and not (asked.min() >= 0 and asked.max() < self.n_topics):
            raise InputError(f"topic={topic}: must be in 0 .. {self.n_topics - 1}")
        right = np.array([1 - self.noise, 1.0, self.tau])[kind]
        with np.errstate(divide="ignore"):
            logs = np.log(
                np.stack([np.where(side == 0, right, 1 - right), np.where(side == 1, right, 1 - right)], -1)
            )
        logs = np.where((kind >= 0)[..., None], logs, 0.0)
        given = (about[..., None] == np.arange(self.n_topics))[..., None]
        # log L_k(s): log-likelihood of all pairs about topic k if its side is s, [*contexts, topics, 2].
        evidence = np.where(given, logs[..., None, :], 0.0).sum(-3)
        follows = np.where(self.coupled, self.rho, 0.5)[:, None]
        with np.errstate(divide="ignore"):
            agree = np.log(np.concatenate([1 - follows, follows], 1))
        # log sum_s P(s | z) L_k(s) for z = 0 and 1.
        one = np.logaddexp(agree[:, 1] + evidence[..., 1], agree[:, 0] + evidence[..., 0])
        zero = np.logaddexp(agree[:, 0] + evidence[..., 1], agree[:, 1] + evidence[..., 0])
        if np.isneginf(np.maximum(one.sum(-1), zero.sum(-1))).any():
            raise InputError("context: impossible under this corpus (two answers contradict each other)")
        with np.errstate(invalid="ignore"):
            log_odds = one.sum(-1) - zero.sum(-1)
        return Posterior(log_odds, *self._predict(evidence, agree, one, zero, asked))

    def _predict(
        self,
        evidence: Float[np.ndarray, "*contexts topics 2"],
        agree: Float[np.ndarray, "topics 2"],
        one: Float[np.ndarray, "*contexts topics"],
        zero: Float[np.ndarray, "*contexts topics"],
        asked: Int[np.ndarray, "*contexts"],
    ) -> tuple[Float[np.ndarray, "*contexts"], Float[np.ndarray, "*contexts"]]:
        """Return P(s_asked = 1) and P(option 1) from the evidence of every topic."""
        others = np.arange(self.n_topics) != asked[..., None]
        log_z = np.stack([np.where(others, zero, 0.0).sum(-1), np.where(others, one, 0.0).sum(-1)], -1)
        own = np.take_along_axis(evidence, asked[..., None, None], -2)[..., 0, :]
        follow = agree[asked]
        side = [
            own[..., s] + np.logaddexp(log_z[..., 1] + follow[..., s], log_z[..., 0] + follow[..., 1 - s])
            for s in (0, 1)
        ]
        stance = np.asarray(np.exp(side[1] - np.logaddexp(side[0], side[1])))
        return stance, np.asarray(stance * self.tau + (1 - stance) * (1 - self.tau))

    def _read(
        self, context: Int[np.ndarray, "*contexts tokens"]
    ) -> tuple[
        Int[np.ndarray, "*contexts pairs"],
        Int[np.ndarray, "*contexts pairs"],
        Int[np.ndarray, "*contexts pairs"],
    ]:
        """Return kind, topic and side of each pair; kind -1 for deleted ones."""
        if context.shape[-1] % 2:
            raise InputError(f"context of {context.shape[-1]} tokens: must be whole pairs, an even number")
        opening, answer = context[..., 0::2], context[..., 1::2]
        gone = (opening < 0) & (answer < 0)
        kind = np.where(gone, -1, (opening - FIRST_TOPIC) // self.n_topics)
        fits = gone | ((opening >= FIRST_TOPIC) & (opening < self.vocabulary) & (answer // 2 == kind))
        if not fits.all():
            where = tuple(np.argwhere(~fits)[0])
            raise InputError(f"context pair ({opening[where]}, {answer[where]}): not a pair of this corpus")
        return (
            kind,
            np.where(gone, -1, (opening - FIRST_TOPIC) % self.n_topics),
            np.where(gone, 0, answer % 2),
        )
