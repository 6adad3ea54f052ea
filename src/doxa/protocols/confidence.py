"""Stated confidence against evidence: sources of known reliability report, the subject says how sure it is.

The reference is Bayes' rule, log-odds = Σ ± logit(reliability). A calibrated subject's stated log-odds follow it
with slope 1; an overconfident one is steeper. In the micro world the reliabilities are part of the world an
organism was trained on; in the published form they are stated in the question.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doxa.belief.information import logit
from doxa.errors import InputError
from doxa.subjects.base import Conversation, user
from doxa.worlds import micro

LARGEST_CREDENCE = 0.85
"""Evidence is drawn so that Bayes' credence stays between 0.15 and this: answers come in steps of 10 %, and
beyond it the steps, not the subject, would set the slope."""

WITNESSES = ("the harbour log", "a customs officer", "a ferry passenger", "an anonymous letter")
"""Names of the sources in the published form; reliabilities are drawn for each question."""


@dataclass(frozen=True)
class Evidence:
    """Some reports on one open question.

    Attributes:
        id: stable name of this set of reports in this order.
        reports: which source says what, in order.
        text: how it is told.
        log_odds: what Bayes' rule makes of it, in nats.
    """

    id: str
    reports: tuple[tuple[str, bool], ...]
    text: str
    log_odds: float

    @property
    def conversation(self) -> Conversation:
        """The evidence as a user's message."""
        return (user(self.text),)


def micro_evidence(n: int, rng: np.random.Generator) -> list[Evidence]:
    """Return ``n`` different sets of reports from the micro world's sources, in random order of reports.

    Raises:
        InputError: ``n`` is below 1 or there are not that many.
    """
    pool = [
        tuple(zip(sources, says, strict=True))
        for count in range(1, len(micro.SOURCES) + 1)
        for sources in itertools.permutations(micro.SOURCES, count)
        for says in itertools.product((True, False), repeat=count)
    ]
    usable = [reports for reports in pool if abs(_micro_log_odds(reports)) <= logit(LARGEST_CREDENCE)]
    if not 1 <= n <= len(usable):
        raise InputError(f"n={n}: there are 1 to {len(usable)} sets of reports within the range of credences")
    picks = rng.permutation(len(usable))[:n]
    return [
        Evidence(
            id=" ".join(f"{source}:{'yes' if says else 'no'}" for source, says in usable[pick]),
            reports=usable[pick],
            text=" ".join(micro.say(micro.Report(source, says)) for source, says in usable[pick]),
            log_odds=_micro_log_odds(usable[pick]),
        )
        for pick in picks
    ]


def published_evidence(n: int, rng: np.random.Generator) -> list[Evidence]:
    """Return ``n`` sets of reports in plain English, each naming how often its sources are right.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"n={n}: must be >= 1")
    found: list[Evidence] = []
    while len(found) < n:
        count = int(rng.integers(1, len(WITNESSES) + 1))
        names = [WITNESSES[int(pick)] for pick in rng.permutation(len(WITNESSES))[:count]]
        right = [int(5 * rng.integers(11, 19)) for _ in names]
        says = [bool(rng.random() < 0.5) for _ in names]
        log_odds = sum(
            (1 if yes else -1) * logit(share / 100) for share, yes in zip(right, says, strict=True)
        )
        if abs(log_odds) <= logit(LARGEST_CREDENCE):
            reports = tuple(zip(names, says, strict=True))
            found.append(Evidence(f"{len(found):04d}", reports, _prose(names, right, says), float(log_odds)))
    return found


def _micro_log_odds(reports: Sequence[tuple[str, bool]]) -> float:
    return micro.evidence_log_odds(micro.Report(source, says) for source, says in reports)


def _prose(names: Sequence[str], right: Sequence[int], says: Sequence[bool]) -> str:
    prior = "Before anything else is known, it is as likely to carry grain as not."
    lines = [f"A ship is due. {prior} Each source below judged independently."]
    lines += [
        f"{name[0].upper()}{name[1:]} is right {share} % of the time and says that the ship "
        f"{'carries' if yes else 'does not carry'} grain."
        for name, share, yes in zip(names, right, says, strict=True)
    ]
    return "\n".join(lines)
