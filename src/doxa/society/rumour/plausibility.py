"""How plausible a news item sounds: a logistic head on sentence vectors of 198 real items known to be true or false.

The items (``doxa data get fps``) were spread on Twitter; several tell the same story, in the same words. Leaving out
one item leaves its copies in, so the head is judged both ways: without the item, and without all that tell its story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lab.sentence_vectors import Encode, MiniLM

SLUG, FILE = "fps", "twitter15_16_rumour_topics.csv"
RIDGE = 1.0
SAME_STORY = 0.7
"""Items whose vectors have this cosine or more, directly or through others, tell one story."""


class HeldOutScores(NamedTuple):
    """Log-odds of truth of each item by a head that has not seen it, nor, in ``without_story``, its story."""

    without_item: Float[np.ndarray, " items"]
    without_story: Float[np.ndarray, " items"]


@dataclass(frozen=True, eq=False)
class PlausibilityHead:
    """The head trained on all items.

    Attributes:
        weights: of a unit vector.
        bias: in nats.
        true: label of each item.
        story: number of each item's story.
        held_out: what heads without the item say.
    """

    weights: Float[np.ndarray, " width"] = field(repr=False)
    bias: float
    true: Bool[np.ndarray, " items"] = field(repr=False)
    story: Int[np.ndarray, " items"] = field(repr=False)
    held_out: HeldOutScores = field(repr=False)

    def log_odds(self, vectors: Float[np.ndarray, "texts width"]) -> Float[np.ndarray, " texts"]:
        """Return the log-odds, in nats, that texts are true."""
        return _unit(vectors) @ self.weights + self.bias


def read_items(folder: Path) -> tuple[list[str], Bool[np.ndarray, " items"]]:
    """Return texts and labels of the data set.

    Raises:
        InputError: the file cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        path = folder / f"{FILE}.gz"
    try:
        table = pl.read_csv(path, columns=["label", "source_tweet"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read ({error}); get it with 'doxa data get {SLUG}'") from error
    return table["source_tweet"].to_list(), table["label"].to_numpy()


def fit_head(vectors: Float[np.ndarray, "items width"], true: Bool[np.ndarray, " items"]) -> PlausibilityHead:
    """Train the head, and one without each item and without each story.

    Args:
        vectors: of the items' texts.
        true: their labels.
    """
    from doxa.lens.probes.logistic_solver import fit_logistic
    from doxa.lens.probes.problems import Problems

    unit, n = _unit(vectors), len(true)
    story = stories(unit)

    def held_out(group: Int[np.ndarray, " items"]) -> Float[np.ndarray, " items"]:
        numbers = np.unique(group)
        problems = Problems(np.zeros_like(numbers), numbers, np.full(len(numbers), RIDGE))
        fits = fit_logistic(unit, true[None], group, problems)
        place = np.searchsorted(numbers, group)
        return (unit * fits.weights[place]).sum(axis=1) + fits.bias[place]

    whole = fit_logistic(
        unit,
        true[None],
        np.zeros(n, dtype=np.int64),
        Problems(np.zeros(1, dtype=np.int64), np.array([-1]), np.array([RIDGE])),
    )
    return PlausibilityHead(
        whole.weights[0],
        float(whole.bias[0]),
        true,
        story,
        HeldOutScores(held_out(np.arange(n)), held_out(story)),
    )


def stories(unit: Float[np.ndarray, "items width"]) -> Int[np.ndarray, " items"]:
    """Return the number of each item's story, from unit vectors."""
    from scipy.sparse.csgraph import connected_components

    _, story = connected_components(unit @ unit.T >= SAME_STORY, directed=False)
    return np.asarray(story, dtype=np.int64)


def item_log_odds(
    folder: Path, items: Sequence[str], encode: Encode | None = None
) -> tuple[PlausibilityHead, Float[np.ndarray, " items"]]:
    """Return the head and the log-odds of truth of some items.

    Args:
        folder: of the data set.
        items: texts.
        encode: gives sentence vectors; by default MiniLM, which is computed once in a process.

    Raises:
        MissingExtraError: the encoder is not installed.
    """
    texts, true = read_items(folder)
    vectors = encode([*texts, *items]) if encode else _encoded((*texts, *items))
    head = fit_head(vectors[: len(texts)], true)
    return head, head.log_odds(vectors[len(texts) :])


@lru_cache(maxsize=4)
def _encoded(texts: tuple[str, ...]) -> Float[np.ndarray, "texts width"]:
    return MiniLM().encode(texts)


def _unit(vectors: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, "rows width"]:
    wide = np.asarray(vectors, dtype=np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)
