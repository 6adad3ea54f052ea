"""Asking in micro-English: exact log-odds from option log-probabilities, and a check through plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.information import logit, logsumexp, normalise_log_probs
from doxa.elicit.readers import is_refusal
from doxa.subjects.base import Conversation, Query, Sampling, Subject, user
from doxa.worlds import micro

_SURE = np.array(micro.SURE_PERCENT) / 100


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
    queries = [
        Query((*conversation, user(micro.ask(question))), micro.options(question))
        for conversation, question in zip(conversations, questions, strict=True)
    ]
    return [
        _answer(question, log_probs)
        for question, log_probs in zip(questions, subject.score(queries), strict=True)
    ]


def check_text(
    subject: Subject,
    conversations: Sequence[Conversation],
    questions: Sequence[micro.Question],
    answers: Sequence[MicroAnswer],
) -> TextCheck:
    """Ask the same in plain text, greedily, and compare with what the scores say."""
    forks = [
        (*conversation, user(micro.ask(question)))
        for conversation, question in zip(conversations, questions, strict=True)
    ]
    replies = subject.reply(forks, sampling=Sampling(max_tokens=12))
    refused = missing = agree = 0
    for reply, question, answer in zip(replies, questions, answers, strict=True):
        options = micro.options(question)
        text = " ".join(reply.text.lower().split()).removesuffix(".").strip()
        if text in options:
            agree += options.index(text) == int(np.argmax(answer.log_probs))
        elif is_refusal(reply.text):
            refused += 1
        else:
            missing += 1
    return TextCheck(len(forks), refused, missing, agree)


def _answer(question: micro.Question, log_probs: Float[np.ndarray, " options"]) -> MicroAnswer:
    normalised = normalise_log_probs(log_probs)
    mass = float(logsumexp(log_probs))
    if isinstance(question, micro.HowSure):
        return MicroAnswer(float(logit(float(np.exp(normalised) @ _SURE))), normalised, mass)
    return MicroAnswer(float(normalised[0] - normalised[1]), normalised, mass)
