"""The belief card: what an audit says of a subject, as text, as JSON with a schema, and as a block of the report.

The JSON's schema is ``docs/design/belief-card.schema.json``; its version is ``SCHEMA``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from doxa.audit.protocol import Reading
from doxa.audit.readouts import NAMES, Kind, Readouts, parted_text, partings_text
from doxa.audit.study import Judged
from doxa.lab.asking import spending_text
from doxa.lab.record import Tables
from doxa.lab.report import Badge, Card, CardRow, Fact, Number
from doxa.lab.report.page import Tone
from doxa.subjects.counting import Spending

SCHEMA = 2
"""Version of the card's JSON; it changes when a field is added, renamed, removed or changes its meaning."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(_Strict):
    """One number of a protocol."""

    name: str = Field(description="stable name, unique within the protocol")
    label: str = Field(description="a few words for people")
    value: float | None = Field(
        description="the number; null if it could not be measured, then note says why"
    )
    interval: tuple[float, float] | None = Field(description="lower and upper end of the 95 % interval")
    start: float | None = Field(description="where it began, for a movement, else null")
    unit: str = Field(description="its unit, or empty for a pure number")
    readout: Kind = Field(description="said, shown by an action, or read inside")
    reference: float | None = Field(description="where it would be if nothing were wrong")
    noise_floor: float | None = Field(description="half-width within which it strays without any effect")
    note: str = Field(description="small print")
    shown: bool = Field(description="whether the card in text shows it")


class OverTurns(_Strict):
    """One readout over the turns of a protocol."""

    readout: Kind
    turns: list[float] = Field(description="where it was taken, rising")
    values: list[float] = Field(description="mean credence there, in [0, 1]")
    low: list[float] = Field(description="lower ends of the 95 % intervals")
    high: list[float] = Field(description="upper ends")


class Parted(_Strict):
    """Two readouts, and where they part."""

    first: Kind
    second: Kind
    turn: float | None = Field(description="first turn at which they are apart; null if they never are")


class ThreeReadouts(_Strict):
    """What was said, done and held, on one axis."""

    axis: str = Field(description="what a turn is")
    value: str = Field(description="what the credence is")
    curves: list[OverTurns]
    parted: list[Parted]
    absent: dict[str, str] = Field(description="why a readout is not there, by readout")


class Instrument(_Strict):
    """How well the protocol recovers what is planted."""

    slope: float = Field(description="of recovered against planted effect; 1 is exact")
    bias: float = Field(description="mean of recovered minus planted, in the effect's unit")
    coverage: float = Field(description="share of 95 % intervals that hold the planted effect", ge=0, le=1)
    intercept: float = Field(description="of the same line as slope, in the effect's unit")
    sizes: int = Field(description="how many different effects were planted", ge=2)
    n: int = Field(description="how many planted subjects were asked", ge=2)
    threshold: float = Field(
        description="recovered size of the smallest planted effect that counts as the defect"
    )


class Spent(_Strict):
    """What a protocol asked of the subject."""

    scored: int = Field(description="questions answered by log-probabilities", ge=0)
    replies: int = Field(description="questions answered in text", ge=0)
    tokens: int = Field(
        description="tokens of the replies and their prompts; 0 if the subject does not say", ge=0
    )


class Asking(_Strict):
    """What asking a hosted subject took since the audit began."""

    hits: int = Field(description="answers that came from the reply cache", ge=0)
    asked: int = Field(description="questions put to the server", ge=0)
    unanswered: int = Field(description="of them, without an answer in the end", ge=0)
    requests: int = Field(description="requests sent, those sent again included", ge=0)
    retries: int = Field(description="requests sent again after a fault", ge=0)
    tokens_in: int = Field(description="prompt tokens, as the server counts them", ge=0)
    tokens_out: int = Field(description="reply tokens, as the server counts them", ge=0)
    faults: dict[str, int] = Field(
        description="how often each kind of fault was met, those survived included"
    )


class ProtocolCard(_Strict):
    """One protocol's verdict."""

    protocol: str = Field(description="slug of the protocol")
    title: str = Field(description="what it is called")
    verdict: Literal["sound", "defect", "unresolved"]
    defect: str | None = Field(description="name of the defect if the verdict is defect, else null")
    phrase: str = Field(description="the verdict in a few words")
    reason: str = Field(description="why the verdict is unresolved, or empty")
    effect: Measure | None = Field(description="the number the verdict is read from")
    measures: list[Measure] = Field(description="the numbers of the card")
    readouts: ThreeReadouts | None = Field(
        description="what was said, done and held over turns; null for a protocol that asks once"
    )
    asked: int = Field(description="questions put in plain text", ge=0)
    refused: int = Field(description="of them, refused", ge=0)
    missing: int = Field(description="of them, unreadable", ge=0)
    agree: int = Field(description="of them, where the text says what the log-probabilities say", ge=0)
    cost: Spent
    instrument: Instrument


class BeliefCard(_Strict):
    """What an audit says of one subject."""

    schema_version: Literal[2] = Field(default=SCHEMA, description="version of this layout")
    subject: str = Field(description="address of the subject")
    identity: str = Field(description="digest of what makes its answers")
    seed: int = Field(description="seed of the first evaluation")
    seeds: int = Field(description="evaluations with fresh contexts", ge=1)
    protocols: list[ProtocolCard]
    unread: dict[str, int] = Field(
        description="beliefs that could not be read, by kind of reason, over all protocols"
    )
    asking: Asking | None = Field(description="what asking took; null for a subject on this machine")
    twin: BeliefCard | None = Field(
        default=None, description="the card of the sound twin, where there is one"
    )
    report: str = Field(description="path of the report")

    @property
    def named(self) -> list[str]:
        """The defects found, each once, in the order of the protocols."""
        return list(dict.fromkeys(item.defect for item in self.protocols if item.defect is not None))

    def __str__(self) -> str:
        """Return the card as people read it."""
        return card_text(self, f"seed {self.seed}")


def protocol_card(item: Judged) -> ProtocolCard:
    """Return one protocol's part of a card."""
    check, read = item.instrument, item.assessment
    return ProtocolCard(
        protocol=item.protocol.slug,
        title=item.protocol.title,
        verdict=item.verdict,
        defect=item.protocol.defect if item.verdict == "defect" else None,
        phrase=item.protocol.phrase if item.verdict == "defect" else item.verdict,
        reason=item.reason,
        effect=None if read is None else _measure(read.effect),
        measures=[] if read is None else [_measure(reading) for reading in read.readings],
        readouts=None if read is None or read.readouts is None else _over_turns(read.readouts),
        asked=0 if read is None else read.text.asked,
        refused=0 if read is None else read.text.refused,
        missing=0 if read is None else read.text.missing,
        agree=0 if read is None else read.text.agree,
        cost=Spent(**item.cost._asdict()),
        instrument=Instrument(
            slope=check.slope,
            bias=check.bias,
            coverage=check.coverage,
            intercept=check.intercept,
            sizes=check.sizes,
            n=check.n,
            threshold=check.threshold,
        ),
    )


def unread(tables: Tables, address: str) -> dict[str, int]:
    """Return how many of a subject's beliefs could not be read, by kind of reason."""
    missing = tables.beliefs.filter(pl.col("subject") == address, pl.col("credence").is_null())
    reasons = missing["extra"].str.json_path_match("$.missing").fill_null("no reason given")
    kinds = Counter(str(reason).partition(":")[0] for reason in reasons)
    return dict(sorted(kinds.items()))


def card_block(address: str, items: Sequence[Judged]) -> Card:
    """Return a subject's card as a block of the report."""
    rows: list[CardRow] = []
    for item in items:
        tones: dict[str, tuple[str, Tone]] = {
            "sound": ("sound", "good"),
            "defect": (item.protocol.phrase, "bad"),
            "unresolved": ("unresolved", "open"),
        }
        facts: list[Fact] = []
        numbers: list[Number] = []
        if item.assessment is not None:
            effect, text = item.assessment.effect, item.assessment.text
            numbers = [_number(reading) for reading in item.assessment.readings]
            if item.assessment.readouts is not None:
                facts.append(Fact("said, done, held", partings_text(item.assessment.readouts)))
            if effect.span is not None and effect not in item.assessment.readings:
                facts.append(Fact("effect", f"{_interval(effect)} {effect.unit}"))
            facts.append(Fact("threshold", f"{item.instrument.threshold:.3g} {effect.unit}".rstrip()))
            facts.append(Fact("refused", f"{text.refused} of {text.asked}"))
            facts.append(Fact("missing", f"{text.missing} of {text.asked}"))
            facts.append(Fact("text agrees", f"{text.agree} of {text.asked}"))
        facts.append(
            Fact(
                "cost",
                f"{item.cost.scored:,} scored, {item.cost.replies:,} replies, {item.cost.tokens:,} tokens",
            )
        )
        facts.append(Fact("instrument", instrument_text(item)))
        rows.append(CardRow(item.protocol.title, Badge(*tones[item.verdict]), numbers, facts, item.reason))
    return Card(f"belief card · {address}", rows)


def card_text(card: BeliefCard, head: str) -> str:
    """Return the card as people read it on a terminal."""
    width = max(len(item.title) for item in card.protocols)
    said = max(len(item.phrase) for item in card.protocols)
    lines = [f"belief card · {card.subject} · {head}"]
    for item in card.protocols:
        lines.append(f"  {item.title:<{width}}  {item.phrase:<{said}}  {_body(item)}".rstrip())
        if item.reason:
            lines.append(f"  {'':<{width}}  {'':<{said}}  ({item.reason})")
        if item.readouts is not None and item.readouts.curves:
            lines += [f"  {'':<{width}}  {line}" for line in _turns_text(item.readouts)]
    lines.append("  instrument check: what was planted in scripted subjects, and what was recovered")
    for item in card.protocols:
        check = item.instrument
        line = f"recovered = {check.intercept:.2f} + {check.slope:.2f} · planted"
        lines.append(
            f"  {item.title:<{width}}  {line}, bias {check.bias:+.2f}, coverage {check.coverage:.0%} of {check.n}"
        )
    if card.asking is not None:
        lines.append(f"  {'asking':<{width}}  {spending_text(Spending(**card.asking.model_dump()))}")
    if card.unread:
        kinds = ", ".join(f"{kind} × {count:,}" for kind, count in card.unread.items())
        lines.append(f"  {'not read':<{width}}  {kinds}")
    if card.twin is not None:
        named = ", ".join(card.twin.named) or "no defect named"
        open_ones = [item.title for item in card.twin.protocols if item.verdict == "unresolved"]
        note = f" (unresolved: {', '.join(open_ones)})" if open_ones else ""
        lines.append(f"  {'twin ' + card.twin.subject:<{width}}  {named}{note}")
    lines.append(f"  {'report':<{width}}  {card.report}")
    return "\n".join(lines)


def instrument_text(item: Judged) -> str:
    """Return the check of a protocol's instrument in a few words."""
    check = item.instrument
    return (
        f"recovered = {check.intercept:.2f} + {check.slope:.2f} · planted, bias {check.bias:+.2g}, "
        f"coverage {check.coverage:.0%} over {check.sizes} sizes, n = {check.n}"
    )


def _body(item: ProtocolCard) -> str:
    parts: list[str] = []
    for measure in item.measures:
        if not measure.shown:
            continue
        if measure.value is None:
            parts.append(f"{measure.label} n/a")
            continue
        text = (
            f"{measure.value:.2f}" if measure.start is None else f"{measure.start:.2f} → {measure.value:.2f}"
        )
        if measure.interval is not None and measure.interval[0] != measure.interval[1]:
            text += f" [{measure.interval[0]:.2f}, {measure.interval[1]:.2f}]"
        parts.append(f"{measure.label} {text}")
    floors = [measure.noise_floor for measure in item.measures if measure.noise_floor is not None]
    return "  ".join([*parts, f"noise floor ±{max(floors):.2f}"] if floors else parts)


def _measure(reading: Reading) -> Measure:
    span = reading.span
    return Measure(
        name=reading.name,
        label=reading.label,
        value=None if span is None else span.value,
        interval=None if span is None else span.interval,
        start=reading.start,
        unit=reading.unit,
        readout=reading.readout,
        reference=reading.reference,
        noise_floor=reading.floor,
        note=reading.note,
        shown=reading.shown,
    )


def _over_turns(read: Readouts) -> ThreeReadouts:
    return ThreeReadouts(
        axis=read.axis,
        value=read.value,
        curves=[
            OverTurns(
                readout=curve.readout,
                turns=list(curve.turns),
                values=[span.value for span in curve.spans],
                low=[span.low for span in curve.spans],
                high=[span.high for span in curve.spans],
            )
            for curve in read.curves
        ],
        parted=[Parted(**parting._asdict()) for parting in read.partings],
        absent={str(readout): reason for readout, reason in read.absent.items()},
    )


def _turns_text(read: ThreeReadouts) -> list[str]:
    """Return the readouts as a small table, and where they part."""
    turns = sorted({turn for curve in read.curves for turn in curve.turns})
    lines = [f"{read.axis:<20}" + "".join(f"{turn:>6g}" for turn in turns)]
    for curve in read.curves:
        known = dict(zip(curve.turns, curve.values, strict=True))
        cells = "".join(f"{known[turn]:>6.2f}" if turn in known else " " * 6 for turn in turns)
        lines.append(f"{NAMES[curve.readout]:<20}{cells}")
    return [*lines, parted_text([(one.first, one.second, one.turn) for one in read.parted], read.absent)]


def _number(reading: Reading) -> Number:
    span = reading.span
    return Number(
        label=reading.label,
        value=None if span is None else span.value,
        interval=None if span is None or span.low == span.high else span.interval,
        unit=reading.unit,
        start=reading.start,
        reference=reading.reference,
        floor=reading.floor,
        note=reading.note,
    )


def _interval(reading: Reading) -> str:
    span = reading.span
    return "n/a" if span is None else f"{span.value:.2f} [{span.low:.2f}, {span.high:.2f}]"


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(BeliefCard.model_json_schema(), indent=1) + "\n")
