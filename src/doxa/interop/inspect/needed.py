"""The extra that this package needs, asked for in one place."""

from __future__ import annotations

import importlib.util

from doxa.errors import MissingExtraError


def need_inspect(feature: str) -> None:
    """Raise MissingExtraError, naming the feature, where Inspect AI is not installed."""
    if importlib.util.find_spec("inspect_ai") is None:
        raise MissingExtraError(feature, "inspect")
