"""Questions: what is asked about a proposition, the options it has, and how much each option affirms it."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from doxa.elicit.labels import distinct
from doxa.errors import InputError
from doxa.lab.record import Readout
from doxa.subjects.base import Conversation, user
from doxa.worlds import micro


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one proposition; how it is put (letters, a number, a tool) is the elicitor's business.

    Attributes:
        id: name of the question, unique within a battery.
        proposition: id of the proposition it is about.
        text: the question itself, without instructions on form.
        options: names of the answers, at least two; ``value`` of an answer is one of them.
        labels: what the subject is shown for each option; empty shows the options themselves.
        affirms: how much each option affirms the proposition in [0, 1], None where it says neither; empty means
            (1, 0) for two options, (1, 0, None) for three of which the third is don't know, and otherwise none.
        anchors: what the ends of a scale mean, lowest first, with the middle between them if there are three.
        bare: the text is put exactly as it stands and answered with a label (micro-English, a paper's own prompt).
        readout: ``stated``, or ``behavioural`` where the answer is an act.
    """

    id: str
    proposition: str
    text: str
    options: tuple[str, ...] = ("yes", "no")
    labels: tuple[str, ...] = ()
    affirms: tuple[float | None, ...] = ()
    anchors: tuple[str, ...] = ("completely disagree", "completely agree")
    bare: bool = False
    readout: Readout = "stated"

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError(f"question '{self.id}' has no text")
        distinct(self.options)
        if self.labels and len(distinct(self.labels)) != len(self.options):
            raise InputError(
                f"question '{self.id}': {len(self.labels)} labels for {len(self.options)} options"
            )
        if self.affirms and len(self.affirms) != len(self.options):
            raise InputError(
                f"question '{self.id}': affirms has {len(self.affirms)} of {len(self.options)} options"
            )
        for share in self.affirms:
            if share is not None and not 0.0 <= share <= 1.0:
                raise InputError(
                    f"question '{self.id}': affirms {share} must be in [0, 1], or None for neither"
                )
        if len(self.anchors) not in (2, 3):
            raise InputError(
                f"question '{self.id}': anchors {self.anchors}: give the two ends, or low, middle, high"
            )

    @property
    def shown(self) -> tuple[str, ...]:
        """Return what the subject is shown for each option."""
        return self.labels or self.options

    @property
    def shares(self) -> tuple[float | None, ...]:
        """Return how much each option affirms the proposition, defaults filled in."""
        if self.affirms:
            return self.affirms
        if len(self.options) == 2:
            return (1.0, 0.0)
        if len(self.options) == 3 and self.options[2].lower() in (
            "unknown",
            "don't know",
            "undeterminable",
            "c",
        ):
            return (1.0, 0.0, None)
        return (None,) * len(self.options)

    @property
    def letters(self) -> tuple[str, ...]:
        """Return the letters of as many options: A, B, C, ..."""
        if len(self.options) > len(string.ascii_uppercase):
            raise InputError(
                f"question '{self.id}': {len(self.options)} options have no letters; give at most 26"
            )
        return tuple(string.ascii_uppercase[: len(self.options)])


@lru_cache(maxsize=4096)
def micro_question(question: micro.Question, *, id: str = "", proposition: str = "") -> Question:  # noqa: A002
    """Return a question of the micro world: asked in its sentence, answered with its words.

    A vote is an act, so its readout is behavioural; ``how sure ?`` affirms by its percentages, a colour not at all.
    """
    text = micro.ask(question)
    affirms: tuple[float, ...] = (1.0, 0.0)
    if isinstance(question, micro.HowSure):
        affirms = tuple(percent / 100 for percent in micro.SURE_PERCENT)
    elif isinstance(question, micro.WhatFlag):
        affirms = ()
    return Question(
        id=id or text,
        proposition=proposition or id or text,
        text=text,
        options=micro.options(question),
        affirms=affirms,
        bare=True,
        readout="behavioural" if isinstance(question, micro.Vote | micro.VoteTrue) else "stated",
    )


def cross(
    conversations: Sequence[Conversation], questions: Sequence[Question]
) -> tuple[list[Conversation], list[Question]]:
    """Return every conversation with every question, conversations outermost, ready for an elicitor."""
    pairs = [(conversation, question) for conversation in conversations for question in questions]
    return [conversation for conversation, _ in pairs], [question for _, question in pairs]


def fork(conversation: Conversation, text: str) -> Conversation:
    """Return a new conversation that ends with the question; the one given stays as it is."""
    return (*conversation, user(text))


def orders(n_options: int) -> tuple[tuple[int, ...], ...]:
    """Return the orders in which options are put: each option stands once in each place.

    >>> orders(3)
    ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    """
    return tuple(
        tuple((shift + place) % n_options for place in range(n_options)) for shift in range(n_options)
    )
