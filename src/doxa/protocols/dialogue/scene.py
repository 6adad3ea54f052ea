"""Scenes: a script with its seats taken, and what each participant is shown when it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doxa.errors import InputError
from doxa.protocols.dialogue.script import Script, Situation, Turn, filled
from doxa.protocols.dialogue.transcript import Transcript, Utterance
from doxa.subjects.base import Conversation, Message, Sampling, Subject, assistant, system, user


@dataclass(frozen=True)
class Seat:
    """Who takes a role.

    Attributes:
        subject: who speaks.
        persona: who it is to be; stands before its brief, or where the brief says ``{persona}``.
        sampling: how its replies are drawn.
        name: what others are shown as the speaker; "" for the role.
    """

    subject: Subject
    persona: str = ""
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0, max_tokens=512))
    name: str = ""


@dataclass(frozen=True)
class Scene:
    """One conversation to be held.

    Attributes:
        id: unique among the scenes played together.
        seats: by role, who takes it.
        facts: what fills the script's places, for example the motion.
        seating: order in which roles speak in sequential stages; empty leaves the script's.
        replicate: which of several equal scenes it is; equal prompts of two replicates are two draws.
    """

    id: str
    seats: Mapping[str, Seat]
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    seating: tuple[str, ...] = ()
    replicate: int = 0

    def check(self, script: Script) -> None:
        """Raise InputError unless each role of the script has a seat here, and briefs and prompts their facts."""
        for role in script.roles:
            if role not in self.seats:
                raise InputError(f"scene '{self.id}': nobody takes the role '{role}'; give seats[{role!r}]")
        for role in (*self.seats, *self.seating):
            if role not in script.briefs:
                raise InputError(
                    f"scene '{self.id}': script '{script.name}' has no role '{role}'; it has {', '.join(script.roles)}"
                )
        for role in script.roles:
            self.brief(script, role)
        for stage in script.stages:
            for turn in stage.turns:
                for template in (turn.prompt, turn.text):
                    if isinstance(template, str):
                        filled(template, self.facts, f"stage '{stage.name}', {turn.role}'s {turn.name}")

    def brief(self, script: Script, role: str) -> str:
        """Return the system message of a role."""
        persona, template = self.seats[role].persona, script.briefs[role]
        if "{persona}" in template:
            return filled(template, {"persona": persona, **self.facts}, f"brief of {role}")
        parts = (persona, filled(template, self.facts, f"brief of {role}"))
        return "\n\n".join(part for part in parts if part)

    def prompt(self, turn: Turn, stage: str, known: Sequence[Utterance]) -> str:
        """Return the instruction of a turn; ``known`` is what its speaker said and heard."""
        if callable(turn.prompt):
            return turn.prompt(Situation(turn.role, stage, self.facts, tuple(known)))
        return filled(turn.prompt, self.facts, f"stage '{stage}', {turn.role}'s {turn.name}")

    def sampling(self, turn: Turn, branch: str) -> Sampling:
        """Return how the first reply of a turn is drawn on a branch."""
        base = turn.sampling or self.seats[turn.role].sampling
        replicate = f"replicate {self.replicate}" if self.replicate else ""
        return base.at(branch="/".join(name for name in (base.branch, replicate, branch) if name))

    def opened(self, script: Script, branch: str = "") -> Transcript:
        """Return the scene's transcript before anybody has spoken."""
        briefs = {role: self.brief(script, role) for role in script.roles}
        return Transcript(self.id, script.name, dict(self.facts), briefs, branch=branch)


def view(
    script: Script,
    scene: Scene,
    transcript: Transcript,
    role: str,
    prompt: str | None = None,
    *,
    stage: int | None = None,
) -> Conversation:
    """Return the messages a role is shown: its brief, what it said and heard, and the instruction it answers now.

    Args:
        script: the protocol.
        scene: who sits where.
        transcript: what was said so far.
        role: whose view it is.
        prompt: what it is asked now, "" where it simply speaks next; None shows what it has before it, so that a
            question can be put to it off the path.
        stage: number of the stage it speaks in; in a simultaneous one it does not hear the others of that stage.
            None is after everything that was said.
    """
    known = within_reach(script, transcript, role, stage)
    memory, now = script.memory_of(role), len(script.stages) if stage is None else stage
    brief = transcript.briefs[role] if role in transcript.briefs else scene.brief(script, role)
    messages: list[Message] = [system(brief)] if brief else []
    waiting: list[str] = []
    for one in known:
        if not memory.recalls(one, role, now):
            continue
        if one.role != role:
            name = scene.seats[one.role].name or one.role
            waiting.append(script.labelled(name, one.heard))
            continue
        waiting += [one.prompt] if one.prompt and memory.prompts else []
        # an assistant's message answers a user's, an empty one where nobody has spoken
        messages += [user(script.between.join(waiting)), assistant(one.kept or "")]
        waiting = []
    waiting += [prompt] if prompt else []
    if waiting or prompt is not None:
        messages.append(user(script.between.join(waiting)))
    return tuple(messages)


def within_reach(
    script: Script, transcript: Transcript, role: str, stage: int | None = None
) -> list[Utterance]:
    """Return what a role said and kept, or heard, before it speaks in a stage; memory is not asked."""
    together = [one.order == "simultaneous" for one in script.stages]
    known = [
        one
        for one in transcript.said
        if (
            one.kept is not None
            if one.role == role
            else role in one.audience and not (one.stage_number == stage and together[one.stage_number])
        )
    ]
    # what others said at the same time is heard when the stage is over
    return sorted(known, key=lambda one: (one.stage_number, together[one.stage_number] and one.role != role))
