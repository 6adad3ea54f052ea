"""The order in which the rows of a scoring tree are computed: in batches, trunks depth first.

A batch holds rows of about the same length. As many trunks are computed before what continues them as
``Limits.trunk_budget`` allows; with more, they are walked depth first. Beyond the budget at most one row per level
lives, and a tree of n sequences has at most log2(n) levels, because a spine always takes the largest subtree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.subjects.scoring import Branch, Limits, Tree
from doxa.subjects.scoring_rows import Past, Plan, Row, Trunk, cut, lay_out

Compute: TypeAlias = Callable[[list[Row], Float[np.ndarray, " slots"]], list[Any]]
"""Computes a batch of rows: writes their log-probabilities, returns a state for each row that becomes a trunk.

A state holds the first ``row.plan.kept`` tokens of its row.
"""


PADDING = 128
"""A batch may hold this many tokens of padding, and a sixteenth of its own: about what one more pass costs."""


def sweep(tree: Tree, compute: Compute, limits: Limits) -> Float[np.ndarray, " slots"]:
    """Compute every row of the tree and return the log-probabilities of the single tokens."""
    results = np.full(tree.slots, np.nan)
    top = [Branch(child, child.begin) for child in tree.root.children.values()]
    stack = [_Frontier(list(cut(None, top, limits)), limits)]
    while stack:
        batches = stack[-1].take(limits.trunk_budget - sum(frontier.live for frontier in stack))
        if not batches:
            stack.pop()
            continue
        trunks: list[tuple[Plan, Trunk]] = []
        for plans in batches:
            rows = [lay_out(plan) for plan in plans]
            for row, state in zip(rows, compute(rows, results), strict=True):
                if row.plan.below:
                    trunk = Trunk(state, row.positions[: row.plan.kept], row.plan.past)
                    trunks.append((row.plan, trunk))
        if trunks:
            stack.append(_below(trunks, limits))
    return results


def _below(trunks: Sequence[tuple[Plan, Trunk]], limits: Limits) -> _Frontier:
    """Return all that continues some trunks, at any depth."""
    plans = [
        row
        for plan, trunk in trunks
        for depth, branches in plan.below.items()
        for row in cut(Past(trunk, depth, plan.past_length + depth), branches, limits)
    ]
    return _Frontier(plans, limits, live=sum(plan.kept for plan, _ in trunks))


@dataclass
class _Frontier:
    """Rows whose past is computed, and how many trunk tokens they keep alive."""

    plans: list[Plan]
    limits: Limits
    live: int = 0

    def __post_init__(self) -> None:
        """Sort so that the next row stands last: ends before trunks, long before short, like beside like."""
        self.plans.sort(
            key=lambda plan: (not plan.below, -(-plan.tokens // 16), plan.past_length, plan.tokens)
        )

    def take(self, budget: int) -> list[list[Plan]]:
        """Return the next batch of ends, or as many batches of trunks as leave no more than ``budget`` tokens behind.

        At least one row is returned while there is any.
        """
        batches: list[list[Plan]] = []
        trunks = bool(self.plans and self.plans[-1].below)
        while self.plans and bool(self.plans[-1].below) == trunks and (trunks or not batches):
            batch, kept = self._batch(budget, first=not batches)
            if not batch:
                break
            batches.append(batch)
            budget -= kept
        return batches

    def _batch(self, budget: int, *, first: bool) -> tuple[list[Plan], int]:
        """Return a batch and how many tokens it leaves behind."""
        batch: list[Plan] = []
        size = _Size()
        while self.plans:
            plan = self.plans[-1]
            grown = size.with_row(plan)
            fits = grown.kept <= max(budget, 0)
            if batch:
                alike = plan.tokens == batch[0].tokens
                fits = fits and bool(plan.below) == bool(batch[0].below) and self._pays(grown, alike)
            if not fits and (batch or not first):
                break
            batch.append(self.plans.pop())
            size = grown
        return batch, size.kept

    def _pays(self, size: _Size, alike: bool) -> bool:
        """Return whether a batch of this size is allowed, and is worth the padding."""
        limits = self.limits
        padded = size.rows * size.longest
        if padded > limits.batch_tokens or size.answers > limits.batch_answers:
            return False
        if padded + size.rows * size.past > limits.past_factor * limits.batch_tokens:
            return False
        if size.longest >= limits.batch_tokens // 8:  # rows this long need no company, nor a mask without it
            return alike
        return padded - size.tokens <= PADDING + size.tokens // 16


class _Size(NamedTuple):
    """How large a batch is: sums over its rows, and the longest row and past."""

    rows: int = 0
    tokens: int = 0
    answers: int = 0
    kept: int = 0
    longest: int = 0
    past: int = 0

    def with_row(self, plan: Plan) -> _Size:
        return _Size(
            self.rows + 1,
            self.tokens + plan.tokens,
            self.answers + plan.answers,
            self.kept + plan.kept,
            max(self.longest, plan.tokens),
            max(self.past, plan.past_length),
        )
