"""Examples held out by group, and labels permuted without breaking the groups.

A group is what must not straddle a split: both answers of a question, all wordings of a fact, a topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from doxa.errors import InputError

Groups = Shaped[np.ndarray, " examples"] | Sequence[Any]
"""One label per example; examples with equal labels belong together."""


def group_numbers(groups: Groups | None, count: int) -> Int[np.ndarray, " examples"]:
    """Return the group of each example, numbered in the order of first appearance; None makes each its own.

    Raises:
        InputError: there is not one label per example.
    """
    if groups is None:
        return np.arange(count)
    labels: list[Any] = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(labels) != count:
        raise InputError(f"{len(labels)} groups for {count} examples; give one group per example")
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


def grouped_folds(
    groups: Int[np.ndarray, " examples"],
    labels: Bool[np.ndarray, " examples"],
    folds: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " examples"]:
    """Return the fold of each example, 0 to ``folds`` - 1, with groups whole and labels as even as they allow.

    Groups come in random order, the largest first; each goes where the squared counts of the labels grow least.

    Raises:
        InputError: fewer than two folds, fewer groups than folds, or examples without a label left to train on.
    """
    count = int(groups.max()) + 1
    if not 2 <= folds <= count:
        raise InputError(
            f"folds={folds} with {count} groups: must be 2 to {count}, so that no group is split"
        )
    sizes = np.stack(
        [np.bincount(groups[labels == label], minlength=count) for label in (False, True)], axis=1
    )
    order = rng.permutation(count)
    order = order[np.argsort(-sizes[order].sum(1), kind="stable")]
    held = np.zeros((folds, 2), dtype=np.int64)
    fold_of = np.empty(count, dtype=np.int64)
    for group in order:
        growth = held @ sizes[group]
        chosen = int(np.lexsort((held.sum(1), growth))[0])
        held[chosen] += sizes[group]
        fold_of[group] = chosen
    return fold_of[groups]


def held_out_groups(
    groups: Int[np.ndarray, " examples"], share: float, rng: np.random.Generator
) -> Bool[np.ndarray, " examples"]:
    """Return which examples are held out: a random share of the groups, at least one and never all.

    Raises:
        InputError: the share is not in (0, 1), or there is one group only.
    """
    count = int(groups.max()) + 1
    if not 0.0 < share < 1.0 or count < 2:
        raise InputError(f"held_out={share} of {count} groups: must be in (0, 1), of at least two groups")
    number = min(max(1, round(share * count)), count - 1)
    return np.isin(groups, rng.permutation(count)[:number])


def permuted_labels(
    groups: Int[np.ndarray, " examples"], labels: Bool[np.ndarray, " examples"], rng: np.random.Generator
) -> Bool[np.ndarray, " examples"]:
    """Return labels that know nothing of the examples, for the control that must find nothing.

    The labels are shuffled within each group, and the groups' labels are then handed to the groups in random order.
    So groups of equal size exchange whole sets of labels, and examples that had to be alike in label stay so.
    """
    by_group = np.argsort(groups, kind="stable")
    parts = np.split(labels[by_group], np.cumsum(np.bincount(groups))[:-1])
    out = np.empty_like(labels)
    out[by_group] = np.concatenate([rng.permutation(parts[group]) for group in rng.permutation(len(parts))])
    return out


def label_sets(
    groups: Int[np.ndarray, " examples"],
    labels: Bool[np.ndarray, " examples"],
    fold: Int[np.ndarray, " examples"],
    permutations: int,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "sets examples"]:
    """Return the real labels, then permuted ones that leave both labels to train on, whichever fold is held out.

    Raises:
        InputError: a fold holds all examples of a label, or in hardly any permutation none does.
    """
    held_out = untrainable(fold, labels)
    if held_out is not None:
        which = "all examples" if held_out < 0 else f"all examples but those of fold {held_out}"
        raise InputError(
            f"{which} have one label; give both labels, in more groups than one, or take fewer folds"
        )
    found = [labels]
    for _ in range(20 * permutations):
        if len(found) > permutations:
            break
        drawn = permuted_labels(groups, labels, rng)
        found += [drawn] if untrainable(fold, drawn) is None else []
    if len(found) <= permutations:
        raise InputError(
            "hardly any permutation leaves both labels in each fold; take fewer folds or more groups"
        )
    return np.array(found)


def untrainable(fold: Int[np.ndarray, " examples"], labels: Bool[np.ndarray, " examples"]) -> int | None:
    """Return the first fold without which all examples have one label, or None. Fold -1 is never held out."""
    for held_out in range(-1, int(fold.max()) + 1):
        rest = labels[fold != held_out] if held_out >= 0 else labels
        if rest.all() or not rest.any():
            return held_out
    return None
