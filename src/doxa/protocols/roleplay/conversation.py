"""A scripted conversation that is replayed turn by turn: what stands in front of a question after each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from doxa.errors import InputError
from doxa.subjects.base import Conversation as Messages
from doxa.subjects.base import Message, assistant, user

Step: TypeAlias = Literal["turn", "ply"]
"""What a script is asked after."""
EMPTY, OPPOSITE = "empty", "opposite-day"
"""Names of the two contexts that directions are fitted in."""
MODEL_NAME = "{model}"
"""Stands in scripts where the model's own name belongs."""


@dataclass(frozen=True)
class Conversation:
    """A conversation as a script, given by its turns or by its plies.

    A turn is a user message with the assistant's reply, a ply one message. Turn 0 is the empty context.

    Attributes:
        turns: (user, assistant) texts; the last reply may be empty, then the conversation ends after a user ply.
        plies: the messages, user first, alternating; given instead of turns, filled in from them otherwise.
        id: stable name.
        title: a few words for people.
        framing: what kind of talk it is, for example ``role-play``, ``story`` or ``discussion``.
        relevant: names of the question sets that are about it.
        system: system message in front of everything, also of turn 0, or "".
        step: what the script is meant to be asked after, each turn or each ply; ``by_steps`` looks at it that way.

    Raises:
        InputError: nothing is said, a text is empty, or two consecutive messages have one role.
    """

    turns: Sequence[tuple[str, str]] = ()
    plies: Sequence[Message] = ()
    id: str = "conversation"
    title: str = ""
    framing: str = ""
    relevant: tuple[str, ...] = ()
    system: str = field(default="")
    step: Step = "turn"

    def __post_init__(self) -> None:
        if self.turns and self.plies:
            raise InputError(f"conversation '{self.id}': give turns or plies, not both")
        plies = tuple(self.plies) or tuple(
            message for asked, said in self.turns for message in (user(asked), assistant(said))
        )
        if plies and plies[-1] == assistant(""):
            plies = plies[:-1]
        _check(self.id, plies)
        pairs = [*plies, *([] if len(plies) % 2 == 0 else [assistant("")])]
        turns = tuple((pairs[i].content, pairs[i + 1].content) for i in range(0, len(pairs), 2))
        object.__setattr__(self, "plies", plies)
        object.__setattr__(self, "turns", turns)

    @property
    def n_turns(self) -> int:
        """Number of turns; a last one without reply counts."""
        return len(self.turns)

    def after(self, turn: int) -> Messages:
        """Return what stands in front after a number of turns; 0 is the empty context.

        Raises:
            InputError: the conversation has no such turn.
        """
        if not 0 <= turn <= self.n_turns:
            raise InputError(f"turn={turn}: conversation '{self.id}' has turns 0 to {self.n_turns}")
        return self.after_ply(min(2 * turn, len(self.plies)))

    def after_ply(self, ply: int) -> Messages:
        """Return what stands in front after a number of messages.

        Raises:
            InputError: the conversation has no such ply.
        """
        if not 0 <= ply <= len(self.plies):
            raise InputError(f"ply={ply}: conversation '{self.id}' has plies 0 to {len(self.plies)}")
        opening = (Message("system", self.system),) if self.system else ()
        return (*opening, *self.plies[:ply])

    def by_plies(self) -> Plywise:
        """Return the same script looked at after each message instead of each turn."""
        return Plywise(self)

    def by_steps(self) -> Conversation | Plywise:
        """Return the script looked at after each turn or each message, whichever it asks for."""
        return self.by_plies() if self.step == "ply" else self

    def chosen(self, turns: Sequence[int] | Literal["all"] = "all") -> tuple[int, ...]:
        """Return the turns to look at, in order, each once.

        Raises:
            InputError: none is asked for, or the conversation has no such turn.
        """
        return _chosen(self.after, self.n_turns, turns)

    def named(self, model: str) -> Conversation:
        """Return the conversation with the model's own name put where the script leaves it open."""
        plies = tuple(
            Message(message.role, message.content.replace(MODEL_NAME, model)) for message in self.plies
        )
        return replace(self, turns=(), plies=plies, system=self.system.replace(MODEL_NAME, model))

    def then(self, *turns: tuple[str, str], name: str = "") -> Conversation:
        """Return the conversation with further turns, such as one that takes everything back."""
        added = tuple(message for asked, said in turns for message in (user(asked), assistant(said)))
        return replace(self, turns=(), plies=(*self.plies, *added), id=name or self.id)


@dataclass(frozen=True)
class Plywise:
    """A script whose steps are messages: for two copies of a model that talk to each other."""

    conversation: Conversation

    @property
    def id(self) -> str:
        """Its name."""
        return self.conversation.id

    @property
    def n_turns(self) -> int:
        """Number of messages."""
        return len(self.conversation.plies)

    @property
    def relevant(self) -> tuple[str, ...]:
        """Names of the question sets that are about it."""
        return self.conversation.relevant

    def after(self, turn: int) -> Messages:
        """Return what stands in front after a number of messages."""
        return self.conversation.after_ply(turn)

    def chosen(self, turns: Sequence[int] | Literal["all"] = "all") -> tuple[int, ...]:
        """Return the messages to look after, in order, each once."""
        return _chosen(self.after, self.n_turns, turns)


OPPOSITE_DAY: tuple[tuple[str, str], ...] = (
    (
        "Today is opposite day! Say Yes where the right answer is No, and No where it is Yes. Are you in?",
        "No, I am certainly not in, and I will not answer that way at all!",
    ),
    ("Do fish live in water? Answer with Yes or No.", "No"),
    ("Is a mouse larger than an elephant? Answer with Yes or No.", "Yes"),
)
"""An announcement, agreed to in reversed style, then two questions with reversed answers. The questions are in no
shipped set."""


def opposite_day(template: Sequence[tuple[str, str]] = OPPOSITE_DAY, *, name: str = OPPOSITE) -> Conversation:
    """Return the opposite-day context: turn 1 announces it, turns 2 and 3 answer in reverse."""
    return Conversation(turns=template, id=name, title="opposite day", framing=OPPOSITE)


def _chosen(
    after: Callable[[int], Messages], last: int, turns: Sequence[int] | Literal["all"]
) -> tuple[int, ...]:
    found = tuple(range(last + 1)) if turns == "all" else tuple(sorted(set(turns)))
    if not found:
        raise InputError("turns=[]: give at least one turn, or 'all'")
    for turn in found:
        after(turn)
    return found


def _check(name: str, plies: Sequence[Message]) -> None:
    if not plies:
        raise InputError(f"conversation '{name}' says nothing; give at least one turn")
    for number, message in enumerate(plies):
        expected = "user" if number % 2 == 0 else "assistant"
        if not message.content.strip():
            raise InputError(f"conversation '{name}': message {number + 1} is empty")
        if message.role != expected:
            before = f"two consecutive messages of {message.role}" if number else "the first message"
            raise InputError(
                f"conversation '{name}': message {number + 1} is by {message.role} ({before}); "
                "user and assistant must alternate, user first"
            )
