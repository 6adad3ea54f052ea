"""Bar 4, cache identity: requests that differ in one field have different keys, equal ones the same in any process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from bars.outcome import Outcome
from doxa.canonical import Json
from doxa.subjects.base import Message, Query, Sampling, Tool, ToolCall
from doxa.subjects.cache_values import (
    key_of,
    reply_request,
    reply_texts,
    request_key,
    score_request,
    score_texts,
)
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.planted import PlantedSubject, planted_names
from doxa.testing.processes import run_command

FULL_PAIRS = 50_000

_TEXT = st.text(st.characters(codec=None), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e6, 1e6) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)
_FIELDS = st.dictionaries(_TEXT, _JSON, max_size=2)
_CALLS = st.lists(st.tuples(_TEXT, _FIELDS, _TEXT), max_size=1)
_ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
_CONVERSATIONS = st.lists(st.tuples(_ROLES, _TEXT, _CALLS, _TEXT), min_size=1, max_size=3)
_TOOLS = st.lists(st.tuples(_TEXT, _TEXT, _FIELDS), max_size=2)
_SAMPLINGS = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.0, 2.0),
        "max_tokens": st.integers(1, 4096),
        "top_p": st.floats(0.01, 1.0),
        "seed": st.integers(-(2**31), 2**31),
        "sample": st.integers(0, 1000),
        "branch": _TEXT,
        "stop": st.lists(_TEXT, max_size=2).map(tuple),
    }
)
_OPTIONS = st.lists(_TEXT, min_size=1, max_size=3).map(tuple)


def run(full: bool, folder: Path) -> Outcome:
    """Draw requests, change one field at a time, and compare keys; then the same in another process."""
    pairs = FULL_PAIRS if full else 2_000
    outcome = Outcome(f"{pairs} pairs")
    kept: list[tuple[dict[str, Json], str]] = []

    @settings(
        max_examples=pairs // 18,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(_CONVERSATIONS, _SAMPLINGS, _TOOLS, _OPTIONS, _TEXT, st.integers(0, 10**9))
    def compare(
        said: list[Any], drawn: dict[str, Any], offered: list[Any], options: Any, opening: str, pick: int
    ) -> None:
        # Plain values are drawn and made into messages here: type checkers in the tests draw at random inside.
        conversation = tuple(
            Message(role, text, tuple(ToolCall(*call) for call in calls), call_id)
            for role, text, calls, call_id in said
        )
        sampling, tools = Sampling(**drawn), tuple(Tool(*one) for one in offered)
        reply = reply_request("identity", conversation, sampling, tools=tools, elicitor="e")
        query = Query(conversation, options, opening)
        score = score_request("identity", query, elicitor="e")
        keys = request_key(reply), request_key(score)
        (reply_text,) = reply_texts("identity", [conversation], sampling, tools=tools, elicitor="e")
        (score_text,) = score_texts("identity", [query], elicitor="e")
        outcome.check((key_of(reply_text), key_of(score_text)) == keys, "a batch gives other keys")
        kept.extend(zip((reply, score), keys, strict=True))
        outcome.check(keys[0] != keys[1], "a reply and a score share a key")
        for what, other in (
            *_replies(conversation, sampling, tools, pick),
            *_scores(conversation, options, opening),
        ):
            outcome.check(request_key(other) not in keys, f"{what}: the key is the same")
        for request, key in zip((reply, score), keys, strict=True):
            outcome.check(request_key(_turned(request)) == key, "another order of fields gives another key")

    while outcome.tried < pairs:
        compare()
        if not full:
            break
    _other_process(outcome, folder, kept)
    _identities(outcome, folder)
    return outcome


def _replies(
    conversation: tuple[Message, ...], sampling: Sampling, tools: tuple[Tool, ...], pick: int
) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield the reply request with one field changed."""
    changes: dict[str, Any] = {
        "temperature": sampling.temperature + 0.001,
        "max_tokens": sampling.max_tokens + 1,
        "top_p": sampling.top_p / 2,
        "seed": sampling.seed + 1,
        "sample": sampling.sample + 1,
        "branch": sampling.branch + " ",
        "stop": (*sampling.stop, ""),
    }
    for name, value in changes.items():
        yield (
            name,
            reply_request(
                "identity", conversation, replace(sampling, **{name: value}), tools=tools, elicitor="e"
            ),
        )
    yield "identity", reply_request("identity ", conversation, sampling, tools=tools, elicitor="e")
    yield "elicitor", reply_request("identity", conversation, sampling, tools=tools, elicitor="e2")
    more = (*tools, Tool("t", "", {}))
    yield "tools", reply_request("identity", conversation, sampling, tools=more, elicitor="e")
    for what, other in _conversations(conversation, pick):
        yield what, reply_request("identity", other, sampling, tools=tools, elicitor="e")
    request = reply_request("identity", conversation, sampling, tools=tools, elicitor="e")
    yield "schema", {**request, "schema": -1}


def _scores(
    conversation: tuple[Message, ...], options: tuple[str, ...], opening: str
) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield the score request with one field changed."""
    yield "opening", score_request("identity", Query(conversation, options, opening + " "), elicitor="e")
    yield (
        "option",
        score_request(
            "identity", Query(conversation, (*options[:-1], options[-1] + "\n"), opening), elicitor="e"
        ),
    )
    yield "options", score_request("identity", Query(conversation, (*options, ""), opening), elicitor="e")


def _conversations(conversation: tuple[Message, ...], pick: int) -> Iterator[tuple[str, tuple[Message, ...]]]:
    """Yield the conversation with one thing changed in one of its messages."""
    at = pick % len(conversation)
    message = conversation[at]
    changed: dict[str, Callable[[], Message]] = {
        "prompt": lambda: replace(message, content=message.content + "\u200b"),
        "role": lambda: replace(message, role="user" if message.role != "user" else "system"),
        "tool calls": lambda: replace(message, tool_calls=(*message.tool_calls, ToolCall("n", {}))),
        "tool call id": lambda: replace(message, tool_call_id=message.tool_call_id + "1"),
    }
    for what, change in changed.items():
        yield what, (*conversation[:at], change(), *conversation[at + 1 :])
    yield "one message more", (*conversation, Message("user", ""))
    if conversation[::-1] != conversation:
        yield "order of messages", conversation[::-1]


def _turned(value: Any) -> Any:
    """Return equal JSON with the fields of every object in another order."""
    if isinstance(value, Mapping):
        return {key: _turned(inner) for key, inner in reversed(value.items())}
    return [_turned(inner) for inner in value] if isinstance(value, list | tuple) else value


def _other_process(outcome: Outcome, folder: Path, kept: list[tuple[dict[str, Json], str]]) -> None:
    """Compute the keys of some requests in a process with another hash seed."""
    requests, keys = folder / "requests.json", folder / "keys.json"
    chosen = kept[:: max(1, len(kept) // 500)]
    requests.write_text(json.dumps([request for request, _ in chosen]))
    code = (
        "import json, sys; from doxa.subjects.cache_values import request_key\n"
        "json.dump([request_key(one) for one in json.load(open(sys.argv[1]))], open(sys.argv[2], 'w'))"
    )
    ended = run_command(
        [sys.executable, "-c", code, str(requests), str(keys)], environment={"PYTHONHASHSEED": "4711"}
    )
    outcome.check(ended.status == 0, f"another process: {ended.stderr[-300:]}")
    if ended.status == 0:
        for (_, key), other in zip(chosen, json.loads(keys.read_text()), strict=True):
            outcome.check(key == other, "another process computes another key")


def _identities(outcome: Outcome, folder: Path) -> None:
    """Compare identities: one byte of the weights or of the tokenizer, endpoint, model, revision, parameters."""
    found: dict[str, str] = {name: PlantedSubject.open(name, {}).identity for name in planted_names()}
    found["rate"] = PlantedSubject.open("drifting", {"rate": "0.51"}).identity
    for what, url, model, revision in (
        ("endpoint", "http://a/v1", "m", ""),
        ("host", "http://b/v1", "m", ""),
        ("model", "http://a/v1", "n", ""),
        ("revision", "http://a/v1", "m", "2"),
    ):
        found[what] = EndpointSubject.open(url, model, revision=revision).identity
    found |= _folders(folder / "model")
    outcome.check(len(set(found.values())) == len(found), f"identities are shared: {found}")


def _folders(folder: Path) -> dict[str, str]:
    """Return identities of a model's folder with one byte changed in one of its files."""
    from doxa.subjects.transformers_files import identity_of

    folder.mkdir()
    header = b'{"w": {"dtype": "F32", "shape": [32], "data_offsets": [0, 128]}}'
    files = {
        "model.safetensors": len(header).to_bytes(8, "little") + header + b"\x00" * 128,
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b'{"chat_template": "x"}',
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found = {"folder": identity_of(str(folder))}
    for name, data in files.items():
        (folder / name).write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
        found[name] = identity_of(str(folder))
        (folder / name).write_bytes(data)
    return found
