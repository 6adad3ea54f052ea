"""How a suite says what is wrong."""

from __future__ import annotations


def expect(holds: object, message: str) -> None:
    """Raise AssertionError with the message unless ``holds``; unlike ``assert`` it also works under ``python -O``."""
    if not holds:
        raise AssertionError(message)


def is_a(value: object, kind: type) -> bool:
    """Return whether a value is what its annotation promised."""
    return isinstance(value, kind)
