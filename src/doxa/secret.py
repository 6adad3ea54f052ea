"""Secrets: a type that never shows its value, and a scrubber by value for everything that is written."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, SupportsIndex, cast
from urllib.parse import quote

from doxa.canonical import Json
from doxa.errors import InputError

MASK = "***"
"""What stands where a secret stood."""

SHORTEST = 8
"""Values shorter than this are placeholders such as ``EMPTY`` and are not scrubbed, or they would blot out words."""

_spellings: set[str] = set()
_pattern: re.Pattern[str] | None = None
_watched = False
_NAMED_SECRET = re.compile(
    r"(?:^|_)(?:API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|SECRET_ACCESS_KEY)$", re.IGNORECASE
)
"""Environment variables whose values are secrets, whether or not anything of doxa reads them."""


class Secret:
    """A value that is shown to nobody but the one it is sent to.

    ``str``, ``repr`` and formatting give ``***``; it has no JSON form and cannot be pickled. Its value is known to
    ``scrub`` from the moment it is made.

    >>> key = Secret("sk-0123456789")
    >>> f"{key} {key!r:>5}", scrub("Bearer sk-0123456789 refused")
    ('***   ***', 'Bearer *** refused')
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        """Keep a value.

        Raises:
            InputError: it is empty or holds a line break or other control character, which no header can carry.
        """
        if not value or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise InputError(
                "a secret must not be empty or hold control characters; check for a stray line break"
            )
        self.__value = value
        _remember(value)

    def reveal(self) -> str:
        """Return the value. Call this where it is sent, and keep the result in no variable."""
        return self.__value

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; read it from the environment where it is needed")


def from_environment(*names: str) -> Secret | None:
    """Return the first of these environment variables that is set and not empty, as a secret."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return Secret(value)
    return None


def scrub(text: str) -> str:
    """Return the text with every known secret replaced by ``***``, also where it is quoted or encoded."""
    pattern = _known()
    if pattern is None or not any(
        word in text for word in _spellings
    ):  # an eighth of the pattern's own search
        return text
    return pattern.sub(MASK, text)


def scrub_json(value: Json) -> Json:
    """Return plain JSON with every known secret replaced, in keys and in texts."""
    if _known() is None:
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(key): scrub_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [scrub_json(inner) for inner in cast(Sequence[Json], value)]
    return value


def spellings() -> list[str]:
    """Return the ways in which known secrets are written, longest first, for scrubbing whole columns at once."""
    _known()
    return sorted(_spellings, key=len, reverse=True)


class ScrubbedOutput:
    """A text stream that writes to another one with every known secret replaced; the rest is the other's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self._stream.write(scrub(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write many texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_output() -> None:
    """Let nothing that this process prints show a known secret; done by the command line and by its workers."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ScrubbedOutput):
            setattr(sys, name, ScrubbedOutput(stream))


def _known() -> re.Pattern[str] | None:
    """Return the pattern of all known secrets; the first time, those of the environment are added."""
    global _watched  # noqa: PLW0603  # one process has one environment
    if not _watched:
        _watched = True
        for name, value in os.environ.items():
            if _NAMED_SECRET.search(name):
                _remember(value.strip())
    return _pattern


def _remember(value: str) -> None:
    """Add a value and the ways it is commonly written to what is scrubbed, longest first."""
    global _pattern  # noqa: PLW0603  # one process has one set of secrets
    if len(value) < SHORTEST:
        return
    raw = value.encode()
    _spellings.update(
        (
            value,
            html.escape(value),
            quote(value),
            quote(value, safe=""),
            json.dumps(value)[1:-1],
            repr(value)[1:-1],
            base64.b64encode(raw).decode(),
            base64.urlsafe_b64encode(raw).decode(),
            base64.b64encode(b":" + raw).decode(),
        )
    )
    _pattern = re.compile("|".join(re.escape(word) for word in sorted(_spellings, key=len, reverse=True)))
