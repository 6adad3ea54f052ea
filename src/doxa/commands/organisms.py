"""Organisms: list the zoo, train one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doxa.commands import completion
from doxa.commands.options import (
    AsJson,
    Fresh,
    Seed,
)
from doxa.commands.printing import print_json, say, table


def organism_list(*, as_json: AsJson = False) -> None:
    """List the organisms, their defects and their twins."""
    from doxa.subjects.organisms import members

    rows = [
        (name, member.defect or "none", member.twin or "", member.description)
        for name, member in members().items()
    ]
    if as_json:
        print_json([dict(zip(("name", "defect", "twin", "description"), row, strict=True)) for row in rows])
    else:
        table(("organism", "defect", "twin", "description"), rows)


def organism_train(
    name: Annotated[str, typer.Argument(help="Which one.", autocompletion=completion.organisms)],
    *,
    seed: Seed = None,
    out: Annotated[Path, typer.Option("--out", help="Folder the organism is written to.")] = Path(
        "organisms"
    ),
    fresh: Fresh = False,
) -> None:
    """Reproduce an organism from its recipe and seed; an interrupted training goes on."""
    from doxa.lab.terminal import step_progress
    from doxa.subjects.organisms import train

    with step_progress(f"training {name}") as show:
        folder = train(
            name,
            seed=seed,
            out=out,
            progress=lambda now: show(now.step, now.steps, f"{now.phase} loss {now.loss:.3f}"),
            resume=not fresh,
        )
    say(f"{folder}  (use it as hf:{folder})")
