"""The extra that this package needs, asked for in one place."""

from __future__ import annotations

import importlib.util

from doxa.errors import MissingExtraError


def need_lm_eval(feature: str) -> None:
    """Raise MissingExtraError, naming the feature, where the harness is not installed."""
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtraError(feature, "lm-eval")
