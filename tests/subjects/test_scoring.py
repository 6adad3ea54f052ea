from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.subjects.scoring import Limits, Tree
from doxa.subjects.scoring_rows import Row, Trunk, sweep

words = st.lists(st.integers(0, 2), min_size=1, max_size=9)
queries = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), min_size=1, max_size=8)
limits = st.builds(
    Limits,
    batch_tokens=st.integers(1, 40),
    past_factor=st.integers(1, 8),
    row_tokens=st.integers(4, 12),
    pack_tokens=st.integers(1, 12),
    trunk_tokens=st.integers(1, 4),
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
        self.kept = 0
        self.most_kept = 0
        self.widest = 0

    def __call__(self, rows: list[Row], results: np.ndarray) -> list[Any]:
        self.tokens += sum(len(row.tokens) for row in rows)
        self.widest = max(self.widest, len(rows) * max(len(row.tokens) for row in rows))
        for row in rows:
            for column, token, slot in zip(row.ask_column, row.ask_token, row.ask_slot, strict=True):
                results[slot] = made_up(visible(row, column), int(token))
            assert row.answers == len(set(row.ask_column))
            assert set(row.ask_column) == set(range(len(row.tokens) - row.answers, len(row.tokens)))
        return [list(row.tokens) for row in rows]


def visible(row: Row, column: int) -> tuple[int, ...]:
    """The tokens a column sees, in the order of their positions, each position exactly once."""
    seen = (row.enter <= row.enter[column]) & (row.enter[column] <= row.leave)
    pairs = list(zip(row.positions[seen], row.tokens[seen], strict=True))
    for trunk in row.past.path() if row.past else []:
        pairs += list(zip(trunk.positions, trunk.state, strict=True))
    pairs.sort()
    assert [position for position, _ in pairs] == list(range(len(pairs)))
    assert len(pairs) == row.positions[column] + 1
    return tuple(int(token) for _, token in pairs)


def direct(prompt: list[int], option: list[int]) -> float:
    return sum(made_up(tuple(prompt + option[:k]), token) for k, token in enumerate(option))


def test_a_small_tree_by_hand():
    tree = Tree([array(7, 8, 9), array(7, 8, 5)], [[array(1), array(1, 2)], [array(1)]])
    (stem,) = tree.root.children
    assert (stem.begin, stem.end) == (0, 2)
    assert tree.root.tokens == 2 + (1 + 1 + 1) + (1 + 1)
    # asked for: 1 and 2 after (7 8 9), 1 after (7 8 5); a shared option token is asked once
    assert tree.slots == 3
    (first, second) = tree.sums(np.array([-1.0, -2.0, -4.0]))
    assert {tuple(first), tuple(second)} in ({(-1.0, -3.0), (-4.0,)}, {(-2.0, -6.0), (-1.0,)})


@settings(max_examples=60, deadline=None)
@given(queries, limits)
def test_every_column_sees_exactly_its_prefix_however_the_tree_is_cut(asked: Any, cut: Limits):
    prompts = [array(*prompt) for prompt, _ in asked]
    options = [[array(*option) for option in choices] for _, choices in asked]
    tree = Tree(prompts, options)
    oracle = Oracle()
    sums = tree.sums(sweep(tree, oracle, cut))
    for (prompt, choices), found in zip(asked, sums, strict=True):
        np.testing.assert_allclose(found, [direct(prompt, option) for option in choices], rtol=1e-12)


def test_shared_prefixes_are_computed_once_and_batches_stay_small():
    rng = np.random.default_rng(0)
    stem = rng.integers(0, 9, 300)
    prompts = [np.concatenate([stem, rng.integers(0, 9, 40)]).astype(np.int32) for _ in range(50)]
    options = [[array(1, 2), array(1, 3)]] * 50
    oracle = Oracle()
    tree = Tree(prompts, options)
    sweep(tree, oracle, Limits(batch_tokens=512))
    assert oracle.tokens <= 300 + 50 * (40 + 3)
    assert oracle.widest <= 512


def test_live_trunks_stay_within_their_budget_and_one_path():
    rng = np.random.default_rng(1)
    prompts = [rng.integers(0, 2, 40).astype(np.int32) for _ in range(300)]
    tree = Tree(prompts, [[array(5)]] * 300)
    cut = Limits(batch_tokens=64, row_tokens=16, pack_tokens=4, trunk_tokens=2, trunk_budget=60)
    most = 0

    def compute(rows: list[Row], results: np.ndarray) -> list[Any]:
        nonlocal most
        live: dict[int, int] = {}
        for row in rows:
            trunk: Trunk | None = row.past
            while trunk is not None:
                live[id(trunk)] = len(trunk.positions)
                trunk = trunk.parent
        most = max(most, sum(live.values()))
        results[:] = 0.0
        return [None] * len(rows)

    sweep(tree, compute, cut)
    assert 0 < most <= 60 + 41


def test_empty_prompts_and_options_are_refused():
    with pytest.raises(InputError, match="no tokens"):
        Tree([array()], [[array(1)]])
    with pytest.raises(InputError, match="no tokens"):
        Tree([array(1)], [[array()]])
