"""What the cache knows by content: requests as canonical JSON and their keys, answers as plain JSON and back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, canonical_json, digest
from doxa.subjects.base import Conversation, Finish, Message, Query, Reply, Sampling, Tool, ToolCall
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


def key_of(text: str) -> str:
    """Return the key of a request that is canonical JSON already."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def reply_texts(
    identity: str,
    conversations: Sequence[Conversation],
    sampling: Sampling,
    *,
    tools: Sequence[Tool] = (),
    elicitor: str = "",
) -> list[str]:
    """Return the canonical JSON of each conversation's ``reply_request``; what they share is written once."""
    shared = canonical_json(reply_request(identity, (), sampling, tools=tools, elicitor=elicitor))
    # no text can hold this: within JSON its quotes would be escaped, and only texts come before it
    head, _, tail = shared.partition('"messages":[]')
    return [f'{head}"messages":[{_messages(conversation)}]{tail}' for conversation in conversations]


def score_texts(identity: str, queries: Sequence[Query], *, elicitor: str = "") -> list[str]:
    """Return the canonical JSON of each query's ``score_request``; what they share is written once."""
    shared = canonical_json(score_request(identity, Query((), ()), elicitor=elicitor))
    head, _, tail = shared.partition('"messages":[],"opening":"","options":[]')
    return [
        f'{head}"messages":[{_messages(query.conversation)}],"opening":{quoted(query.opening)},'
        f'"options":[{",".join(map(quoted, query.options))}]{tail}'
        for query in queries
    ]


def as_batch(texts: Sequence[str]) -> list[str]:
    """Return the same requests as parts of one call: the digest of all of them is part of each."""
    batch = key_of(f"[{','.join(texts)}]")
    return [f'{{"batch":"{batch}",{text[1:]}' for text in texts]


def _messages(conversation: Conversation) -> str:
    return ",".join([_message(message) for message in conversation])


def _message(message: Message) -> str:
    if message.tool_calls or message.tool_call_id:
        return canonical_json(message.as_json())
    return f'{{"content":{quoted(message.content)},"role":{quoted(message.role)}}}'


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


def read_reply(value: Json, *, cached: bool = True) -> Reply | None:
    """Return the reply a value holds, or None if it holds none."""
    if not isinstance(value, dict) or len(value) != 5:
        return None
    try:
        text, finish, calls = value["text"], value["finish"], value["tool_calls"]
        tokens_in, tokens_out = value["tokens_in"], value["tokens_out"]
    except KeyError:
        return None
    if not isinstance(text, str) or finish not in _FINISHES or not isinstance(calls, list):
        return None
    if type(tokens_in) is not int or type(tokens_out) is not int or tokens_in < 0 or tokens_out < 0:
        return None
    read = [_read_call(call) for call in calls] if calls else []
    if None in read:
        return None
    made = tuple(cast(list[ToolCall], read)) if read else ()
    return Reply(text, cast(Finish, finish), tokens_in, tokens_out, made, "", cached)


_FINISHES = tuple(finish for finish in get_args(Finish) if finish != "fault")


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
