"""What a reader must know of a message beside its text: asked off the path, private, heard otherwise, cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from doxa.canonical import Json
from doxa.lab.view.talks import LETTERS, fields_of

_PRIVATE = ("note", "notes", "thought", "thoughts", "private", "scratchpad", "reasoning")
_SHORT = 300


def marked(row: Mapping[str, Any], roles: Sequence[str]) -> dict[str, Json]:
    """Return a message as a page shows it: its row with marks instead of its raw extra fields.

    Args:
        row: of ``talks.messages``.
        roles: all roles of the conversation.
    """
    fields = fields_of(row["extra"])
    alone, hearers = _hearing(fields, row["role"], roles)
    off = "kept" in fields and fields["kept"] is None and not fields.get("fault")
    private = (
        alone or fields.get("private") is True or bool({row["role"], _text(fields.get("kind"))} & {*_PRIVATE})
    )
    marks = [
        "asked off the path" if off else "",
        "private: nobody else heard it" if alone else "private" if private else "",
        hearers,
        f"no answer: {_text(fields['fault'])}" if fields.get("fault") else "",
        f"missing: {_text(fields['missing'])}" if fields.get("missing") else "",
        f"ended by {row['finish']}" if row["finish"] not in ("", "stop") else "",
        f"{len(fields['rejected'])} replies before it could not be read"
        if _some(fields.get("rejected"))
        else "",
    ]
    heard = fields.get("heard")
    other = heard if isinstance(heard, str) and heard and heard[:LETTERS] != row["text"] else ""
    shown = {
        name: row[name]
        for name in ("place", "turn", "role", "subject", "text", "letters", "tokens", "finish")
    }
    return {
        **shown,
        "off": off,
        "private": private,
        "marks": [mark for mark in marks if mark],
        "heard": _text(other, LETTERS),
        "kind": _text(fields.get("kind", "")),
        "extra": _text(row["extra"], LETTERS) if row["extra"] not in ("", "{}") else "",
    }


def _hearing(fields: Mapping[str, Any], role: str, roles: Sequence[str]) -> tuple[bool, str]:
    """Return whether nobody else heard a reply, and in words who did if not all others."""
    audience = fields.get("audience")
    others = {other for other in roles if other != role}
    if not isinstance(audience, list) or not others:
        return False, ""
    heard = [_text(one) for one in cast(list[Any], audience)]
    if not heard:
        return bool(fields.get("attempts")), ""
    return False, "" if others <= set(heard) else f"heard by {', '.join(heard)[:_SHORT]}"


def _some(value: object) -> bool:
    return isinstance(value, list) and bool(cast(list[Any], value))


def _text(value: object, most: int = _SHORT) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= most else f"{text[:most]}…"
