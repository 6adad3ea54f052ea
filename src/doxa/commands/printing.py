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
    """Print one JSON value on one line of stdout."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not unicode, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Print a line for people."""
    sys.stderr.write(text + "\n")
