"""What people read on a terminal. Foreign text loses its control characters before it gets there."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doxa.lab.record import Finding
    from doxa.lab.run import RunResult

MARKS = {"holds": "✓", "fails": "✗", "unresolved": "?"}
_COPIED = ("report  ", "resume  ")
_LINE_SECONDS = 10.0
_STYLES = {"holds": "green", "fails": "red", "unresolved": "yellow"}


def plain(text: str) -> str:
    """Return a text that cannot steer a terminal: control characters other than newline become visible."""
    return "".join(mark if mark == "\n" or mark.isprintable() else repr(mark)[1:-1] for mark in text)


def tell(text: str) -> None:
    """Print a line for people on stderr; nothing in it can steer the terminal."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def tell_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning as one line; stands for ``warnings.showwarning``."""
    tell(f"warning: {message}" if issubclass(category, UserWarning) else f"{category.__name__}: {message}")


def tell_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody foresaw, whose message may be foreign text; stands for ``sys.excepthook``."""
    tell("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def interval_text(estimate: float | None, interval: Sequence[float] | None, unit: str = "") -> str:
    """Return ``0.86 [0.83, 0.89] unit`` with three significant digits.

    >>> interval_text(0.861, (0.83, 0.89))
    '0.861 [0.83, 0.89]'
    """
    if estimate is None or math.isnan(estimate):
        return "n/a"
    text = f"{estimate:.3g}"
    if interval is not None:
        text += f" [{interval[0]:.3g}, {interval[1]:.3g}]"
    return f"{text} {unit}".rstrip()


def finding_line(finding: Finding) -> str:
    """Return a finding as a line: verdict, whether it is a control, claim, number, bound, and the paper's number."""
    parts = [
        f"{MARKS[finding.verdict]} {finding.verdict:<10}",
        *(["control"] if finding.control else []),
        f"{finding.id}: {finding.claim}",
        interval_text(finding.estimate, finding.interval, finding.unit),
        *_beside(finding),
    ]
    return "  ".join(parts)


def _beside(finding: Finding) -> list[str]:
    """Return what stands beside a finding's number: the bound it was read against, and the paper's number."""
    paper = "" if finding.paper is None else f"paper {finding.paper:.3g}"
    return [text for text in (f"bound {finding.bound}" if finding.bound else "", paper) if text]


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout: aligned on a terminal, tab-separated elsewhere."""
    if not sys.stdout.isatty():
        for row in (head, *rows):
            sys.stdout.write("\t".join(plain(str(value)) for value in row) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(head):  # the first column is what one types, so it is shown whole
        table.add_column(plain(name), no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(str(value))) for value in row))
    Console().print(table)


def print_text(text: str) -> None:
    """Print a text on stdout; on a terminal what is wider goes on below its own column."""
    lines = plain(text).rstrip("\n").split("\n")
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in _wrapped(line, width)]
    sys.stdout.write("\n".join(lines) + "\n")


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line as pieces of at most a width; a path or a command is left whole, so that it can be copied."""
    if len(line) <= width or line.startswith(_COPIED):
        return [line]
    found = re.search(r"(?<=\S) {2,}(?=\S)", line)
    place = found.end() if found else 0
    if not 0 < place <= width / 2:
        place = min(len(line) - len(line.lstrip()) + 4, width // 2)
    return textwrap.wrap(
        line, width, subsequent_indent=" " * place, break_long_words=False, break_on_hyphens=False
    )


def print_result(result: RunResult) -> None:
    """Print what a run found, one line a finding, and where the report is; a table on a terminal."""
    from doxa.lab.asking import spending_text

    kept = result.cells - result.computed
    head = f"{result.study} · {result.cells} cells ({kept} kept) · {result.seconds:.0f} s"
    foot = [f"asked   {address}: {spending_text(spent)}" for address, spent in result.spending.items()]
    foot.append(f"report  {result.report}")
    if not sys.stdout.isatty():
        print_text("\n".join([head, *map(finding_line, result.findings), *foot]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(plain(head), style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in result.findings:
        style = _STYLES[finding.verdict]
        table.add_row(
            Text(f"{MARKS[finding.verdict]} {finding.verdict}", style=style),
            Text("control" if finding.control else "", style="dim"),
            Text(plain(finding.claim)),
            Text(plain(interval_text(finding.estimate, finding.interval, finding.unit))),
            Text(plain("\n".join(_beside(finding))), style="dim"),
        )
    console.print(table)
    print_text("\n".join(foot))


@contextlib.contextmanager
def step_progress(title: str) -> Generator[Callable[[int, int, str], None]]:
    """Yield a function (step, steps, note) that shows on stderr how far a long task is.

    A bar on a terminal; elsewhere a line, at most one in ten seconds and one at the end.
    """
    if not sys.stderr.isatty():
        yield _step_lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(plain(title), total=None, note="")
        yield lambda step, steps, note: bar.update(task, completed=step, total=steps, note=plain(note))


def _step_lines(title: str) -> Callable[[int, int, str], None]:
    last = time.monotonic()

    def show(step: int, steps: int, note: str) -> None:
        nonlocal last
        if step == steps or time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            tell(f"{title}: {step:,} of {steps:,}  {note}")

    return show
