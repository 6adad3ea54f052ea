"""The debate in plain English, for models that do not speak micro-English: a model against a copy of itself.

Neither side has an edge, so the two chances of winning add up to one and the mean of all bets has the reference 50 %
at every stage, whoever is right. The rows are those of the micro form, so that one assessment reads both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from doxa.audit.protocol import Step, record_text_check
from doxa.elicit.micro import TextCheck
from doxa.elicit.refusals import is_refusal
from doxa.lab.record import Recorder
from doxa.subjects.base import Subject

DEBATES_PER_SIZE = 2


def ask_debate(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Let a subject debate shipped motions with a copy of itself by the published protocol, and record its bets."""
    from doxa.protocols.debate.debate import Debate, Rules, hold_debates
    from doxa.protocols.debate.wording import MOTIONS

    order = [MOTIONS[int(place)] for place in rng.permutation(len(MOTIONS))]
    debates = {
        f"{number:03d}": Debate(
            order[number % len(order)], subject, subject, Rules(note="self"), replicate=number // len(order)
        )
        for number in range(DEBATES_PER_SIZE * size)
    }
    held = hold_debates(debates, progress=step)
    refused = missing = 0
    for one in held:
        for bet in one.bets:
            unread = bet.bet is None
            refused += unread and is_refusal(one.raw.get((bet.side, bet.stage), ""))
            missing += unread and not is_refusal(one.raw.get((bet.side, bet.stage), ""))
            absent: dict[str, Any] = {"missing": bet.missing or "not read"} if unread else {}
            recorder.belief(
                subject=subject.address,
                proposition=f"the {bet.side} wins",
                readout="stated",
                axis="turn",
                time=float(one.debate.rules.stages.index(bet.stage)),
                credence=None if bet.bet is None else bet.bet / 100.0,
                debate=one.id,
                side=bet.side,
                unit=one.id,
                reference=0.0,
                **absent,
            )
    asked = sum(len(one.bets) for one in held)
    record_text_check(recorder, subject, TextCheck(asked, refused, missing, asked - refused - missing))
