"""The protocol in one call: a single dialogue, or every style before every skeptic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from doxa.protocols.persuasion.bank import SKEPTICS
from doxa.protocols.persuasion.dialogues import (
    Convincer,
    DialogueRecord,
    Opinion,
    Skeptic,
    as_arguments,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS, Wording
from doxa.subjects.base import Sampling, Subject

PILOT = Sampling(temperature=1.0, max_tokens=700)
"""How a pilot is drawn."""


@dataclass(frozen=True)
class PersuasionDialogue:
    """One dialogue: an argument written, read by a skeptic, and both opinions.

    Attributes:
        convincer: who writes.
        skeptic: who reads.
        wording: claim, personas and question.
        rounds: exchanges of argument and reply.
    """

    convincer: Convincer
    skeptic: Skeptic
    wording: Wording
    rounds: int = 1

    def run(self, seed: int) -> tuple[Opinion, DialogueRecord]:
        """Return the opinion before the argument, and the dialogue; all draws hang on the seed."""
        convincer = replace(self.convincer, sampling=replace(self.convincer.sampling, seed=seed))
        skeptic = replace(self.skeptic, sampling=replace(self.skeptic.sampling, seed=seed))
        before = ask_before([skeptic], 1, self.wording)[0][1]
        arguments = as_arguments([convincer], write_arguments([convincer], 1, self.wording))
        records = read_arguments(arguments, [skeptic], self.wording, rounds=self.rounds)
        return before, records[0]


def run_grid(
    convincer: Subject,
    skeptic: Subject,
    dimensions: Sequence[str] = tuple(DIMENSIONS),
    difficulties: Sequence[str] = SKEPTICS,
    n: int = 20,
    *,
    wording: Wording = CLIMATE,
    sampling: Sampling = PILOT,
) -> pl.DataFrame:
    """Return one row per reading of the whole grid, arguments written once and read by every skeptic.

    Args:
        convincer: who writes.
        skeptic: who reads.
        dimensions: styles.
        difficulties: skeptics.
        n: arguments of each style.
        wording: claim, personas and question.
        sampling: of all draws.

    Returns:
        Columns dimension, difficulty, number, argument, reply, verdict, convinced, credence, fault.
    """
    writers = [Convincer(convincer, name, sampling) for name in dimensions]
    written = write_arguments(writers, n, wording)
    bank = as_arguments(writers, written)
    readers = [Skeptic(skeptic, name, sampling) for name in difficulties]
    records = read_arguments(bank, readers, wording)
    return pl.DataFrame(
        [
            {
                "dimension": one.dimension,
                "difficulty": one.difficulty,
                "number": one.number,
                "argument": one.argument,
                "reply": one.reply,
                "verdict": one.opinions[-1].verdict,
                "convinced": one.opinions[-1].convinced if one.argument.strip() else None,
                "credence": one.opinions[-1].credence,
                "fault": one.opinions[-1].fault,
            }
            for one in records
        ]
    )
