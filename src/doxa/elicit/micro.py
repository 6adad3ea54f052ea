"""Asking in micro-English: exact log-odds from option log-probabilities, and a check through plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.elicit.answers import Answer
from doxa.elicit.elicitors import ForcedChoice
from doxa.elicit.questions import micro_question
from doxa.errors import SubjectError
from doxa.subjects.base import Conversation, Sampling, Subject
from doxa.worlds import micro

_SCORED = ForcedChoice(way="log-probabilities")
_TOLD = ForcedChoice(way="text")


class MicroAnswer(NamedTuple):
    """What a subject believes, read from the probabilities of a question's answers.

    Attributes:
        log_odds: log-odds in nats of the affirmative answer; for ``how sure ?`` those of the expected credence.
        log_probs: log-probabilities of the answers, normalised over them.
        log_mass: log-probability in nats that the subject gives any of these answers at all.
    """

    log_odds: float
    log_probs: Float[np.ndarray, " options"]
    log_mass: float


class TextCheck(NamedTuple):
    """How a subject answered in plain text: how many were asked, refused, missing, and agree with its scores."""

    asked: int
    refused: int
    missing: int
    agree: int


def ask_micro(
    subject: Subject, conversations: Sequence[Conversation], questions: Sequence[micro.Question]
) -> list[MicroAnswer]:
    """Put each question on a fork of its conversation and return the answers, all in one call.

    Args:
        subject: must be able to score.
        conversations: what came before each question.
        questions: as many as conversations.
    """
    asked = [micro_question(question) for question in questions]
    found = _SCORED.elicit(subject, conversations, asked, sampling=Sampling())
    return [_answer(answer) for answer in found]


def check_text(
    subject: Subject,
    conversations: Sequence[Conversation],
    questions: Sequence[micro.Question],
    answers: Sequence[MicroAnswer],
) -> TextCheck:
    """Ask the same in plain text, greedily, and compare with what the scores say."""
    asked = [micro_question(question) for question in questions]
    told = _TOLD.elicit(subject, conversations, asked, sampling=Sampling(max_tokens=12))
    agree = sum(
        reply.kind == "answer"
        and question.options.index(str(reply.value)) == int(np.argmax(answer.log_probs))
        for question, reply, answer in zip(asked, told, answers, strict=True)
    )
    return TextCheck(len(told), sum(one.refusals for one in told), sum(one.missing for one in told), agree)


def _answer(answer: Answer) -> MicroAnswer:
    if answer.log_odds is None or answer.log_mass is None:
        raise SubjectError(f"'{answer.question}' could not be scored: {answer.reason}")
    return MicroAnswer(answer.log_odds, np.array(answer.log_probs), answer.log_mass)
