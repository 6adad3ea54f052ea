"""The data sets doxa knows: their files, where they lie, and how those are made that lie nowhere as they are."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from doxa.canonical import digest
from doxa.lab.data_archive import ColumnsOfTable, Recipe, TableOfMembers
from doxa.lab.data_conversations import CONVERSATION_FILES
from doxa.lab.data_tensors import ImagePairs
from doxa.lab.sentence_vectors import Embedded


class DataFile(NamedTuple):
    """One published file: its name, size in bytes and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """A data set as published.

    Attributes:
        slug: its name on the command line.
        title: what it is, in a few words.
        repository: page of the repository it comes from.
        commit: the commit the checksums belong to.
        url: where its files lie at that commit, without the last slash, or of the zip archive they are made from.
        licence: SPDX name of its licence.
        holder: who holds the rights.
        files: its files, in order.
        assembled: files that are not published as they are, but made of many in the zip archive at ``url``.
        embedded: files of vectors that are made on this machine from the texts of another file.
        converted: files made on this machine of a published file in a form that is not safe to keep.
    """

    slug: str
    title: str
    repository: str
    commit: str
    url: str
    licence: str
    holder: str
    files: tuple[DataFile, ...]
    assembled: Mapping[str, Recipe] = field(default_factory=dict[str, Recipe])
    embedded: Mapping[str, Embedded] = field(default_factory=dict[str, Embedded])
    converted: Mapping[str, ImagePairs] = field(default_factory=dict[str, ImagePairs])

    @property
    def digest(self) -> str:
        """One digest of all files, for a cell's key: other bytes are another data set."""
        return digest([[file.name, file.sha256] for file in self.files], length=16)


def _read_catalogue() -> dict[str, DataSet]:
    text = importlib.resources.files("doxa.lab").joinpath("data_sets.json").read_text("utf-8")
    return {slug: _entry(slug, **fields) for slug, fields in json.loads(text).items()}


def _entry(
    slug: str,
    files: list[dict[str, Any]],
    assembled: Mapping[str, Mapping[str, Any]] | None = None,
    embedded: Mapping[str, Mapping[str, Any]] | None = None,
    converted: Mapping[str, Mapping[str, Any]] | None = None,
    **fields: str,
) -> DataSet:
    return DataSet(
        slug,
        files=tuple(DataFile(**file) for file in files),
        assembled={name: _recipe(**made) for name, made in (assembled or {}).items()},
        embedded={name: Embedded(**made) for name, made in (embedded or {}).items()},
        converted={name: ImagePairs(**made) for name, made in (converted or {}).items()},
        **fields,
    )


def _recipe(conversations: str = "", **table: Any) -> Recipe:
    """Return how a file is made: a named file of released conversations, or a table that is spelt out."""
    if conversations:
        return CONVERSATION_FILES[conversations]
    return ColumnsOfTable(**table) if "table" in table else TableOfMembers(**table)


CATALOGUE: Mapping[str, DataSet] = _read_catalogue()
"""Every known data set by slug."""
