"""The extra that this package needs, asked for in one place."""

from __future__ import annotations

import importlib.util

from doxa.errors import MissingExtraError


def need_trl(feature: str) -> None:
    """Raise MissingExtraError, naming the feature, where TRL is not installed."""
    if importlib.util.find_spec("trl") is None:
        raise MissingExtraError(feature, "trl")
