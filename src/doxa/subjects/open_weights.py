"""Subjects that can be looked into: the model behind whatever counts or limits what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from doxa.subjects.base import Capability, Subject

if TYPE_CHECKING:
    from doxa.subjects.transformers import TransformersSubject


def open_weights(subject: Subject) -> TransformersSubject | None:
    """Return the open model that answers for a subject, None if it has no weights to look into."""
    if Capability.WEIGHTS not in subject.capabilities:
        return None
    found: Any = subject
    while not hasattr(type(found), "rows"):
        if not hasattr(found, "subject"):
            return None
        found = found.subject
    return found


def no_weights(subject: Subject) -> str:
    """Return why a subject cannot be looked into."""
    found: Any = subject
    while hasattr(found, "subject"):
        found = found.subject
        if Capability.WEIGHTS in found.capabilities:
            return (
                f"{subject.address} is told more than its conversations say; look into {found.address} itself"
            )
    return f"{subject.address} has no open weights; organism: and hf: subjects have"
