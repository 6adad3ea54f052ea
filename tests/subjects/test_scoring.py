from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.subjects.scoring import Limits, Tree
from doxa.subjects.scoring_rows import Row
from doxa.subjects.scoring_sweep import sweep

words = st.lists(st.integers(0, 2), min_size=1, max_size=9)
queries = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), min_size=1, max_size=8)
limits = st.builds(
    Limits,
    batch_tokens=st.integers(1, 40),
    past_factor=st.integers(1, 8),
    row_tokens=st.integers(4, 12),
    pack_tokens=st.integers(1, 12),
    batch_answers=st.integers(1, 12),
    trunk_budget=st.integers(1, 30),
)


def array(*ids: int) -> np.ndarray:
    return np.array(ids, dtype=np.int32)


def made_up(prefix: tuple[int, ...], token: int) -> float:
    """A log-probability that depends on every token before it."""
    return -int.from_bytes(hashlib.sha256(repr((prefix, token)).encode()).digest()[:4], "big") / 2**32


class Oracle:
    """Computes rows from what each column may see, and watches how much is kept."""

    def __init__(self) -> None:
        self.tokens = 0
        self.most_kept = 0
        self.widest = 0
        self.passes = 0

    def __call__(self, rows: list[Row], results: np.ndarray) -> list[Any]:
        self.passes += 1
        self.tokens += sum(len(row.tokens) for row in rows)
        self.widest = max(self.widest, len(rows) * max(len(row.tokens) for row in rows))
        live: dict[int, int] = {}
        for row in rows:
            for past in row.plan.past.path() if row.plan.past else []:
                live[id(past.trunk)] = len(past.trunk.positions)
            for column, token, slot in zip(row.ask_column, row.ask_token, row.ask_slot, strict=True):
                results[slot] = made_up(visible(row, column), int(token))
            assert list(row.answering) == sorted(set(row.ask_column))
            assert row.plan.answers == len(row.answering)
            assert row.plan.tokens == len(row.tokens)
        self.most_kept = max(self.most_kept, sum(live.values()))
        return [list(row.tokens[: row.plan.kept]) for row in rows]


def visible(row: Row, column: int) -> tuple[int, ...]:
    """The tokens a column sees, in the order of their positions, each position exactly once."""
    seen = (row.enter <= row.enter[column]) & (row.enter[column] <= row.leave)
    pairs = list(zip(row.positions[seen], row.tokens[seen], strict=True))
    for past in row.plan.past.path() if row.plan.past else []:
        size = past.tokens
        pairs += list(zip(past.trunk.positions[:size], past.trunk.state[:size], strict=True))
    pairs.sort()
    assert [position for position, _ in pairs] == list(range(len(pairs)))
    assert len(pairs) == row.positions[column] + 1
    return tuple(int(token) for _, token in pairs)


def unique_prefixes(asked: Any) -> int:
    """How many different prefixes predict something or are continued: what must be computed at least."""
    return len(
        {
            tuple(prompt + option)[:k]
            for prompt, options in asked
            for option in options
            for k in range(1, len(prompt) + len(option))
        }
    )


def direct(prompt: list[int], option: list[int]) -> float:
    return sum(made_up(tuple(prompt + option[:k]), token) for k, token in enumerate(option))


def test_a_small_tree_by_hand():
    tree = Tree([(array(7, 8, 9), [array(1), array(1, 2)]), (array(7, 8, 5), [array(1)])])
    (stem,) = tree.root.children.values()
    assert (stem.begin, stem.end) == (0, 2)
    # computed: 7 8, 9 and the 1 before 2, 5; what ends a sequence predicts nothing
    assert tree.root.size == 2 + 2 + 1
    # asked for: 1 and 2 after (7 8 9), 1 after (7 8 5); a shared option token is asked once
    assert tree.slots == 3
    assert tree.root.answers == 3
    (first, second) = tree.sums(np.array([-1.0, -2.0, -4.0]))
    assert {tuple(first), tuple(second)} in ({(-1.0, -3.0), (-4.0,)}, {(-2.0, -6.0), (-1.0,)})


@settings(max_examples=100, deadline=None)
@given(queries, limits)
def test_every_column_sees_exactly_its_prefix_however_the_tree_is_cut(asked: Any, cut: Limits):
    tree = Tree((array(*prompt), [array(*option) for option in options]) for prompt, options in asked)
    oracle = Oracle()
    sums = tree.sums(sweep(tree, oracle, cut))
    for (prompt, choices), found in zip(asked, sums, strict=True):
        np.testing.assert_allclose(found, [direct(prompt, option) for option in choices], rtol=1e-12)
    assert oracle.tokens == unique_prefixes(asked)


def test_shared_prefixes_are_computed_once_and_batches_stay_small():
    rng = np.random.default_rng(0)
    stem = rng.integers(0, 9, 300)
    asked = [
        (np.concatenate([stem, rng.integers(0, 9, 40)]).astype(np.int32), [array(1, 2), array(1, 3)])
        for _ in range(50)
    ]
    oracle = Oracle()
    sweep(Tree(asked), oracle, Limits(batch_tokens=512))
    assert oracle.tokens <= 300 + 50 * (40 + 1)
    assert oracle.widest <= 512


def test_a_conversation_probed_after_each_turn_costs_one_pass_and_the_probes():
    rng = np.random.default_rng(3)
    turns = [rng.integers(0, 999, 30).astype(np.int32) for _ in range(25)]
    asked = [
        (
            np.concatenate([*turns[: turn + 1], rng.integers(0, 999, 16).astype(np.int32)]),
            [array(1), array(2)],
        )
        for turn in range(25)
        for _ in range(8)
    ]
    oracle = Oracle()
    sweep(Tree(asked), oracle, Limits())
    assert oracle.tokens <= 25 * 30 + 25 * 8 * 16
    # one pass over the conversation, one or two over all probes
    assert oracle.passes <= 3


def test_live_trunks_stay_within_their_budget_and_a_row_per_level():
    rng = np.random.default_rng(1)
    asked = [(rng.integers(0, 2, 40).astype(np.int32), [array(5, 6)]) for _ in range(300)]
    cut = Limits(batch_tokens=64, row_tokens=16, pack_tokens=4, trunk_budget=60)
    oracle = Oracle()
    sweep(Tree(asked), oracle, cut)
    assert 60 < oracle.most_kept <= 60 + 16 * np.log2(300)


def test_a_large_tree_stays_small_on_the_host():
    """20,000 questions about one text of 2,000 tokens: what they share is not kept twice."""
    rng = np.random.default_rng(2)
    text = rng.integers(0, 30_000, 2000).astype(np.int32)
    options = [array(1), array(2)]
    questions = 20_000
    asked = (
        (np.concatenate([text, rng.integers(0, 30_000, 12).astype(np.int32)]), options)
        for _ in range(questions)
    )
    jaxtyping.config.update("jaxtyping_disable", True)  # its checks would take a minute, and memory
    tracemalloc.start()
    try:
        tree = Tree(asked)
        widest = 0

        def compute(rows: list[Row], results: np.ndarray) -> list[Any]:
            nonlocal widest
            widest = max(widest, len(rows) * max(len(row.tokens) for row in rows))
            results[np.concatenate([row.ask_slot for row in rows])] = 0.0
            return [None] * len(rows)

        assert not np.isnan(sweep(tree, compute, Limits())).any()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        jaxtyping.config.update("jaxtyping_disable", False)
    assert 2000 + 11 * questions < tree.root.size <= 2000 + 12 * questions
    assert widest <= Limits().batch_tokens
    assert peak < 2500 * questions, peak  # the sequences themselves would be 16 kB each


def test_empty_prompts_and_options_are_refused():
    with pytest.raises(InputError, match="no tokens"):
        Tree([(array(), [array(1)])])
    with pytest.raises(InputError, match="no tokens"):
        Tree([(array(1), [array()])])
