"""What is changed in a model for a while, such as a vector that is added to a layer: part of who answers.

Answers are kept under the identity of their subject. Whoever changes what a model computes without changing its
weights says so here, so that a steered model's answers are never taken for the plain one's.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

_ALTERED: WeakKeyDictionary[Any, list[str]] = WeakKeyDictionary()


@contextmanager
def altered(model: Any, what: str) -> Generator[None]:
    """Say for the duration of a block that a model is changed; ``what`` tells one change from any other."""
    said = _ALTERED.setdefault(model, [])
    said.append(what)
    try:
        yield
    finally:
        said.remove(what)
        if not said:
            _ALTERED.pop(model, None)


def alterations(model: Any) -> tuple[str, ...]:
    """Return what is changed in a model now, in the order it was changed; empty where nothing is."""
    return tuple(_ALTERED.get(model, ()))
