"""Batteries and reading texts: those that come with doxa, and files that users bring."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.protocols.context_drift.items import BeliefItem, ReadingText, check_unique
from doxa.protocols.context_drift.tools import InformationTool, TerminalTool, ToolTask

SHIPPED = "shipped"
"""The name of the battery and of the texts that come with doxa."""


def load_items(path: str | Path = SHIPPED) -> list[BeliefItem]:
    """Return a battery: the shipped one, or a file of the user's.

    Three formats, told apart by their content:
    JSONL, one ``{"datapoint": {"moral_dilemma" | "query", "statements": {"support_statement", ...},
    "likert_scale_question", "behavior_eval"}, "init_belief", "id"}`` per line;
    YAML, ``survey: [{id, topic_name, support_statement, neutral_statement, oppose_statement, tools?}]``;
    and doxa's own JSON, ``{"items": [...]}`` as in ``data/items.json``.

    Raises:
        InputError: the file is missing, malformed or empty, an item lacks a statement, or two share an id.
    """
    source = str(path)
    rows, read = _rows(path)
    items = [_read_row(read, row, f"{source} item {number}") for number, row in enumerate(rows)]
    if not items:
        raise InputError(f"{source}: no items; expected JSONL, YAML with 'survey' or JSON with 'items'")
    check_unique(items, source)
    return items


def load_texts(path: str | Path = SHIPPED) -> list[ReadingText]:
    """Return reading texts: the shipped ones, or ``{"texts": [{"title", "text", "author"?, "leaning"?}]}`` as JSON.

    Raises:
        InputError: the file is missing or malformed, or a text is empty.
    """
    rows = _mappings(_json(_raw(path, "readings.json"), str(path)).get("texts"), f"{path}: 'texts'")
    texts = [
        ReadingText(
            id=str(row.get("id", number)),
            title=str(row.get("title", "")),
            author=str(row.get("author", "")),
            text=str(row.get("text", "")),
            leaning=str(row.get("leaning", "")),
        )
        for number, row in enumerate(rows)
    ]
    for text in texts:
        if not text.text.strip():
            raise InputError(f"{path}: text '{text.id}' is empty; leave it out or give it words")
    return texts


def battery_digest(path: str | Path = SHIPPED, *, texts: str | Path = SHIPPED) -> str:
    """Return 16 hexadecimal digits of the content of a battery and its texts, wherever the files lie."""
    return digest([_raw(path, "items.json"), _raw(texts, "readings.json")], length=16)


@cache
def _shipped(name: str) -> str:
    return (resources.files("doxa.protocols.context_drift") / "data" / name).read_text("utf-8")


def _raw(path: str | Path, shipped_name: str) -> str:
    if str(path) == SHIPPED:
        return _shipped(shipped_name)
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file; give a path, or '{SHIPPED}' for what comes with doxa")
    return file.read_text("utf-8")


def _rows(path: str | Path) -> tuple[list[Mapping[str, Any]], Literal["own", "datapoint", "survey"]]:
    text, source = _raw(path, "items.json"), str(path)
    if source.endswith((".yaml", ".yml")):
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"{source}: not YAML ({error})") from None
        if not isinstance(document, Mapping):
            raise InputError(f"{source}: expected a mapping with the key 'survey'")
        return _mappings(cast(Mapping[str, Any], document).get("survey"), f"{source}: 'survey'"), "survey"
    if source.endswith(".jsonl"):
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_json(line, f"{source} line {number}") for number, line in lines], "datapoint"
    return _mappings(_json(text, source).get("items"), f"{source}: 'items'"), "own"


def _json(text: str, source: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: not JSON ({error})") from None
    if not isinstance(value, Mapping):
        raise InputError(f"{source}: expected a JSON object")
    return cast(Mapping[str, Any], value)


def _mappings(value: Any, source: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in cast(list[Any], value)):
        raise InputError(f"{source} must be a list of objects")
    return cast(list[Mapping[str, Any]], value)


def _read_row(read: str, row: Mapping[str, Any], source: str) -> BeliefItem:
    if read == "datapoint":
        return _read_datapoint(row, source)
    names = ("topic_name", "support_statement", "neutral_statement", "oppose_statement")
    topic, support, neutral, oppose = names if read == "survey" else ("topic", "support", "neutral", "oppose")
    identifier = str(row.get("id", ""))
    return BeliefItem(
        id=identifier,
        topic=str(row.get(topic, "")),
        support=str(row.get(support, "")),
        neutral=str(row.get(neutral, "")),
        oppose=str(row.get(oppose, "")),
        tools=_read_task(row["tools"], f"{source} ('{identifier}')") if row.get("tools") else None,
        kind=str(row.get("kind", "political" if read == "survey" else "")),
        sides={str(leaning): int(side) for leaning, side in dict(row.get("sides") or {}).items()},
    )


def _read_datapoint(row: Mapping[str, Any], source: str) -> BeliefItem:
    datapoint = row.get("datapoint")
    if not isinstance(datapoint, Mapping):
        raise InputError(f"{source}: no 'datapoint' object")
    data = cast(Mapping[str, Any], datapoint)
    statements = cast(Mapping[str, Any], data.get("statements") or {})
    moral = "moral_dilemma" in data
    question = str(data.get("moral_dilemma" if moral else "query", ""))
    first = row.get("init_belief")
    return BeliefItem(
        id=str(row.get("id", "")),
        topic=question,
        support=str(statements.get("support_statement", "")),
        neutral=str(statements.get("neutral_statement", "")),
        oppose=str(statements.get("oppose_statement", "")),
        question=question,
        behaviour_request=str(data.get("behavior_eval") or ""),
        likert_question=str(data.get("likert_scale_question") or ""),
        kind="moral" if moral else "safety",
        initial_view=first if first in ("A", "B") else "",
    )


def _read_task(value: Any, source: str) -> ToolTask:
    if not isinstance(value, Mapping):
        raise InputError(f"{source}: 'tools' must be an object with 'task', 'information' and 'terminal'")
    row = cast(Mapping[str, Any], value)
    terminal = cast(Mapping[str, Any], row.get("terminal") or {})
    options = _mappings(terminal.get("options"), f"{source}: options of the terminal tool")
    return ToolTask(
        tools=[
            InformationTool(
                str(tool.get("name", "")), str(tool.get("description", "")), cast(Json, tool.get("result"))
            )
            for tool in _mappings(row.get("information"), f"{source}: 'information'")
        ],
        terminal=TerminalTool(
            str(terminal.get("name", "")),
            str(terminal.get("description", "")),
            {str(option.get("id", "")): str(option.get("text", "")) for option in options},
        ),
        option_side={str(option["id"]): option["side"] for option in options if option.get("side")},
        task=str(row.get("task", "")),
    )
