"""The journal: answers by content and the log of calls, in one SQLite file that survives a kill.

Four rules make an answer safe to serve. Its key is the SHA-256 of everything that can change it. Its value is
JSON. A checksum binds value, key and schema together. And the first writer of a key wins, so that two
processes which ask the same thing go on with the same answer. What breaks a rule is asked again, never served.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from doxa.canonical import Json
from doxa.errors import StoreError
from doxa.secret import scrub
from doxa.subjects.cache_entries import (
    NOTHING,
    SCHEMA,
    Lookup,
    as_text,
    checked,
    checksum_of,
    loaded,
    parsed,
    storable,
)
from doxa.subjects.cache_layout import open_file

V = TypeVar("V")

_ROWS = 250  # rows of one statement: binding many at once costs a third of binding them one by one


class Call(NamedTuple):
    """One logged call.

    Attributes:
        id: number of the call in this journal.
        run: the run it belongs to.
        key: SHA-256 of its request.
        outcome: ``hit``; ``asked`` while no answer came; ``stored``; or ``not stored``.
        reason: why it was not served or not stored, empty otherwise.
        request: everything that can change the answer.
    """

    id: int
    run: str
    key: str
    outcome: str
    reason: str
    request: Mapping[str, Json]


class Answer(NamedTuple):
    """An answer to be kept: under which key, given by which call, and what damaged entry it replaces."""

    key: str
    value: Json
    call: int
    replaces: tuple[Any, Any] | None = None


class Journal:
    """One SQLite file of answers and calls; several processes may write it at once.

    Every write is one transaction and durable against SIGKILL when the method returns.

    Args:
        path: the file; it and its folder are made if missing.

    Raises:
        StoreError: the file cannot be opened, or is not a journal of this layout.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._owner = 0
        with self._transaction():
            pass

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._open is not None and self._owner == os.getpid():
                self._open.close()
            self._open = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def look_up(self, keys: Sequence[str]) -> list[Lookup]:
        """Return what may be served for each key; a damaged or foreign entry is a problem, not a value."""
        found: dict[bytes, Lookup] = {}
        wanted = [bytes.fromhex(key) for key in keys]
        with self._reading() as connection:
            for some in _parts(wanted):
                rows = connection.execute(
                    "SELECT key, schema, value, checksum FROM requests JOIN answers USING (id)"  # noqa: S608  # marks only
                    f" WHERE key IN ({_marks(len(some))})",
                    some,
                )
                for key, schema, value, checksum in rows:
                    found[key] = checked(key.hex(), schema, value, checksum)
        return [found.get(key, NOTHING) for key in wanted]

    def begin(self, run: str, calls: Sequence[tuple[str, str, str, str]]) -> list[int]:
        """Log calls as (key, request, outcome, reason) and return their numbers, in order.

        A request is canonical JSON; it may be empty where the key has an answer, for then it is known.
        """
        if not calls:
            return []
        new = [
            value
            for key, request, _, _ in calls
            if request
            for value in (bytes.fromhex(key), storable(request))
        ]
        logged = [
            value
            for key, _, outcome, reason in calls
            for value in (bytes.fromhex(key), outcome, scrub(reason))
        ]
        named = scrub(run)
        with self._transaction() as connection:
            for some in _parts(new, 2):
                rows = ", ".join(["(?, ?)"] * (len(some) // 2))
                connection.execute(f"INSERT OR IGNORE INTO requests (key, request) VALUES {rows}", some)  # noqa: S608
            for some in _parts(logged, 3):
                rows = ", ".join(["(?1, ?, ?, ?)"] * (len(some) // 3))
                connection.execute(
                    f"INSERT INTO calls (run, key, outcome, reason) VALUES {rows}",  # noqa: S608  # marks only
                    [named, *some],
                )
            (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
        return list(range(last - len(calls) + 1, last + 1))

    def settle(self, answers: Iterable[Answer], refused: Iterable[tuple[int, str]] = ()) -> list[Json]:
        """Keep answers, and say of calls why their answers are not kept, in one transaction.

        Returns:
            What now stands under the key of each answer: itself, or that of another process which was first.
        """
        kept = [(answer, bytes.fromhex(answer.key), as_text(answer.value)) for answer in answers]
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM answers WHERE id = (SELECT id FROM requests WHERE key = ?)"
                " AND value IS ? AND checksum IS ?",
                [(key, *answer.replaces) for answer, key, _ in kept if answer.replaces is not None],
            )
            written = connection.executemany(
                "INSERT OR IGNORE INTO answers SELECT id, ?, ?, ?, ? FROM requests WHERE key = ?",
                [
                    (SCHEMA, text, checksum_of(answer.key, text), answer.call, key)
                    for answer, key, text in kept
                ],
            ).rowcount
            for some in _parts([answer.call for answer, _, _ in kept]):
                connection.execute(
                    f"UPDATE calls SET outcome = 'stored' WHERE id IN ({_marks(len(some))})",  # noqa: S608
                    some,
                )
            connection.executemany(
                "UPDATE calls SET outcome = 'not stored', reason = ? WHERE id = ?",
                [(scrub(reason), call) for call, reason in refused],
            )
        if written == len(kept):
            return [parsed(text) for _, _, text in kept]
        return [found.value for found in self.look_up([answer.key for answer, _, _ in kept])]

    def calls(self, run: str | None = None) -> list[Call]:
        """Return the calls of a run, or all of them, in the order in which they were made."""
        where, values = ("", ()) if run is None else ("WHERE run = ?", (run,))
        return self._calls(f"{where} ORDER BY calls.id", values)

    def call(self, number: int) -> Call:
        """Return one call.

        Raises:
            StoreError: there is none with this number.
        """
        found = self._calls("WHERE calls.id = ?", (number,))
        if not found:
            raise StoreError(f"{self.path}: no call {number}; `doxa show RUN` lists the calls of a run")
        return found[0]

    def stored_before(self, call: Call, *, limit: int = 200) -> list[Call]:
        """Return calls before this one whose answers were kept, those of the same subject and kind first."""
        same = " + ".join(f"(json_extract(requests.request, '$.{field}') IS ?)" for field in _NEAR)
        values = [_extracted(call.request.get(field)) for field in _NEAR]
        return self._calls(
            " JOIN answers ON answers.call = calls.id WHERE calls.id < ? AND calls.key <> ?"
            f" AND json_valid(requests.request) ORDER BY {same} DESC, calls.id DESC LIMIT ?",
            (call.id, bytes.fromhex(call.key), *values, limit),
        )

    def first_answer(self, key: str) -> int | None:
        """Return the number of the call that gave the answer under a key."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT call FROM requests JOIN answers USING (id) WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        return None if row is None else int(row[0])

    def _calls(self, rest: str, values: Sequence[Any]) -> list[Call]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT calls.id, run, hex(calls.key), outcome, reason, request FROM calls"  # noqa: S608  # no input in it
                f" LEFT JOIN requests ON requests.key = calls.key {rest}",
                tuple(values),
            ).fetchall()
        return [
            Call(number, run, key.lower(), outcome, reason, loaded(request))
            for number, run, key, outcome, reason, request in rows
        ]

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection()
            except (sqlite3.Error, OSError) as error:
                raise self._error(error) from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """Return this process's connection; one that came through a fork belongs to the parent and is let be."""
        if self._open is None or self._owner != os.getpid():
            self._open, self._owner = open_file(self.path), os.getpid()
        return self._open

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self.path}: the reply cache cannot be used ({error}); check the disk, or move the file away"
        )


def _parts(values: Sequence[V], columns: int = 1) -> Iterator[Sequence[V]]:
    """Yield the values of at most as many rows as one statement takes."""
    step = _ROWS * columns
    return (values[start : start + step] for start in range(0, len(values), step))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_NEAR = ("identity", "kind", "messages", "tools", "options", "opening", "elicitor")


def _extracted(value: Json) -> str | int | float | None:
    """Return a value as SQLite's ``json_extract`` gives it: lists as their text, others as they are."""
    cleaned = json.loads(as_text(value))
    return as_text(cleaned) if isinstance(cleaned, list | dict) else cleaned
