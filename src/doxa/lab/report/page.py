"""What a report says, as data: the same page serves a study's run and a subject's audit.

Every string is shown as text. Nothing here is HTML, and nothing a model wrote can become HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure
from doxa.lab.record import Finding

Tone = Literal["good", "bad", "open", "plain"]


@dataclass(frozen=True)
class Fact:
    """A label and its value: one entry of the header, the provenance or a card's small print."""

    label: str
    value: str


@dataclass(frozen=True)
class ConfigRow:
    """One field of a configuration.

    Attributes:
        field: its name.
        value: the value this run used.
        default: the value a plain run uses; the row is marked where they differ.
        unit: its unit, or "".
        paper: the paper's own value; None if it gives none.
        meaning: what the field sets.

    """

    field: str
    value: Json
    default: Json = None
    unit: str = ""
    paper: Json = None
    meaning: str = ""


@dataclass(frozen=True)
class Count:
    """How often something happened that a reader must know of: missing answers, refusals, faults, retries.

    Attributes:
        label: what is counted.
        count: how many.
        of: out of how many; None if there is no whole.
        note: where they are or why.

    """

    label: str
    count: int
    of: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Badge:
    """A word that judges: ``sound``, ``DRIFTS``, ``unresolved``; the tone chooses colour and sign."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Number:
    """A labelled number with its interval, drawn as a small bar beside the text.

    Attributes:
        label: what it is, in a few words ("stated", "slope", "1st person").
        value: the number; None if it is missing, then ``note`` says why.
        interval: lower and upper end, or None.
        unit: its unit, or "".
        start: where it began, for a movement "start → value"; None if there is no movement.
        reference: where it would be if nothing were wrong (0 for a drift, 1 for a slope); drawn as a tick.
        floor: half-width of the noise floor around the reference; drawn as a pale band.
        span: ends of the bar's scale; None takes one that holds all numbers of the row.
        note: small print.

    """

    label: str
    value: float | None
    interval: tuple[float, float] | None = None
    unit: str = ""
    start: float | None = None
    reference: float | None = None
    floor: float | None = None
    span: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class CardRow:
    """One protocol of a belief card: its verdict, its main numbers, and small print such as noise or cost."""

    title: str
    badge: Badge
    numbers: Sequence[Number] = ()
    facts: Sequence[Fact] = ()
    note: str = ""


@dataclass(frozen=True)
class Card:
    """A belief card: one row per protocol."""

    title: str
    rows: Sequence[CardRow]
    intro: str = ""


@dataclass(frozen=True)
class Matrix:
    """Rows by columns of badges, such as organism by verdict.

    Attributes:
        title: heading of the block.
        columns: column heads.
        rows: row head and one badge per column; None leaves a cell empty.
        intro: a sentence above it.

    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Badge | None]]]
    intro: str = ""


@dataclass(frozen=True)
class Sheet:
    """A plain table; numbers are set to the right.

    Attributes:
        title: heading of the block.
        columns: column heads.
        rows: one value per column.
        intro: a sentence above it.
        links: where the first entry of each row leads ("#block-2"); none, or one for each row.

    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Json]]
    intro: str = ""
    links: Sequence[str] = ()


@dataclass(frozen=True)
class Verdicts:
    """The findings of one of several runs.

    Attributes:
        title: heading of the block.
        findings: what the run found.
        intro: a sentence above them.
        run: name of the run's folder beside this page; its report is linked. "" links none.

    """

    title: str
    findings: Sequence[Finding]
    intro: str = ""
    run: str = ""


@dataclass(frozen=True)
class Prose:
    """Paragraphs of plain text, parted by empty lines."""

    title: str
    text: str


Block: TypeAlias = Card | Matrix | Sheet | Prose | Verdicts


@dataclass(frozen=True)
class Page:
    """All that a report shows, in the order in which it shows it. Empty parts are left out.

    Attributes:
        title: the study's slug or the subject's address.
        subtitle: a few words above the title ("study · protocols", "belief card").
        claim: the claim under test, or one sentence about the subject.
        paper: where the claim comes from; "arXiv:NNNN.NNNNN" becomes a link.
        facts: the line under the claim: preset, seed, seeds, subject, cost.
        blocks: what comes first, such as an audit's card or the zoo's matrix.
        findings: the table of verdicts.
        figures: the figures, each with a table of its data.
        counts: missing answers, refusals, faults.
        transcripts: the record's transcripts table; conversations are folded.
        config: the configuration, field by field.
        appendix: further blocks at the end.
        provenance: versions, code digest, machine, seeds.
        command: the command that makes this page again.
        transcript_limit: most conversations shown; how many are left out is said.
        filtered: whether a reader can choose to see findings of one verdict only.

    """

    title: str
    subtitle: str = ""
    claim: str = ""
    paper: str = ""
    facts: Sequence[Fact] = ()
    blocks: Sequence[Block] = ()
    findings: Sequence[Finding] = ()
    figures: Sequence[Figure] = ()
    counts: Sequence[Count] = ()
    transcripts: pl.DataFrame | None = None
    config: Sequence[ConfigRow] = ()
    appendix: Sequence[Block] = ()
    provenance: Sequence[Fact] = ()
    command: str = ""
    transcript_limit: int = 40
    filtered: bool = False
