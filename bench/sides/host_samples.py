"""The samples that every host is given; standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import threading
from collections.abc import Iterable


def question(number: int) -> str:
    return f"Is {number} an even number? Answer yes or no."


def expected(text: str) -> str:
    return "yes" if int(text.split()[1]) % 2 == 0 else "no"


def digest(said: Iterable[tuple[str, str]]) -> str:
    """Return one digest of all questions with their answers, in any order."""
    lines = sorted(f"{asked}\t{answered}" for asked, answered in said)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def show_on_terminal() -> None:
    """Let stdout and stderr be a terminal that nobody looks at, so that a live display is really drawn."""
    ours, theirs = pty.openpty()
    for number in (1, 2):
        os.dup2(theirs, number)

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(ours, 65_536):
                pass

    threading.Thread(target=read, daemon=True).start()
