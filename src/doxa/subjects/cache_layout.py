"""The journal's file: its tables, how it is opened, and how files that are not of this layout are told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from doxa.errors import StoreError

LAYOUT = 2
"""Layout of the file's tables."""

_APPLICATION = 0x646F7861  # "doxa": tells our files from other SQLite files
_TABLES = {
    "requests": "id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, request TEXT NOT NULL",
    "answers": """id INTEGER PRIMARY KEY, schema INTEGER NOT NULL, value TEXT NOT NULL,
                  checksum TEXT NOT NULL, call INTEGER NOT NULL""",
    "calls": """id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, key BLOB NOT NULL,
                outcome TEXT NOT NULL, reason TEXT NOT NULL""",
}
"""Columns by table. An answer has the id of its request: keys are random, and so the index on them is the only thing
that is written at random places; requests, answers and calls are appended."""

_SETTINGS = (
    "trusted_schema = OFF",
    "page_size = 8192",  # of 4, 8 and 16 KiB the quickest and smallest with replies of 1 KB
    "cache_size = -16000",  # holds the index of some 300,000 keys
    "journal_mode = WAL",
    "synchronous = NORMAL",  # what was committed survives the death of the process
)


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection to a journal; it and its folder are made if missing.

    Raises:
        StoreError: the file is not a journal, or one of another layout.
        sqlite3.Error, OSError: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN IMMEDIATE")
        _make_or_check(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_or_check(connection: sqlite3.Connection, path: Path) -> None:
    names = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    ).fetchall()
    if not names:
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION and layout != LAYOUT:
        raise StoreError(
            f"{path}: layout {layout}, this version reads {LAYOUT}; move the file away to start a new one"
        )
    if application != _APPLICATION or {(kind, name) for kind, name in names} - {
        ("table", name) for name in _TABLES
    }:
        raise StoreError(f"{path}: not a journal of doxa; name another file for the reply cache")
