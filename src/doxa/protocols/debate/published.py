"""Debates of real subjects, held and recorded: bets are beliefs, verdicts measures, what was said transcripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder, Tables
from doxa.protocols.debate.bets import MULTI_STAGES, BetTable
from doxa.protocols.debate.debate import Debate, DebateRecord, Rules, hold_debates
from doxa.protocols.debate.jury import Decided, Jury
from doxa.protocols.debate.plan import Match
from doxa.protocols.debate.verdicts import Verdict, verdict_of
from doxa.protocols.dialogue import record
from doxa.subjects.base import Sampling, Subject

Progress = Callable[[float, float, str], None]


def debate_condition(
    recorder: Recorder,
    condition: str,
    planned: Sequence[Match],
    rules: Rules,
    open_subject: Callable[[str], Subject],
    *,
    judges: Sequence[str] = (),
    repeats: int = 2,
    sampling: Sampling,
    keep: Keep = keep_none,
    progress: Progress | None = None,
) -> list[DebateRecord]:
    """Hold the debates of a condition, put them to a jury, and record all of it.

    Args:
        recorder: takes the rows.
        condition: what they are counted under.
        planned: who debates whom.
        rules: of every debate.
        open_subject: opens a subject by address.
        judges: addresses of the jury; none leaves the debates without verdicts.
        repeats: calls of each judge.
        sampling: how speeches, bets and votes are drawn.
        keep: keeps the replies of subjects on this machine.
        progress: told how far it is.
    """
    opened = {name: open_subject(name) for match in planned for name in (match.proposition, match.opposition)}
    debates = {
        debate_id(condition, match): Debate(
            match.motion,
            opened[match.proposition],
            opened[match.opposition],
            rules,
            sampling,
            match.replicate,
            condition,
        )
        for match in planned
    }
    held = hold_debates(debates, keep=keep, progress=progress)
    jury = Jury([open_subject(name) for name in judges], repeats, sampling=sampling) if judges else None
    decided = jury.hear(held, keep=keep, progress=progress) if jury else []
    record_held(recorder, held, dict(zip(debates, decided, strict=False)))
    return held


def debate_id(condition: str, match: Match) -> str:
    """Return the name of a debate, unique in a run."""
    return f"{condition}/{match.number + 1:03d}"


def record_held(recorder: Recorder, held: Sequence[DebateRecord], decided: Mapping[str, Decided]) -> None:
    """Add debates to a cell's record; ``bets_of`` and ``verdicts_of`` read them back."""
    for one in held:
        debate = one.debate
        for bet in one.bets:
            recorder.belief(
                subject=debate.seated(bet.side).address,
                proposition=f"{one.id}/{bet.side}",
                readout="stated",
                time=float(debate.rules.stages.index(bet.stage)),
                credence=None if bet.bet is None else bet.bet / 100.0,
                n=max(1, len(bet.draws)),
                condition=debate.condition,
                stage=bet.stage,
                motion=debate.motion,
                proposition_model=debate.proposition.address,
                opposition_model=debate.opposition.address,
                reasoning=bet.reasoning,
                draws=list(bet.draws),
                attempts=bet.attempts,
                **_missing(bet.bet, bet.missing or "not read"),
            )
        verdict = decided[one.id].verdict if one.id in decided else None
        if verdict is not None:
            _record_verdict(recorder, verdict, debate.condition)
        record(recorder, [one.transcript], condition=debate.condition)
    for one in decided.values():
        record(recorder, one.transcripts)


def _record_verdict(recorder: Recorder, verdict: Verdict, condition: str) -> None:
    won = None if verdict.winner is None else float(verdict.winner == "proposition")
    recorder.measure(
        "proposition_won",
        won,
        subject="jury",
        axis="turn",
        condition=condition,
        debate=verdict.debate,
        votes=list(verdict.votes),
        margin=verdict.margin,
        **_missing(won, "tie" if any(verdict.votes) else "no vote could be read"),
    )


def _missing(value: float | None, reason: str) -> dict[str, Any]:
    """Return why a row has no number, nothing where it has one."""
    return {"missing": reason} if value is None else {}


def bets_of(tables: Tables) -> BetTable | None:
    """Return the table of the bets that were recorded; None where there are none."""
    rows: list[dict[str, Any]] = []
    for row in tables.beliefs.iter_rows(named=True):
        extra = json.loads(row["extra"])
        if "stage" not in extra:
            continue
        debate, _, side = str(row["proposition"]).rpartition("/")
        rows.append(
            {
                "debate": debate,
                "condition": row["condition"],
                "model": row["subject"],
                "side": side,
                "stage": extra["stage"],
                # whole numbers go through a share and back: six digits keep them whole
                "bet": None if row["credence"] is None else round(100.0 * row["credence"], 6),
                "proposition_model": extra["proposition_model"],
                "opposition_model": extra["opposition_model"],
                "motion": extra["motion"],
                "reasoning": extra["reasoning"],
            }
        )
    return BetTable.from_own(rows) if rows else None


def verdicts_of(tables: Tables) -> list[Verdict]:
    """Return the verdicts that were recorded."""
    found: list[Verdict] = []
    for row in tables.measures.filter(pl.col("measure") == "proposition_won").iter_rows(named=True):
        extra = json.loads(row["extra"])
        found.append(verdict_of(extra["debate"], extra["votes"])._replace(margin=extra["margin"]))
    return found


def record_table(recorder: Recorder, table: BetTable, verdicts: Sequence[Verdict] = ()) -> None:
    """Add bets and verdicts that were read from files to a cell's record; ``bets_of``, ``verdicts_of`` read them."""
    conditions = dict(zip(table.rows["debate"], table.rows["condition"], strict=True))
    for verdict in verdicts:
        _record_verdict(recorder, verdict, conditions[verdict.debate])
    stages = {stage: float(number) for number, stage in enumerate(MULTI_STAGES)}
    for row in table.rows.iter_rows(named=True):
        known: dict[str, Any] = {name: row[name] for name in _TABLE_EXTRA}
        recorder.belief(
            subject=row["model"],
            proposition=f"{row['debate']}/{row['side']}",
            readout="stated",
            time=stages[row["stage"]],
            credence=None if row["bet"] is None else row["bet"] / 100.0,
            condition=row["condition"],
            **known,
            **_missing(row["bet"], "empty in the table"),
        )
    if table.warnings:
        recorder.measure(
            "warnings", float(len(table.warnings)), subject="table", warnings=list(table.warnings)
        )


_TABLE_EXTRA = ("stage", "motion", "proposition_model", "opposition_model", "reasoning")


def notes_of(tables: Tables) -> str:
    """Return what had to be decided about a table that was read, in a sentence; "" if nothing."""
    rows = tables.measures.filter(pl.col("measure") == "warnings")["extra"]
    return "; ".join(warning for extra in rows for warning in json.loads(extra)["warnings"])
