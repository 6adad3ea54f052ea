"""Options that commands share, and the settings they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doxa.errors import InputError

Out = Annotated[Path, typer.Option("--out", help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Preset = Annotated[str, typer.Option("--preset", help="quick, embedded or paper.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, checked against the config; repeatable.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the first replicate.")]
Seeds = Annotated[int | None, typer.Option("--seeds", help="How many replicates.")]
SubjectAddress = Annotated[str | None, typer.Option("--subject", help="Address of the subject to ask.")]
Affect = Annotated[
    str | None,
    typer.Option("--affect", help="Mood around the subject: second-order?mu=0.9, first-order?alpha=0.5, ..."),
]
Executor = Annotated[str, typer.Option("--executor", help="inline, processes or ray.")]
ExecutorOfSome = Annotated[
    str | None,
    typer.Option(
        "--executor", help="inline, processes or ray; by default inline for one study, processes for several."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Cells at once (one of two threads counts double); by default the cores."),
]
Fresh = Annotated[bool, typer.Option("--fresh/--resume", help="Put an earlier run aside, or go on with it.")]
MaxCalls = Annotated[
    int | None, typer.Option("--max-calls", help="Most questions put to subjects now; then stop, resumably.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", help="Stop, resumably, when this many tokens were used now.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many calls and tokens to expect; ask nothing.")
]
Prompts = Annotated[
    Path | None,
    typer.Option("--prompts", help="With --dry-run: write all questions to this file (JSON lines)."),
]


def in_mood(affect: str | None, subject: str | None) -> str | None:
    """Return the address of a subject with a mood around it; without a mood its own.

    Raises:
        InputError: there is no such mood, or nobody to have it.

    >>> in_mood("second-order?mu=0.9", "organism:leaning")
    'affect:second-order?mu=0.9#organism:leaning'
    """
    if affect is None:
        return subject
    if subject is None:
        raise InputError(f"--affect {affect}: name who is to have the mood with --subject")
    if "#" in affect:
        raise InputError(f"--affect {affect}: must be a rule and its options, as in second-order?mu=0.9")
    from doxa.subjects.addresses import form

    address = f"affect:{affect}#{subject}"
    form(address)
    return address


def settings_of(settings: list[str] | None, **shared: Any) -> dict[str, Any]:
    """Return the settings of ``--set`` together with those of other options; None was not given.

    Raises:
        InputError: one is not key=value, or is given twice.
    """
    values: dict[str, Any] = {name: value for name, value in shared.items() if value is not None}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InputError(f"--set {text!r}: must be key=value")
        if key in values:
            raise InputError(f"--set {text!r}: '{key}' is given twice")
        values[key] = value
    return values
