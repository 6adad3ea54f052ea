"""Data sets: list them, get them, check them."""

from __future__ import annotations

from typing import Annotated

import typer

from doxa.commands import completion
from doxa.commands.options import (
    AsJson,
)
from doxa.commands.printing import print_json, say, table
from doxa.errors import DoxaError

Name = Annotated[str, typer.Argument(help="Which data set.", autocompletion=completion.data_sets)]


def data_list(*, as_json: AsJson = False) -> None:
    """List the data sets, their licences, and whether they are here."""
    from doxa.lab.data import check_all

    reports = check_all()
    if as_json:
        print_json([report.as_json() for report in reports])
        return
    head = ("data", "title", "licence", "here")
    table(head, [(r.data.slug, r.data.title, r.data.licence, r.folder if r.good else "no") for r in reports])


def data_get(name: Name, *, as_json: AsJson = False) -> None:
    """Fetch a data set from its source at a pinned commit and check every file; what is here is kept."""
    from doxa.lab.data import get
    from doxa.lab.terminal import step_progress

    with step_progress(f"fetching {name}") as progress:
        report = get(name, progress=progress)
    if as_json:
        print_json(report.as_json())
    else:
        say(f"{name}: {len(report.files)} files in {report.folder}")


def data_check(name: Name, *, as_json: AsJson = False) -> None:
    """Compare the files of a data set with their published digests."""
    from doxa.lab.data import check

    report = check(name)
    if as_json:
        print_json(report.as_json())
    else:
        table(("file", "state"), [(file.name, file.state) for file in report.files])
    if not report.good:
        raise DoxaError(f"{name} is not whole here; get it with: doxa data get {name}")
