"""The board of claims on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

from doxa.errors import InputError, did_you_mean
from doxa.lab.record import Verdict
from doxa.lab.several.board import Board
from doxa.lab.several.board_page import COLUMNS, row
from doxa.lab.several.running import Ended
from doxa.lab.show import Shown
from doxa.lab.terminal import finding_line


def show_board(board: Board, *, verdict: str | None = None, only: Collection[str] | None = None) -> Shown:
    """Return a board as it is shown.

    Args:
        board: what to show.
        verdict: of which verdict findings are listed: ``holds``, ``fails``, ``unresolved`` or ``all``; by default
            those that do not hold.
        only: leave out the other studies.

    Raises:
        InputError: there is no such verdict.
    """
    known = get_args(Verdict)
    wanted = {None: ("fails", "unresolved"), "all": known, **{one: (one,) for one in known}}
    if verdict not in wanted:
        raise InputError(f"--verdict {verdict}: {did_you_mean(str(verdict), [*known, 'all'])}")
    if only is not None:
        board = Board([entry for entry in board.entries if entry.study in only])
    done = sum(entry.finished for entry in board.entries)
    claims, controls = (tally.text() or "none" for tally in (board.claims, board.controls))
    lines = [
        f"{done} of {len(board.entries)} studies finished · claims {claims} · controls {controls}",
        *_aligned([COLUMNS, *(tuple(map(str, row(entry))) for entry in board.entries)]),
    ]
    for entry in board.entries:
        listed = [finding_line(finding) for finding in entry.findings if finding.verdict in wanted[verdict]]
        lines += ["", entry.study, *(f"  {line}" for line in listed)] if listed else []
    return Shown(dict(board.as_json()), lines)


def summary(board: Board, ended: Sequence[Ended], index: Path) -> dict[str, Any]:
    """Return what ``doxa run --json`` prints of several studies; their findings are in ``board.json``."""
    here = Board([entry for entry in board.entries if entry.study in {one.slug for one in ended}])
    return {
        "studies": [one.as_json() for one in ended],
        "claims": here.claims.as_json(),
        "controls": here.controls.as_json(),
        "board": str(index.with_name("board.json")),
        "index": str(index),
    }


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    wide = [max(len(text[index]) for text in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(one, wide, strict=True)).rstrip() for one in rows
    ]
