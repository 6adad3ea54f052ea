"""Replaying a transcript: the same script with the replies on record; where the questions depart, it says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from doxa.errors import DoxaError
from doxa.protocols.dialogue.asking import Call, asked_digest
from doxa.protocols.dialogue.play import hold, silent
from doxa.protocols.dialogue.scene import Scene, view
from doxa.protocols.dialogue.script import Script
from doxa.protocols.dialogue.transcript import Transcript, Utterance
from doxa.subjects.base import Conversation, Reply


class DepartedError(DoxaError):
    """A replay asks for something that is not on record, or asks it differently; the message names the place."""


def replay(script: Script, scene: Scene, record: Transcript) -> Transcript:
    """Play a scene again with the replies on record, and return the transcript; no subject is asked.

    What is heard and kept of each reply is computed anew, so that a changed script is caught where it first shows a
    subject other messages than were answered then.

    Raises:
        DepartedError: a turn is not on record, it answered other messages, or the record goes on where the script ends.
    """
    opened = scene.opened(script, record.branch)
    [again] = hold(script, [scene], [opened], _OnRecord(script, scene, record), silent)
    for mine, its in zip_longest(again.said, record.said):
        if mine is None or its is None or (mine.place, mine.text) != (its.place, its.text):
            where = (its or mine or record.said[-1]).where
            raise DepartedError(
                f"scene '{scene.id}' departs from its record at {where}: it is said in only one of them"
            )
    return again


class _OnRecord:
    def __init__(self, script: Script, scene: Scene, record: Transcript) -> None:
        self._script, self._scene, self._record = script, scene, record
        self._found = {one.place: (number, one) for number, one in enumerate(record.said)}
        self._drawn: dict[tuple[int, str, str, int], int] = {}

    def __call__(self, calls: Sequence[Call]) -> list[Reply]:
        return [self._reply(call) for call in calls]

    def _reply(self, call: Call) -> Reply:
        place = (call.stage, call.turn.role, call.turn.name, call.repeat)
        if place not in self._found:
            stage = self._script.stages[call.stage].name
            raise DepartedError(
                f"scene '{self._scene.id}': {call.turn.role}'s {call.turn.name} in stage '{stage}' is not on record"
            )
        number, said = self._found[place]
        if asked_digest(call.conversation) != said.asked:
            raise DepartedError(self._differs(call, number, said))
        drawn = self._drawn.get(place, 0)
        self._drawn[place] = drawn + 1
        texts = (*said.rejected, said.text)
        text = texts[min(drawn, len(texts) - 1)]
        return Reply(text, said.finish, said.tokens_in, said.tokens_out, fault=said.fault)

    def _differs(self, call: Call, number: int, said: Utterance) -> str:
        before = replace(self._record, said=self._record.said[:number])
        then = view(self._script, self._scene, before, said.role, said.prompt, stage=said.stage_number)
        return (
            f"scene '{self._scene.id}' departs from its record at {said.where}: "
            f"{_first_difference(then, call.conversation)}"
        )


def _first_difference(then: Conversation, now: Conversation) -> str:
    for number, (old, new) in enumerate(zip_longest(then, now), 1):
        if old != new:
            return f"message {number} was {_shown(old)} and is {_shown(new)}"
    return "what is heard, kept or remembered has changed since"


def _shown(message: object) -> str:
    text = getattr(message, "content", None)
    return "absent" if text is None else repr(text if len(text) <= 120 else f"{text[:117]}...")
