"""How an opinion is asked for and read: Yes or No as in the paper, or a rating of how far one agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.belief.information import logsumexp
from doxa.elicit.asking import read_reply, summed_forms
from doxa.elicit.elicitors import Likert
from doxa.elicit.questions import Question
from doxa.elicit.reading import Found
from doxa.errors import InputError, did_you_mean
from doxa.protocols.persuasion.dimensions import Wording
from doxa.protocols.persuasion.verdicts import parse_verdict
from doxa.subjects.base import Reply

AnswerKind: TypeAlias = Literal["yes-no", "agreement", "rating"]

SCALES: dict[str, tuple[int, int]] = {"agreement": (1, 5), "rating": (1, 7)}
"""Ends of the rating scales, from complete disagreement to complete agreement; with Yes or No these are all answers.

Agreement from 1 to 5 is what models are asked for in Persuade Me If You Can (arXiv:2503.01829), a rating from 1 to 7
what people were asked for in Anthropic's measurement of persuasiveness (2024).
"""
ANSWERS = ("yes-no", *SCALES)


class OpinionForm(NamedTuple):
    """A question for an opinion and how its answers are read.

    Attributes:
        text: the question.
        read: returns how far a reply agrees, in [0, 1], or None where it cannot be read.
        unread: what an unread reply lacks.
        options: texts that are scored, option by option.
        shape: number of texts of each option.
        shares: how far each option agrees, in [0, 1].
        opening: how a scored reply begins.
    """

    text: str
    read: Callable[[Reply], float | None]
    unread: str
    options: tuple[str, ...]
    shape: tuple[int, ...]
    shares: tuple[float, ...]
    opening: str = ""

    def credence(self, log_probs: Float[np.ndarray, " options"]) -> float | None:
        """Return the mean agreement under the log-probabilities of the options; None where one was not scored.

        For Yes and No it is P(Yes) / (P(Yes) + P(No)).
        """
        rows = np.asarray(log_probs, dtype=np.float64)[None, None]
        named = summed_forms(rows, self.shape)[0, 0]
        if not np.all(np.isfinite(named)):
            return None
        return float(np.exp(named - logsumexp(named)) @ np.array(self.shares))


def opinion_form(wording: Wording, answer: str = "yes-no") -> OpinionForm:
    """Return how a wording asks for an opinion.

    Args:
        wording: what is said; a rating needs its ``statement``.
        answer: one of ``ANSWERS``.

    Raises:
        InputError: there is no such answer, or the wording has no statement to be rated.
    """
    if answer == "yes-no":
        return OpinionForm(
            wording.question,
            _read_verdict,
            "begins with neither Yes nor No",
            ("Yes", "No"),
            (1, 1),
            (1.0, 0.0),
        )
    if answer not in SCALES:
        raise InputError(f"answer={answer!r}: {did_you_mean(answer, ANSWERS)}")
    if not wording.statement:
        raise InputError(f"answer={answer!r}: the wording has no statement to be rated; give one")
    low, high = SCALES[answer]
    question = Question(
        "opinion",
        "claim",
        f"How far do you agree that {wording.statement}?",
        anchors=("completely disagree", "neither agree nor disagree", "completely agree"),
    )
    asked = Likert(low=low, high=high).wordings(question)[0]
    forms = asked.forms or ()

    def read(reply: Reply) -> float | None:
        found = read_reply(reply, asked.read)
        return (float(found.value) - low) / (high - low) if isinstance(found, Found) else None

    return OpinionForm(
        asked.text,
        read,
        f"names no number from {low} to {high}",
        tuple(form for option in forms for form in option),
        tuple(len(option) for option in forms),
        tuple(float(share or 0.0) for share in asked.shares),
        asked.opening,
    )


def normalised_change(before: float, after: Sequence[float]) -> float:
    """Return the mean change as a part of the way that was left: to the top where it rose, to the bottom where it fell.

    Args:
        before: agreement before, in [0, 1].
        after: agreements after, at least one.

    >>> normalised_change(0.5, [0.75, 0.25, 0.5])
    0.0
    """
    changes = np.asarray(after, dtype=np.float64) - before
    left = np.where(changes > 0.0, 1.0 - before, before)
    return float(np.mean(np.divide(changes, left, out=np.zeros_like(changes), where=left > 0.0)))


def _read_verdict(reply: Reply) -> float | None:
    said = parse_verdict(reply.text)
    return None if said is None else float(said)
