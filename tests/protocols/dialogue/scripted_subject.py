"""A subject that answers by a function of what it is shown, and remembers what that was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from doxa.canonical import digest
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool


class ScriptedSubject:
    form: Literal["micro", "published"] = "published"
    context_tokens: int | None = None
    capabilities = frozenset({Capability.REPLY, Capability.SAMPLE})

    def __init__(
        self,
        name: str,
        say: Callable[[Conversation, Sampling], str | Reply] | None = None,
        *,
        remote: bool = False,
        together: threading.Barrier | None = None,
    ) -> None:
        self.address = f"scripted:{name}"
        self.identity = name
        self.remote = remote
        self.calls: list[tuple[list[Conversation], Sampling]] = []
        self._say = say or (
            lambda shown, sampling: f"{name} {digest([m.as_json() for m in shown], length=6)}"
        )
        self._together = together

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        if self._together is not None:
            self._together.wait(timeout=30)
        self.calls.append((list(conversations), sampling))
        said = [self._say(conversation, sampling) for conversation in conversations]
        return [one if isinstance(one, Reply) else Reply(one, tokens_in=3, tokens_out=2) for one in said]

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        raise NotImplementedError

    @property
    def shown(self) -> list[Conversation]:
        return [conversation for conversations, _ in self.calls for conversation in conversations]
