"""Looking at runs in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doxa.commands.printing import say
from doxa.errors import InputError


def view(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder that holds the runs, or one run.")
    ] = Path("runs"),
    *,
    host: Annotated[
        str, typer.Option("--host", help="Address to bind; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to bind; 0 takes any free one.")] = 8417,
    token: Annotated[
        str | None,
        typer.Option("--token", help="Token to ask for, of 16 characters or more; made by default."),
    ] = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser", help="Open a browser where there is a display and no token is needed."
        ),
    ] = True,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="DIR", help="Write the pages as files to this folder; serve nothing."
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="With --export: only this run, by name or the start of it; repeatable."),
    ] = None,
) -> None:
    """Look at runs in a browser: findings, figures, beliefs, transcripts."""
    if export is not None:
        from doxa.lab.view.export import export_folder

        made = export_folder(folder, export, only=run or (), told=say)
        runs = "1 run" if made.runs == 1 else f"{made.runs:,} runs"
        say(f"{made.pages:,} pages of {runs}: {export / 'index.html'}")
        return
    if run:
        raise InputError("--run: chooses what --export writes; to look at one run give its folder")
    from doxa.lab.view.serving import serve

    serve(folder, host=host, port=port, token=token, browser=browser, say=say)
