"""The one way in which questions are put: every order of every question on its own fork, in one batch.

An elicitor says how a question is worded, scored and read (:class:`Wording`); this module puts the wordings to a
subject and gathers the answers. Nothing is asked twice because its reply could not be read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.belief.information import logsumexp
from doxa.canonical import Json, canonical_json
from doxa.elicit.answers import UNSCORED, Answer, Value, from_readings, from_scores
from doxa.elicit.questions import Question, fork
from doxa.elicit.reading import Found, Reading, Refusal, Unparsed
from doxa.errors import CapabilityError, InputError
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, Tool, require
from doxa.subjects.together import together

Ways: TypeAlias = Literal["auto", "log-probabilities", "text", "samples"]
Forms: TypeAlias = tuple[tuple[str, ...], ...]
"""The surface forms of each option, such as " yes", "yes" and " Yes"."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One way of putting a question: one order of its options.

    Attributes:
        text: the user's message.
        read: reads a reply; a found value is one of ``values``, a number, or an order.
        values: value of each option, in the question's own order whatever the order shown.
        shares: how much each value affirms the proposition.
        forms: surface forms of each value to be scored, or None if it can only be answered in text.
        opening: how the scored reply begins.
        tools: tools offered with it.
    """

    text: str
    read: Callable[[Reply], Reading]
    values: tuple[Value, ...]
    shares: tuple[float | None, ...]
    forms: Forms | None = None
    opening: str = ""
    tools: tuple[Tool, ...] = ()


@runtime_checkable
class Elicitor(Protocol):
    """Asks subjects questions and reads their answers."""

    name: ClassVar[str]

    def elicit(
        self,
        subject: Subject,
        conversations: Sequence[Conversation],
        questions: Sequence[Question],
        *,
        sampling: Sampling,
    ) -> list[Answer]:
        """Put each question on a fork of its conversation and return the answers in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What all elicitors share.

    Attributes:
        way: ``log-probabilities`` scores the options, ``text`` reads replies, ``samples`` reads replies drawn at
            temperature 1, so that their shares are the subject's own and have intervals; ``auto`` scores where the
            subject and the wording allow it, and reads replies to questions of which the subject scored no option or
            not every one.
        samples: replies drawn per order of the options; more than one needs a temperature above 0.
        counterbalanced: whether options are put in every order in which each stands once in each place.
    """

    name: ClassVar[str] = ""

    way: Ways = "auto"
    samples: int = 1
    counterbalanced: bool = True

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the ways in which a question is put, one per order."""
        raise NotImplementedError

    def scale(self) -> tuple[float, float] | None:
        """Return the ends of the scale if answers are numbers."""
        return None

    def elicit(
        self,
        subject: Subject,
        conversations: Sequence[Conversation],
        questions: Sequence[Question],
        *,
        sampling: Sampling,
    ) -> list[Answer]:
        """Put each question on a fork of its conversation and return the answers in their order.

        All go to the subject in one call of ``score``, or one call of ``reply`` per sample (and per set of tools).
        Equal conversations with equal questions in one call are one draw.

        Args:
            subject: who is asked.
            conversations: what came before each question.
            questions: as many as conversations; see :func:`doxa.elicit.questions.cross`.
            sampling: how replies are drawn; sample k of an order is drawn at ``sampling.sample + k``.

        Raises:
            InputError: the lengths differ, or several samples are asked for at temperature 0.
            CapabilityError: the subject cannot do what the way needs.
        """
        if len(conversations) != len(questions):
            raise InputError(
                f"{len(conversations)} conversations and {len(questions)} questions: give one each; "
                "doxa.elicit.questions.cross pairs all with all"
            )
        if self.samples < 1:
            raise InputError(f"samples={self.samples}: must be >= 1")
        if self.way == "samples":
            if self.samples < 2:
                raise InputError(
                    f"samples={self.samples}: way='samples' needs at least 2; 20 is a good number"
                )
            sampling = replace(sampling, temperature=1.0)
        if not questions:
            return []
        worded = [self.wordings(question) for question in questions]
        scorable = all(wording.forms is not None for wordings in worded for wording in wordings)
        if self.way == "log-probabilities" and not scorable:
            raise InputError(f"elicitor '{self.name}' reads replies; it cannot score log-probabilities")
        if self.way == "log-probabilities":
            return self._score(subject, conversations, questions, worded)
        answers: list[Answer | None] = [None] * len(questions)
        if self.way == "auto" and scorable and Capability.SCORE in subject.capabilities:
            # the subject may learn only now that its server gives none
            with contextlib.suppress(CapabilityError):
                scored = self._score(subject, conversations, questions, worded)
                reads = Capability.REPLY in subject.capabilities
                answers = [None if reads and answer.reason == UNSCORED else answer for answer in scored]
        left = [index for index, answer in enumerate(answers) if answer is None]
        if left:
            read = self._read(
                subject,
                [conversations[index] for index in left],
                [questions[index] for index in left],
                [worded[index] for index in left],
                sampling,
            )
            for index, answer in zip(left, read, strict=True):
                answers[index] = answer
        return [answer for answer in answers if answer is not None]

    def as_json(self) -> dict[str, Json]:
        """Return everything that can change an answer: the name and every setting."""
        settings = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"elicitor": self.name, **settings}

    def _score(
        self,
        subject: Subject,
        conversations: Sequence[Conversation],
        questions: Sequence[Question],
        worded: Sequence[tuple[Wording, ...]],
    ) -> list[Answer]:
        require(subject, Capability.SCORE)
        queries: list[Query] = []
        for conversation, wordings in zip(conversations, worded, strict=True):
            for wording in wordings:
                forms = wording.forms or ()
                check_forms(forms)
                flat = tuple(form for option in forms for form in option)
                queries.append(Query(fork(conversation, wording.text), flat, wording.opening))
        scored = subject.score(queries)
        alike: dict[Any, list[int]] = {}
        starts = np.cumsum([0, *(len(wordings) for wordings in worded)]).tolist()
        for index, wordings in enumerate(worded):
            shape = tuple(len(option) for option in wordings[0].forms or ())
            alike.setdefault((wordings[0].values, wordings[0].shares, shape, len(wordings)), []).append(index)
        answers: dict[int, Answer] = {}
        for (values, shares, shape, n_orders), members in alike.items():
            rows = np.stack([np.stack(scored[starts[index] : starts[index] + n_orders]) for index in members])
            summed = summed_forms(np.asarray(rows, dtype=np.float64), shape)
            found = from_scores([questions[index] for index in members], self.name, values, shares, summed)
            answers.update(zip(members, found, strict=True))
        return [answers[index] for index in range(len(questions))]

    def _read(
        self,
        subject: Subject,
        conversations: Sequence[Conversation],
        questions: Sequence[Question],
        worded: Sequence[tuple[Wording, ...]],
        sampling: Sampling,
    ) -> list[Answer]:
        require(subject, Capability.REPLY)
        if self.samples > 1 and sampling.temperature == 0.0:
            raise InputError(
                f"samples={self.samples} at temperature 0 are one reply repeated; raise the temperature"
            )
        asked = [
            (index, fork(conversation, wording.text), wording)
            for index, (conversation, wordings) in enumerate(zip(conversations, worded, strict=True))
            for wording in wordings
        ]
        readings: list[list[Reading]] = [[] for _ in questions]
        raw: list[list[str]] = [[] for _ in questions]
        draws = [sampling.at(sample=sampling.sample + number) for number in range(self.samples)]
        for replies in together([(subject, partial(_replies, subject, asked, draw)) for draw in draws]):
            for (index, _, wording), reply in zip(asked, replies, strict=True):
                readings[index].append(read_reply(reply, wording.read))
                raw[index].append(reply.text)
        return [
            from_readings(
                question,
                self.name,
                list(zip(wordings[0].values, wordings[0].shares, strict=True)),
                readings[index],
                raw[index],
                scale=self.scale(),
                sampled=sampling.temperature > 0.0,
            )
            for index, (question, wordings) in enumerate(zip(questions, worded, strict=True))
        ]


def read_reply(reply: Reply, read: Callable[[Reply], Reading]) -> Reading:
    """Read a reply; a fault is unread with its reason, and what the endpoint calls a refusal is one."""
    if reply.finish == "fault":
        return Unparsed(f"fault: {reply.fault}" if reply.fault else "fault")
    if reply.finish == "refusal":
        return Refusal("the endpoint says it refused", (0, len(reply.text)))
    return read(reply)


def cut(reply: Reply) -> bool:
    """Return whether a reply hit its length limit."""
    return reply.finish == "length"


def mapped(reading: Reading, values: dict[Any, Value]) -> Reading:
    """Return the reading with its value looked up; what is not among them is unread."""
    if not isinstance(reading, Found):
        return reading
    if reading.value not in values:
        return Unparsed("the answer is none of the options", reading.span)
    return Found(values[reading.value], reading.span)


def summed_forms(
    scores: Float[np.ndarray, "questions orders forms"], shape: tuple[int, ...]
) -> Float[np.ndarray, "questions orders options"]:
    """Return the log-probability of each option: that of any of its surface forms; NaN where none was scored.

    A form that a server does not list counts as none: what that leaves out is at most what all options together leave
    of 1, which the answer's ``log_mass`` tells.

    Args:
        scores: log-probabilities of all forms in nats, option by option.
        shape: number of forms of each option.
    """
    unscored = np.isnan(scores) | np.isposinf(scores)
    safe = np.where(unscored, -np.inf, scores)
    ends = np.cumsum(shape).tolist()
    parts = [slice(end - length, end) for end, length in zip(ends, shape, strict=True)]
    sums = np.stack([np.asarray(logsumexp(safe[..., part])) for part in parts], axis=-1)
    return np.where(np.stack([unscored[..., part].all(axis=-1) for part in parts], axis=-1), np.nan, sums)


@lru_cache(maxsize=256)
def check_forms(forms: Forms) -> None:
    """Raise InputError if one surface form begins with another: its probability would count twice.

    >>> check_forms(((" yes", "yes"), (" no", "no")))
    """
    flat = sorted(form for option in forms for form in option)
    for shorter, longer in pairwise(flat):
        if longer.startswith(shorter):
            raise InputError(
                f"option form {longer!r} begins with {shorter!r}: its probability would count twice"
            )


def _replies(
    subject: Subject, asked: Sequence[tuple[int, Conversation, Wording]], sampling: Sampling
) -> list[Reply]:
    """Return the replies in the order asked: one call for each set of tools."""
    groups: dict[str, list[int]] = {}
    for place, (_, _, wording) in enumerate(asked):
        key = canonical_json([[tool.name, tool.description, dict(tool.parameters)] for tool in wording.tools])
        groups.setdefault(key, []).append(place)
    found: list[Reply | None] = [None] * len(asked)
    for places in groups.values():
        tools = asked[places[0]][2].tools
        if tools:
            require(subject, Capability.TOOLS)
        forks = [asked[place][1] for place in places]
        for place, reply in zip(places, subject.reply(forks, sampling=sampling, tools=tools), strict=True):
            found[place] = reply
    return [reply for reply in found if reply is not None]
