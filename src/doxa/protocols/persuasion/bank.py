"""The released arguments: 1,100 texts of Llama-2-70b-chat, what three skeptics said to them, and their embeddings.

The files stay with the user (``doxa.lab.data``, data set ``persuasive-power``). The texts were written by Llama 2,
whose licence limits training other large language models on its output: here they are read, judged and embedded only.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lab.data import locate, read_bytes
from doxa.protocols.persuasion.dimensions import DIFFICULTIES, DIMENSIONS, check_dimension
from doxa.protocols.persuasion.verdicts import check_argument

SLUG = "persuasive-power"
SKEPTICS: tuple[str, ...] = tuple(DIFFICULTIES)


@dataclass(frozen=True)
class ArgumentBank:
    """Arguments with their outcomes.

    Attributes:
        ids: stable name of each argument.
        dimensions: style each was asked for.
        texts: the arguments, verbatim.
        embeddings: unit vectors, one to an argument.
        outcomes: columns ``argument`` (number in ``ids``), ``difficulty``, ``dimension``, ``convinced``.
    """

    ids: tuple[str, ...]
    dimensions: tuple[str, ...]
    texts: tuple[str, ...]
    embeddings: Float[np.ndarray, "arguments width"]
    outcomes: pl.DataFrame

    @classmethod
    def load(cls, folder: Path | None = None) -> ArgumentBank:
        """Read the released files.

        Args:
            folder: where they are; None looks for the data set ``persuasive-power``.

        Raises:
            InputError: the data set is not here, or a row is wrong.
        """
        base = folder or locate(SLUG)
        rows = [json.loads(line) for line in _text(base, "arguments.jsonl").splitlines()]
        embeddings = np.load(io.BytesIO(_bytes(base, "argument_embeddings.npy")), allow_pickle=False)
        outcomes = list(csv.DictReader(io.StringIO(_text(base, "outcomes.csv"))))
        return cls.of(rows, embeddings, outcomes)

    @classmethod
    def of(
        cls,
        rows: list[dict[str, Any]],
        embeddings: np.ndarray,
        outcomes: list[dict[str, Any]],
    ) -> ArgumentBank:
        """Check rows and make a bank of them.

        Args:
            rows: ``argument_id``, ``dimension`` and ``argument`` of each.
            embeddings: one vector to a row, not zero.
            outcomes: ``argument_id``, ``skeptic`` and ``convinced`` (0 or 1) of each reading.

        Raises:
            InputError: a style or an argument is unknown, a text is empty or a verdict, numbers do not fit.
        """
        ids = tuple(str(row["argument_id"]) for row in rows)
        if len(set(ids)) != len(ids):
            raise InputError("two arguments have one argument_id; name them apart")
        dimensions = tuple(check_dimension(str(row["dimension"])) for row in rows)
        texts = tuple(check_argument(str(row["argument"]), name) for row, name in zip(rows, ids, strict=True))
        vectors = np.asarray(embeddings, dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(rows) or not np.all(np.isfinite(vectors)):
            raise InputError(
                f"embeddings have shape {vectors.shape} for {len(rows)} arguments; give one row to each"
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if np.any(lengths == 0.0):
            raise InputError("an embedding is zero and has no direction; embed its text anew")
        place = {name: number for number, name in enumerate(ids)}
        read = [_reading(row, place, dimensions) for row in outcomes]
        return cls(ids, dimensions, texts, vectors / lengths, pl.DataFrame(read))

    def of_dimension(self, dimension: str) -> list[int]:
        """Return the numbers of a style's arguments."""
        check_dimension(dimension)
        return [number for number, name in enumerate(self.dimensions) if name == dimension]

    @property
    def readings(self) -> Readings:
        """Return the outcomes as arrays."""
        frame = self.outcomes
        return Readings(
            frame["argument"].to_numpy(),
            np.array([SKEPTICS.index(name) for name in frame["difficulty"]], dtype=np.int64),
            np.array([tuple(DIMENSIONS).index(name) for name in frame["dimension"]], dtype=np.int64),
            frame["convinced"].to_numpy(),
        )


@dataclass(frozen=True)
class Readings:
    """Who read which argument and was convinced.

    Attributes:
        argument: number of the argument.
        difficulty: number of the skeptic in ``SKEPTICS``.
        dimension: number of the style in ``DIMENSIONS``.
        convinced: the verdict.
    """

    argument: Int[np.ndarray, " readings"]
    difficulty: Int[np.ndarray, " readings"]
    dimension: Int[np.ndarray, " readings"]
    convinced: Bool[np.ndarray, " readings"]


def presence_files(folder: Path | None = None) -> Mapping[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """Return, by prompted style, the classifier's scores of each dimension and the lengths in words."""
    held = json.loads(_text(folder or locate(SLUG), "ten_dimension_scores.json"))
    return {
        check_dimension(name): ({key: np.asarray(row) for key, row in scores.items()}, np.asarray(lengths))
        for name, (scores, lengths) in held.items()
    }


def human_judgements(folder: Path | None = None) -> pl.DataFrame:
    """Return the crowd's answers as released, in their order; see :mod:`doxa.protocols.persuasion.crowd`."""
    return pl.read_csv(_bytes(folder or locate(SLUG), "human_pairwise.csv"))


def _reading(row: Mapping[str, Any], place: Mapping[str, int], dimensions: tuple[str, ...]) -> dict[str, Any]:
    name, skeptic, said = str(row["argument_id"]), str(row["skeptic"]), str(row["convinced"])
    if name not in place:
        raise InputError(f"outcome of argument '{name}', which is not among the arguments")
    if skeptic not in SKEPTICS:
        raise InputError(f"skeptic={skeptic!r}: must be one of {', '.join(SKEPTICS)}")
    if said not in ("0", "1"):
        raise InputError(f"convinced={said!r} of argument '{name}': must be 0 or 1")
    return {
        "argument": place[name],
        "difficulty": skeptic,
        "dimension": dimensions[place[name]],
        "convinced": said == "1",
    }


def _bytes(folder: Path, name: str) -> bytes:
    plain = folder / name
    return read_bytes(plain if plain.is_file() else folder / f"{name}.gz")


def _text(folder: Path, name: str) -> str:
    return _bytes(folder, name).decode("utf-8")
