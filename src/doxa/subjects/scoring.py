"""The scoring tree: every common prefix of all prompts and options stands once.

A tree holds each sequence ``prompt + option`` as a path of nodes; a node is a run of tokens without a branch, and
ends wherever a prompt or an option ends. Sequences may come from a generator: what they share is not kept twice.
How the tree is cut into rows and computed is said in ``scoring_rows`` and ``scoring_forward``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError

Asked: TypeAlias = tuple[Int[np.ndarray, " _"], Sequence[Int[np.ndarray, " _"]]]
"""Token ids of a prompt and of each of its options, at least one token each."""


@dataclass(frozen=True)
class Limits:
    """How the tree is cut into rows; all sizes are positive and in tokens unless said otherwise.

    Attributes:
        batch_tokens: new tokens in one forward pass, padding included; one row alone may exceed it.
        past_factor: new and past positions of one pass together, in multiples of ``batch_tokens``.
        row_tokens: longest row; longer chains are computed piece by piece.
        pack_tokens: branches stand side by side in a row up to this length, or an eighth of their past.
        batch_answers: rows of the output head in one pass; it bounds the memory of the logits.
        trunk_budget: trunk tokens kept at once; beyond it, one row per level of the walk (see ``scoring_sweep``).
    """

    batch_tokens: int = 4096
    past_factor: int = 8
    row_tokens: int = 2048
    pack_tokens: int = 64
    batch_answers: int = 4096
    trunk_budget: int = 65536


@dataclass(eq=False, slots=True)
class Node:
    """A run of tokens without a branch.

    Attributes:
        tokens: the run.
        begin: position of its first token in the sequences that go through it.
        parent: the node before it, None at the root.
        children: what follows, by first token.
        wanted: whether its tokens belong to an option, so that their log-probabilities are asked for.
        slot: where the results of this node begin.
        size: tokens of the subtree that must be computed; the last token of a leaf predicts nothing.
        answers: places in the subtree that predict what is asked for.
    """

    tokens: Int[np.ndarray, " run"]
    begin: int
    parent: Node | None
    children: dict[int, Node] = field(default_factory=dict["int", "Node"])
    wanted: bool = False
    slot: int = 0
    size: int = 0
    answers: int = 0

    @property
    def end(self) -> int:
        """The position after its last token."""
        return self.begin + len(self.tokens)

    @property
    def computed_end(self) -> int:
        """The position after its last token that must be computed."""
        return self.end - (not self.children)

    def answers_within(self, begin: int, stop: int) -> int:
        """Return how many of its positions from ``begin`` to before ``stop`` predict what is asked for."""
        inside = max(0, min(stop, self.end - 1) - begin) if self.wanted else 0
        return inside + (stop == self.end and any(child.wanted for child in self.children.values()))


class Branch(NamedTuple):
    """What hangs below a trunk: a node from position ``begin`` on, with all that is below it."""

    node: Node
    begin: int

    def tokens(self) -> int:
        """Return how many tokens must be computed here."""
        return self.node.size - (self.begin - self.node.begin)

    def answers(self) -> int:
        """Return how many of them predict what is asked for."""
        return self.node.answers - (self.begin - self.node.begin) * self.node.wanted


class Tree:
    """All sequences of a call, common prefixes once.

    Args:
        asked: prompts with their options; read once, in order.

    Raises:
        InputError: a prompt or an option has no tokens.
    """

    def __init__(self, asked: Iterable[Asked]) -> None:
        self.root = Node(np.zeros(0, dtype=np.int32), 0, None)
        self._asked: list[tuple[Node, list[Node]]] = []
        for prompt, options in asked:
            if len(prompt) == 0 or any(len(option) == 0 for option in options):
                raise InputError(
                    "a prompt or an option has no tokens; log-probabilities need at least one of each"
                )
            stem = _insert(self.root, prompt, wanted=False)
            self._asked.append((stem, [_insert(stem, option, wanted=True) for option in options]))
        self.slots = self._count()

    def _count(self) -> int:
        slots = 0
        order = list(_preorder(self.root))
        for node in order:
            node.slot = slots
            slots += len(node.tokens) if node.wanted else 0
        for node in reversed(order):
            below = node.children.values()
            node.size = node.computed_end - node.begin + sum(child.size for child in below)
            node.answers = node.answers_within(node.begin, node.end) + sum(child.answers for child in below)
        return slots

    def sums(self, log_prob: Float[np.ndarray, " slots"]) -> list[Float[np.ndarray, " _"]]:
        """Return, per prompt, the log-probability in nats of each option from those of the single tokens."""
        return [np.array([_sum(log_prob, leaf, stem) for leaf in leaves]) for stem, leaves in self._asked]


def _sum(log_prob: Float[np.ndarray, " slots"], leaf: Node, stem: Node) -> float:
    total = 0.0
    node: Node | None = leaf
    while node is not None and node is not stem:
        total += float(log_prob[node.slot : node.slot + len(node.tokens)].sum())
        node = node.parent
    return total


def _insert(node: Node, ids: Int[np.ndarray, " _"], *, wanted: bool) -> Node:
    """Follow token ids down from a node, grow what is missing, and return the node at whose end they end."""
    while len(ids):
        child = node.children.get(int(ids[0]))
        if child is None:
            child = Node(ids.astype(np.int32), node.end, node)
            node.children[int(ids[0])] = child
        shared = _common(child.tokens, ids)
        if shared < len(child.tokens):
            child = _split(node, child, shared)
        child.wanted |= wanted
        node, ids = child, ids[shared:]
    return node


def _split(parent: Node, node: Node, length: int) -> Node:
    """Cut a node in two and return the upper part; the lower one stays the node that others know."""
    upper = Node(node.tokens[:length], node.begin, parent, wanted=node.wanted)
    parent.children[int(node.tokens[0])] = upper
    node.tokens, node.begin, node.parent = node.tokens[length:], node.begin + length, upper
    upper.children[int(node.tokens[0])] = node
    return upper


def _preorder(root: Node) -> Iterator[Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(node.children.values()))


def _common(left: Int[np.ndarray, " a"], right: Int[np.ndarray, " b"]) -> int:
    size = min(len(left), len(right))
    differ = np.flatnonzero(left[:size] != right[:size])
    return int(differ[0]) if len(differ) else size
