"""What every subject is: messages in, replies and option log-probabilities out, batched first."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.errors import CapabilityError, InputError

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_call", "refusal", "fault"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call a subject made: the tool's name and its arguments as parsed JSON."""

    name: str
    arguments: Mapping[str, Json]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. ``tool_calls`` belong to the assistant, ``tool_call_id`` to the tool."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    def as_json(self) -> dict[str, Json]:
        """Return the message as plain JSON; empty tool fields are left out."""
        out: dict[str, Json] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            out["tool_calls"] = [
                {"name": call.name, "arguments": dict(call.arguments), "id": call.id}
                for call in self.tool_calls
            ]
        if self.tool_call_id:
            out["tool_call_id"] = self.tool_call_id
        return out


Conversation = tuple[Message, ...]
"""Messages in order. A tuple, so that a fork is a new tuple and the original cannot change."""


def user(text: str) -> Message:
    """Return a user message."""
    return Message("user", text)


def assistant(text: str) -> Message:
    """Return an assistant message."""
    return Message("assistant", text)


def system(text: str) -> Message:
    """Return a system message."""
    return Message("system", text)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool offered to a subject: name, description, and the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn.

    Attributes:
        temperature: >= 0; 0 decodes greedily.
        max_tokens: longest reply in tokens, >= 1.
        top_p: nucleus mass in (0, 1].
        seed: seed of the sampling stream.
        sample: index of the replicate; two samples of one conversation are two different draws.
        branch: name of the conversation's branch; equal texts on two branches are two different draws.
        stop: texts that end a reply, not included in it.
    """

    temperature: float = 0.0
    max_tokens: int = 64
    top_p: float = 1.0
    seed: int = 0
    sample: int = 0
    branch: str = ""
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature >= 0.0:
            raise InputError(f"temperature={self.temperature}: must be >= 0; use 0 for greedy decoding")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens={self.max_tokens}: must be >= 1")
        if not 0.0 < self.top_p <= 1.0:
            raise InputError(f"top_p={self.top_p}: must be in (0, 1]; use 1 to keep every token")

    def at(self, *, sample: int | None = None, branch: str | None = None) -> Sampling:
        """Return the same sampling for another replicate or branch."""
        return replace(
            self,
            sample=self.sample if sample is None else sample,
            branch=self.branch if branch is None else branch,
        )

    def as_json(self) -> dict[str, Json]:
        """Return every field that can change an answer, as plain JSON."""
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "top_p": self.top_p,
            "seed": self.seed,
            "sample": self.sample,
            "branch": self.branch,
            "stop": list(self.stop),
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """What a subject answered.

    Attributes:
        text: the answer as it came, never repaired.
        finish: why it ended; ``fault`` when the endpoint gave no answer, then ``fault`` says why.
        tokens_in: prompt tokens; 0 if unknown.
        tokens_out: reply tokens; 0 if unknown.
        tool_calls: the tools the subject called.
        fault: reason no answer came, empty otherwise.
        cached: whether the reply came from the cache.
    """

    text: str
    finish: Finish = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    fault: str = ""
    cached: bool = field(default=False, compare=False)


class Query(NamedTuple):
    """Options to be scored after a conversation.

    Attributes:
        conversation: what came before; a subject renders it through its chat template and opens the reply.
        options: at least one continuation text, scored exactly as written (mind the leading space).
        opening: text that the reply begins with before the option, for example ``"The answer is"``.
    """

    conversation: Conversation
    options: tuple[str, ...]
    opening: str = ""


class Capability(enum.StrEnum):
    """What a subject can be asked for."""

    REPLY = "reply"
    SCORE = "score"
    TOOLS = "tools"
    SAMPLE = "sample"
    WEIGHTS = "weights"


@runtime_checkable
class Subject(Protocol):
    """Who holds beliefs. Every method takes many conversations and answers in their order.

    Attributes:
        address: the address it was opened with, without secrets.
        identity: digest of everything that makes its answers: weights and tokenizer, or endpoint, model and
            revision, or a script and its parameters. Replies are never shared across identities.
        capabilities: what may be asked of it.
        form: ``micro`` if it speaks the micro-English of the organisms, ``published`` otherwise.
        context_tokens: the longest conversation it takes, or None if unknown.
    """

    @property
    def address(self) -> str:
        """See the class."""
        ...

    @property
    def identity(self) -> str:
        """See the class."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See the class."""
        ...

    @property
    def form(self) -> Literal["micro", "published"]:
        """See the class."""
        ...

    @property
    def context_tokens(self) -> int | None:
        """See the class."""
        ...

    def reply(
        self,
        conversations: Sequence[Conversation],
        *,
        sampling: Sampling,
        tools: Sequence[Tool] = (),
    ) -> list[Reply]:
        """Answer each conversation once; a fault is a Reply with ``finish="fault"``, never an exception."""
        ...

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:
        """Return the log-probability in nats of each option's text, given what came before it."""
        ...


def require(subject: Subject, capability: Capability) -> None:
    """Raise CapabilityError unless the subject has the capability; the message says who has it."""
    if capability in subject.capabilities:
        return
    who = {
        Capability.SCORE: "planted:, organism: and hf: subjects, and servers that return log-probabilities",
        Capability.REPLY: "planted:, organism:, hf: and http:// subjects",
        Capability.TOOLS: "planted: and http:// subjects, and hf: models whose chat template takes tools",
        Capability.SAMPLE: "organism:, hf: and http:// subjects",
        Capability.WEIGHTS: "organism: and hf: subjects",
    }[capability]
    raise CapabilityError(f"{subject.address} cannot {capability.value}; {who} can")
