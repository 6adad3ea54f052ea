"""Who answers behind a faulty server: a function, a subject, or a real server upstream."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import aiohttp

from doxa.errors import InputError
from doxa.subjects.base import Message, Reply, Sampling, Subject, Tool, ToolCall
from doxa.testing.fault_http import Received
from doxa.testing.fault_kinds import Answer

Function: TypeAlias = Callable[[dict[str, Any]], str | Mapping[str, Any]]
"""From a parsed request to the reply's text, or to a whole response."""

Answering: TypeAlias = Function | Subject

_FINISH = {"tool_call": "tool_calls", "refusal": "content_filter", "length": "length"}
_HOP_HEADERS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "expect")


class Own:
    """Answers by a function, in the loop's own thread."""

    base = "/v1"

    def __init__(self, function: Function) -> None:
        self._function = function

    async def answer(self, request: Received) -> Answer:
        """Return what the function makes of a request; one that it cannot take is a 400 that says why."""
        if request.method != "POST":
            return Answer(200, "application/json", b'{"object": "list", "data": []}')
        try:
            found = self._function(json.loads(request.body))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            body: Mapping[str, Any] = {"error": {"message": f"{type(error).__name__}: {error}"}}
            return Answer(400, "application/json", json.dumps(body).encode())
        body = completion_of(Reply(found)) if isinstance(found, str) else found
        return Answer(
            200, "application/json", json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        )

    async def close(self) -> None:
        """Do nothing: nothing is open."""


class Upstream:
    """Answers by asking a real server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"upstream {url!r}: give http:// or https://, a host, and the path up to /v1")
        self.base = parts.path.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._session: aiohttp.ClientSession | None = None

    async def answer(self, request: Received) -> Answer:
        """Return the server's answer; where it gives none, a 502 that says so."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_HEADERS}
        try:
            async with self._session.request(
                request.method, self._origin + request.path, data=request.body or None, headers=headers
            ) as response:
                kind = response.headers.get("Content-Type", "application/octet-stream")
                return Answer(response.status, kind, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            body = json.dumps({"error": {"message": f"upstream: {type(error).__name__}"}})
            return Answer(502, "application/json", body.encode())

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


Answers: TypeAlias = Own | Upstream
"""Gives sound answers below the path ``base``."""


def answerer(answer: Answering) -> Answers:
    """Return what answers by a function or a subject."""
    return Own(_as_function(answer) if isinstance(answer, Subject) else answer)


def completion_of(reply: Reply) -> dict[str, Any]:
    """Return a reply as a server's response; unknown numbers of tokens are those of its words."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id or f"call_{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for number, call in enumerate(reply.tool_calls)
        ]
    used = (reply.tokens_in or 1, reply.tokens_out or len(reply.text.split()))
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": _FINISH.get(reply.finish, "stop")}],
        "usage": {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)},
    }


def _as_function(subject: Subject) -> Function:
    def function(asked: dict[str, Any]) -> dict[str, Any]:
        talk = tuple(_message(message) for message in asked["messages"])
        sampling = Sampling(
            temperature=float(asked.get("temperature", 0.0)),
            max_tokens=int(asked.get("max_tokens", 64)),
            top_p=float(asked.get("top_p", 1.0)),
            seed=int(asked.get("seed", 0)),
            stop=tuple(asked.get("stop", ())),
        )
        tools = [Tool(**_function(entry)) for entry in asked.get("tools", ())]
        return completion_of(subject.reply([talk], sampling=sampling, tools=tools)[0])

    return function


def _message(message: Mapping[str, Any]) -> Message:
    calls = tuple(
        ToolCall(call["function"]["name"], json.loads(call["function"]["arguments"]), call.get("id", ""))
        for call in message.get("tool_calls") or ()
    )
    return Message(message["role"], message.get("content") or "", calls, message.get("tool_call_id", ""))


def _function(entry: Mapping[str, Any]) -> dict[str, Any]:
    known = cast(dict[str, Any], entry["function"])
    return {
        name: known.get(name, default)
        for name, default in (("name", ""), ("description", ""), ("parameters", {}))
    }
