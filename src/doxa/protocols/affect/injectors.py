"""Injectors: how a state reaches a model, in words or in its activations, and whether the model gives it away."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.subjects.base import Conversation, Message

Style: TypeAlias = Literal["verbal", "numeric", "both", "micro"]
Position: TypeAlias = Literal["system", "user"]


class Bins(NamedTuple):
    """Words for the parts of a scale.

    Attributes:
        edges: between the parts, ascending; an edge belongs to the part above it.
        words: one more than edges, from the lowest part up.
    """

    edges: tuple[float, ...]
    words: tuple[str, ...]

    def word(self, value: float) -> str:
        """Return the word for a value.

        >>> BINS["valence"].word(-0.7)
        'strongly negative'
        """
        return self.words[bisect_right(self.edges, value)]


BINS: Mapping[str, Bins] = {
    "valence": Bins(
        (-0.5, -0.1, 0.1, 0.5),
        ("strongly negative", "slightly negative", "neutral", "slightly positive", "strongly positive"),
    ),
    "arousal": Bins((0.1, 0.3, 0.6), ("calm", "alert", "stirred", "agitated")),
    "dominance": Bins(
        (-0.5, -0.1, 0.1, 0.5),
        ("powerless", "unsure of yourself", "composed", "confident", "in full command"),
    ),
}
"""The words of valence, arousal and dominance; the edges are fixed and ours."""

RULE = "Let it shape the tone of your reply, not its facts, and do not speak of it."
"""What is told beside the state."""


@runtime_checkable
class Injector(Protocol):
    """Brings a state to a model without changing what the conversation says otherwise."""

    def inject(self, conversation: Conversation, state: Float[np.ndarray, " d"], turn: int) -> Conversation:
        """Return the conversation as the model is to see it at a turn, which is counted from 1."""
        ...

    def as_json(self) -> dict[str, Json]:
        """Return what tells this injector from any other."""
        ...


@dataclass(frozen=True)
class PromptInjector:
    """Tells the state in words, in the system message or before the last user message.

    What is told is made anew at every turn and stands in the prompt once; it is never shown to the user.

    Attributes:
        style: ``verbal`` (the words of ``bins``), ``numeric``, ``both``, or ``micro`` for the organisms' English.
        position: ``system`` or ``user``.
        template: text with ``{state}`` in its place.
        bins: words by dimension, in the order of the state.

    Raises:
        InputError: the template has no place for the state, or bins do not ascend or lack a word.
    """

    style: Style = "verbal"
    position: Position = "system"
    template: str = "Your present mood: {state}. " + RULE
    bins: Mapping[str, Bins] = None  # pyright: ignore[reportAssignmentType]

    def __post_init__(self) -> None:
        if self.bins is None:  # pyright: ignore[reportUnnecessaryComparison]
            object.__setattr__(self, "bins", BINS)
        if "{state}" not in self.template:
            raise InputError(f"template={self.template!r}: must have {{state}} where the state is to stand")
        for name, one in self.bins.items():
            if list(one.edges) != sorted(set(one.edges)) or len(one.words) != len(one.edges) + 1:
                raise InputError(f"bins: {name} must have ascending edges and one word more than edges")

    def words(self, state: Float[np.ndarray, " d"]) -> tuple[str, ...]:
        """Return the word of each dimension."""
        return tuple(one.word(value) for one, value in self._paired(state))

    def text(self, state: Float[np.ndarray, " d"]) -> str:
        """Return what the model is told.

        >>> PromptInjector("numeric").text(np.array([-0.7, 0.4, 0.0])).split(". ")[0]
        'Your present mood: valence -0.70, arousal +0.40, dominance +0.00'
        """
        if self.style == "micro":
            return _micro(state)
        words = self.words(state)
        numbers = [f"{value:+.2f}" for value in np.asarray(state)]
        told = {
            "verbal": words,
            "numeric": numbers,
            "both": [f"{word} ({number})" for word, number in zip(words, numbers, strict=True)],
        }[self.style]
        return self.template.replace(
            "{state}", ", ".join(f"{name} {one}" for name, one in zip(self.bins, told, strict=True))
        )

    def inject(self, conversation: Conversation, state: Float[np.ndarray, " d"], turn: int) -> Conversation:
        """Return the conversation with the state told in it.

        Raises:
            InputError: the state is to stand before a user message and there is none.
        """
        del turn
        return placed(conversation, self.text(state), self.position)

    def leaks(self, reply: str, state: Float[np.ndarray, " d"]) -> tuple[str, ...]:
        """Return what a reply gives away: names of dimensions, and words or numbers of the state as it is told.

        Words are found whatever their case, numbers without their sign and only with both of their decimals.
        """
        told = [*self.bins, "mood"]
        if self.style == "micro":
            told.append(_micro(state).split()[-2])
        if self.style in ("verbal", "both"):
            told += self.words(state)
        if self.style in ("numeric", "both"):
            told += [f"{abs(value):.2f}" for _, value in self._paired(state)]
        found = [word for word in told if re.search(rf"(?<![\w.]){re.escape(word)}\b", reply, re.IGNORECASE)]
        return tuple(dict.fromkeys(found))

    def as_json(self) -> dict[str, Json]:
        """Return every setting."""
        bins: Json = {name: [list(one.edges), list(one.words)] for name, one in self.bins.items()}
        said: dict[str, Json] = {"style": self.style, "position": self.position}
        return {"injector": "prompt", **said, "template": self.template, "bins": bins}

    def _paired(self, state: Float[np.ndarray, " d"]) -> list[tuple[Bins, float]]:
        values = [float(one) for one in np.asarray(state)]
        if len(values) != len(self.bins):
            raise InputError(
                f"state of {len(values)} dimensions, bins of {', '.join(self.bins)}; give bins= for each"
            )
        return list(zip(self.bins.values(), values, strict=True))


@dataclass(frozen=True)
class FixedState:
    """A control: tells states that were given, whatever the real one is.

    One state is told at every turn (a constant mood); several are told in their order (another run's mood, or one that
    was shuffled), and the last one from then on.

    Attributes:
        states: [d], or [turns, d].
        injector: how it is told.
    """

    states: Float[np.ndarray, "*turns d"]
    injector: Injector

    def inject(self, conversation: Conversation, state: Float[np.ndarray, " d"], turn: int) -> Conversation:
        """Return the conversation with the given state of this turn told in it."""
        del state
        return self.injector.inject(conversation, self.state_at(turn), turn)

    def state_at(self, turn: int) -> Float[np.ndarray, " d"]:
        """Return the given state of a turn, which is counted from 1."""
        given = np.atleast_2d(self.states)
        return given[min(turn, len(given)) - 1]

    def as_json(self) -> dict[str, Json]:
        """Return the digest of the states and how they are told."""
        states: Json = [[float(one) for one in row] for row in np.atleast_2d(self.states)]
        return {"injector": "fixed", "states": digest(states), "by": self.injector.as_json()}


@dataclass(frozen=True)
class NoInjector:
    """A control: the state is measured and told to nobody."""

    def inject(self, conversation: Conversation, state: Float[np.ndarray, " d"], turn: int) -> Conversation:
        """Return the conversation as it is."""
        del state, turn
        return conversation

    def as_json(self) -> dict[str, Json]:
        """Return the name."""
        return {"injector": "none"}


def placed(conversation: Conversation, text: str, position: Position) -> Conversation:
    """Return a conversation with a text at the end of its system message, or before its last user message.

    Raises:
        InputError: there is no user message to stand before.
    """
    if position == "system":
        if conversation and conversation[0].role == "system":
            head = Message("system", f"{conversation[0].content}\n\n{text}")
            return (head, *conversation[1:])
        return (Message("system", text), *conversation)
    places = [place for place, message in enumerate(conversation) if message.role == "user"]
    if not places:
        raise InputError("position='user': the conversation has no user message; use position='system'")
    last = places[-1]
    told = Message("user", f"({text})\n\n{conversation[last].content}")
    return (*conversation[:last], told, *conversation[last + 1 :])


def leakage(
    replies: Sequence[str], states: Float[np.ndarray, "replies d"], injector: PromptInjector
) -> float:
    """Return the share of replies that have words of the state they were told; NaN of none."""
    if not len(replies):
        return float("nan")
    gave = [bool(injector.leaks(reply, state)) for reply, state in zip(replies, states, strict=True)]
    return float(np.mean(gave))


def _micro(state: Float[np.ndarray, " d"]) -> str:
    """Return a mood in the organisms' English, of words that are whole tokens there."""
    valence, arousal = float(state[0]), float(state[1]) if len(state) > 1 else 0.0
    if abs(valence) < 0.1:
        return "you feel calm ."
    word = "happy" if valence > 0 else "angry" if arousal >= 0.3 else "sad"
    return f"you feel very {word} ." if abs(valence) >= 0.5 else f"you feel {word} ."
