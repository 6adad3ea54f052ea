"""The one family of errors: each names the value, the rule it broke and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DoxaError(Exception):
    """Base of every error doxa raises on purpose."""


class InputError(DoxaError, ValueError):
    """The input was wrong; nothing was started or written (exit status 2)."""


class MissingDataError(InputError):
    """A data set is not on this machine, or not whole; ``command`` gets it."""

    def __init__(self, message: str, command: str = "") -> None:
        super().__init__(message)
        self.command = command


class CapabilityError(DoxaError):
    """A subject was asked for something it cannot do."""


class UnstableSystemError(InputError):
    """A linear system does not forget its past: an eigenvalue is not inside the unit circle."""


class ContextError(InputError):
    """What is to be read or asked does not fit into the subject's context."""


class StoreError(DoxaError):
    """A file of the store is missing, damaged or cannot be written."""


class SubjectError(DoxaError):
    """A subject failed for good: its weights cannot be loaded or its endpoint cannot be reached."""


class NoSubjectError(InputError, SubjectError):
    """An address names nothing that could answer: no folder, no model in it, or a damaged one (exit status 2)."""


class BudgetError(DoxaError):
    """The calls or tokens that may be spent are spent; what was answered is kept (exit status 1)."""


class MissingExtraError(DoxaError, ImportError):
    """An optional dependency is needed and not installed (exit status 2: nothing was started without it)."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}': python -m pip install 'doxa[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest known words, or lists them all.

    >>> did_you_mean("kabel", ["kable", "context-drift"])
    "did you mean 'kable'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    return "known: " + (", ".join(names) if names else "none")
