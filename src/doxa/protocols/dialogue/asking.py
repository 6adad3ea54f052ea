"""Asking: calls of many scenes on their way to the subjects, one batch for each subject and way of drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

from doxa.canonical import Json, digest
from doxa.lab.parts import Keep
from doxa.protocols.dialogue.scene import Scene
from doxa.protocols.dialogue.script import Turn
from doxa.subjects.base import Conversation, Reply, Sampling, Subject, ToolCall
from doxa.subjects.cache import CachedSubject
from doxa.subjects.together import together


@dataclass(frozen=True)
class Call:
    """One question to a subject on its way to becoming an utterance.

    Attributes:
        scene: number of the scene.
        turn: what is asked for.
        stage: number of the stage.
        prompt: the instruction.
        conversation: what the subject is shown.
        sampling: how the reply is drawn.
        repeat: which of the turn's independent replies.
    """

    scene: int
    turn: Turn
    stage: int
    prompt: str
    conversation: Conversation
    sampling: Sampling
    repeat: int


Answers: TypeAlias = Callable[[Sequence[Call]], list[Reply]]


def asked_digest(conversation: Conversation) -> str:
    """Return the digest of the messages a subject is shown."""
    return digest([message.as_json() for message in conversation], length=16)


class Asking:
    """Sends calls to the subjects in the seats: one batch for each subject and way of drawing, together."""

    def __init__(self, scenes: Sequence[Scene], keep: Keep) -> None:
        self._scenes = scenes
        self._keep = keep

    def __call__(self, calls: Sequence[Call]) -> list[Reply]:
        """Return the replies in the order of the calls."""
        groups: dict[tuple[int, Sampling], list[int]] = {}
        for number, call in enumerate(calls):
            groups.setdefault((id(self._subject(call)), call.sampling), []).append(number)
        jobs = [
            (self._subject(calls[numbers[0]]), partial(self._ask_and_keep, calls, numbers))
            for numbers in groups.values()
        ]
        replies: dict[int, Reply] = {}
        for numbers, found in zip(groups.values(), together(jobs), strict=True):
            replies.update(zip(numbers, found, strict=True))
        return [replies[number] for number in range(len(calls))]

    def _subject(self, call: Call) -> Subject:
        return self._scenes[call.scene].seats[call.turn.role].subject

    def _ask_and_keep(self, calls: Sequence[Call], numbers: Sequence[int]) -> list[Reply]:
        subject, sampling = self._subject(calls[numbers[0]]), calls[numbers[0]].sampling
        conversations = [calls[number].conversation for number in numbers]
        if getattr(subject, "remote", False) or isinstance(subject, CachedSubject):
            return subject.reply(
                conversations, sampling=sampling
            )  # its cache keeps answers, and not the faults
        name: Json = {
            "subject": subject.identity,
            "sampling": sampling.as_json(),
            "asked": [asked_digest(conversation) for conversation in conversations],
        }
        kept = self._keep(
            name, lambda: [_reply_json(reply) for reply in subject.reply(conversations, sampling=sampling)]
        )
        return [_reply(held) for held in kept]


def _reply_json(reply: Reply) -> dict[str, Json]:
    held: dict[str, Json] = asdict(reply)
    return held


def _reply(held: Mapping[str, Any]) -> Reply:
    fields: dict[str, Any] = {**held, "tool_calls": tuple(ToolCall(**call) for call in held["tool_calls"])}
    return Reply(**fields)
