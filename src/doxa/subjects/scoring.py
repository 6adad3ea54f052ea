"""The scoring tree: every common prefix of all prompts and options stands once.

A tree holds each sequence ``prompt + option`` as a path of nodes; a node is a run of tokens without a branch.
How it is cut into rows and computed is said in ``scoring_rows`` and ``scoring_forward``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError


@dataclass(frozen=True)
class Limits:
    """How the tree is cut into rows.

    Attributes:
        batch_tokens: new tokens in one forward pass, padding included; one row alone may exceed it.
        past_factor: new and past positions of one pass together, in multiples of ``batch_tokens``.
        row_tokens: longest row; longer chains are computed piece by piece.
        pack_tokens: branches are packed side by side up to this length, or up to that of their past.
        trunk_tokens: shared runs shorter than this are computed again for each branch.
        batch_answers: rows of the output head in one pass; it bounds the memory of the logits.
        trunk_budget: trunk tokens kept at once, beyond one path from root to leaf.
    """

    batch_tokens: int = 4096
    past_factor: int = 8
    row_tokens: int = 2048
    pack_tokens: int = 64
    trunk_tokens: int = 32
    batch_answers: int = 4096
    trunk_budget: int = 65536


@dataclass(eq=False, slots=True)
class Node:
    """A run of tokens without a branch: positions ``begin`` to ``end`` of sequence ``sequence``.

    ``wanted_from`` is the first position whose log-probability is asked for, ``slot`` where the results of
    this node begin, ``tokens`` and ``wanted`` count those of the whole subtree.
    """

    sequence: int
    begin: int
    end: int
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    wanted_from: int = 2**62
    slot: int = 0
    tokens: int = 0
    wanted: int = 0

    def wanted_here(self) -> int:
        """Return how many positions of this node are asked for."""
        return self.end - max(self.begin, min(self.wanted_from, self.end))


class Branch(NamedTuple):
    """What hangs below a trunk: a node from position ``begin`` on, with all that is below it."""

    node: Node
    begin: int

    def tokens(self) -> int:
        """Return how many tokens hang here."""
        return self.node.tokens - (self.begin - self.node.begin)


class Tree:
    """All sequences of a call, common prefixes once.

    Args:
        prompts: token ids of each prompt, at least one each.
        options: per prompt, token ids of each option, at least one each.
    """

    def __init__(
        self, prompts: Sequence[Int[np.ndarray, " _"]], options: Sequence[Sequence[Int[np.ndarray, " _"]]]
    ) -> None:
        ends: dict[bytes, int] = {}
        paths: list[list[tuple[bytes, int]]] = []
        for prompt, choices in zip(prompts, options, strict=True):
            if len(prompt) == 0 or any(len(choice) == 0 for choice in choices):
                raise InputError(
                    "a prompt or an option has no tokens; log-probabilities need at least one of each"
                )
            head = prompt.astype(">u4").tobytes()
            keys = [head + choice.astype(">u4").tobytes() for choice in choices]
            for key in keys:
                ends[key] = min(len(prompt), ends.get(key, len(prompt)))
            paths.append([(key, len(prompt)) for key in keys])
        order = sorted(ends)
        index = {key: i for i, key in enumerate(order)}
        self.sequences = [np.frombuffer(key, dtype=">u4").astype(np.int32) for key in order]
        self.root = Node(sequence=0, begin=0, end=0)
        self._leaves = self._grow()
        for key, leaf in zip(order, self._leaves, strict=True):
            leaf.wanted_from = ends[key]
        self.slots = self._count()
        self._paths = [[(index[key], length) for key, length in path] for path in paths]

    def _grow(self) -> list[Node]:
        """Insert the sorted sequences one after another; only the last path can be split."""
        path = [self.root]
        leaves: list[Node] = []
        for i, sequence in enumerate(self.sequences):
            common = 0 if i == 0 else _common(self.sequences[i - 1], sequence)
            while len(path) > 1 and path[-1].begin >= common:
                path.pop()
            top = path[-1]
            if top.end > common:
                parent = path[-2]
                middle = Node(top.sequence, top.begin, common, parent, [top])
                parent.children[-1] = middle
                top.begin, top.parent = common, middle
                path[-1] = top = middle
            leaf = Node(i, common, len(sequence), top)
            top.children.append(leaf)
            path.append(leaf)
            leaves.append(leaf)
        return leaves

    def _count(self) -> int:
        order = list(_preorder(self.root))
        for node in reversed(order):
            node.wanted_from = min([node.wanted_from, *(child.wanted_from for child in node.children)])
            node.tokens = node.end - node.begin + sum(child.tokens for child in node.children)
            node.wanted = node.wanted_here() + sum(child.wanted for child in node.children)
        slot = 0
        for node in order:
            node.slot = slot
            slot += node.wanted_here()
        return slot

    def sums(self, log_prob: Float[np.ndarray, " slots"]) -> list[Float[np.ndarray, " _"]]:
        """Return, per prompt, the log-probability in nats of each option from those of the single tokens."""
        known: dict[tuple[int, int], float] = {}
        for sequence, length in {pair for path in self._paths for pair in path}:
            parts: list[Float[np.ndarray, " _"]] = []
            node: Node | None = self._leaves[sequence]
            while node is not None and node.end > length:
                first = max(node.begin, length)
                start = node.slot + first - max(node.begin, node.wanted_from)
                parts.append(log_prob[start : start + node.end - first])
                node = node.parent
            known[sequence, length] = float(np.concatenate(parts[::-1]).sum())
        return [np.array([known[pair] for pair in path]) for path in self._paths]


def _preorder(root: Node) -> Iterator[Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(node.children))


def _common(left: Int[np.ndarray, " a"], right: Int[np.ndarray, " b"]) -> int:
    size = min(len(left), len(right))
    differ = np.flatnonzero(left[:size] != right[:size])
    return int(differ[0]) if len(differ) else size
