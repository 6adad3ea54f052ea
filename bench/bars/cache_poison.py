"""Bar 5, cache poison: damaged, foreign, older and hostile entries are never served and never run."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars.outcome import Outcome
from doxa.errors import StoreError
from doxa.streams import stream
from doxa.subjects.base import Conversation, Reply, Sampling, Tool, user
from doxa.subjects.cache import CachedSubject, Journal, explain
from doxa.subjects.cache_entries import SCHEMA, checksum_of
from doxa.subjects.planted import PlantedSubject
from doxa.testing.damage import bit_flips, truncations

FULL_ENTRIES = 5_000


class _Echo(PlantedSubject):
    """Says what it was asked, so that any answer of another question is seen to be wrong."""

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        del sampling, tools
        return [Reply(f"answer to {conversation[-1].content}") for conversation in conversations]


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.path),))


class Entry(NamedTuple):
    """A row of the table of answers."""

    key: str
    schema: Any
    value: Any
    checksum: Any


_SAYS = {
    "torn": "checksum",
    "another value": "checksum",
    "another row": "checksum",
    "older schema": "schema",
    "newer schema": "schema",
    "wrong checksum": "checksum",
    "pickle": "not text",
    "pickle as text": "not JSON",
    "not a reply": "form",
    "negative tokens": "form",
    "a number": "checksum",
    "deep": "",
}
"""The ways an entry is poisoned, and a word that the explanation must hold."""


def run(full: bool, folder: Path) -> Outcome:
    """Poison entries one by one and the file as a whole, then ask."""
    entries, files = (FULL_ENTRIES, 400) if full else (600, 40)
    outcome = Outcome(f"{entries} entries, {files} damaged files")
    rng = stream(0, "bars", "poison")
    bomb = folder / "executed"
    path = folder / "replies.sqlite"
    questions = [(user(f"question {number}"),) for number in range(entries)]
    sampling = Sampling()
    with Journal(path) as journal:
        CachedSubject(_subject(), journal, run="first").reply(questions, sampling=sampling)
    ways = _poison(path, bomb, rng)
    with Journal(path) as journal:
        asked = CachedSubject(_subject(), journal, run="second")
        replies = asked.reply(questions, sampling=sampling)
        for (question,), reply in zip(questions, replies, strict=True):
            outcome.check(reply.text == f"answer to {question.content}", f"served: {reply.text[:80]!r}")
        outcome.check(asked.misses == entries, f"{entries - asked.misses} poisoned entries were served")
        for call in journal.calls("second")[:: 1 if not full else 10]:
            told = explain(journal, call.id)
            outcome.check(
                _SAYS[ways[call.key]] in told and "was not a hit" in told,
                f"{ways[call.key]}: explained as {told}",
            )
        healed = CachedSubject(_subject(), journal, run="third")
        healed.reply(questions, sampling=sampling)
        outcome.check(healed.hits == entries, f"{healed.misses} entries were not mended")
    outcome.check(not bomb.exists(), "a pickle in an entry was executed")
    _files(outcome, folder, files, rng)
    return outcome


def _subject() -> PlantedSubject:
    return _Echo("bayesian", PlantedSubject.open("bayesian", {}).config)


def _poison(path: Path, bomb: Path, rng: np.random.Generator) -> dict[str, str]:
    """Poison every row of the table of answers, each in one of the ways; return the way by key."""
    with sqlite3.connect(path) as connection:
        rows = [
            Entry(key.hex(), *rest)
            for key, *rest in connection.execute(
                "SELECT key, schema, value, checksum FROM requests JOIN answers USING (id)"
            )
        ]
        names = list(_SAYS)
        ways: dict[str, str] = {}
        for number, row in enumerate(rows):
            ways[row.key] = names[number % len(names)]
            other = rows[(number + 1) % len(rows)]
            bad = _poisoned(ways[row.key], row, other, bomb, rng)
            connection.execute(
                "UPDATE answers SET schema = ?, value = ?, checksum = ?"
                " WHERE id = (SELECT id FROM requests WHERE key = ?)",
                (bad.schema, bad.value, bad.checksum, bytes.fromhex(row.key)),
            )
    connection.close()
    return ways


def _poisoned(way: str, row: Entry, other: Entry, bomb: Path, rng: np.random.Generator) -> Entry:
    def forged(value: str) -> Entry:
        return row._replace(value=value, checksum=checksum_of(row.key, value))

    reply = json.loads(row.value)
    match way:
        case "torn":
            return row._replace(value=row.value[: int(rng.integers(0, len(row.value)))])
        case "another value":
            return row._replace(value=other.value)
        case "another row":
            return row._replace(value=other.value, checksum=other.checksum)
        case "older schema":
            return row._replace(schema=SCHEMA - 1)
        case "newer schema":
            return row._replace(schema=SCHEMA + 1)
        case "wrong checksum":
            return row._replace(checksum=row.checksum[:-1] + ("0" if row.checksum[-1] != "0" else "1"))
        case "pickle":
            return row._replace(value=pickle.dumps(_Bomb(str(bomb))))
        case "pickle as text":
            return forged(pickle.dumps(_Bomb(str(bomb)), protocol=0).decode("latin-1"))
        case "not a reply":
            return forged(json.dumps([reply["text"]]))
        case "negative tokens":
            return forged(json.dumps({**reply, "tokens_in": -1}))
        case "a number":
            return row._replace(value=7)
        case _:
            return forged("[" * 200_000)


def _files(outcome: Outcome, folder: Path, count: int, rng: np.random.Generator) -> None:
    """Cut and flip the file itself: every answer is right, or a StoreError says the file cannot be used."""
    small = folder / "small.sqlite"
    questions = [(user(f"question {number}"),) for number in range(40)]
    with Journal(small) as journal:
        CachedSubject(_subject(), journal).reply(questions, sampling=Sampling())
    with sqlite3.connect(small) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = small.read_bytes()
    for number, damage in enumerate((*truncations(data, count // 2, rng), *bit_flips(data, count // 2, rng))):
        place = folder / f"damaged-{number}.sqlite"
        place.write_bytes(damage.data)
        try:
            with Journal(place) as journal:
                replies = CachedSubject(_subject(), journal).reply(questions, sampling=Sampling())
            right = all(
                reply.text == f"answer to {question.content}"
                for (question,), reply in zip(questions, replies, strict=True)
            )
            outcome.check(right, f"file {damage.what}: a wrong answer was served")
        except StoreError:
            outcome.check(True, "")
        except Exception as error:  # noqa: BLE001 - anything but a StoreError is what this looks for
            outcome.check(False, f"file {damage.what}: {type(error).__name__}: {error}")
        for left in folder.glob(f"damaged-{number}.sqlite*"):
            left.unlink()
