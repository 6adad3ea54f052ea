"""Groups are never split, and permuted labels know nothing but the groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.probes.folds import (
    group_numbers,
    grouped_folds,
    held_out_groups,
    label_sets,
    permuted_labels,
    untrainable,
)
from doxa.streams import stream

GROUPS = st.lists(st.integers(0, 30), min_size=12, max_size=80).filter(lambda groups: len(set(groups)) >= 5)


def test_groups_are_numbered_as_they_come() -> None:
    assert group_numbers(["b", "a", "b", "c"], 4).tolist() == [0, 1, 0, 2]
    assert group_numbers(None, 3).tolist() == [0, 1, 2]


@settings(deadline=None)
@given(GROUPS, st.integers(2, 5), st.integers(0, 20))
def test_a_group_lies_in_one_fold_and_every_fold_has_one(groups: list[int], folds: int, seed: int) -> None:
    numbers = group_numbers(groups, len(groups))
    labels = stream(seed, "labels").random(len(groups)) < 0.5
    fold = grouped_folds(numbers, labels, folds, stream(seed, "folds"))
    for group in set(numbers.tolist()):
        assert len(set(fold[numbers == group].tolist())) == 1
    assert set(fold.tolist()) == set(range(folds))


def test_folds_are_even_in_size_and_label() -> None:
    labels = np.arange(100) % 2 == 0
    fold = grouped_folds(np.arange(100), labels, 5, stream(0, "folds"))
    assert np.bincount(fold).tolist() == [20] * 5
    assert np.bincount(fold[labels]).tolist() == [10] * 5


@settings(deadline=None)
@given(GROUPS, st.floats(0.05, 0.95), st.integers(0, 20))
def test_held_out_groups_are_whole_and_some_remain(groups: list[int], share: float, seed: int) -> None:
    numbers = group_numbers(groups, len(groups))
    held = held_out_groups(numbers, share, stream(seed, "held"))
    assert held.any()
    assert not held.all()
    for group in set(numbers.tolist()):
        assert len(set(held[numbers == group].tolist())) == 1


def test_permuted_labels_keep_what_is_alike_alike() -> None:
    numbers = np.repeat(np.arange(20), 3)
    labels = np.repeat(np.arange(20) % 2 == 0, 3)
    drawn = permuted_labels(numbers, labels, stream(0, "permuted"))
    assert drawn.sum() == labels.sum()
    assert (drawn.reshape(20, 3) == drawn.reshape(20, 3)[:, :1]).all()
    assert (drawn != labels).any()


def test_permuted_labels_keep_one_right_answer_to_a_question() -> None:
    """Pairs that are all (right, wrong) must be turned at random; handing them round alone would change nothing."""
    numbers = np.repeat(np.arange(200), 2)
    labels = np.tile([True, False], 200)
    drawn = permuted_labels(numbers, labels, stream(0, "permuted")).reshape(200, 2)
    assert (drawn.sum(1) == 1).all()
    assert 70 < drawn[:, 0].sum() < 130


def test_label_sets_can_all_be_trained_on() -> None:
    numbers = np.repeat(np.arange(5), 4)
    labels = np.repeat([True, True, False, False, False], 4)
    fold = np.repeat([0, 1, 1, 0, 2], 4)
    sets = label_sets(numbers, labels, fold, 30, stream(0, "sets"))
    assert (sets[0] == labels).all()
    assert all(untrainable(fold, one) is None for one in sets)
    with pytest.raises(InputError, match="but those of fold 0"):
        label_sets(numbers, labels, np.repeat([0, 0, 1, 1, 1], 4), 3, stream(0, "sets"))
    with pytest.raises(InputError, match="hardly any permutation"):
        label_sets(np.repeat([0, 1], 4), np.arange(8) == 0, np.repeat([-1, 0], 4), 3, _Stubborn())


class _Stubborn(np.random.Generator):
    """A generator that leaves things in reverse order."""

    def __init__(self) -> None:
        super().__init__(np.random.Philox(0))

    def permutation(self, x: object) -> np.ndarray:
        return np.asarray(np.arange(x) if isinstance(x, int) else x)[::-1]
