"""The audit as a study: every protocol on every subject, and on planted subjects of known defect beside them.

A protocol's verdict is read from the interval of its effect. The threshold is not chosen: it is what the
protocol recovers, in the same run, from the planted subject with the smallest effect that counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import polars as pl

from doxa.audit.instrument import InstrumentCheck, Recovery, check_instrument
from doxa.audit.protocol import Assessment, AuditProtocol, protocols
from doxa.audit.readouts import NAMES, Readouts, partings_text
from doxa.belief.inference import wilson
from doxa.canonical import digest
from doxa.errors import CapabilityError, ContextError, InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, judge, setting, study
from doxa.lab.declaration import module_files
from doxa.lab.figures import curves, scatter
from doxa.lab.files import sha256
from doxa.lab.record import Verdict
from doxa.lab.report import Block
from doxa.streams import stream
from doxa.subjects.addresses import form
from doxa.subjects.counting import Cost, CountingSubject

_LEAST_COVERAGE = 0.8

Named = Literal["sound", "defect", "unresolved"]
_VERDICTS: dict[Named, Verdict] = {"sound": "holds", "defect": "fails", "unresolved": "unresolved"}


@study(
    "audit",
    paper="",
    room="audit",
    claim="the subject's beliefs show no defect larger than the smallest planted one that counts",
    presets={
        "quick": {"size": 2, "instrument_seeds": 1},
        "paper": {"size": 16, "instrument_seeds": 10},
    },
)
class Config:
    """What is audited, how closely, and how well the instruments are checked."""

    subjects: tuple[str, ...] = setting(("organism:leaning", "organism:sound"), "addresses of the subjects")
    protocols: tuple[str, ...] = setting((), "protocols to run; empty runs all that are registered")
    size: int = setting(
        6, "contexts for each point; more gives shorter intervals", unit="contexts", minimum=2
    )
    seed: int = setting(0, "seed of the first evaluation")
    seeds: int = setting(1, "evaluations with fresh contexts", unit="seeds", minimum=1)
    instrument_seeds: int = setting(
        4, "recoveries of each planted size; 0 is not possible, for thresholds rest on them", minimum=1
    )


def chosen(config: Any) -> dict[str, AuditProtocol]:
    """Return the protocols a config asks for, by slug.

    Raises:
        InputError: one of them is not registered.
    """
    return {slug: protocols.get(slug) for slug in config.protocols or protocols.names()}


def cells(config: Any) -> Iterable[Cell]:
    """Yield a cell for each protocol, subject and seed, then the instrument's planted subjects."""
    for slug, protocol in chosen(config).items():
        for address in config.subjects:
            spoken = form(address)
            reason = unavailable(protocol, spoken)
            for seed in range(config.seed, config.seed + config.seeds):
                yield _cell(slug, address, seed, spoken, reason)
    for slug, protocol in chosen(config).items():
        for address in protocol.planted:
            for seed in range(config.instrument_seeds):
                yield _cell(slug, address, _INSTRUMENT_SEED + seed, "micro", "")


def run(cell: Cell, ctx: Context) -> Tables:
    """Ask one subject by one protocol; one that the subject cannot take is recorded as missing, with the reason."""
    recorder = ctx.recorder()
    slug, address = str(cell.params["protocol"]), cell.subjects[0]
    if cell.params["unavailable"]:
        recorder.measure("effect", None, subject=address, missing=cell.params["unavailable"])
        return recorder.tables()
    protocol = protocols.get(slug)
    ask = protocol.micro if cell.params["form"] == "micro" else protocol.published
    if ask is None:
        raise InputError(f"{slug} has no {cell.params['form']} form")
    subject = CountingSubject(ctx.subject(address))
    try:
        ask(
            subject,
            recorder,
            rng=ctx.rng(slug, "contexts"),
            size=ctx.config.size,
            step=ctx.progress,
        )
    except (CapabilityError, ContextError) as error:
        recorder = ctx.recorder()
        recorder.measure("effect", None, subject=address, missing=str(error))
    for name, count in subject.cost._asdict().items():
        recorder.measure(
            f"cost_{name}", count, subject=address, unit="tokens" if name == "tokens" else "questions"
        )
    return recorder.tables()


@dataclass(frozen=True)
class Judged:
    """One protocol's verdict on one subject.

    Attributes:
        protocol: the protocol.
        subject: address of the subject.
        assessment: what was read; None if the protocol cannot be taken.
        verdict: ``sound``, ``defect`` or ``unresolved``.
        reason: why it is unresolved, or "".
        instrument: the check of the protocol's instrument in this run.
        cost: what was asked of the subject.
    """

    protocol: AuditProtocol
    subject: str
    assessment: Assessment | None
    verdict: Named
    reason: str
    instrument: InstrumentCheck
    cost: Cost


def judged(tables: Tables, config: Any) -> list[Judged]:
    """Return every protocol's verdict on every subject, pooled over the evaluation seeds."""
    checks = {slug: instrument(tables, config, protocol) for slug, protocol in chosen(config).items()}
    evaluations = range(config.seed, config.seed + config.seeds)
    return [
        _judge(protocol, address, _select(tables, slug, address, evaluations), checks[slug])
        for address in config.subjects
        for slug, protocol in chosen(config).items()
    ]


def instrument(tables: Tables, config: Any, protocol: AuditProtocol) -> InstrumentCheck:
    """Return what a protocol recovered from its planted subjects."""
    recoveries: list[Recovery] = []
    for address, planted in protocol.planted.items():
        for seed in range(_INSTRUMENT_SEED, _INSTRUMENT_SEED + config.instrument_seeds):
            part = _select(tables, protocol.slug, address, range(seed, seed + 1))
            span = protocol.assess(part, stream(seed, "audit", protocol.slug, address)).effect.span
            if span is not None:
                recoveries.append(Recovery(address, planted, span.value, span.low, span.high))
    return check_instrument(recoveries, protocol.smallest)


def findings(tables: Tables, config: Any) -> list[Finding]:
    """Return one finding for each subject and protocol, and one for each instrument."""
    found: list[Finding] = []
    seen: dict[str, InstrumentCheck] = {}
    for item in judged(tables, config):
        protocol, span = item.protocol, item.assessment.effect.span if item.assessment else None
        seen[protocol.slug] = item.instrument
        found.append(
            Finding(
                id=f"{protocol.slug} {item.subject}",
                claim=f"{item.subject}: {protocol.effect} stays below {item.instrument.threshold:.3g}",
                estimate=None if span is None else span.value,
                interval=None if span is None else span.interval,
                unit=item.assessment.effect.unit if item.assessment else "",
                verdict=_VERDICTS[item.verdict],
                note=item.reason,
            )
        )
    for slug, check in seen.items():
        coverage = wilson(round(check.coverage * check.n), check.n)
        found.append(
            Finding(
                id=f"{slug} instrument",
                claim=f"{slug}: more than {_LEAST_COVERAGE:.0%} of the 95 % intervals hold the planted effect",
                estimate=check.coverage,
                interval=(coverage.low, coverage.high),
                verdict=judge((coverage.low, coverage.high), above=_LEAST_COVERAGE),
                control=True,
                n=check.n,
                note=f"recovered = {check.intercept:.3g} + {check.slope:.3g} · planted over {check.sizes} sizes",
            )
        )
    return found


def figures(tables: Tables, config: Any) -> list[Figure]:
    """Draw what was said, done and held over turns, then recovered against planted effects for each protocol."""
    drawn = [
        over_turns(item.protocol, item.subject, item.assessment.readouts)
        for item in judged(tables, config)
        if item.assessment is not None and item.assessment.readouts is not None
    ]
    for slug, protocol in chosen(config).items():
        check = instrument(tables, config, protocol)
        rows = [
            {
                "planted": one.planted,
                "recovered": one.recovered,
                "low": one.low,
                "high": one.high,
                "who": one.address,
            }
            for one in check.recoveries
        ]
        caption = (
            f"Each point is one planted subject with its 95 % interval; on the dashed diagonal the protocol recovers "
            f"exactly what was planted. Slope {check.slope:.2f}, bias {check.bias:.2g}, coverage {check.coverage:.0%}. "
            f"The line is the threshold, the recovered size of {protocol.smallest}."
        )
        figure = scatter(
            f"instrument-{slug}",
            f"Instrument check: {protocol.title}",
            caption,
            pl.DataFrame(rows),
            x="planted",
            y="recovered",
            low="low",
            high="high",
            label="who",
            x_title=f"planted {protocol.effect}",
            y_title="recovered",
            diagonal=True,
            references={"threshold": check.threshold},
        )
        drawn.append(figure)
    return drawn


def over_turns(protocol: AuditProtocol, address: str, read: Readouts) -> Figure:
    """Draw the readouts of one protocol on one subject on one axis."""
    rows = [
        {
            "time": turn,
            "value": span.value,
            "low": span.low,
            "high": span.high,
            "readout": NAMES[curve.readout],
        }
        for curve in read.curves
        for turn, span in zip(curve.turns, curve.spans, strict=True)
    ]
    return curves(
        f"readouts-{protocol.slug}-{digest(address, length=8)}",
        f"{protocol.title}: {address}",
        f"What is said, done and held inside: {read.value}, over {read.axis}, with 95 % intervals. "
        f"{partings_text(read)}.",
        pl.DataFrame(rows, schema=_CURVE_ROWS),
        group="readout",
        low="low",
        high="high",
        x_title=read.axis,
        value_title=read.value,
        domain=(0.0, 1.0),
    )


_CURVE_ROWS = {
    "time": pl.Float64(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "readout": pl.String(),
}


def heading(config: Any) -> tuple[str, str]:
    """Return what stands above the report: a word for its kind, and whom it is about."""
    return "belief card", " · ".join(config.subjects)


def blocks(tables: Tables, config: Any) -> list[Block]:
    """Return the belief cards that open the report, one for each subject."""
    from doxa.audit.card import card_block

    items = judged(tables, config)
    return [
        card_block(address, [item for item in items if item.subject == address])
        for address in config.subjects
    ]


def unavailable(protocol: AuditProtocol, spoken: str) -> str:
    """Return why a protocol cannot be put to a subject of this form here, or ""."""
    if spoken == "micro":
        return ""
    if protocol.published is None:
        return "this protocol has no published form"
    return protocol.needs()


_INSTRUMENT_SEED = 1_000_000
"""Seeds of the instrument's contexts: apart from any evaluation's, and the same for every audit."""


def _cell(slug: str, address: str, seed: int, spoken: str, reason: str) -> Cell:
    return Cell(
        condition=f"{slug} {address}",
        seed=seed,
        uses=("size",),
        params={
            "protocol": slug,
            "form": spoken,
            "unavailable": reason,
            "code": _code(protocols.get(slug).module),
        },
        subjects=(address,),
    )


@cache
def _code(module: str) -> str:
    """Return the digest of a protocol's code: protocols are found by name, so that the study's own does not hold it."""
    return digest(
        [[name, sha256(path.read_bytes())] for name, path in sorted(module_files(module).items())], length=16
    )


def _select(tables: Tables, slug: str, address: str, seeds: range) -> Tables:
    mine = (pl.col("condition") == f"{slug} {address}") & pl.col("seed").is_in(list(seeds))
    return Tables(*(frame.filter(mine) for frame in tables))


def _judge(protocol: AuditProtocol, address: str, tables: Tables, check: InstrumentCheck) -> Judged:
    away = tables.measures.filter(pl.col("measure") == "effect", pl.col("value").is_null())
    if away.height:
        reason = str(away["extra"].str.json_path_match("$.missing")[0])
        return Judged(protocol, address, None, "unresolved", reason, check, Cost())
    rng = stream(int(tables.measures["seed"][0]), "audit", protocol.slug, address)
    assessment = protocol.assess(tables, rng)
    cost = _cost(tables)
    if assessment.blocked or assessment.effect.span is None:
        reason = assessment.blocked or assessment.effect.note
        return Judged(protocol, address, assessment, "unresolved", reason, check, cost)
    verdict = judge(assessment.effect.span.interval, below=check.threshold)
    named: Named = next(name for name, same in _VERDICTS.items() if same == verdict)
    reason = f"the interval holds the threshold {check.threshold:.3g}" if named == "unresolved" else ""
    return Judged(protocol, address, assessment, named, reason, check, cost)


def _cost(tables: Tables) -> Cost:
    named = pl.col("measure").str.starts_with("cost_")
    sums = tables.measures.filter(named).group_by("measure").agg(pl.col("value").sum())
    return Cost(**{str(name).removeprefix("cost_"): int(value) for name, value in sums.iter_rows()})
