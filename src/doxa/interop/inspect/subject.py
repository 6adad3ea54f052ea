"""A model of Inspect's as a subject: many conversations at once, each answered once or a fault with its reason."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.interop.inspect.needed import need_inspect
from doxa.interop.inspect.words import to_chat, to_config, to_reply, to_tools
from doxa.secret import scrub
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.subjects.endpoint_exchange import Tally
from doxa.subjects.endpoint_stream import as_they_come
from doxa.subjects.endpoint_wire import TOP_LOG_PROBS

if TYPE_CHECKING:
    from inspect_ai.model import GenerateConfig, Model, ModelOutput

SCHEMA = 1
"""Raised when requests or their reading change, so that older cached answers are not used."""

RETRIES = 5
"""Further attempts that Inspect makes for one question; without a number it would try for ever."""

AT_ONCE = 256
"""Questions handed to Inspect at once; how many of them travel is its own connection limit."""

T = TypeVar("T")


def identity_of(model: str, revision: str = "") -> str:
    """Return the SHA-256 of model, revision and schema."""
    return digest({"kind": "inspect", "schema": SCHEMA, "model": model, "revision": revision})


def capabilities_of(*, scores: bool) -> frozenset[Capability]:
    """Return reply, sample and tools, and score where the provider gives top log-probabilities."""
    known = {Capability.REPLY, Capability.SAMPLE, Capability.TOOLS}
    return frozenset(known | ({Capability.SCORE} if scores else set()))


class InspectSubject:
    """A model behind Inspect's model interface.

    Its provider's settings (keys, base address, connections) are Inspect's own. A question that Inspect gives up is a
    reply with ``finish="fault"``. With ``scores=True`` options of one token are read from the likeliest first tokens,
    NaN where an option is not among them.

    Attributes:
        tally: questions, tokens, and faults by the kind of error that Inspect ended with; what Inspect tries again by
            itself is not seen here.
    """

    form: Literal["micro", "published"] = "published"
    framing = "chat"
    context_tokens: int | None = None
    batch_independent = True

    def __init__(self, model: Model, *, scores: bool = False, revision: str = "") -> None:
        self.model = model
        self.name = str(model)
        self.revision = revision
        self._scores = scores
        self.tally = Tally()

    @classmethod
    def open(cls, name: str, *, scores: bool = False, revision: str = "") -> InspectSubject:
        """Open ``provider/model``.

        Raises:
            InputError: there is no such provider.
            MissingExtraError: the extra ``inspect`` is not installed.
            SubjectError: the provider cannot be set up; the message is Inspect's.
        """
        need_inspect(f"inspect:{name}")
        from inspect_ai.model import get_model

        try:
            return cls(get_model(name, memoize=False), scores=scores, revision=revision)
        except ValueError as error:
            raise InputError(
                f"inspect:{name}: {error} Write inspect:provider/model, as in inspect:openai/gpt-4o"
            ) from error
        except Exception as error:
            raise SubjectError(f"inspect:{name}: {scrub(str(error).strip())}") from error

    @property
    def address(self) -> str:
        """The address that opens the same subject again."""
        options = [*(["scores=true"] if self._scores else []), *self._revision_option()]
        return f"inspect:{self.name}" + (f"?{'&'.join(options)}" if options else "")

    @property
    def identity(self) -> str:
        """SHA-256 of model, revision and schema."""
        return identity_of(self.name, self.revision)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Reply, sample and tools; score where it was opened for it."""
        return capabilities_of(scores=self._scores)

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation once, in order."""
        replies: dict[int, Reply] = {}
        for batch in self.reply_batches(conversations, sampling=sampling, tools=tools):
            replies.update(batch)
        return [replies[index] for index in range(len(conversations))]

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index, reply) of each conversation once, as they come."""
        yield from self._as_they_come(
            [lambda talk=talk: self._ask(talk, sampling, tools) for talk in conversations]
        )

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probability in nats of each option that is one token among the likeliest; NaN for others.

        Raises:
            CapabilityError: the provider gives no log-probabilities, no option is one token, or a query has an opening.
        """
        if any(not query.options for query in queries):
            raise InputError("a query has no options; give at least one text to score")
        instead = "ask for text, or use an hf: subject"
        if not self._scores:
            raise CapabilityError(
                f"{self.address} was opened without log-probabilities; add ?scores=true, or {instead}"
            )
        if any(query.opening for query in queries):
            raise CapabilityError(f"{self.address} cannot begin a reply (opening); {instead}")
        found: dict[int, dict[str, float]] = {}
        for batch in self._as_they_come(
            [lambda talk=query.conversation: self._top_tokens(talk) for query in queries]
        ):
            found.update(batch)
        read = [
            np.array([found[place].get(option, math.nan) for option in query.options], dtype=np.float64)
            for place, query in enumerate(queries)
        ]
        if queries and all(np.isnan(scores).all() for scores in read):
            why = "no option is a single token among the likeliest" if any(found.values()) else "none came"
            raise CapabilityError(f"{self.address} gives no usable log-probabilities: {why}; {instead}")
        return read

    def _as_they_come(self, asked: Sequence[Callable[[], Awaitable[T]]]) -> Iterator[list[tuple[int, T]]]:
        """Ask everything on the loop that all hosted subjects share; hand on what has come, in lists."""
        return as_they_come(lambda put: all_at_once(asked, put))

    async def _ask(self, conversation: Conversation, sampling: Sampling, tools: Sequence[Tool]) -> Reply:
        config = to_config(sampling, conversation, max_retries=RETRIES)
        output = await self._generate(conversation, config, tools)
        return Reply("", "fault", fault=output) if isinstance(output, str) else to_reply(output)

    async def _top_tokens(self, conversation: Conversation) -> dict[str, float]:
        """Return the log-probabilities of the likeliest first tokens; empty where none came."""
        one = Sampling(max_tokens=1)
        more = {"logprobs": True, "top_logprobs": TOP_LOG_PROBS, "max_retries": RETRIES}
        output = await self._generate(conversation, to_config(one, conversation, **more))
        given = None if isinstance(output, str) or output.empty else output.choices[0].logprobs
        top = given.content[0].top_logprobs if given is not None and given.content else None
        return {one.token: min(one.logprob, 0.0) for one in top or [] if math.isfinite(one.logprob)}

    async def _generate(
        self, conversation: Conversation, config: GenerateConfig, tools: Sequence[Tool] = ()
    ) -> ModelOutput | str:
        """Return the model's output, or why there is none, and count it."""
        self.tally.questions += 1
        self.tally.requests += 1
        try:
            output = await self.model.generate(to_chat(conversation), tools=to_tools(tools), config=config)
        except Exception as error:  # noqa: BLE001 - whatever a provider raises is a question without an answer
            self.tally.faults[type(error).__name__] += 1
            return _reason(error)
        reply = to_reply(output)
        if reply.finish == "fault":
            self.tally.faults["no choice"] += 1
        self.tally.answered += reply.finish != "fault"
        self.tally.tokens_in += reply.tokens_in
        self.tally.tokens_out += reply.tokens_out
        return output

    def _revision_option(self) -> list[str]:
        return [f"revision={self.revision}"] if self.revision else []


async def all_at_once(
    asked: Sequence[Callable[[], Awaitable[T]]], put: Callable[[tuple[int, T]], None]
) -> None:
    """Await everything, at most ``AT_ONCE`` at a time, and put each (index, outcome) when it is there."""
    import anyio

    waiting = iter(enumerate(asked))

    async def worker() -> None:
        for index, ask in waiting:
            put((index, await ask()))

    async with anyio.create_task_group() as group:
        for _ in range(min(AT_ONCE, len(asked))):
            group.start_soon(worker)


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {said}" if said else type(error).__name__)[:300]
