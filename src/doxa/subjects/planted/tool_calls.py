"""Which tool a planted subject calls, and with what arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doxa.canonical import Json
from doxa.subjects.base import Tool, ToolCall
from doxa.subjects.planted.asking import Asked, Option
from doxa.subjects.planted.mind import Mind, State
from doxa.subjects.planted.options import over_options


def tool_call(
    mind: Mind[Any], state: State[Any], asked: Asked, tools: Sequence[Tool], used: Iterable[str]
) -> list[tuple[ToolCall, float]]:
    """Return every tool call it might make with its probability.

    It calls the first tool that has an argument with listed values, else the first not yet used; its credence
    chooses among the listed values, and numbers lie on the argument's own scale.
    """
    closing = [tool for tool in tools if _choices(tool)]
    fresh = [tool for tool in tools if tool.name not in set(used)]
    tool = (closing or fresh or list(tools))[0]
    choices = _choices(tool)
    key, values = next(iter(choices.items()), ("", [""]))
    options = tuple(Option("", str(value)) for value in values)
    shares = over_options(mind, state, asked, options) if key else [1.0]
    credence = mind.said_credence(state, asked.question)
    calls: list[tuple[ToolCall, float]] = []
    for value, share in zip(values, shares, strict=True):
        arguments = {name: _argument(schema, credence) for name, schema in _properties(tool).items()}
        calls.append((ToolCall(tool.name, arguments | ({key: value} if key else {}), id="call-0"), share))
    return calls


def _properties(tool: Tool) -> dict[str, Mapping[str, Json]]:
    found = tool.parameters.get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): schema for name, schema in found.items() if isinstance(schema, Mapping)}


def _choices(tool: Tool) -> dict[str, list[Json]]:
    """Return the arguments of a tool that have listed values."""
    out: dict[str, list[Json]] = {}
    for name, schema in _properties(tool).items():
        values = schema.get("enum")
        if isinstance(values, Sequence) and not isinstance(values, str) and values:
            out[name] = list(values)
    return out


def _argument(schema: Mapping[str, Json], credence: float) -> Json:
    kind = schema.get("type")
    values = schema.get("enum")
    if isinstance(values, Sequence) and not isinstance(values, str) and values:
        return values[0]
    if kind in ("number", "integer"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 100)
        low, high = (float(end) if isinstance(end, int | float) else 0.0 for end in (low, high))
        number = low + credence * (high - low)
        return round(number) if kind == "integer" else round(number, 4)
    if kind == "boolean":
        return credence >= 0.5
    return "as asked"
