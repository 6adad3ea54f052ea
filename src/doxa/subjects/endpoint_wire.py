"""The OpenAI chat format: requests as JSON, responses read strictly, faults named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from doxa.canonical import Json, digest
from doxa.secret import scrub
from doxa.streams import stream_key
from doxa.subjects.base import Conversation, Finish, Reply, Sampling, Tool, ToolCall
from doxa.subjects.endpoint_transport import Response

TOP_LOG_PROBS = 20
"""How many of the likeliest tokens are asked for; servers give no more."""

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "refusal",
}
_BROKEN_OFF = {"error", "abort"}
_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}


class FaultError(Exception):
    """A response that holds no answer.

    Attributes:
        kind: short name under which it is counted.
        again: whether asking again may help.
        status: HTTP status, or that named inside the body.
    """

    def __init__(self, kind: str, reason: str, *, again: bool, status: int = 200) -> None:
        super().__init__(scrub(" ".join(reason.split()))[:300])
        self.kind = kind
        self.again = again
        self.status = status


def reply_body(
    model: str, conversation: Conversation, sampling: Sampling, tools: Sequence[Tool] = ()
) -> bytes:
    """Return the request for one reply. A draw's seed hangs on the sampling and the conversation alone."""
    body: dict[str, Json] = {
        "model": model,
        "messages": messages(conversation),
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
    }
    if sampling.temperature > 0:
        text = digest([message.as_json() for message in conversation])
        body["seed"] = stream_key(sampling.seed, "reply", sampling.branch, sampling.sample, text) % 2**31
    if sampling.top_p < 1.0:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
            }
            for t in tools
        ]
    return encoded(body)


def messages(conversation: Conversation) -> list[Json]:
    """Return a conversation in the chat format; arguments of tool calls are JSON in a text, as it wants."""
    out: list[Json] = []
    for message in conversation:
        plain: dict[str, Json] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            plain["content"] = message.content or None
            plain["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": json.dumps(dict(call.arguments), sort_keys=True),
                    },
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id:
            plain["tool_call_id"] = message.tool_call_id
        out.append(plain)
    return out


def read_choice(response: Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the body and first choice of a response.

    Raises:
        FaultError: anything else came.
    """
    if response.status != 200:
        raise _refusal(response.status, response.body)
    kind = response.headers.get("content-type", "")
    if "json" not in kind and "json" not in kind.lower():
        raise FaultError("content type", f"content type {kind or 'missing'!r} instead of JSON", again=True)
    try:
        body = mapping(json.loads(response.body))
    except (ValueError, RecursionError) as error:
        raise FaultError("cut JSON", f"{len(response.body)} bytes that are not JSON", again=True) from error
    if body.get("error"):
        code = mapping(body["error"]).get("code")
        raise _refusal(code if isinstance(code, int) else 400, response.body)
    choices: object = body.get("choices")
    choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    if not choice.get("message"):
        raise FaultError("no choices", "the response holds no choice with a message", again=True)
    return body, choice


def read_reply(response: Response) -> Reply:
    """Return the reply of a response, its text as it came.

    Raises:
        FaultError: the response holds no reply.
    """
    body, choice = read_choice(response)
    message, usage = mapping(choice["message"]), mapping(body.get("usage"))
    reason = choice.get("finish_reason")
    if str(reason) in _BROKEN_OFF:
        raise FaultError("finish reason", f"the reply broke off, finish reason {reason!r}", again=True)
    text, finish = _text(message.get("content")), _FINISH.get(str(reason), "stop")
    refusal: object = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        text, finish = text or refusal, "refusal"
    calls: tuple[ToolCall, ...] = ()
    written: object = message.get("tool_calls")
    if isinstance(written, list) and written:
        calls, unread = _tool_calls(cast(list[Any], written))
        # a call that cannot be read stays in the text, so that a reader sees it and says so
        text = " ".join(part for part in (text, *unread) if part)
    if calls:
        finish = "tool_call"
    elif finish == "tool_call":
        finish = "stop"
    tokens_in, tokens_out = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    return Reply(text, finish, tokens_in, tokens_out, calls)


def _refusal(status: int, body: bytes) -> FaultError:
    text = body[:4096].decode("utf-8", "replace")
    quota = status == 429 and ("insufficient_quota" in text or "billing" in text)
    again = status in _AGAIN and not quota
    return FaultError(
        f"{status} quota" if quota else str(status),
        f"status {status}: {text or 'empty'}",
        again=again,
        status=status,
    )


def _tool_calls(written: Sequence[Any]) -> tuple[tuple[ToolCall, ...], list[str]]:
    calls: list[ToolCall] = []
    unread: list[str] = []
    for entry in written:
        call = mapping(entry)
        function = mapping(call.get("function"))
        name, arguments = function.get("name"), function.get("arguments")
        try:
            text = arguments or "{}"
            parsed: object = json.loads(text, object_pairs_hook=_once) if isinstance(text, str) else text
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(name, str) and isinstance(parsed, dict):
            calls.append(
                ToolCall(name, cast(dict[str, Json], parsed), str(call.get("id") or f"call_{len(calls)}"))
            )
        else:
            unread.append(f"{name}({arguments})")
    return tuple(calls), unread


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice: which of them is meant would be a guess")
    return found


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = cast(list[Any], content) if isinstance(content, list) else []
    return "".join(text for part in parts if isinstance(text := mapping(part).get("text"), str))


def count(value: object) -> int:
    """Return a number of tokens, 0 where none stands."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encoded(body: Mapping[str, Json]) -> bytes:
    """Return a request's body as JSON."""
    return _ENCODER.encode(body).encode()
