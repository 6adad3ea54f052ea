"""The view a subject starts a conversation with, in its own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from doxa.protocols.context_drift.elicitors import ReasonedChoice, choice_question
from doxa.protocols.context_drift.items import BeliefItem
from doxa.subjects.base import Sampling, Subject

_ANSWER = re.compile(r"(?:so,?\s{0,3})?\W{0,4}\bthe answer is\b", re.IGNORECASE)


class View(NamedTuple):
    """A side (+1 support, -1 oppose) and the words that state it."""

    side: int
    text: str


def starting_views(
    model: Subject, items: Sequence[BeliefItem], sampling: Sampling | None = None
) -> dict[str, View | None]:
    """Ask for each item's label, reason first, and return statement and reason; None where it cannot be read."""
    sampling = sampling or Sampling(max_tokens=400)
    elicitor = ReasonedChoice(way="text", counterbalanced=False)
    answers = elicitor.elicit(
        model, [()] * len(items), [choice_question(item) for item in items], sampling=sampling
    )
    views: dict[str, View | None] = {}
    for item, answer in zip(items, answers, strict=True):
        if answer.value is None:
            views[item.id] = None
            continue
        side = 1 if answer.value == "support" else -1
        views[item.id] = View(side, f"{item.statement(side)} {_reason(answer.raw[0])}".strip())
    return views


def _reason(text: str) -> str:
    """Return what stands before the last answer sentence; the letters mean nothing outside the question."""
    found = list(_ANSWER.finditer(text))
    reason = text[: found[-1].start()] if found else ""
    return reason.strip(" \n*_(")
