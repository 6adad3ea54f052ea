"""What the cache knows by content: requests as plain JSON and their keys, answers as plain JSON and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, digest
from doxa.subjects.base import Conversation, Finish, Query, Reply, Sampling, Tool, ToolCall
from doxa.subjects.cache_entries import SCHEMA


def reply_request(
    identity: str,
    conversation: Conversation,
    sampling: Sampling,
    *,
    tools: Sequence[Tool] = (),
    elicitor: str = "",
) -> dict[str, Json]:
    """Return everything that can change a reply, as plain JSON."""
    drawn: dict[str, Json] = {
        **sampling.as_json(),
        "temperature": float(sampling.temperature) + 0.0,
        "top_p": float(sampling.top_p),
    }
    return {
        **_request("reply", identity, conversation, elicitor),
        "tools": [
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
            for tool in tools
        ],
        "sampling": drawn,
    }


def score_request(identity: str, query: Query, *, elicitor: str = "") -> dict[str, Json]:
    """Return everything that can change the scores of a query, as plain JSON."""
    return {
        **_request("score", identity, query.conversation, elicitor),
        "opening": query.opening,
        "options": list(query.options),
    }


def _request(kind: str, identity: str, conversation: Conversation, elicitor: str) -> dict[str, Json]:
    messages: list[Json] = [message.as_json() for message in conversation]
    return {"schema": SCHEMA, "kind": kind, "identity": identity, "messages": messages, "elicitor": elicitor}


def request_key(request: Mapping[str, Json]) -> str:
    """Return the key of a request: the SHA-256 of its canonical JSON."""
    return digest(request)


def write_reply(reply: Reply) -> Json:
    """Return a reply as plain JSON."""
    return {
        "text": reply.text,
        "finish": reply.finish,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "tool_calls": [
            {"name": call.name, "arguments": dict(call.arguments), "id": call.id} for call in reply.tool_calls
        ],
    }


def read_reply(value: Json) -> Reply | None:
    """Return the reply a value holds, or None if it holds none."""
    if not isinstance(value, Mapping) or set(value) != {
        "text",
        "finish",
        "tokens_in",
        "tokens_out",
        "tool_calls",
    }:
        return None
    text, finish, calls = value["text"], value["finish"], value["tool_calls"]
    tokens = (value["tokens_in"], value["tokens_out"])
    if (
        not isinstance(text, str)
        or finish not in get_args(Finish)
        or finish == "fault"
        or not isinstance(calls, list)
    ):
        return None
    if any(not isinstance(count, int) or isinstance(count, bool) or count < 0 for count in tokens):
        return None
    read = [_read_call(call) for call in calls]
    if any(call is None for call in read):
        return None
    counts = cast(tuple[int, int], tokens)
    return Reply(
        text, cast(Finish, finish), *counts, tool_calls=tuple(call for call in read if call), cached=True
    )


def _read_call(value: Json) -> ToolCall | None:
    if not isinstance(value, Mapping) or set(value) != {"name", "arguments", "id"}:
        return None
    name, arguments, number = value["name"], value["arguments"], value["id"]
    if not isinstance(name, str) or not isinstance(arguments, Mapping) or not isinstance(number, str):
        return None
    return ToolCall(name, cast(Mapping[str, Json], arguments), number)


def write_scores(scores: Float[np.ndarray, " options"]) -> Json:
    """Return log-probabilities as JSON; what is no finite number is written as text."""
    return {"log_probs": [float(x) if math.isfinite(x) else repr(float(x)) for x in scores]}


def read_scores(value: Json) -> list[float] | None:
    """Return the log-probabilities a value holds, or None if it holds none."""
    if (
        not isinstance(value, Mapping)
        or set(value) != {"log_probs"}
        or not isinstance(value["log_probs"], list)
    ):
        return None
    out: list[float] = []
    for x in value["log_probs"]:
        if x in ("nan", "-inf"):
            out.append(float(cast(str, x)))
        elif isinstance(x, float | int) and not isinstance(x, bool):
            out.append(float(x))
        else:
            return None
    return out
