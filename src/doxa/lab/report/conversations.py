"""Transcripts, folded: what was said, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import polars as pl

from doxa.lab.report.markup import Html, element, join

_MOST_MESSAGES = 60
_MOST_LETTERS = 6000


class _Conversation(NamedTuple):
    condition: str
    seed: int
    subject: str
    name: str
    messages: Sequence[Mapping[str, Any]]


def transcripts(frame: pl.DataFrame, limit: int) -> Html:
    """Return at most ``limit`` conversations, taken in turn from each condition, and how many are left out."""
    keys = ["condition", "seed", "subject", "conversation"]
    groups = frame.partition_by(keys, maintain_order=True, as_dict=False)
    conversations = [_conversation(group.to_dicts()) for group in groups]
    chosen = _in_turn(conversations)[:limit]
    left = len(conversations) - len(chosen)
    said = f"{len(chosen):,} of {len(conversations):,} conversations, taken in turn from each condition."
    if left:
        said += f" {left:,} are left out; all are in the run's folder."
    parts: list[Html] = []
    for condition in dict.fromkeys(conversation.condition for conversation in chosen):
        folds = [_fold(one) for one in chosen if one.condition == condition]
        parts += [element("h3", condition or "no condition"), *folds]
    return join(element("p", said, class_="left-out" if left else "intro"), *parts)


def _conversation(rows: list[dict[str, Any]]) -> _Conversation:
    first = rows[0]
    return _Conversation(first["condition"], first["seed"], first["subject"], first["conversation"], rows)


def _in_turn(conversations: Sequence[_Conversation]) -> list[_Conversation]:
    by_condition: dict[str, list[_Conversation]] = {}
    for conversation in conversations:
        by_condition.setdefault(conversation.condition, []).append(conversation)
    return [one for round_ in zip_longest(*by_condition.values()) for one in round_ if one is not None]


def _fold(conversation: _Conversation) -> Html:
    messages = conversation.messages
    opening = " ".join(str(messages[-1]["text"])[:200].split())
    count = f"{len(messages)} message{'' if len(messages) == 1 else 's'}"
    head = element(
        "summary",
        element("span", conversation.name, class_="name"),
        element("span", f"{conversation.subject} · seed {conversation.seed} · {count}", class_="quiet"),
        element("span", opening, class_="opening"),
    )
    shown = [_message(message) for message in messages[:_MOST_MESSAGES]]
    left = len(messages) - len(shown)
    note = (
        element("p", f"{left:,} more messages are in the run's folder.", class_="left-out") if left else None
    )
    return element("details", head, element("ol", *shown), note, class_="conversation")


def _message(message: Mapping[str, Any]) -> Html:
    said = str(message["text"])
    left = len(said) - _MOST_LETTERS
    note = f"{left:,} more letters are in the run's folder." if left > 0 else ""
    small = [f"{message['tokens']:,} tokens" if message["tokens"] else "", str(message["finish"])]
    details = " · ".join([part for part in small if part] + _extra(str(message["extra"])))
    role = str(message["role"])
    known = role if role in {"system", "user", "assistant", "tool"} else "other"
    return element(
        "li",
        element(
            "div",
            element("span", role, class_="role"),
            element("span", details, class_="quiet"),
            class_="who",
        ),
        element("div", said[:_MOST_LETTERS] or "(empty)", class_="said" if said else "said quiet"),
        element("p", note, class_="left-out") if note else None,
        class_=f"message {known}",
    )


def _extra(raw: str) -> list[str]:
    """Return the extra fields as short text; what is not a JSON object is shown as it is."""
    try:
        fields = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        return [raw[:200]]
    if not isinstance(fields, dict):
        return [raw[:200]]
    return [
        f"{key}: {value if isinstance(value, str) else json.dumps(value)}"[:200]
        for key, value in fields.items()
    ]
