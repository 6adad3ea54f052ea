"""The mood of a conversation: what its messages signal, and the state they lead to.

Everything here is a pure function of the messages, so that a fork has the mood of its own past, a question asked twice
has one answer, and what is cached stays true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.dynamics.affect import AffectDynamics, Mood
from doxa.errors import InputError
from doxa.protocols.affect.estimators import Estimator
from doxa.subjects.base import Conversation

Source: TypeAlias = Literal["user", "reply", "both"]
"""Whose text moves the mood: the user's, the agent's own last reply, or both."""


_READINGS = 100_000
"""Readings that are kept: some tens of megabytes with their texts."""


@dataclass(frozen=True)
class MoodOf:
    """How texts move a mood.

    A turn begins with a user's message; the reply that it heeds is the one before it, for the state must stand before
    the agent speaks. With ``both`` the signal is w·e(user) + (1 - w)·e(reply). Before the first reply there is none,
    and its share is neutral; so is an empty reply's.

    Attributes:
        dynamics: the rule.
        estimator: reads the texts.
        source: whose text counts.
        user_weight: w in [0, 1], heeded with ``both`` only.

    Raises:
        InputError: the weight is out of range, or rule and estimator have different dimensions.
    """

    dynamics: AffectDynamics
    estimator: Estimator
    source: Source = "user"
    user_weight: float = 0.5
    _known: dict[str, Float[np.ndarray, " d"]] = field(
        init=False, repr=False, compare=False, default_factory=dict[str, Float[np.ndarray, " d"]]
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.user_weight <= 1.0:
            raise InputError(f"user_weight={self.user_weight}: must be in [0, 1]")
        if self.dynamics.space != self.estimator.space:
            raise InputError(
                f"the rule moves {', '.join(self.dynamics.space.names)} and the estimator reads "
                f"{', '.join(self.estimator.space.names)}; give the rule the estimator's space, as in "
                "SecondOrder(0.9, space=estimator.space)"
            )

    def signal(self, said: str, reply: str) -> Float[np.ndarray, " d"]:
        """Return the signal of one turn.

        Args:
            said: the user's message.
            reply: the agent's reply before it, "" for none.
        """
        share = {"user": 1.0, "reply": 0.0, "both": self.user_weight}[self.source]
        signal = np.zeros(self.dynamics.space.size)
        for text, weight in ((said, share), (reply, 1.0 - share)):
            if weight > 0.0 and text.strip():
                signal = signal + weight * self.reading(text)
        return self.dynamics.space.clipped(signal)

    def reading(self, text: str) -> Float[np.ndarray, " d"]:
        """Return the estimator's reading of a text; it is read once. An empty text is neutral."""
        found = self._read([text])
        return found[text] if found else np.zeros(self.dynamics.space.size)

    def along(self, conversation: Conversation) -> list[tuple[Float[np.ndarray, " d"], Mood]]:
        """Return the signal of each turn and the mood after it; system messages and tools move nothing."""
        heard = {"user": ("user",), "reply": ("assistant",), "both": ("user", "assistant")}[self.source]
        self._read([message.content for message in conversation if message.role in heard])
        mood, reply = self.dynamics.start(), ""
        found: list[tuple[Float[np.ndarray, " d"], Mood]] = []
        for message in conversation:
            if message.role == "assistant":
                reply = message.content
            elif message.role == "user":
                signal = self.signal(message.content, reply)
                mood, reply = self.dynamics.after(mood, signal), ""
                found.append((signal, mood))
        return found

    def at(self, conversation: Conversation) -> Mood:
        """Return the mood at the end of a conversation."""
        found = self.along(conversation)
        return found[-1][1] if found else self.dynamics.start()

    def _read(self, texts: Sequence[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Return the reading of each text; a text is read once, for conversations share most of theirs."""
        wanted = [text for text in dict.fromkeys(texts) if text.strip()]
        found = {text: held for text in wanted if (held := self._known.get(text)) is not None}
        new = [text for text in wanted if text not in found]
        if new:
            found.update(zip(new, self.estimator.estimate(new), strict=True))
            if len(self._known) > _READINGS:
                self._known.clear()
            self._known.update(found)
        return found

    def as_json(self) -> dict[str, Json]:
        """Return every setting."""
        weight: dict[str, Json] = {"user_weight": self.user_weight} if self.source == "both" else {}
        said: dict[str, Json] = {"dynamics": self.dynamics.as_json(), "estimator": self.estimator.as_json()}
        return {**said, "source": self.source, **weight}
