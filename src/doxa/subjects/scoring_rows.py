"""Rows of the scoring tree: what one line of a batch computes, and the order in which batches are computed.

A *row* is a piece of the tree with several branches side by side, kept apart by an attention mask, behind a
*trunk* whose keys and values were computed before. Trunks are walked depth first, so that few of them live at
once. Nothing here knows torch: ``sweep`` is given the function that computes a batch of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.subjects.scoring import Branch, Limits, Node, Tree


@dataclass(eq=False, slots=True)
class Trunk:
    """A computed run of tokens that several rows continue; ``state`` is what the model left for it."""

    state: Any
    positions: Int[np.ndarray, " tokens"]
    parent: Trunk | None
    length: int

    def path(self) -> list[Trunk]:
        """Return the trunks from the root to this one."""
        out: list[Trunk] = []
        trunk: Trunk | None = self
        while trunk is not None:
            out.append(trunk)
            trunk = trunk.parent
        return out[::-1]


@dataclass(eq=False, slots=True)
class Row:
    """One line of a batch. Token j may be seen by token i iff ``enter[j] <= enter[i] <= leave[j]``.

    Attributes:
        past: the trunk it continues, None at the root.
        tokens, positions, enter, leave: one entry per token; those that predict an answer come last.
        answers: how many tokens predict an answer.
        ask_column, ask_token, ask_slot: the log-probability of ``ask_token`` after column ``ask_column``
            goes to result ``ask_slot``.
        below: for a row that becomes a trunk, the branches that continue it; empty otherwise.
    """

    past: Trunk | None
    tokens: Int[np.ndarray, " tokens"]
    positions: Int[np.ndarray, " tokens"]
    enter: Int[np.ndarray, " tokens"]
    leave: Int[np.ndarray, " tokens"]
    answers: int
    ask_column: Int[np.ndarray, " asks"]
    ask_token: Int[np.ndarray, " asks"]
    ask_slot: Int[np.ndarray, " asks"]
    below: list[Branch]


class Cut(NamedTuple):
    """What a row will hold, before it is laid out: a chain of runs, then subtrees side by side, or a trunk's end."""

    past: Trunk | None
    chain: list[Branch]
    pack: list[Branch]
    below: list[Branch]
    tokens: int
    answers: int


def cut(past: Trunk | None, branches: Sequence[Branch], limits: Limits) -> Iterator[Cut]:
    """Cut what hangs below a trunk into rows: leaves to be read, and trunks to be continued."""
    length = 0 if past is None else past.length
    yield from _cut(past, branches, [], min(max(limits.pack_tokens, length), limits.row_tokens), limits)


def _cut(
    past: Trunk | None, branches: Sequence[Branch], chain: list[Branch], capacity: int, limits: Limits
) -> Iterator[Cut]:
    ahead = sum(node.end - begin for node, begin in chain)
    wanted = sum(node.wanted_here() for node, _ in chain)
    pack: list[Branch] = []
    tokens, answers = ahead, wanted
    for branch in branches:
        node, begin = branch
        size, run = branch.tokens(), ahead + node.end - begin
        few = wanted + node.wanted <= limits.batch_answers
        below = [Branch(child, child.begin) for child in node.children]
        if few and ahead + size <= capacity:
            if pack and (tokens + size > capacity or answers + node.wanted > limits.batch_answers):
                yield Cut(past, chain, pack, [], tokens, answers)
                pack, tokens, answers = [], ahead, wanted
            pack.append(branch)
            tokens, answers = tokens + size, answers + node.wanted
        elif (
            few
            and ahead + size <= limits.row_tokens
            and ahead + size - run <= max(limits.pack_tokens, run // 4)
        ):
            yield Cut(past, chain, [branch], [], ahead + size, wanted + node.wanted)
        elif (stop := _chain_end(branch, ahead, limits)) < node.end:
            yield Cut(
                past, [*chain, branch], [], [Branch(node, stop)], ahead + stop - begin, limits.batch_answers
            )
        elif run >= limits.trunk_tokens or not below:
            yield Cut(past, [*chain, branch], [], below, run, wanted + node.wanted_here() + bool(below))
        else:
            yield from _cut(past, below, [*chain, branch], capacity, limits)
    if pack:
        yield Cut(past, chain, pack, [], tokens, answers)


def _chain_end(branch: Branch, ahead: int, limits: Limits) -> int:
    """Return where a chain that is too long for one row, or asks for too much, is cut."""
    node, begin = branch
    stop = min(node.end, begin + max(1, limits.row_tokens - ahead))
    return min(stop, max(begin + 1, max(begin, node.wanted_from) + limits.batch_answers))


def lay_out(tree: Tree, plan: Cut) -> Row:
    """Return the row of a cut, its tokens in the order in which they are computed."""
    layout = _Layout(tree)
    last = -1
    for node, begin in plan.chain:
        inside = plan.below and plan.below[0].node is node
        last = layout.run(node, begin, plan.below[0].begin if inside else node.end, last)
    for branch in plan.pack:
        layout.subtree(branch, last)
    for node, begin in plan.below:
        layout.ask(node, begin, begin + 1, last)
    return layout.finish(plan.past, plan.below)


class _Layout:
    """Collects the tokens of a row in the order of a walk, with the interval of each token's subtree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.tokens: list[Int[np.ndarray, " _"]] = []
        self.positions: list[Int[np.ndarray, " _"]] = []
        self.opened: list[tuple[int, int, int]] = []
        self.asks: list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"], Int[np.ndarray, " _"]]] = []
        self.size = 0

    def run(self, node: Node, begin: int, end: int, parent: int) -> int:
        """Add positions ``begin`` to ``end`` of a node behind column ``parent``; return the last column."""
        if parent >= 0:
            self.ask(node, begin, begin + 1, parent)
        self.ask(node, begin + 1, end, self.size)
        self.tokens.append(self.tree.sequences[node.sequence][begin:end])
        self.positions.append(np.arange(begin, end))
        self.opened.append((self.size, self.size + end - begin, parent))
        self.size += end - begin
        return self.size - 1

    def ask(self, node: Node, begin: int, end: int, column: int) -> None:
        """Ask for positions ``begin`` to ``end`` of a node, predicted by ``column`` and those after it."""
        first = max(begin, node.wanted_from)
        if first >= end:
            return
        slot = node.slot + first - max(node.begin, node.wanted_from)
        count = np.arange(end - first)
        self.asks.append(
            (count + column + first - begin, self.tree.sequences[node.sequence][first:end], count + slot)
        )

    def subtree(self, branch: Branch, parent: int) -> None:
        """Add a node and all below it, in the order of a walk."""
        todo = [(branch, parent)]
        while todo:
            (node, begin), column = todo.pop()
            last = self.run(node, begin, node.end, column)
            todo.extend((Branch(child, child.begin), last) for child in reversed(node.children))

    def finish(self, past: Trunk | None, below: list[Branch]) -> Row:
        """Return the row, with the columns that predict an answer moved to its end."""
        leave = np.arange(self.size)
        for first, stop, parent in reversed(self.opened):
            leave[first:stop] = leave[stop - 1]
            if parent >= 0:
                leave[parent] = max(leave[parent], leave[stop - 1])
        none = np.zeros(0, dtype=np.int64)
        column, token, slot = (np.concatenate([none, *(ask[k] for ask in self.asks)]) for k in range(3))
        answering = np.zeros(self.size, dtype=bool)
        answering[column] = True
        order = np.argsort(answering, kind="stable")
        place = np.empty(self.size, dtype=np.int64)
        place[order] = np.arange(self.size)
        return Row(
            past=past,
            tokens=np.concatenate(self.tokens)[order],
            positions=np.concatenate(self.positions)[order],
            enter=order,
            leave=leave[order],
            answers=int(answering.sum()),
            ask_column=place[column],
            ask_token=token,
            ask_slot=slot,
            below=below,
        )


Compute = Callable[[list[Row], Float[np.ndarray, " slots"]], list[Any]]
"""Computes a batch of rows: writes their log-probabilities, returns the state of each row that is a trunk."""


def sweep(tree: Tree, compute: Compute, limits: Limits) -> Float[np.ndarray, " slots"]:
    """Compute every row of the tree, depth first, and return the log-probabilities of the single tokens."""
    results = np.full(tree.slots, np.nan)
    frontier = [(None, [Branch(child, child.begin) for child in tree.root.children])]
    stack = [_frontier(tree, frontier, limits)]
    live: list[int] = [0]
    while stack:
        batch = stack[-1](limits.trunk_budget - sum(live))
        if not batch:
            stack.pop()
            live.pop()
            continue
        states = compute(batch, results)
        grown = [
            (Trunk(state, row.positions, row.past, _length(row.past) + len(row.tokens)), row.below)
            for row, state in zip(batch, states, strict=True)
            if row.below
        ]
        if grown:
            stack.append(_frontier(tree, grown, limits))
            live.append(sum(len(trunk.positions) for trunk, _ in grown))
    return results


def _frontier(
    tree: Tree, trunks: Sequence[tuple[Trunk | None, list[Branch]]], limits: Limits
) -> Callable[[int], list[Row]]:
    """Return a function that hands out the next batch of rows below some trunks: leaves first, long ones first."""
    plans = [plan for trunk, branches in trunks for plan in cut(trunk, branches, limits)]
    plans.sort(key=lambda plan: (not plan.below, plan.tokens, _length(plan.past)))

    def take(budget: int) -> list[Row]:
        batch: list[Cut] = []
        longest = past = answers = 0
        while plans and (not batch or bool(plans[-1].below) == bool(batch[0].below)):
            plan, count = plans[-1], len(batch) + 1
            longest, past = max(longest, plan.tokens), max(past, _length(plan.past))
            answers = max(answers, plan.answers)
            if batch and (
                count * longest > limits.batch_tokens
                or count * (longest + past) > limits.past_factor * limits.batch_tokens
                or count * answers > limits.batch_answers
                or (plan.below and count * longest > budget)
            ):
                break
            batch.append(plans.pop())
        return [lay_out(tree, plan) for plan in batch]

    return take


def _length(past: Trunk | None) -> int:
    return 0 if past is None else past.length
