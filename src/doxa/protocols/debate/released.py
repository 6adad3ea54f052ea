"""The released debates, where the user has them: a folder of JSON files, with bets, private reasoning and judgements.

The folder is ``experiments`` of a clone of the authors' repository, or one below it. Nothing of it is here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from doxa.errors import InputError
from doxa.protocols.debate.bets import SIDES, BetTable
from doxa.protocols.debate.verdicts import Verdict, verdict_of

FOLDERS = {
    "private_bet_experiments_diff_models": "cross_model",
    "private_self_bet": "self_debate",
    "private_self_bet_anchored": "informed_self",
    "public_bets": "public_bets",
    "SELF_REDTEAM_DEBATE": "self_redteam",
    "multi_round_experiments": "multi_round",
}
"""Folders of the release and the condition of the debates in each."""


class Released(NamedTuple):
    """Bets and verdicts that were read; a debate without judgements has no verdict."""

    table: BetTable
    verdicts: tuple[Verdict, ...]


def read_bets(path: str) -> Released:
    """Read a table of bets from a CSV file, or released debates from a folder.

    Raises:
        InputError: there is nothing at the path, or it cannot be used; see :meth:`BetTable.from_csv` and
            :func:`read_debates`.
    """
    if Path(path).is_dir():
        return read_debates(path)
    return Released(BetTable.from_csv(path), ())


def read_debates(folder: str | Path) -> Released:
    """Read the debates of a folder and the folders in it.

    Args:
        folder: holds one or more of ``FOLDERS``, or is one of them.

    Raises:
        InputError: none of them is there, a file is no debate, or its bets cannot be used.
    """
    base = Path(folder)
    rows: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    without = 0
    for name, condition in FOLDERS.items():
        place = base if base.name == name else base / name
        for file in sorted(place.glob("*.json")) if place.is_dir() else ():
            debate = f"{name}/{file.stem}"
            try:
                read, verdict = _debate(json.loads(file.read_text("utf-8")), debate, condition)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(
                    f"{file}: is no released debate ({type(error).__name__}: {error}); remove it or get it anew"
                ) from error
            without += not read
            rows += read
            verdicts += [verdict] if verdict and read else []
    if not rows:
        raise InputError(
            f"bets={folder}: holds no debates with bets; give a folder with {', '.join(FOLDERS)}"
        )
    table = BetTable.from_rows(rows)
    told = (f"{without} files have no bets and were left out",) if without else ()
    return Released(BetTable(table.rows, (*table.warnings, *told)), tuple(verdicts))


def _debate(held: dict[str, Any], debate: str, condition: str) -> tuple[list[dict[str, Any]], Verdict | None]:
    """Return the rows and the verdict of one file."""
    models = {side: _short(held[f"{side}_model"]) for side in SIDES}
    motion = str(held["motion"]["topic_description"])
    rows = [
        {
            "debate": debate,
            "condition": condition,
            "model": models[bet["side"]],
            "side": bet["side"],
            "stage": bet["speech_type"],
            "bet": str(bet["amount"]),
            "proposition_model": models[SIDES[0]],
            "opposition_model": models[SIDES[1]],
            "motion": motion,
            "reasoning": str(bet["thoughts"]),
        }
        for bet in held.get("debator_bets") or ()
    ]
    judged = held.get("judge_results") or ()
    if not judged:
        return rows, None
    return rows, verdict_of(
        debate, [one["winner"] for one in judged], [float(one["confidence"]) for one in judged]
    )


def _short(model: str) -> str:
    """Return a model's name without its provider, as in the released table."""
    return str(model).rpartition("/")[2]
