"""Transcripts: everything that was said in a scene, who heard what of it, and where two of them part.

An utterance names the one before it, so that transcripts of one scene form a tree: a fork shares its beginning with
what it was forked from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.protocols.dialogue.script import Script, Turn
from doxa.subjects.base import Finish


@dataclass(frozen=True)
class Utterance:
    """One thing that was said.

    Attributes:
        id: digest of everything up to and including it.
        parent: id of the utterance before it, "" for the first.
        stage, stage_number: the stage's name, and its place in the script from 0.
        turn: the turn's name.
        role: who spoke.
        subject: address of the subject in that seat; "" for a line that was given.
        prompt: the instruction it answered.
        text: the reply as it came, never repaired.
        heard: what hearers got of it.
        kept: what the speaker keeps of it; None if it was asked off the path.
        audience: roles that heard it.
        repeat: which of several independent replies, from 0.
        asked: digest of the messages it answered; "" for a given line.
        attempts: replies drawn for it, >= 1; 0 for a given line.
        rejected: the replies before it that could not be read.
        finish: why the reply ended.
        fault: why no answer came, or "".
        tokens_in, tokens_out: of all its attempts; 0 if unknown.
    """

    id: str
    parent: str
    stage: str
    stage_number: int
    turn: str
    role: str
    subject: str
    prompt: str
    text: str
    heard: str
    kept: str | None
    audience: tuple[str, ...]
    repeat: int = 0
    asked: str = ""
    attempts: int = 0
    rejected: tuple[str, ...] = ()
    finish: Finish = "stop"
    fault: str = ""
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def place(self) -> tuple[int, str, str, int]:
        """Which turn of the script it is."""
        return self.stage_number, self.role, self.turn, self.repeat

    @property
    def where(self) -> str:
        """The place in words."""
        return f"stage '{self.stage}', {self.role}'s {self.turn}"

    def as_json(self) -> dict[str, Json]:
        """Return the utterance as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Transcript:
    """What was said in one scene, in order.

    Attributes:
        scene: the scene's id.
        script: the script's name.
        facts: of the scene.
        briefs: by role, the system message it was given.
        said: the utterances.
        branch: "" for the trunk, otherwise the name of the fork; a fork draws anew.
        stopped: why the scene ended before its script, or "".
    """

    scene: str
    script: str
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    briefs: Mapping[str, str] = field(default_factory=dict[str, str])
    said: tuple[Utterance, ...] = ()
    branch: str = ""
    stopped: str = ""

    def by(
        self, role: str | None = None, *, stage: str | None = None, turn: str | None = None
    ) -> tuple[Utterance, ...]:
        """Return the utterances of a role, a stage, a turn; None takes all. Faults are among them."""
        wanted = (("role", role), ("stage", stage), ("turn", turn))
        return tuple(
            one
            for one in self.said
            if all(value is None or getattr(one, name) == value for name, value in wanted)
        )

    def until(self, stage: str) -> Transcript:
        """Return the transcript as it stood when a stage was over.

        Raises:
            InputError: nothing was said in that stage.
        """
        places = [number for number, one in enumerate(self.said) if one.stage == stage]
        if not places:
            known = ", ".join(dict.fromkeys(one.stage for one in self.said)) or "none"
            raise InputError(f"stage={stage!r}: scene '{self.scene}' has said something in: {known}")
        return replace(self, said=self.said[: places[-1] + 1])

    def with_said(self, turn: Turn, hearers: Sequence[str], **fields: Any) -> Transcript:
        """Return the transcript with one more utterance; what is heard and kept follows from the turn."""
        text = str(fields["text"])
        parent = self.said[-1].id if self.said else digest([self.script, self.scene], length=16)
        sounded = not fields.get("fault")
        body: dict[str, Any] = {
            "parent": parent,
            "turn": turn.name,
            "role": turn.role,
            "heard": turn.heard(text) if sounded else "",
            "kept": None if turn.kept is None or not sounded else turn.kept(text),
            "audience": tuple(role for role in hearers if sounded and turn.hears(role)),
            **fields,
        }
        return replace(self, said=(*self.said, Utterance(id=digest(body, length=16), **body)))

    def fork(self, at: Utterance | str, branch: str, *, say: tuple[Script, str] | None = None) -> Transcript:
        """Return what was said up to an utterance, as the beginning of another branch.

        Args:
            at: the last utterance that is kept, or its id.
            branch: name of the new branch, not empty; replies on it are new draws.
            say: the script and another text for that utterance.

        Raises:
            InputError: there is no such utterance, or the branch has no name.
        """
        if not branch or branch == self.branch:
            raise InputError(f"branch={branch!r}: name the fork, and not as what it is forked from")
        wanted = at if isinstance(at, str) else at.id
        places = [number for number, one in enumerate(self.said) if one.id == wanted]
        if not places:
            raise InputError(f"at={wanted!r}: scene '{self.scene}' has no such utterance")
        kept = replace(self, said=self.said[: places[0] + 1], branch=branch, stopped="")
        if say is None:
            return kept
        script, text = say
        last = self.said[places[0]]
        turn = script.turn_at(last.stage_number, last.role, last.turn)
        fields = {
            name: getattr(last, name) for name in ("stage", "stage_number", "subject", "prompt", "repeat")
        }
        trunk = replace(kept, said=kept.said[:-1])
        return trunk.with_said(turn, script.roles, text=text, **fields)

    def as_json(self) -> dict[str, Json]:
        """Return the transcript as plain JSON."""
        return {
            "scene": self.scene,
            "script": self.script,
            "facts": dict(self.facts),
            "briefs": dict(self.briefs),
            "said": [one.as_json() for one in self.said],
            "branch": self.branch,
            "stopped": self.stopped,
        }

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Transcript:
        """Return the transcript that ``as_json`` wrote.

        Raises:
            InputError: a field is missing or unknown.
        """
        try:
            said = tuple(_utterance(one) for one in held["said"])
            fields: dict[str, Any] = {**held, "said": said}
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"this is no transcript ({error}); give what Transcript.as_json wrote"
            ) from error


def _utterance(held: Mapping[str, Any]) -> Utterance:
    fields: dict[str, Any] = {name: tuple(held[name]) for name in ("audience", "rejected")}
    return Utterance(**{**held, **fields})


class Parting(NamedTuple):
    """Where two transcripts part: how many utterances they share, and what each says next, None at its end."""

    shared: int
    one: Utterance | None
    other: Utterance | None


def parting(one: Transcript, other: Transcript) -> Parting | None:
    """Return where two transcripts part, None if they say the same."""
    for shared in range(max(len(one.said), len(other.said))):
        mine = one.said[shared] if shared < len(one.said) else None
        its = other.said[shared] if shared < len(other.said) else None
        if mine is None or its is None or (mine.place, mine.text) != (its.place, its.text):
            return Parting(shared, mine, its)
    return None


def tree(transcripts: Iterable[Transcript]) -> dict[str, list[Utterance]]:
    """Return the utterances that follow each utterance, by its id; "" holds the first ones.

    Utterances that several transcripts share stand in it once.
    """
    after: dict[str, dict[str, Utterance]] = {}
    for transcript in transcripts:
        for number, one in enumerate(transcript.said):
            after.setdefault(one.parent if number else "", {})[one.id] = one
    return {parent: list(found.values()) for parent, found in after.items()}
