"""Audits: a belief card of a subject, the zoo, or a series of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doxa.commands import completion
from doxa.commands.expecting import print_expected, refuse_prompts
from doxa.commands.options import (
    Affect,
    AsJson,
    DryRun,
    Executor,
    Fresh,
    MaxCalls,
    MaxTokens,
    Out,
    Preset,
    Prompts,
    RayAddress,
    Seed,
    Seeds,
    Set,
    SubjectAddress,
    Workers,
    executor_of,
    in_mood,
    settings_of,
    subject_of,
)
from doxa.commands.printing import print_json
from doxa.errors import InputError, did_you_mean

_OF_SERIES = ("facts", "form", "band", "seed")


def audit(
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="SUBJECT",
            help="Address of the subject; without one, organism:leaning.",
            autocompletion=completion.subjects,
        ),
    ] = None,
    *,
    servers: SubjectAddress = None,
    zoo: Annotated[bool, typer.Option("--zoo", help="Audit every organism and print the matrix.")] = False,
    twin: Annotated[
        str | None, typer.Option("--twin", help="Address of a sound twin to show beside it.")
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option("--series", help="Folder of saved checkpoints: which facts flipped, and when."),
    ] = None,
    affect: Affect = None,
    preset: Preset = "embedded",
    settings: Set = None,
    seed: Seed = None,
    seeds: Seeds = None,
    out: Out = Path("runs"),
    executor: Executor = "inline",
    ray_address: RayAddress = None,
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model's beliefs with every protocol it can take, and write its belief card; or audit a series.

    With --series, --set takes facts=, form= and band=.
    """
    from doxa.audit.audit import DEFAULT_SUBJECT, audit_subject, audit_zoo, audited, zoo_settings
    from doxa.lab.progress import default_meter
    from doxa.lab.run import plan
    from doxa.subjects.budget import Budget

    overrides = settings_of(settings, seed=seed, seeds=seeds, subject=None)
    shared: dict[str, Any] = {
        "preset": preset,
        "overrides": overrides,
        "out": out,
        "executor": executor_of(executor, ray_address),
        "workers": workers,
        "fresh": fresh,
        "meter": default_meter(),
        "budget": Budget.of(max_calls, max_tokens),
    }
    subject = subject_of([*([] if named is None else [named]), *(servers or [])])
    if affect is not None:
        if zoo or series is not None:
            raise InputError("--affect puts a mood around one subject; leave out --zoo and --series")
        subject = in_mood(affect, DEFAULT_SUBJECT if subject is None else subject)
        twin = None if twin is None else in_mood(affect, twin)
    if zoo and subject is not None:
        raise InputError(f"--zoo audits every organism; leave out {subject!r}")
    if series is not None and (zoo or subject is not None or twin is not None):
        raise InputError(
            "--series audits the checkpoints of a folder; leave out --zoo, --twin and the subject"
        )
    if series is not None and (seeds is not None or dry_run):
        raise InputError(
            "--series reads each checkpoint once and asks no server; leave out --seeds and --dry-run"
        )
    if dry_run:
        asked = zoo_settings(overrides) if zoo else {**overrides, "subjects": audited(subject, twin=twin)}
        print_expected(plan("audit", preset=preset, overrides=asked), out, prompts, as_json=as_json)
        return
    refuse_prompts(prompts)
    result: Any
    if series is not None:
        result = _audited_series(series, shared)
    elif zoo:
        result = audit_zoo(**shared)
    else:
        result = audit_subject(subject, twin=twin, **shared)
    if as_json:
        print_json(result.as_json())
    else:
        from doxa.lab.terminal import print_text

        print_text(result.as_text())


def _audited_series(folder: Path, shared: dict[str, Any]) -> Any:
    """Audit a series; its settings are those that ``audit_series`` takes."""
    from doxa.audit.series import audit_series

    settings: dict[str, Any] = shared.pop("overrides")
    for name in settings:
        if name not in _OF_SERIES:
            raise InputError(f"--set {name}=: no setting of a series; {did_you_mean(name, _OF_SERIES)}")
    return audit_series(folder, **settings, **shared)
