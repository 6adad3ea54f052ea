"""Rows of the scoring tree: what one line of a batch computes.

A *row* stands behind a *past*: keys and values that were computed before. It is one of two things:

- a *spine*: a path down the tree, always into the largest subtree, until what is left is small. Everything that
  leaves it at any depth continues from there later, so a conversation of many turns is one row.
- a *pack*: small subtrees side by side behind the same past, kept apart by an attention mask.

No token stands in two rows. A spine that others continue becomes a *trunk*. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from doxa.subjects.scoring import Branch, Limits, Node


@dataclass(eq=False, slots=True)
class Trunk:
    """A computed run of tokens that several rows continue; ``state`` is what the model left for it."""

    state: Any
    positions: Int[np.ndarray, " tokens"]
    past: Past | None


class Past(NamedTuple):
    """What stands before a row: the first ``tokens`` of a trunk, and what that trunk itself continues.

    ``length`` counts all positions, those of earlier trunks included.
    """

    trunk: Trunk
    tokens: int
    length: int

    def path(self) -> list[Past]:
        """Return the pieces from the root to this one; each stands for tokens of its own trunk."""
        out: list[Past] = []
        past: Past | None = self
        while past is not None:
            out.append(past)
            past = past.trunk.past
        return out[::-1]


class Piece(NamedTuple):
    """The part of a node that a row computes: positions ``begin`` to before ``stop``."""

    node: Node
    begin: int
    stop: int


@dataclass(eq=False, slots=True)
class Plan:
    """What a row will hold, before it is laid out: either a spine or a pack.

    Attributes:
        past: what it continues, None at the root.
        tokens: how many it computes.
        answers: how many of them predict what is asked for.
        spine: pieces of nodes, each behind the one before.
        below: what continues a spine, by how many of its tokens stand before.
        pack: subtrees side by side.
    """

    past: Past | None
    tokens: int = 0
    answers: int = 0
    spine: list[Piece] = field(default_factory=list[Piece])
    below: dict[int, list[Branch]] = field(default_factory=dict[int, list[Branch]])
    pack: list[Branch] = field(default_factory=list[Branch])

    @property
    def past_length(self) -> int:
        """How many positions stand before it."""
        return 0 if self.past is None else self.past.length

    @property
    def kept(self) -> int:
        """How many of its tokens later rows continue."""
        return max(self.below, default=0)


def cut(past: Past | None, branches: Sequence[Branch], limits: Limits) -> Iterator[Plan]:
    """Cut what hangs below a past into rows: small subtrees go into packs, the others become spines."""
    length = 0 if past is None else past.length
    capacity = min(max(limits.pack_tokens, length // 8), limits.row_tokens)
    pack = Plan(past)
    for branch in branches:
        size, answers = branch.tokens(), branch.answers()
        if size > capacity or answers > limits.batch_answers:
            yield _spine(past, branch, capacity, limits)
        elif size > 0:
            if pack.tokens + size > capacity or pack.answers + answers > limits.batch_answers:
                yield pack
                pack = Plan(past)
            pack.pack.append(branch)
            pack.tokens += size
            pack.answers += answers
    if pack.pack:
        yield pack


def _spine(past: Past | None, branch: Branch, capacity: int, limits: Limits) -> Plan:
    """Follow a branch into its largest subtree until a row is full or only small subtrees are left."""
    plan = Plan(past)
    node, begin = branch
    while True:
        room = limits.row_tokens - plan.tokens
        if node.wanted or plan.answers >= limits.batch_answers:
            room = min(room, limits.batch_answers - plan.answers)
        stop = min(node.computed_end, begin + room)
        if stop > begin:
            plan.spine.append(Piece(node, begin, stop))
            plan.tokens += stop - begin
            plan.answers += node.answers_within(begin, stop)
        if stop < node.computed_end:
            plan.below.setdefault(plan.tokens, []).append(Branch(node, stop))
            return plan
        heaviest = max(node.children.values(), key=lambda child: child.size, default=None)
        if heaviest is not None and heaviest.size <= capacity and heaviest.answers <= limits.batch_answers:
            heaviest = None
        rest = [Branch(child, child.begin) for child in node.children.values() if child is not heaviest]
        if rest := [other for other in rest if other.tokens()]:
            plan.below.setdefault(plan.tokens, []).extend(rest)
        if heaviest is None:
            return plan
        node, begin = heaviest, heaviest.begin


@dataclass(eq=False, slots=True)
class Row:
    """One line of a batch. Token j may be seen by token i iff ``enter[j] <= enter[i] <= leave[j]``.

    Attributes:
        plan: what it was laid out from.
        tokens, positions, enter, leave: one entry per token.
        ask_column, ask_token, ask_slot: the log-probability of ``ask_token`` after column ``ask_column``
            goes to result ``ask_slot``.
        answering: the columns that are asked, each once, in order.
    """

    plan: Plan
    tokens: Int[np.ndarray, " tokens"]
    positions: Int[np.ndarray, " tokens"]
    enter: Int[np.ndarray, " tokens"]
    leave: Int[np.ndarray, " tokens"]
    ask_column: Int[np.ndarray, " asks"]
    ask_token: Int[np.ndarray, " asks"]
    ask_slot: Int[np.ndarray, " asks"]
    answering: Int[np.ndarray, " answers"]


def lay_out(plan: Plan) -> Row:
    """Return the row of a plan, its tokens in the order of a walk down the tree."""
    pieces: list[Piece] = []
    last: list[int] = []
    todo = plan.pack[::-1]
    size = 0
    while todo:
        branch = todo.pop()
        node, begin = branch
        pieces.append(Piece(node, begin, node.computed_end))
        last.append(size + branch.tokens() - 1)
        size += node.computed_end - begin
        todo.extend(Branch(child, child.begin) for child in reversed(node.children.values()) if child.size)
    if plan.spine:
        pieces, last = plan.spine, [plan.tokens - 1] * len(plan.spine)
    sizes = [piece.stop - piece.begin for piece in pieces]
    column, token, slot = _asks(pieces)
    return Row(
        plan=plan,
        tokens=np.concatenate([n.tokens[begin - n.begin : stop - n.begin] for n, begin, stop in pieces]),
        positions=np.concatenate([np.arange(begin, stop) for _, begin, stop in pieces]),
        enter=np.arange(plan.tokens),
        leave=np.repeat(last, sizes),
        ask_column=np.array(column, dtype=np.int64),
        ask_token=np.array(token, dtype=np.int64),
        ask_slot=np.array(slot, dtype=np.int64),
        answering=np.unique(np.array(column, dtype=np.int64)),
    )


def _asks(pieces: Sequence[Piece]) -> tuple[list[int], list[int], list[int]]:
    """Return column, token and slot of all that the pieces predict: their own tokens, and the first ones below."""
    column: list[int] = []
    token: list[int] = []
    slot: list[int] = []
    size = 0
    for node, begin, stop in pieces:
        if node.wanted:
            inside = min(stop, node.end - 1) - begin
            first = begin + 1 - node.begin
            column.extend(range(size, size + inside))
            token.extend(node.tokens[first : first + inside].tolist())
            slot.extend(range(node.slot + first, node.slot + first + inside))
        size += stop - begin
        if stop == node.end:
            for first_token, child in node.children.items():
                if child.wanted:
                    column.append(size - 1)
                    token.append(first_token)
                    slot.append(child.slot)
    return column, token, slot
