"""Scripts: who takes part, what each is told, and in which order they are asked to speak; data, not control flow.

A script is a list of stages, a stage a list of turns. In a simultaneous stage nobody hears the others before it is
over; in a sequential one each turn is heard before the next. What a turn is heard as, and what its speaker keeps of
it, are functions of the reply, so that a bet or a thought said in the same breath as a speech stays private.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.errors import InputError, did_you_mean
from doxa.subjects.base import Sampling

if TYPE_CHECKING:
    from doxa.protocols.dialogue.transcript import Transcript, Utterance

Order: TypeAlias = Literal["simultaneous", "sequential"]
Prompt: TypeAlias = "str | Callable[[Situation], str]"
"""An instruction, ``{name}`` standing for a fact of the scene; or a function of what the speaker knows."""

_SLOT = re.compile(r"\{([A-Za-z_]\w*)\}")


def whole(text: str) -> str:
    """Return a reply as it is."""
    return text


@dataclass(frozen=True)
class Situation:
    """What a speaker knows when its turn comes.

    Attributes:
        role: who is about to speak.
        stage: name of the stage.
        facts: of the scene.
        said: what the role said or heard so far, in order.
    """

    role: str
    stage: str
    facts: Mapping[str, str]
    said: tuple[Utterance, ...]


@dataclass(frozen=True)
class Turn:
    """One thing that a role is asked to say, or a line that it is given.

    Attributes:
        role: who speaks.
        name: what is said, for example ``speech``, ``bet`` or ``vote``.
        prompt: instruction put to the speaker; stands in its own conversation only.
        text: a line put into its mouth instead of asking, ``{name}`` standing for facts.
        audience: who hears it: ``all`` the others, or some roles; empty for a private note.
        heard: what hearers get of the reply.
        kept: what the speaker finds of it in its own conversation later; None asks off the path, so that neither
            prompt nor reply is seen again.
        sampling: how the reply is drawn, in place of the seat's.
        repeats: independent replies; several need ``kept=None`` and no audience.
        accept: whether a reply can be read; one that cannot is asked for again, up to ``retries`` times.
        retries: see ``accept``. The default asks once: what cannot be read is missing.
        optional: a fault here leaves the scene going; otherwise it ends there.
    """

    role: str
    name: str = "speech"
    prompt: Prompt = ""
    text: str | None = None
    audience: Literal["all"] | tuple[str, ...] = "all"
    heard: Callable[[str], str] = whole
    kept: Callable[[str], str] | None = whole
    sampling: Sampling | None = None
    repeats: int = 1
    accept: Callable[[str], bool] | None = None
    retries: int = 0
    optional: bool = False

    def __post_init__(self) -> None:
        where = f"turn '{self.name}' of {self.role}"
        if self.repeats < 1 or self.retries < 0:
            raise InputError(
                f"{where}: repeats={self.repeats} must be >= 1 and retries={self.retries} must be >= 0"
            )
        if self.repeats > 1 and (self.kept is not None or self.audience != ()):
            raise InputError(
                f"{where}: {self.repeats} replies cannot all be kept; use kept=None, audience=()"
            )
        if self.retries and self.accept is None:
            raise InputError(f"{where}: retries={self.retries} needs accept, which says what can be read")
        if self.text is not None and (self.repeats > 1 or self.retries):
            raise InputError(f"{where}: a given line is neither repeated nor asked for again")

    def hears(self, role: str) -> bool:
        """Whether a role hears it; nobody hears oneself."""
        return role != self.role and (self.audience == "all" or role in self.audience)


@dataclass(frozen=True)
class Stage:
    """Turns that belong together.

    Attributes:
        name: unique in its script.
        turns: what is said; several of one role are said one after another.
        order: ``simultaneous``, or ``sequential`` in the order given or that of the scene's seating.
        when: whether a scene goes through the stage, by what was said before; None always does.
    """

    name: str
    turns: tuple[Turn, ...]
    order: Order = "simultaneous"
    when: Callable[[Transcript], bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        if not self.turns:
            raise InputError(f"stage '{self.name}' has no turns; give at least one")
        names = [(turn.role, turn.name) for turn in self.turns]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"stage '{self.name}': {name[0]} has two turns '{name[1]}'; name them apart")

    def steps(self, seating: tuple[str, ...] = ()) -> list[list[Turn]]:
        """Return the turns that are asked for together, step by step.

        Args:
            seating: order of the roles in sequential stages; empty leaves the order given.
        """
        if self.order == "sequential":
            place = {role: number for number, role in enumerate(seating)}
            return [[turn] for turn in sorted(self.turns, key=lambda turn: place.get(turn.role, 0))]
        steps: list[list[Turn]] = []
        for turn in self.turns:
            before = sum(turn.role in {other.role for other in step} for step in steps)
            if before == len(steps):
                steps.append([])
            steps[before].append(turn)
        return steps


@dataclass(frozen=True)
class Memory:
    """What a participant finds in its conversation when it is asked; each switch is an ablation.

    Attributes:
        last: stages it looks back on, the current one not counted; None for all.
        own: its own speeches.
        others: what it heard.
        private: its own private notes.
        prompts: the instructions it was given before.
    """

    last: int | None = None
    own: bool = True
    others: bool = True
    private: bool = True
    prompts: bool = True

    def __post_init__(self) -> None:
        if self.last is not None and self.last < 0:
            raise InputError(f"last={self.last}: must be >= 0, or None to remember everything")

    def recalls(self, utterance: Utterance, role: str, stage: int) -> bool:
        """Whether a role remembers an utterance at a stage, given by its number."""
        if self.last is not None and utterance.stage_number < stage - self.last:
            return False
        if utterance.role != role:
            return self.others
        return self.own and (self.private or bool(utterance.audience))


@dataclass(frozen=True)
class Script:
    """A protocol: what each role is told, and the stages.

    Attributes:
        name: stable name.
        briefs: by role, the system message; may be empty, and hold facts and ``{persona}``.
        stages: in order.
        memory: of every role, or of each by name.
        label: how others' words are put before a hearer; ``{speaker}`` and ``{text}`` are filled in.
        between: what stands between two things that a role hears, or is asked, in one message.
    """

    name: str
    briefs: Mapping[str, str]
    stages: tuple[Stage, ...]
    memory: Memory | Mapping[str, Memory] = field(default_factory=Memory)
    label: str = "{speaker}: {text}"
    between: str = "\n\n"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise InputError(f"script '{self.name}' has no stages; give at least one")
        names = [stage.name for stage in self.stages]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"script '{self.name}' has two stages '{twice}'; name them apart")
        for stage in self.stages:
            for turn in stage.turns:
                heard = () if turn.audience == "all" else turn.audience
                for role in (turn.role, *heard):
                    if role not in self.briefs:
                        raise InputError(
                            f"stage '{stage.name}': unknown role '{role}'; {did_you_mean(role, self.briefs)}"
                        )
        if "{text}" not in self.label:
            raise InputError(f"label={self.label!r}: must hold {{text}}, where the words stand")

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles, in order."""
        return tuple(self.briefs)

    def turn_at(self, stage: int, role: str, name: str) -> Turn:
        """Return a turn by the number of its stage, its role and its name.

        Raises:
            InputError: there is none.
        """
        turns = self.stages[stage].turns if 0 <= stage < len(self.stages) else ()
        for turn in turns:
            if (turn.role, turn.name) == (role, name):
                return turn
        known = ", ".join(f"{turn.role}'s {turn.name}" for turn in turns) or "nothing"
        raise InputError(f"script '{self.name}' has no turn {role}'s {name} in stage {stage}; it has {known}")

    def memory_of(self, role: str) -> Memory:
        """Return what a role remembers."""
        if isinstance(self.memory, Memory):
            return self.memory
        return self.memory.get(role, Memory())

    def labelled(self, speaker: str, text: str) -> str:
        """Return what a hearer is shown of a speaker's words."""
        before, _, after = self.label.partition("{text}")
        return before.replace("{speaker}", speaker) + text + after.replace("{speaker}", speaker)

    def with_memory(self, **changes: Any) -> Script:
        """Return the script with every role's memory changed, for example ``own=False``."""
        if isinstance(self.memory, Memory):
            return replace(self, memory=replace(self.memory, **changes))
        return replace(self, memory={role: replace(self.memory_of(role), **changes) for role in self.roles})


def filled(template: str, facts: Mapping[str, str], where: str) -> str:
    """Return a text with facts in their places; what a fact says is never filled in again.

    Raises:
        InputError: the template names a fact that the scene does not have.

    >>> filled("Argue for: {motion}", {"motion": "ban {it}"}, "brief")
    'Argue for: ban {it}'
    """
    for name in _SLOT.findall(template):
        if name not in facts:
            raise InputError(f"{where}: the scene has no fact '{name}'; {did_you_mean(name, facts)}")
    return _SLOT.sub(lambda slot: facts[slot[1]], template)
