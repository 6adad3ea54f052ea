"""Options that commands share, and the settings they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doxa.commands import completion
from doxa.errors import InputError

Out = Annotated[Path, typer.Option("--out", help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        help="quick, embedded or paper.",
        autocompletion=completion.presets,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="key=value, checked against the config; repeatable.",
        autocompletion=completion.settings,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the first replicate.")]
Seeds = Annotated[int | None, typer.Option("--seeds", help="How many replicates.")]
SubjectAddress = Annotated[
    list[str] | None,
    typer.Option(
        "--subject",
        help="Address of the subject to ask; repeated: servers of one model.",
        autocompletion=completion.subjects,
    ),
]
Affect = Annotated[
    str | None,
    typer.Option("--affect", help="Mood around the subject: second-order?mu=0.9, first-order?alpha=0.5, ..."),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        help="inline, processes or ray.",
        autocompletion=completion.executors,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address", help="With --executor ray: auto, HOST:PORT or ray://HOST:PORT of a cluster."
    ),
]
ExecutorOfSome = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="inline, processes or ray; by default inline for one study, processes for several.",
        autocompletion=completion.executors,
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


def subject_of(subject: list[str] | None, affect: str | None = None) -> str | None:
    """Return the address of the subject that options name, with a mood around it if one is given.

    Raises:
        InputError: several addresses are not servers of one model, there is no such mood, or nobody to have it.

    >>> subject_of(["organism:leaning"], "second-order?mu=0.9")
    'affect:second-order?mu=0.9#organism:leaning'
    """
    from doxa.subjects.addresses import one_subject

    return in_mood(affect, one_subject(subject))


def in_mood(affect: str | None, subject: str | None) -> str | None:
    """Return the address of a subject with a mood around it; without a mood its own.

    Raises:
        InputError: there is no such mood, or nobody to have it.
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


def executor_of(executor: str, ray_address: str | None) -> str:
    """Return the executor, with the address of its cluster if one is given.

    Raises:
        InputError: an address without Ray.

    >>> executor_of("ray", "auto")
    'ray:auto'
    """
    if ray_address is None:
        return executor
    if executor != "ray":
        raise InputError(f"--ray-address {ray_address}: is of Ray alone; add --executor ray, or leave it out")
    return f"ray:{ray_address}"


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
