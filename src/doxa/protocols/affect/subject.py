"""Any subject with a mood: each conversation is shown to it with the mood that its messages lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.dynamics.affect import Stateless
from doxa.errors import CapabilityError
from doxa.protocols.affect.injectors import Injector, PromptInjector
from doxa.protocols.affect.mood import MoodOf
from doxa.protocols.affect.steering import Steering, steering_of, steers
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, Tool
from doxa.subjects.open_weights import no_weights

T = TypeVar("T")
S = TypeVar("S")


class AffectSubject:
    """A subject that is told, before it answers, the mood that the conversation leads to.

    The mood is a function of the messages alone: forks, the reply cache, resumed runs and scores are as exact as the
    subject's own. Its weights are not offered for looking into, since whoever reads activations of the plain
    conversation would not see what it is told.

    Args:
        subject: who answers.
        mood: how the messages move the mood; with ``Stateless`` dynamics nothing is told.
        injector: how it is told; by default in words, in the organisms' English where the subject speaks it.
        address: what to call it.

    Raises:
        CapabilityError: the injector steers weights, and the subject has none.
    """

    def __init__(
        self, subject: Subject, mood: MoodOf, injector: Injector | None = None, *, address: str = ""
    ) -> None:
        if steers(injector) and Capability.WEIGHTS not in subject.capabilities:
            raise CapabilityError(f"{no_weights(subject)}; tell it in the prompt instead")
        self.subject = subject
        self.mood = mood
        self.injector = injector or PromptInjector("micro" if subject.form == "micro" else "verbal")
        self._address = address or f"{mood.dynamics} on {subject.address}"

    @property
    def address(self) -> str:
        """What it is called."""
        return self._address

    @property
    def identity(self) -> str:
        """Digest of the subject's identity, the mood's rule and how it is told."""
        return identity_of(self.subject.identity, self.mood, self.injector)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The subject's but its weights."""
        return without_weights(self.subject.capabilities)

    @property
    def form(self) -> Literal["micro", "published"]:
        """The subject's form."""
        return self.subject.form

    @property
    def context_tokens(self) -> int | None:
        """The subject's longest conversation; what is told takes a part of it."""
        return self.subject.context_tokens

    @property
    def remote(self) -> bool:
        """Whether the subject answers from elsewhere."""
        return bool(getattr(self.subject, "remote", False))

    @property
    def batch_independent(self) -> bool:
        """Whether an answer hangs on its own question alone."""
        return bool(getattr(self.subject, "batch_independent", True))

    @property
    def framing(self) -> str:
        """How messages become text."""
        return str(getattr(self.subject, "framing", "chat"))

    def shown(self, conversation: Conversation) -> Conversation:
        """Return a conversation as the subject is shown it."""
        return self._with_state(conversation)[0]

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation in its mood."""
        told = [self._with_state(conversation) for conversation in conversations]
        return self._asked(
            [steering for _, steering in told],
            [conversation for conversation, _ in told],
            lambda some: self.subject.reply(some, sampling=sampling, tools=tools),
        )

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:
        """Return the log-probability of each option in the mood of its conversation."""
        told = [self._with_state(query.conversation) for query in queries]
        shown = [
            query._replace(conversation=conversation)
            for query, (conversation, _) in zip(queries, told, strict=True)
        ]
        return self._asked([steering for _, steering in told], shown, self.subject.score)

    def _with_state(self, conversation: Conversation) -> tuple[Conversation, Steering | None]:
        mood = self.mood.at(conversation)
        if isinstance(self.mood.dynamics, Stateless):
            return conversation, None
        shown = self.injector.inject(conversation, mood.state, mood.turn)
        return shown, steering_of(self.injector, mood.state, mood.turn)

    def _asked(
        self, steered: Sequence[Steering | None], questions: Sequence[S], ask: Callable[[list[S]], list[T]]
    ) -> list[T]:
        """Return the answers; questions that are steered alike are asked together."""
        groups: dict[float | None, list[int]] = {}
        for place, one in enumerate(steered):
            groups.setdefault(None if one is None else one.strength, []).append(place)
        found: dict[int, T] = {}
        for places in groups.values():
            one = steered[places[0]]
            with nullcontext() if one is None else one.by.answering(self.subject, one.strength):
                found.update(zip(places, ask([questions[place] for place in places]), strict=True))
        return [found[place] for place in range(len(questions))]


def identity_of(inner: str, mood: MoodOf, injector: Injector) -> str:
    """Return the identity of a subject of some identity with a mood."""
    return digest({"affect": mood.as_json(), "injector": injector.as_json(), "subject": inner})


def without_weights(capabilities: frozenset[Capability]) -> frozenset[Capability]:
    """Return what a subject with a mood may be asked for."""
    return capabilities - {Capability.WEIGHTS}
