"""What an audit protocol is: it asks a subject, reads the records, and knows what it must recover.

A protocol joins the audit by registering itself: ``protocols.add(slug, AuditProtocol(...))`` in a module of
``doxa.audit.protocols`` or through the entry-point group ``doxa.protocols``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from doxa.audit.readouts import Kind, Readouts
from doxa.audit.span import Span
from doxa.elicit.micro import TextCheck
from doxa.lab.record import Recorder, Tables
from doxa.lab.registry import Registry
from doxa.subjects.base import Subject

Step = Callable[[float, float, str], None]
"""Progress: done, total, note."""


@dataclass(frozen=True)
class Reading:
    """One number of a card.

    Attributes:
        name: stable name, unique within the protocol.
        label: a few words for people.
        span: number and interval; None if it could not be measured, then ``note`` says why.
        unit: its unit, or "".
        readout: ``stated``, ``behavioural`` or ``internal``.
        reference: where it would be if nothing were wrong, or None.
        start: where it began, for a movement, or None.
        floor: half-width of the noise floor, or None.
        note: small print.
        shown: whether the card in text shows it; the report and the JSON always do.
    """

    name: str
    label: str
    span: Span | None
    unit: str = ""
    readout: Kind = "stated"
    reference: float | None = None
    start: float | None = None
    floor: float | None = None
    note: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Assessment:
    """What a protocol read from a subject's records.

    Attributes:
        effect: the size of the protocol's own defect, in the unit of its planted sizes; the verdict is read from it.
        readings: the numbers of the card.
        text: how the questions in plain text went.
        note: anything a reader must know.
        blocked: why the effect cannot be judged although it has a number, or "".
        readouts: what was said, done and held over turns, None for a protocol that asks once.
    """

    effect: Reading
    readings: tuple[Reading, ...]
    text: TextCheck
    note: str = ""
    blocked: str = ""
    readouts: Readouts | None = None


@runtime_checkable
class Ask(Protocol):
    """Asks a subject and records what it answered; a function of subject, rng and size alone."""

    def __call__(
        self, subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
    ) -> None:
        """Ask and record."""
        ...


@dataclass(frozen=True)
class AuditProtocol:
    """One protocol of the audit.

    Attributes:
        slug: stable name.
        title: what the card calls it.
        defect: name of the one defect it can find.
        phrase: how the card says so.
        effect: what the effect's number is, with unit.
        micro: asks a subject that speaks micro-English.
        published: asks any other subject; None if there is no such form yet.
        assess: reads the records of one subject.
        planted: addresses of planted subjects and the effect that is planted in each, at least five sizes.
        smallest: the planted address whose recovered effect is the smallest that counts as the defect.
        needs: returns why the published form cannot be taken here ("" if it can), naming the command that helps.
    """

    slug: str
    title: str
    defect: str
    phrase: str
    effect: str
    micro: Ask
    published: Ask | None
    assess: Callable[[Tables, np.random.Generator], Assessment]
    planted: Mapping[str, float]
    smallest: str
    needs: Callable[[], str] = field(default=lambda: "")

    @property
    def module(self) -> str:
        """Name of the module it was written in, so that no other package can take its slug."""
        return str(getattr(self.micro, "__module__", ""))


protocols: Registry[AuditProtocol] = Registry("protocols", "doxa.audit.protocols")


def extras(frame: pl.DataFrame, **fields: Any) -> pl.DataFrame:
    """Return a table of the record with fields of its ``extra`` as columns."""
    return frame.with_columns(
        pl.col("extra").str.json_decode(pl.Struct(fields)).struct.unnest(),
    )


def record_text_check(recorder: Recorder, subject: Subject, check: TextCheck) -> None:
    """Record how the questions in plain text went."""
    for name, count in zip(TextCheck._fields, check, strict=True):
        recorder.measure(f"text_{name}", float(count), subject=subject.address, unit="answers")


def text_counts(tables: Tables) -> TextCheck:
    """Return how the questions in plain text went, summed over seeds."""
    sums = (
        tables.measures.filter(pl.col("measure") == f"text_{name}")["value"].sum()
        for name in TextCheck._fields
    )
    return TextCheck(*(int(value) for value in sums))


def blocked(check: TextCheck, *, most: float = 0.2) -> str:
    """Return why answers cannot be judged: too many of the plain ones refused or unreadable; "" if they can."""
    for what, count in (("refused", check.refused), ("missing", check.missing)):
        if check.asked and count > most * check.asked:
            return f"{count} of {check.asked} answers {what}"
    return ""
