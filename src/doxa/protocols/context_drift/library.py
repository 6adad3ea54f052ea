"""A library that can be searched and read without a network: what research draws on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.protocols.context_drift.items import BeliefItem, ReadingText
from doxa.protocols.context_drift.masking import WordOverlap, relevance
from doxa.subjects.base import Tool

FOUND = 4
"""Titles that one search returns at most."""


@dataclass(frozen=True)
class Library:
    """Documents with a ``search`` and a ``read`` tool.

    Attributes:
        documents: what can be found; titles are told apart by their id.

    Raises:
        InputError: there is no document, or two share an id.
    """

    documents: Sequence[ReadingText]

    def __post_init__(self) -> None:
        ids = [document.id for document in self.documents]
        if not ids:
            raise InputError("the library is empty; give at least one document")
        if len(set(ids)) < len(ids):
            raise InputError(f"document id '{next(one for one in ids if ids.count(one) > 1)}' occurs twice")

    @classmethod
    def of(cls, items: Sequence[BeliefItem], texts: Sequence[ReadingText] = ()) -> Library:
        """Return a library of the items' information tools, each a document, and further texts."""
        notes = [
            ReadingText(f"{item.id}/{tool.name}", f"{item.topic}: {tool.description}", "", str(tool.result))
            for item in items
            if item.tools is not None
            for tool in item.tools.tools
        ]
        return cls([*notes, *texts])

    @property
    def longest(self) -> int:
        """Characters of the longest document with its title."""
        return max(len(document.title) + len(document.text) for document in self.documents)

    @property
    def terminal_names(self) -> frozenset[str]:
        """No tool of a library ends anything."""
        return frozenset()

    def offered(self, *, flipped: bool = False) -> tuple[Tool, ...]:
        """Return the two tools."""
        del flipped
        return (
            Tool("search", "Finds documents; returns ids and titles.", _schema("query")),
            Tool("read", "Returns the text of one document by its id.", _schema("id")),
        )

    def call(self, name: str, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return what a call gives, or ``{"ok": false, "error": ...}``; never raises."""
        if name == "search" and isinstance(arguments.get("query"), str):
            return {"ok": True, "found": self._search(str(arguments["query"]))}
        if name == "read" and isinstance(arguments.get("id"), str):
            for document in self.documents:
                if document.id == arguments["id"]:
                    return {"ok": True, "title": document.title, "text": document.text}
            return {"ok": False, "error": "no document has this id; search first"}
        if name in ("search", "read"):
            return {
                "ok": False,
                "error": f"{name} needs the text argument '{'query' if name == 'search' else 'id'}'",
            }
        return {"ok": False, "error": f"unknown tool '{name}'; tools: search, read"}

    def _search(self, query: str) -> list[Json]:
        likeness = relevance(self._searched, query, WordOverlap())
        best = [int(place) for place in np.argsort(-likeness, kind="stable")[:FOUND] if likeness[place] > 0.0]
        return [{"id": self.documents[place].id, "title": self.documents[place].title} for place in best]

    @cached_property
    def _searched(self) -> list[str]:
        return [f"{document.title} {document.text}" for document in self.documents]


def _schema(argument: str) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
        "additionalProperties": False,
    }
