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
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from doxa.canonical import Json
from doxa.errors import StoreError
from doxa.secret import scrub
from doxa.subjects.cache_entries import SCHEMA, Lookup, as_text, checked, checksum_of, loaded

LAYOUT = 1
"""Layout of the file's tables."""

_APPLICATION = 0x646F7861  # "doxa": tells our files from other SQLite files
_TABLES = (
    "CREATE TABLE requests (key TEXT PRIMARY KEY, request TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE answers (key TEXT PRIMARY KEY, schema INTEGER NOT NULL, value TEXT NOT NULL,
       checksum TEXT NOT NULL, call INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE calls (id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, key TEXT NOT NULL,
       outcome TEXT NOT NULL, reason TEXT NOT NULL)""",
    "CREATE INDEX calls_run ON calls (run)",
)


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
        with self._reading() as connection:
            rows = [
                connection.execute(
                    "SELECT schema, value, checksum FROM answers WHERE key = ?", (key,)
                ).fetchone()
                for key in keys
            ]
        return [checked(key, row) for key, row in zip(keys, rows, strict=True)]

    def begin(self, run: str, calls: Sequence[tuple[str, Mapping[str, Json], str, str]]) -> list[int]:
        """Log calls as (key, request, outcome, reason) and return their numbers, in order."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO requests VALUES (?, ?)",
                [(key, as_text(request)) for key, request, _, _ in calls],
            )
            return [
                cast(
                    int,
                    connection.execute(
                        "INSERT INTO calls (run, key, outcome, reason) VALUES (?, ?, ?, ?)",
                        (scrub(run), key, outcome, scrub(reason)),
                    ).lastrowid,
                )
                for key, _, outcome, reason in calls
            ]

    def settle(self, answers: Iterable[Answer], refused: Iterable[tuple[int, str]] = ()) -> None:
        """Keep answers, and say of calls why their answers are not kept, in one transaction."""
        with self._transaction() as connection:
            for answer in answers:
                if answer.replaces is not None:
                    connection.execute(
                        "DELETE FROM answers WHERE key = ? AND value IS ? AND checksum IS ?",
                        (answer.key, *answer.replaces),
                    )
                value = as_text(answer.value)
                connection.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
                    (answer.key, SCHEMA, value, checksum_of(answer.key, value), answer.call),
                )
                connection.execute("UPDATE calls SET outcome = 'stored' WHERE id = ?", (answer.call,))
            connection.executemany(
                "UPDATE calls SET outcome = 'not stored', reason = ? WHERE id = ?",
                [(scrub(reason), call) for call, reason in refused],
            )

    def calls(self, run: str | None = None) -> list[Call]:
        """Return the calls of a run, or all of them, in the order in which they were made."""
        where, values = ("", ()) if run is None else ("WHERE run = ?", (run,))
        return self._calls(f"{where} ORDER BY id", values)

    def call(self, number: int) -> Call:
        """Return one call.

        Raises:
            StoreError: there is none with this number.
        """
        found = self._calls("WHERE id = ?", (number,))
        if not found:
            raise StoreError(f"{self.path}: no call {number}; `doxa show RUN` lists the calls of a run")
        return found[0]

    def stored_before(self, call: Call, *, limit: int = 200) -> list[Call]:
        """Return calls before this one whose answers were kept, those of the same subject and kind first."""
        same = " + ".join(f"(json_extract(requests.request, '$.{field}') IS ?)" for field in _NEAR)
        values = [_extracted(call.request.get(field)) for field in _NEAR]
        return self._calls(
            "JOIN answers ON answers.call = calls.id WHERE calls.id < ? AND calls.key <> ?"
            f" AND json_valid(requests.request) ORDER BY {same} DESC, calls.id DESC LIMIT ?",
            (call.id, call.key, *values, limit),
        )

    def first_answer(self, key: str) -> int | None:
        """Return the number of the call that gave the answer under a key."""
        with self._reading() as connection:
            row = connection.execute("SELECT call FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def _calls(self, rest: str, values: Sequence[Any]) -> list[Call]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT calls.id, run, calls.key, outcome, reason, request FROM calls"  # noqa: S608  # no input in it
                f" JOIN requests ON requests.key = calls.key {rest}",
                tuple(values),
            ).fetchall()
        return [Call(*row[:5], request=loaded(row[5])) for row in rows]

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
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, timeout=60.0, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._open, self._owner = connection, os.getpid()
        return self._open

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("trusted_schema = OFF", "journal_mode = WAL", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        names = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        if not names:
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
        known = {"requests", "answers", "calls", "calls_run"}
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("COMMIT")
        if (
            not ours
            or {name for _, name in names} - known
            or {kind for kind, _ in names} - {"table", "index"}
        ):
            raise StoreError(f"{self.path}: not a journal of doxa; name another file for the reply cache")
        if layout != LAYOUT:
            raise StoreError(
                f"{self.path}: layout {layout}, this version reads {LAYOUT}; move the file away to start a new one"
            )

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self.path}: the reply cache cannot be used ({error}); check the disk, or move the file away"
        )


_NEAR = ("identity", "kind", "messages", "tools", "options", "opening", "elicitor")


def _extracted(value: Json) -> str | int | float | None:
    """Return a value as SQLite's ``json_extract`` gives it: lists as their text, others as they are."""
    cleaned = json.loads(as_text(value))
    return as_text(cleaned) if isinstance(cleaned, list | dict) else cleaned
