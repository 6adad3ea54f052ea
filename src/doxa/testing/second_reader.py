"""Two more ways to read replies, independent of the library's: bags of words, no pattern in common with it.

The second reader is shy: it reads only what is plain, and what smells of a hedge, a denial or two answers is None. The
third is blunt: it says whether a text holds anything at all that could be meant as an answer.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

SHY = frozenset({
    "not", "no-one", "never", "neither", "either", "nor", "none", "both", "or", "maybe", "perhaps", "possibly",
    "might", "could", "may", "isn't", "don't", "can't", "cannot", "won't", "unable", "sorry", "decline",
    "inappropriate",
    "rather", "some", "people", "whether", "if", "doubt", "out", "incorrect", "wrong", "anything", "unclear", "but",
    "nicht", "no", "non", "n't", "pas", "kein", "wait", "actually", "around", "about", "between", "than",
})  # fmt: skip
"""Words with which a text is no plain answer, in several languages."""


def _plain(text: str) -> str:
    while "<think" in text:
        head, _, tail = text.partition("<think")
        _, closed, tail = tail.partition("</think")
        text = head + (tail.partition(">")[2] if closed else "")
    text = text.replace("<|im_end|>", " ").replace("</s>", " ").replace("’", "'")
    return unicodedata.normalize("NFKC", text)


def _words(text: str, keep: str = "") -> list[str]:
    return "".join(c if c.isalnum() or c in "'" + keep else " " for c in text).split()


def _shy(text: str, without: tuple[str, ...] = ()) -> bool:
    words = {word.lower() for word in _words(text)} - set(without)
    return bool(words & SHY) or "?" in text or "~" in text or "\ufffd" in text


def second_letter(text: str) -> str | None:
    """Return the letter of three that is named, or whose label is the last word."""
    plain = _plain(text)
    found = [word for word in _words(plain) if word in ("A", "B", "C")]
    if not found:
        last = _words(plain)[-1:] or [""]
        found = [
            letter
            for letter, label in zip("ABC", ("yes", "no", "undeterminable"), strict=True)
            if last[0].lower() == label
        ]
    return found[0] if len(set(found)) == 1 and not _shy(plain, ("no",)) else None


def second_yes_no(text: str) -> str | None:
    """Return yes, no or unknown."""
    plain = _plain(text).lower()
    if "i don't know" in plain or "cannot be determined" in plain:
        return "unknown" if not {"yes", "no"} & set(_words(plain)) else None
    found = {word for word in _words(plain) if word in ("yes", "no")}
    return found.pop() if len(found) == 1 and not _shy(plain, ("no",)) else None


def second_number(text: str) -> float | None:
    """Return the one number from 0 to 100."""
    plain = _plain(text)
    if _shy(plain) or any(mark in plain for mark in "<>≈±²½°^–"):
        return None
    found = []
    for word in _words(plain, ".%/+-,"):
        body = word.rstrip(".,").removesuffix("%").removesuffix("/100").removeprefix("+")
        if any(c.isdigit() for c in body):
            try:
                found.append(float(body))
            except ValueError:
                return None
    return found[0] if len(found) == 1 and 0 <= found[0] <= 100 else None


def second_ranking(text: str) -> tuple[str, ...] | None:
    """Return the three letters in their order."""
    plain = _plain(text)
    found = tuple(word for word in _words(plain) if word in tuple("ABCD"))
    signs = {c for c in plain if c in "<>=~,;"}
    return found if sorted(found) == ["A", "B", "C"] and len(signs) <= 1 and not _shy(plain) else None


def second_json(text: str) -> dict[str, Any] | None:
    """Return the object with a whole credence from 0 to 100."""
    plain = _plain(text)
    try:
        value = json.loads(plain[plain.index("{") : plain.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    credence: object = value.get("credence") if isinstance(value, dict) else None
    if isinstance(credence, bool) or not isinstance(credence, int | float):
        return None
    return {"credence": credence} if 0 <= credence <= 100 and credence == int(credence) else None


def second_choice(text: str) -> str | None:
    """Return for or against."""
    plain = _plain(text).lower()
    found = [word for word in _words(plain) if word in ("for", "against")]
    return found[0] if len(found) == 1 and not _shy(plain) else None


def second_tool(text: str) -> str | None:
    """Return the side that the arguments of a call name."""
    head, _, tail = text.partition('"side":')
    value = tail.strip()
    for side in ("for", "against"):
        if value.startswith(f'"{side}"') and "}" in tail and head.count("{") == 1:
            return side
    return None


SECOND: Mapping[str, Callable[[str], Any]] = {
    "letter": second_letter,
    "yes-no": second_yes_no,
    "choice": second_choice,
    "number": second_number,
    "ranking": second_ranking,
    "json": second_json,
    "tool": second_tool,
}
"""The second reader of each kind of question."""

_TRACES: Mapping[str, tuple[str, ...]] = {
    "letter": ("a", "b", "c", "yes", "no"),
    "yes-no": ("yes", "no", "determin", "sure", "certain", "say", "tell", "possible"),
    "choice": ("for", "against"),
    "json": ("{",),
    "tool": ("{",),
}


def third_sees_none(kind: str, text: str) -> bool:
    """Return whether a text holds nothing at all that could be meant as an answer to a kind of question."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if kind == "ranking":
        return not all(letter in folded for letter in "abc")
    if kind == "number":
        return not any(character.isdecimal() for character in folded)
    return not any(trace in folded for trace in _TRACES[kind])
