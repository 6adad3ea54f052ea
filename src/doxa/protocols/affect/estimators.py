"""Estimators: from a text to an instantaneous signal, without memory.

The default is VADER, a lexicon with rules: from its pos, neg, neu and compound, valence is the compound in [-1, 1],
arousal pos + neg = 1 - neu in [0, 1] (how much of the text is charged), dominance (pos - neg) / (pos + neg) in [-1, 1].
A neutral or empty text gives 0, 0, 0. The map from VADER to three dimensions is ours; it makes dominance follow
valence, so that nothing should be concluded from the two as if they were separate readings.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, digest
from doxa.dynamics.affect import VAD, MoodSpace
from doxa.errors import InputError, StoreError
from doxa.streams import stream


class EstimatorWarning(UserWarning):
    """Texts were given to an estimator that cannot read them; it scores them as neutral."""


@runtime_checkable
class Estimator(Protocol):
    """Reads texts, each by itself."""

    @property
    def space(self) -> MoodSpace:
        """The dimensions of what it reads."""
        ...

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return the signal of each text, a point of the space."""
        ...

    def as_json(self) -> dict[str, Json]:
        """Return what tells this estimator from any other."""
        ...


@dataclass(frozen=True)
class VaderVAD:
    """VADER as published in vaderSentiment, English only."""

    @property
    def space(self) -> MoodSpace:
        """Valence, arousal and dominance."""
        return VAD

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return valence, arousal and dominance of each text; texts that are not English give a warning and 0."""
        found = [_vader(text) for text in texts]
        foreign = [
            text for text, one in zip(texts, found, strict=True) if one[1] == 0.0 and not _english(text)
        ]
        if foreign:
            warnings.warn(
                f"{len(foreign)} of {len(texts)} texts do not look English, and VADER scores them 0: "
                f"{foreign[0][:40]!r}; use another estimator for them",
                EstimatorWarning,
                stacklevel=2,
            )
        return np.array(found, dtype=np.float64).reshape(-1, 3)

    def as_json(self) -> dict[str, Json]:
        """Return the name."""
        return {"estimator": "vader"}


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import (  # pyright: ignore[reportMissingTypeStubs]
        SentimentIntensityAnalyzer,
    )

    return SentimentIntensityAnalyzer()


def _vader(text: str) -> tuple[float, float, float]:
    scores: Mapping[str, float] = _analyser().polarity_scores(text)
    charged = scores["pos"] + scores["neg"]
    lean = (scores["pos"] - scores["neg"]) / charged if charged > 0.0 else 0.0
    return float(scores["compound"]), min(1.0, charged), lean


_FUNCTION_WORDS = re.compile(
    r"\b(?:a|about|all|am|an|and|any|are|as|at|be|been|but|by|can|could|did|do|does|for|from|had|has|have|he|her|his|how|"
    r"i|if|in|is|it|its|let|may|me|my|no|not|of|on|one|or|our|out|she|should|so|some|than|that|the|their|them|then|"
    r"there|these|they|this|to|up|us|was|we|were|what|when|where|which|who|why|will|with|would|yes|you|your)\b"
)


def _english(text: str) -> bool:
    """Return whether a text that has no word of the lexicon may be English; a few words alone may be anything."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words:
        return True
    if sum(not word.isascii() for word in words) > len(words) / 2:
        return False
    return len(words) < 4 or _FUNCTION_WORDS.search(text.lower()) is not None


@dataclass(frozen=True)
class LexiconEstimator:
    """The mean of the norms of a text's words; a text without any known word is neutral.

    Norms such as NRC-VAD or those of Warriner and others are licensed and not shipped; ``load`` reads their files.

    Attributes:
        table: word to valence, arousal and dominance.
        scale: ends of the table's numbers, as in (1, 9); None where valence and dominance are from -1 to 1 and arousal
            from 0 to 1 already.

    Raises:
        InputError: the table is empty, or has numbers beyond the ends of its scale.
    """

    table: Mapping[str, Sequence[float]]
    scale: tuple[float, float] | None = None
    _known: dict[str, Float[np.ndarray, " d"]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.table:
            raise InputError("table={}: a lexicon has one word or more")
        words = list(self.table)
        norms = np.array([self.table[word] for word in words], dtype=np.float64)
        if norms.ndim != 2 or norms.shape[1] != 3:
            raise InputError(
                f"table: words with {norms.shape[1:]} numbers; each has valence, arousal, dominance"
            )
        low, high = (np.array(VAD.low), np.array(VAD.high)) if self.scale is None else self.scale
        outside = ~((norms >= low) & (norms <= high)).all(axis=1)
        if outside.any():
            word = words[int(np.flatnonzero(outside)[0])]
            raise InputError(
                f"table['{word}']={list(self.table[word])}: outside "
                + ("[-1, 1] x [0, 1] x [-1, 1]" if self.scale is None else f"scale={self.scale}")
                + "; say what its numbers lie between, as in scale=(1, 9)"
            )
        if self.scale is not None:
            share = (norms - self.scale[0]) / (self.scale[1] - self.scale[0])
            norms = np.array(VAD.low) + share * (np.array(VAD.high) - np.array(VAD.low))
        object.__setattr__(
            self, "_known", {word.lower(): norm for word, norm in zip(words, norms, strict=True)}
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        scale: tuple[float, float] | None = None,
        columns: Sequence[str] = ("word", "valence", "arousal", "dominance"),
    ) -> LexiconEstimator:
        """Read a table with a header, its fields apart by tabs or commas.

        Args:
            path: the file.
            scale: as above.
            columns: names of the columns of the word and its three numbers.

        Raises:
            StoreError: the file cannot be read.
            InputError: a column is missing or holds what is no number.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}: cannot be read ({error})") from error
        first = text.split("\n", 1)[0]
        rows = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in first else ",")
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: no column '{missing[0]}'; it has {', '.join(rows.fieldnames or ())}")
        word, *dimensions = columns
        try:
            return cls({row[word]: [float(row[name]) for name in dimensions] for row in rows}, scale)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: a norm is no number ({error})") from error

    @property
    def space(self) -> MoodSpace:
        """Valence, arousal and dominance."""
        return VAD

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return the mean norms of each text's known words."""
        out = np.zeros((len(texts), 3))
        for place, text in enumerate(texts):
            words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())
            known = [self._known[word] for word in words if word in self._known]
            if known:
                out[place] = np.mean(known, axis=0)
        return out

    def as_json(self) -> dict[str, Json]:
        """Return the digest of the table."""
        norms: Json = {word: [float(one) for one in norm] for word, norm in sorted(self._known.items())}
        return {"estimator": "lexicon", "table": digest(norms)}


@dataclass(frozen=True)
class CallableEstimator:
    """A function of one's own.

    Attributes:
        function: from a text to one number for each dimension.
        name: tells it from others, as the code of a function does not.
        space: the dimensions and their ends.
    """

    function: Callable[[str], Sequence[float] | Float[np.ndarray, " d"]]
    name: str
    space: MoodSpace = VAD

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return what the function says of each text.

        Raises:
            InputError: it says what is no point of the space.
        """
        found = [self.space.checked(f"estimator '{self.name}'", self.function(text)) for text in texts]
        return np.array(found, dtype=np.float64).reshape(-1, self.space.size)

    def as_json(self) -> dict[str, Json]:
        """Return the name and the space."""
        return {"estimator": self.name, "space": self.space.as_json()}


@dataclass(frozen=True)
class NoiseEstimator:
    """A control that reads nothing: each text gets a point drawn evenly from the space, the same every time."""

    seed: int = 0
    space: MoodSpace = VAD

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts d"]:
        """Return a point for each text."""
        drawn = [
            stream(self.seed, "affect noise", text).uniform(self.space.low, self.space.high) for text in texts
        ]
        return np.array(drawn, dtype=np.float64).reshape(-1, self.space.size)

    def as_json(self) -> dict[str, Json]:
        """Return the seed and the space."""
        return {"estimator": "noise", "seed": self.seed, "space": self.space.as_json()}
