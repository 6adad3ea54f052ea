"""Secrets: a type that never shows its value, and a scrubber that every sink runs its text through."""

from __future__ import annotations

import os
from typing import NoReturn
from urllib.parse import quote

from doxa.errors import InputError

_known: set[str] = set()
_SHORTEST = 6
"""A shorter value would blank out ordinary words; it is refused as a secret."""


class Secret:
    """A value that is shown as ``***`` and read only where it is sent.

    >>> f"{Secret('sk-0123456789')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if len(value) < _SHORTEST:
            raise InputError(f"a secret of {len(value)} characters: must have at least {_SHORTEST}")
        self._value = value
        _known.update({value, quote(value, safe="")})

    @classmethod
    def from_environment(cls, *names: str) -> Secret | None:
        """Return the first of these environment variables that is set, or None."""
        for name in names:
            if os.environ.get(name):
                return cls(os.environ[name])
        return None

    def reveal(self) -> str:
        """Return the value; called only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise InputError(
            "a secret cannot be copied into a file or another process; read it from the environment there"
        )


def scrub(text: str) -> str:
    """Return the text with every known secret replaced by ``***``."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
