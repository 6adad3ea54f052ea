"""What every way of growing a context gives: messages per item, the side they argue for, and what was skipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from doxa.errors import InputError
from doxa.protocols.context_drift.items import BeliefItem
from doxa.subjects.base import Conversation, Message, Subject


class Accumulated(NamedTuple):
    """What an accumulator made of a battery.

    Attributes:
        contexts: the measured subject's messages by item id.
        sides: the side (+1 support, -1 oppose) that each context argues for; items without one are left out.
        skipped: why an item has no context, by item id.
        partners: the other subject's messages by item id, where there is one.
    """

    contexts: dict[str, Conversation]
    sides: dict[str, int]
    skipped: dict[str, str]
    partners: dict[str, Conversation]


@runtime_checkable
class Accumulator(Protocol):
    """Grows a context: ``accumulate`` for one item, ``accumulate_all`` for a battery in batches."""

    def accumulate(self, model: Subject, item: BeliefItem) -> list[Message]:
        """Return the messages that stand in front of the item's probes; InputError if there are none."""
        ...

    def require_room(self, model: Subject) -> None:
        """Raise InputError, with the length that fits, if the context could outgrow the subject's."""
        ...

    def accumulate_all(self, model: Subject, items: Sequence[BeliefItem]) -> Accumulated:
        """Return the messages of every item."""
        ...


def only(done: Accumulated, item: BeliefItem) -> list[Message]:
    """Return the messages of the one item; raise InputError with the reason if it was skipped."""
    if item.id not in done.contexts:
        raise InputError(f"item '{item.id}' has no context: {done.skipped.get(item.id, 'unknown reason')}")
    return list(done.contexts[item.id])
