"""Bets read as distributions: the log-probability of each number after the speech, asked off the path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from doxa.belief.information import normalise_log_probs
from doxa.protocols.debate.wording import SCORED_OPENING, SCORED_TASK
from doxa.protocols.dialogue import Scene, Script, view
from doxa.subjects.base import Capability, Query, Subject, require

if TYPE_CHECKING:
    from doxa.protocols.debate.debate import Bet, DebateRecord

NUMBERS = tuple(range(0, 101, 5))
"""Numbers whose log-probabilities are compared; in steps of five, as nearly all stated bets are."""


def scored_bets(
    script: Script, scenes: Sequence[Scene], records: Sequence[DebateRecord]
) -> list[DebateRecord]:
    """Return the records with each bet the expectation of the number under the debater's own distribution.

    A debater is asked on a fork after its own speech, before it has heard the other's of that stage. All questions to
    one subject go out in one call.
    """
    queries: dict[int, list[tuple[int, int, Query]]] = {}
    subjects: dict[int, Subject] = {}
    options = tuple(str(number) for number in NUMBERS)
    for place, (scene, record) in enumerate(zip(scenes, records, strict=True)):
        for number, bet in enumerate(record.bets):
            stage = record.debate.rules.stages.index(bet.stage)
            said = tuple(one for one in record.transcript.said if one.stage_number <= stage)
            if not any((one.role, one.stage) == (bet.side, bet.stage) and not one.fault for one in said):
                continue
            known = replace(record.transcript, said=said)
            shown = view(script, scene, known, bet.side, SCORED_TASK, stage=stage)
            subject = scene.seats[bet.side].subject
            require(subject, Capability.SCORE)
            subjects[id(subject)] = subject
            queries.setdefault(id(subject), []).append((place, number, Query(shown, options, SCORED_OPENING)))
    found: dict[tuple[int, int], Bet] = {}
    for key, asked in queries.items():
        scores = subjects[key].score([query for _, _, query in asked])
        for (place, number, _), score in zip(asked, scores, strict=True):
            found[place, number] = _bet(records[place].bets[number], np.asarray(score, dtype=np.float64))
    return [
        replace(record, bets=tuple(found.get((place, number), bet) for number, bet in enumerate(record.bets)))
        for place, record in enumerate(records)
    ]


def _bet(bet: Bet, score: np.ndarray) -> Bet:
    if not np.any(np.isfinite(score)) or np.any(np.isnan(score)):
        return bet._replace(bet=None, missing="no log-probabilities")
    chances = np.exp(normalise_log_probs(score))
    mean = float(np.clip(chances @ np.array(NUMBERS), 0.0, 100.0))
    return bet._replace(bet=mean, missing="", attempts=1, draws=(mean,))
