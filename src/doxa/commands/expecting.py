"""``--dry-run``: what a run would ask, without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doxa.commands.printing import print_json, say
from doxa.errors import InputError

if TYPE_CHECKING:
    from doxa.subjects.base import Conversation


def refuse_prompts(prompts: Path | None) -> None:
    """Raise InputError if a file for the questions is named outside a dry run."""
    if prompts is not None:
        raise InputError(
            f"--prompts {prompts}: goes with --dry-run; a run keeps what it asks in its own tables"
        )


def print_expected(plans: list[Any], out: Path, prompts: Path | None, *, as_json: bool) -> None:
    """Print what the missing cells of some runs will ask, and write the questions to a file if one is given."""
    from doxa.lab.asking import expect_missing, expectation_text, prompt_line
    from doxa.lab.files import write_atomic

    lines: list[str] = []

    def heed(address: str, conversation: Conversation, options: Sequence[str]) -> None:
        lines.append(prompt_line(address, conversation, options))

    expectations = [(todo, expect_missing(todo, out, heed=heed if prompts else None)) for todo in plans]
    if prompts is not None:
        write_atomic(prompts, "".join(lines).encode())
    for todo, expected in expectations:
        if as_json:
            print_json(expected.as_json())
            continue
        say(f"{todo.study.slug}: {expected.missing:,} of {expected.cells:,} cells to compute")
        for address, asked in expected.subjects.items():
            say(f"  {expectation_text(address, asked)}")
