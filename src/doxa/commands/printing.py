"""What commands print: text for people on stderr, data on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a table: for people on a terminal, tab-separated elsewhere."""
    from doxa.lab.terminal import print_table

    print_table(head, rows)


def print_json(value: Any) -> None:
    """Print one JSON value on one line of stdout; what a terminal would obey or not show is escaped."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not unicode, allow_nan=False)
    shown = "".join(mark if mark.isprintable() else json.dumps(mark)[1:-1] for mark in text)
    sys.stdout.write(shown + "\n")


def say(text: str) -> None:
    """Print a line for people; nothing in it can steer the terminal."""
    from doxa.lab.terminal import tell

    tell(text)
