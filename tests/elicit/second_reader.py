# ruff: noqa: RUF001 - look-alike characters are what is tested
"""A second, independent way to read replies: bags of words, no patterns in common with the library.

It is slow and shy: it reads only what is plain, and anything that smells of a hedge, a denial or two answers is None.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

SHY = frozenset(
    [
        "not",
        "no-one",
        "never",
        "neither",
        "either",
        "nor",
        "none",
        "both",
        "or",
        "maybe",
        "perhaps",
        "possibly",
        "might",
        "could",
        "may",
        "isn't",
        "don't",
        "can't",
        "cannot",
        "won't",
        "unable",
        "sorry",
        "decline",
        "inappropriate",
        "rather",
        "some",
        "people",
        "whether",
        "if",
        "doubt",
        "out",
        "incorrect",
        "wrong",
        "anything",
        "unclear",
        "but",
        "nicht",
        "no",
        "non",
        "n't",
        "pas",
        "kein",
        "wait",
        "actually",
        "around",
        "about",
        "between",
        "than",
    ]
)


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
    plain = _plain(text).lower()
    if "i don't know" in plain or "cannot be determined" in plain:
        return "unknown" if not {"yes", "no"} & set(_words(plain)) else None
    found = {word for word in _words(plain) if word in ("yes", "no")}
    return found.pop() if len(found) == 1 and not _shy(plain, ("no",)) else None


def second_number(text: str) -> float | None:
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
    plain = _plain(text)
    found = tuple(word for word in _words(plain) if word in tuple("ABCD"))
    signs = {c for c in plain if c in "<>=~,;"}
    return found if sorted(found) == ["A", "B", "C"] and len(signs) <= 1 and not _shy(plain) else None


def second_json(text: str) -> dict[str, Any] | None:
    plain = _plain(text)
    try:
        value = json.loads(plain[plain.index("{") : plain.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    credence = value.get("credence") if isinstance(value, dict) else None
    ok = isinstance(credence, int | float) and not isinstance(credence, bool) and 0 <= credence <= 100
    return {"credence": credence} if ok and credence == int(credence) else None
