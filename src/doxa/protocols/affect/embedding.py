"""An estimator of sentence vectors: where a text lies between sentences that were chosen as ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, digest
from doxa.dynamics.affect import VAD, MoodSpace
from doxa.errors import InputError

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts width"]]


class Anchors(NamedTuple):
    """Sentences at the ends of a dimension."""

    low: tuple[str, ...]
    high: tuple[str, ...]


ANCHORS: Mapping[str, Anchors] = {
    "valence": Anchors(
        ("I hate this and I am miserable.", "This is awful, you hurt me.", "What a terrible, bitter day."),
        (
            "I love this and I am delighted.",
            "This is wonderful, you helped me.",
            "What a lovely, joyful day.",
        ),
    ),
    "arousal": Anchors(
        (
            "The chair stands beside the table.",
            "We may look at it some time.",
            "It is quiet and nothing happens.",
        ),
        (
            "Come here right now, this is urgent!",
            "I am shaking with excitement!",
            "Stop it at once, I am furious!",
        ),
    ),
    "dominance": Anchors(
        (
            "I do not know what to do, please help me.",
            "I have no choice, they decide.",
            "I give in, I am too weak.",
        ),
        ("I decide what happens here.", "Do as I say, I am in charge.", "I have everything under control."),
    ),
}
"""Sentences of our own at the ends of each dimension."""


class EmbeddingEstimator:
    """Projects a text's vector on the line between the means of two sets of anchors.

    With unit vectors x, anchors' means h (high) and l (low): 2 (x - (h + l)/2)·(h - l) / |h - l|², which is 1 at h and
    -1 at l, clipped; a dimension that begins at 0 takes half of one more than that. An empty text is neutral.

    Args:
        encode: gives vectors of texts; by default all-MiniLM-L6-v2 (extra ``embed``).
        anchors: by dimension of the space, in its order.
        space: the dimensions and their ends.
        name: tells an encoder of one's own from others, as the code of a function does not.

    Raises:
        InputError: a dimension has no anchors, or an encoder of one's own no name.
        MissingExtraError: the default encoder is not installed.
    """

    def __init__(
        self,
        encode: Encode | None = None,
        *,
        anchors: Mapping[str, Anchors] = ANCHORS,
        space: MoodSpace = VAD,
        name: str = "",
    ) -> None:
        for dimension in space.names:
            if dimension not in anchors or not all(anchors[dimension]):
                raise InputError(f"anchors: {dimension} has none; give sentences for both of its ends")
        if (encode is None) == bool(name):
            raise InputError(
                f"name={name!r}: give an encoder of your own a name, and none to the default one; caches go by it"
            )
        if encode is None:
            from doxa.lab.sentence_vectors import MiniLM

            encode = MiniLM().encode
        self.space = space
        self._encode = encode
        self._anchors = anchors
        self._name = name or "all-MiniLM-L6-v2"

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return where each text lies."""
        if not texts:
            return np.zeros((0, self.space.size))
        axes, middle = self._axes
        where = np.clip((self._unit(texts) - middle[:, None]) @ axes[:, :, None], -1.0, 1.0)[..., 0].T
        low = np.array(self.space.low)
        where = np.where(low < 0.0, where * -low, (where + 1.0) / 2.0)
        where[[not text.strip() for text in texts]] = 0.0
        return self.space.clipped(where)

    def as_json(self) -> dict[str, Json]:
        """Return the encoder's name and the digest of the anchors."""
        said: Json = {name: [list(one.low), list(one.high)] for name, one in self._anchors.items()}
        return {"estimator": "embedding", "encoder": self._name, "anchors": digest(said)}

    def _unit(self, texts: Sequence[str]) -> Float[np.ndarray, "texts width"]:
        vectors = np.asarray(self._encode(texts), dtype=np.float64)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    @cached_property
    def _axes(self) -> tuple[Float[np.ndarray, "d width"], Float[np.ndarray, "d width"]]:
        """For each dimension 2 (h - l) / |h - l|² and (h + l) / 2."""
        axes: list[Float[np.ndarray, " width"]] = []
        middle: list[Float[np.ndarray, " width"]] = []
        for name in self.space.names:
            low, high = (self._unit(side).mean(axis=0) for side in self._anchors[name])
            axes.append(2.0 * (high - low) / float((high - low) @ (high - low)))
            middle.append((high + low) / 2.0)
        return np.array(axes), np.array(middle)
