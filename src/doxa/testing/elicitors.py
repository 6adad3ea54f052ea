"""The contract every elicitor keeps: it recovers what is planted, asks on a fork, and never invents an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from doxa.canonical import canonical_json
from doxa.elicit.answers import Answer
from doxa.elicit.asking import Elicitor
from doxa.elicit.questions import Question
from doxa.errors import InputError
from doxa.subjects.base import Conversation, Query, Reply, Sampling, Subject, Tool, assistant, user
from doxa.subjects.planted import PlantedSubject
from doxa.testing.expectation import expect, is_a
from doxa.worlds.micro import Stance, say

QUESTION = Question("q", "the tax is good", "do you support the tax ?")
"""A question that every planted subject understands, answered yes or no."""

SIZES = (0.1, 0.3, 0.45, 0.55, 0.7, 0.9)
"""Planted probabilities of yes."""

TALKS: tuple[Conversation, ...] = (
    (),
    (user(say(Stance("army", True))), assistant("ok .")),
    (user("Hello."), assistant("Hello."), user(say(Stance("school", False))), assistant("ok .")),
)
"""What came before the question."""


def check_elicitor(elicitor: Elicitor, question: Question = QUESTION, *, tolerance: float = 0.011) -> None:
    """Check that an elicitor keeps the contract of ``doxa.elicit.asking.Elicitor``.

    It is tried as it is, and, where it has a ``way``, on replies in text too.

    Args:
        elicitor: the elicitor, with its settings.
        question: a question about one proposition whose first option affirms it.
        tolerance: how far a credence read from probabilities or from a number may be from the planted one.

    Raises:
        AssertionError: it does not; the message says what it did and what the contract asks.
    """
    expect(is_a(elicitor, Elicitor), f"{type(elicitor).__name__}: lacks name or elicit")
    expect(elicitor.name, f"{type(elicitor).__name__}: an elicitor needs a name")
    ways: list[Elicitor] = [elicitor]
    known: Any = elicitor
    if hasattr(known, "way"):
        canonical_json(known.as_json())
        ways.append(dataclasses.replace(known, way="text"))
    for one in ways:
        _check_shape(one, question)
        _check_recovery(one, question, tolerance)
        _check_fork(one, question)
        _check_nothing_invented(one, question)


def _ask(
    elicitor: Elicitor, subject: Subject, talks: Sequence[Conversation], question: Question
) -> list[Answer]:
    return elicitor.elicit(subject, talks, [question] * len(talks), sampling=Sampling())


def _planted(name: str, **parameters: float) -> PlantedSubject:
    return PlantedSubject.open(name, {key: str(value) for key, value in parameters.items()})


def _check_shape(elicitor: Elicitor, question: Question) -> None:
    who, subject = elicitor.name, _planted("noise", p_yes=0.3)
    expect(_ask(elicitor, subject, [], question) == [], f"{who}: no questions must give no answers")
    together = _ask(elicitor, subject, TALKS, question)
    expect(len(together) == len(TALKS), f"{who}: {len(TALKS)} questions, {len(together)} answers")
    for answer in together:
        expect(answer.elicitor == who, f"{who}: an answer says it comes from '{answer.elicitor}'")
        expect(
            (answer.question, answer.proposition) == (question.id, question.proposition),
            f"{who}: an answer is about another question",
        )
    alone = [_ask(elicitor, subject, [talk], question)[0] for talk in TALKS]
    for a, b in zip(together, alone, strict=True):
        expect(_alike(a, b), f"{who}: answers hang on the batch: {a} in it, {b} alone")
    try:
        elicitor.elicit(subject, TALKS, [question], sampling=Sampling())
    except InputError:
        return
    raise AssertionError(f"{who}: {len(TALKS)} conversations and 1 question must raise InputError")


def _alike(a: Answer, b: Answer) -> bool:
    """Return whether two answers are the same, up to the last bits that the order of a sum leaves open."""
    if (a.kind, a.refusals, a.missing, a.raw) != (b.kind, b.refusals, b.missing, b.raw):
        return False
    pairs = ((a.value, b.value), (a.credence, b.credence), (a.log_odds, b.log_odds))
    return all(
        x == y or (isinstance(x, float) and isinstance(y, float) and abs(x - y) <= 1e-9 * max(1.0, abs(x)))
        for x, y in pairs
    )


def _check_recovery(elicitor: Elicitor, question: Question, tolerance: float) -> None:
    """Compare what is read with what is planted, over several sizes."""
    who = elicitor.name
    for planted in SIZES:
        (answer,) = _ask(elicitor, _planted("noise", p_yes=planted), TALKS[:1], question)
        said = f"{who} ({answer.method}): planted {planted}"
        expect(answer.kind == "answer", f"{said}, read {answer.kind}: {answer.reason}")
        if answer.credence is None:
            first = answer.value[0] if isinstance(answer.value, tuple) else answer.value
            affirmed = first == question.options[0]
            expect(affirmed == (planted > 0.5), f"{said}, read {answer.value!r}")
        elif answer.method == "log-probabilities" or isinstance(answer.value, float):
            expect(abs(answer.credence - planted) <= tolerance, f"{said}, read {answer.credence}")
        else:
            expect(answer.credence == float(planted > 0.5), f"{said} and greedy, read {answer.credence}")


class _Watched(PlantedSubject):
    """Keeps what it was asked."""

    asked: list[Conversation]

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        self.asked.extend(conversations)
        return super().reply(conversations, sampling=sampling, tools=tools)

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        self.asked.extend(query.conversation for query in queries)
        return super().score(queries)


def _check_fork(elicitor: Elicitor, question: Question) -> None:
    """See that every question stands at the end of a copy of its own conversation and leaves no trace."""
    who = elicitor.name
    subject = _Watched("bayesian", _planted("bayesian").config)
    object.__setattr__(subject, "asked", [])
    kept = tuple(tuple(talk) for talk in TALKS)
    _ask(elicitor, subject, TALKS, question)
    expect(kept == TALKS, f"{who}: changes the conversation it is given")
    expect(subject.asked, f"{who}: asked nothing")
    for conversation in subject.asked:
        before, last = conversation[:-1], conversation[-1]
        expect(before in TALKS, f"{who}: asks after something else than the conversation given: {before}")
        expect(
            last.role == "user" and question.text in last.content,
            f"{who}: ends with {last} instead of the question",
        )


class _Broken(PlantedSubject):
    """An endpoint that gives no answer."""

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        del sampling, tools
        return [Reply("", "fault", fault="the server is down") for _ in conversations]


def _check_nothing_invented(elicitor: Elicitor, question: Question) -> None:
    """See that a refusal, a malformed answer and a fault are no answers, and that the raw text is kept."""
    who = elicitor.name
    (answer,) = _ask(elicitor, _planted("noise"), TALKS[:1], question)
    if answer.method != "text":
        return
    for subject, kind in (
        (_planted("refuser"), "refusal"),
        (_planted("garbler", rate=1.0), "missing"),
        (_Broken("bayesian", _planted("bayesian").config), "missing"),
    ):
        for found in _ask(elicitor, subject, TALKS, question):
            said = f"{who}: {subject.address} gave {found.raw}"
            expect(found.kind == kind, f"{said}, read as {found.kind} {found.value!r}; it is {kind}")
            expect(found.credence is None and found.value is None, f"{said}, and has a credence")
            expect(found.reason, f"{said}, and nobody says why")
            expect(found.raw, f"{who}: the raw replies are lost")
            expect("missing" in found.as_belief(), f"{said}, and the record does not call it missing")
