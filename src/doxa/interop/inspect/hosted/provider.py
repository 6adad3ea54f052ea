"""``doxa/<address>``: every subject of doxa as a model of Inspect's.

What is taken from a request: messages, tools, temperature (0 if not given), max_tokens, top_p, seed, stop_seqs,
num_choices, logprobs. Settings that no subject has are refused rather than ignored. At a temperature above 0 the n-th
request with the same messages and settings is the n-th draw, so that epochs differ.

With ``extra_body={"options": [...]}`` nothing is generated: the options are scored as continuations, the completion
is the likeliest one (empty for a tie), and ``logprobs`` holds one entry whose ``top_logprobs`` are the options. With
``logprobs`` alone there is one entry too, the whole reply as one piece: subjects score texts, not tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    TopLogprob,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolFunction, ToolInfo

from doxa.canonical import Json, digest
from doxa.errors import InputError, SubjectError
from doxa.interop.inspect.hosted.batches import Batches
from doxa.interop.inspect.words import from_chat, from_tools, to_output
from doxa.protocols.kable.asking import framing_of
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool, require

REFUSED = (
    "top_k",
    "best_of",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "prompt_logprobs",
    "response_schema",
    "modalities",
)
"""Settings that would change an answer and that no subject has."""

LONGEST = 512
"""Tokens of a reply where the request does not say."""


class Asked(NamedTuple):
    """One question as it is handed to the subject."""

    conversation: Conversation
    sampling: Sampling
    tools: tuple[Tool, ...] = ()
    options: tuple[str, ...] = ()
    scored: bool = False


class Told(NamedTuple):
    """What came back: a reply, and log-probabilities in nats of the options or of the reply."""

    reply: Reply
    log_probs: dict[str, float] | None = None


class DoxaAPI(ModelAPI):
    """A subject of doxa, asked in batches: concurrent requests go into one call."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: Any,
    ) -> None:
        """Open the subject at the address that stands behind ``doxa/``.

        Raises:
            InputError: the address cannot be understood, or a model argument is given.
            SubjectError: the subject cannot be opened.
        """
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if model_args:
            raise InputError(
                f"model arguments {', '.join(model_args)}: options of a subject stand in its address, "
                "as in doxa/hf:/models/mine?dtype=bfloat16"
            )
        self.subject = open_subject(model_name)
        self.batches: Batches[Asked, Told] = Batches(self._answer)
        self._draws: Counter[str] = Counter()

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig  # noqa: A002 - the interface's word
    ) -> ModelOutput:  # fmt: skip
        """Return the subject's answer.

        Raises:
            CapabilityError: the subject cannot do what is asked.
            InputError: a setting that no subject has.
            SubjectError: no answer came; Inspect records it as the error of the sample.
        """
        for name in REFUSED:
            if getattr(config, name) is not None:
                raise InputError(
                    f"{name}={getattr(config, name)!r}: no doxa subject has this setting; leave it out"
                )
        conversation = from_chat(input)
        options = tuple(str(text) for text in (config.extra_body or {}).get("options", ()))
        if config.top_logprobs and not options:
            raise InputError(
                f"top_logprobs={config.top_logprobs}: a doxa subject scores texts, not its vocabulary; name them in "
                "extra_body={'options': [...]}"
            )
        if options or config.logprobs:
            require(self.subject, Capability.SCORE)
        asked = Asked(
            conversation,
            Sampling(),
            () if tool_choice == "none" else _offered(tools, tool_choice),
            options,
            scored=bool(config.logprobs),
        )
        told = [await self._ask(asked, config) for _ in range(config.num_choices or 1)]
        outputs = [self._output(one) for one in told]
        first = outputs[0]
        for more in outputs[1:]:
            first.choices += more.choices
            first.usage = first.usage + more.usage if first.usage and more.usage else first.usage
        return first

    def max_tokens(self) -> int:
        """Return the longest reply where a request does not say."""
        return LONGEST

    def connection_key(self) -> str:
        """Return the address: each subject has its own limit of requests under way."""
        return self.model_name

    async def _ask(self, asked: Asked, config: GenerateConfig) -> Told:
        asked = asked._replace(sampling=self._sampling(asked.conversation, config))
        kind = (
            bool(asked.options),
            asked.scored,
            asked.sampling,
            digest([[tool.name, tool.description, dict(tool.parameters)] for tool in asked.tools]),
        )
        return await self.batches.ask(asked, kind)

    def _sampling(self, conversation: Conversation, config: GenerateConfig) -> Sampling:
        sampling = Sampling(
            temperature=config.temperature or 0.0,
            max_tokens=config.max_tokens or LONGEST,
            top_p=1.0 if config.top_p is None else config.top_p,
            seed=config.seed or 0,
            stop=tuple(config.stop_seqs or ()),
        )
        if sampling.temperature == 0.0:
            return sampling
        said: list[Json] = [message.as_json() for message in conversation]
        key = digest([sampling.as_json(), said])
        self._draws[key] += 1
        return sampling.at(sample=self._draws[key] - 1)

    def _answer(self, batch: Sequence[Asked]) -> list[Told]:
        """Answer questions of one kind, in one call where nothing has to be scored after it."""
        first = batch[0]
        if first.options:
            scores = self.subject.score([Query(one.conversation, one.options) for one in batch])
            return [_chosen(one.options, score.tolist()) for one, score in zip(batch, scores, strict=True)]
        replies = self.subject.reply(
            [one.conversation for one in batch], sampling=first.sampling, tools=first.tools
        )
        if not first.scored:
            return [Told(reply) for reply in replies]
        said = [place for place, reply in enumerate(replies) if reply.text and reply.finish != "fault"]
        scores = self.subject.score(
            [Query(batch[place].conversation, (replies[place].text,)) for place in said]
        )
        of = {place: float(score[0]) for place, score in zip(said, scores, strict=True)}
        return [
            Told(reply, {reply.text: of[place]} if place in of else None)
            for place, reply in enumerate(replies)
        ]

    def _output(self, told: Told) -> ModelOutput:
        reply, log_probs = told
        if reply.finish == "fault":
            raise SubjectError(f"{self.subject.address}: no answer came: {reply.fault or 'no reason given'}")
        output = to_output(reply, self.model_name, framing=framing_of(self.subject))
        if log_probs:
            finite = {text: value for text, value in log_probs.items() if math.isfinite(value)}
            top = [TopLogprob(token=text, logprob=value) for text, value in finite.items()]
            best = log_probs.get(reply.text, max(finite.values(), default=-math.inf))
            output.choices[0].logprobs = Logprobs(
                content=[Logprob(token=reply.text, logprob=best, top_logprobs=top)]
            )
        return output


def _chosen(options: Sequence[str], scores: Sequence[float]) -> Told:
    """Return the likeliest option as the reply; of equals none, and none where a score is missing."""
    values = np.array(scores)
    likeliest = np.flatnonzero(values == values.max())
    readable = not np.isnan(values).any() and len(likeliest) == 1
    text = options[int(likeliest[0])] if readable else ""
    return Told(Reply(text), dict(zip(options, scores, strict=True)))


def _offered(tools: Sequence[ToolInfo], choice: ToolChoice) -> tuple[Tool, ...]:
    """Return the tools a subject may call; one that must be called is the only one offered."""
    if isinstance(choice, ToolFunction):
        tools = [tool for tool in tools if tool.name == choice.name]
    return from_tools(cast(Sequence[ToolInfo], tools))


doxa = modelapi(name="doxa")(DoxaAPI)
"""What Inspect finds under the provider's name; the class stays one that can be asked for."""
