"""Looking at runs in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doxa.commands.printing import say


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
        bool, typer.Option("--browser/--no-browser", help="Open a browser where there is a display.")
    ] = True,
) -> None:
    """Look at runs in a browser: findings, figures, beliefs, transcripts."""
    from doxa.lab.view.serving import serve

    serve(folder, host=host, port=port, token=token, browser=browser, say=say)
