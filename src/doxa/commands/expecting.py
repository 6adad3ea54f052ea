"""``--dry-run``: what a run would ask, without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from doxa.commands.printing import print_json, say
from doxa.errors import InputError

if TYPE_CHECKING:
    from doxa.lab.asking import Expectation
    from doxa.lab.run import Plan
    from doxa.lab.several.running import Ended
    from doxa.subjects.base import Conversation


def refuse_prompts(prompts: Path | None) -> None:
    """Raise InputError if a file for the questions is named outside a dry run."""
    if prompts is not None:
        raise InputError(
            f"--prompts {prompts}: goes with --dry-run; a run keeps what it asks in its own tables"
        )


def print_expected(todo: Plan, out: Path, prompts: Path | None, *, as_json: bool) -> None:
    """Print what the missing cells of a run will ask, and write the questions to a file if one is given."""
    [expected] = _expectations([todo], out, prompts)
    if as_json:
        print_json(expected.as_json())
    else:
        _say_expected(expected)


def print_work(
    plans: list[Plan],
    not_run: list[Ended],
    out: Path,
    prompts: Path | None,
    *,
    workers: int | None,
    as_json: bool,
) -> None:
    """Print what several studies will ask and how long they will take, and write the questions to a file if given."""
    from doxa.lab.executors import available_cores
    from doxa.lab.several.costs import expected_seconds
    from doxa.lab.several.standing import duration
    from doxa.lab.store import RunFolder

    expectations = _expectations(plans, out, prompts)
    seconds = 0.0
    for todo in plans:
        folder = RunFolder(out / todo.name)
        missing = [key for key in todo.cells if not folder.has(key)]
        seconds += sum(expected_seconds(todo, missing, out).values())
    places = workers or available_cores()
    if as_json:
        print_json(
            {
                "studies": [expected.as_json() for expected in expectations],
                "not_run": [one.as_json() for one in not_run],
                "processor_seconds": round(seconds, 1),
                "workers": places,
            }
        )
        return
    for expected in expectations:
        _say_expected(expected)
    cells = sum(expected.missing for expected in expectations)
    say(
        f"{len(plans)} studies, {cells:,} cells to compute: about {duration(seconds)} of processor time, "
        f"{duration(seconds / places)} with {places} at once"
    )


def _expectations(plans: list[Plan], out: Path, prompts: Path | None) -> list[Expectation]:
    from doxa.lab.asking import expect_missing, prompt_line
    from doxa.lab.files import write_atomic

    lines: list[str] = []

    def heed(address: str, conversation: Conversation, options: Sequence[str]) -> None:
        lines.append(prompt_line(address, conversation, options))

    found = [expect_missing(todo, out, heed=heed if prompts else None) for todo in plans]
    if prompts is not None:
        write_atomic(prompts, "".join(lines).encode())
    return found


def _say_expected(expected: Expectation) -> None:
    from doxa.lab.asking import expectation_text

    say(f"{expected.study}: {expected.missing:,} of {expected.cells:,} cells to compute")
    for address, asked in expected.subjects.items():
        say(f"  {expectation_text(address, asked)}")
