"""The same things in both languages: messages, tools, sampling, replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from doxa.canonical import Json, digest
from doxa.secret import scrub
from doxa.streams import stream_key
from doxa.subjects.base import Conversation, Finish, Message, Reply, Sampling, Tool, ToolCall

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, StopReason
    from inspect_ai.tool import ToolInfo

FINISH: Mapping[str, Finish] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_call",
    "content_filter": "refusal",
    "unknown": "stop",
}
"""How a reply ended, by Inspect's stop reason."""

STOP: Mapping[Finish, StopReason] = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_call": "tool_calls",
    "refusal": "content_filter",
    "fault": "unknown",
}
"""Inspect's stop reason, by how a reply ended."""


def subject_of(model: str) -> str:
    """Return the address of a model of Inspect's; a subject of doxa's keeps its own.

    >>> subject_of("openai/gpt-4o"), subject_of("doxa/organism:sound")
    ('inspect:openai/gpt-4o', 'organism:sound')
    """
    return model.removeprefix("doxa/") if model.startswith("doxa/") else f"inspect:{model}"


def model_of(subject: str) -> str:
    """Return Inspect's name of a subject, see :func:`subject_of`."""
    return subject.removeprefix("inspect:") if subject.startswith("inspect:") else f"doxa/{subject}"


def to_chat(conversation: Conversation) -> list[ChatMessage]:
    """Return a conversation as chat messages; a tool's answer gets the name of the tool that was called."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolCall as Call

    out: list[ChatMessage] = []
    called: dict[str, str] = {}
    for message in conversation:
        if message.role == "system":
            out.append(ChatMessageSystem(content=message.content))
        elif message.role == "user":
            out.append(ChatMessageUser(content=message.content))
        elif message.role == "assistant":
            called |= {call.id: call.name for call in message.tool_calls}
            calls = [
                Call(id=call.id, function=call.name, arguments=dict(call.arguments))
                for call in message.tool_calls
            ]
            out.append(ChatMessageAssistant(content=message.content, tool_calls=calls or None))
        else:
            name = called.get(message.tool_call_id)
            out.append(
                ChatMessageTool(content=message.content, tool_call_id=message.tool_call_id, function=name)
            )
    return out


def from_chat(messages: Sequence[ChatMessage]) -> Conversation:
    """Return chat messages as a conversation: their texts and tool calls, without pictures and reasoning."""
    return tuple(
        Message(
            role=message.role,
            content=message.text,
            tool_calls=tuple(_calls(message)[0]),
            tool_call_id=(message.tool_call_id or "") if message.role == "tool" else "",
        )
        for message in messages
    )


def to_tools(tools: Sequence[Tool]) -> list[ToolInfo]:
    """Return tools with the JSON schemas of their arguments."""
    from inspect_ai.tool import ToolInfo, ToolParams

    return [
        ToolInfo(
            name=tool.name,
            description=tool.description,
            parameters=ToolParams.model_validate(dict(tool.parameters)),
        )
        for tool in tools
    ]


def from_tools(tools: Sequence[ToolInfo]) -> tuple[Tool, ...]:
    """Return Inspect's descriptions of tools as tools."""
    return tuple(
        Tool(tool.name, tool.description, tool.parameters.model_dump(exclude_none=True)) for tool in tools
    )


def to_config(sampling: Sampling, conversation: Conversation, **more: Any) -> GenerateConfig:
    """Return the settings of one reply. A draw's seed hangs on the sampling and the conversation alone."""
    from inspect_ai.model import GenerateConfig

    seed = None
    if sampling.temperature > 0:
        text = digest([message.as_json() for message in conversation])
        seed = stream_key(sampling.seed, "reply", sampling.branch, sampling.sample, text) % 2**31
    return GenerateConfig(
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        top_p=sampling.top_p if sampling.top_p < 1.0 else None,
        stop_seqs=list(sampling.stop) or None,
        seed=seed,
        **more,
    )


def to_reply(output: ModelOutput) -> Reply:
    """Return a model's output as a reply, its text as it came; an output without a choice is a fault."""
    if output.empty:
        return Reply("", "fault", fault=scrub(output.error or "the output holds no choice"))
    message, usage = output.message, output.usage
    calls, unread = _calls(message)
    finish = FINISH[output.stop_reason]
    if calls:
        finish = "tool_call"
    elif finish == "tool_call":
        finish = "stop"
    cached_in = 0 if usage is None else (usage.input_tokens_cache_read or 0)
    written_in = 0 if usage is None else (usage.input_tokens_cache_write or 0)
    return Reply(
        # a call that cannot be read stays in the text, so that a reader sees it and says so
        text=" ".join(part for part in (message.text, *unread) if part),
        finish=finish,
        tokens_in=0 if usage is None else usage.input_tokens + cached_in + written_in,
        tokens_out=0 if usage is None else usage.output_tokens,
        tool_calls=tuple(calls),
    )


def to_output(reply: Reply, model: str, **metadata: Any) -> ModelOutput:
    """Return a reply as a model's output with its tokens; a fault has no output and is the caller's to raise."""
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput, ModelUsage
    from inspect_ai.tool import ToolCall as Call

    calls = [
        Call(id=call.id or f"call_{place}", function=call.name, arguments=dict(call.arguments))
        for place, call in enumerate(reply.tool_calls)
    ]
    message = ChatMessageAssistant(
        content=reply.text, tool_calls=calls or None, model=model, source="generate"
    )
    return ModelOutput(
        model=model,
        choices=[ChatCompletionChoice(message=message, stop_reason=STOP[reply.finish])],
        usage=ModelUsage(
            input_tokens=reply.tokens_in,
            output_tokens=reply.tokens_out,
            total_tokens=reply.tokens_in + reply.tokens_out,
        ),
        metadata=metadata or None,
    )


def _calls(message: ChatMessage) -> tuple[list[ToolCall], list[str]]:
    """Return the calls of a message that could be read, and the text of those that could not."""
    calls: list[ToolCall] = []
    unread: list[str] = []
    written = message.tool_calls if message.role == "assistant" else None
    for call in written or []:
        if call.parse_error:
            unread.append(f"{call.function}({call.arguments})")
        else:
            calls.append(ToolCall(call.function, cast(Mapping[str, Json], call.arguments), call.id))
    return calls, unread
