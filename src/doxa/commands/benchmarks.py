"""Benchmarks and reliability bars."""

from __future__ import annotations

from typing import Annotated

import typer

from doxa.commands import completion
from doxa.commands.options import (
    AsJson,
)
from doxa.commands.printing import table


def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Which benchmark; without one, they are listed.",
            autocompletion=completion.benchmarks,
        ),
    ] = None,
    *,
    bar: Annotated[
        int | None, typer.Option("--bar", help="Number of the reliability bar (bench hard).")
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="The size that runs with every change.")] = False,
    install: Annotated[bool, typer.Option("--install", help="First install the peers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare doxa with its peers on the same work, or run a reliability bar; needs a checkout."""
    from doxa.lab.bench import benchmarks, run_benchmark

    if name is None:
        table(("benchmark", "what it shows"), benchmarks())
        return
    run_benchmark(name, bar=bar, small=small, install=install, as_json=as_json)
