"""What the report of a study's run shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from doxa.lab.asking import spending_text, spent_on
from doxa.lab.declaration import Study, summary
from doxa.lab.figures import Figure
from doxa.lab.record import Finding, Tables
from doxa.lab.report import Block, ConfigRow, Count, Fact, Page, Prose

if TYPE_CHECKING:
    from doxa.lab.run import Plan


def study_page(
    todo: Plan,
    tables: Tables,
    findings: Sequence[Finding],
    figures: Sequence[Figure],
    *,
    manifest: dict[str, Any],
) -> Page:
    """Return the page of a finished run. It holds no times, so that the same tables give the same page."""
    study = todo.study
    heading = getattr(study.code, "heading", None)
    kind, title = (f"study · {study.room}", study.slug) if heading is None else heading(todo.config)
    return Page(
        title=title,
        subtitle=kind,
        claim=study.claim,
        paper=study.paper,
        facts=[
            Fact("preset", todo.preset),
            Fact("cells", f"{len(todo.cells):,}"),
            Fact("seeds", f"{len({cell.seed for cell in todo.cells.values()})}"),
            *(
                Fact("asked", f"{address}: {spending_text(spent)}")
                for address, spent in spent_on(manifest).items()
            ),
        ],
        blocks=_blocks(study, tables, todo.config),
        findings=findings,
        figures=figures,
        counts=[*missing_counts(tables), *fault_counts(manifest)],
        transcripts=tables.transcripts,
        config=config_rows(study, todo.config),
        provenance=provenance(manifest),
        command=manifest["command"],
    )


def _blocks(study: Study, tables: Tables, config: Any) -> list[Block]:
    """Return what opens the report: the study's own blocks, or what its file says of it."""
    own = getattr(study.code, "blocks", None)
    return [Prose("", summary(study))] if own is None else own(tables, config)


def config_rows(study: Study, config: Any) -> list[ConfigRow]:
    """Return the configuration, field by field, with defaults, units and the paper's values."""
    return [
        ConfigRow(
            field=name,
            value=_json(getattr(config, name)),
            default=_json(known.default),
            unit=known.unit,
            paper=_json(known.paper),
            meaning=known.doc,
        )
        for name, known in study.settings.items()
    ]


def provenance(manifest: dict[str, Any]) -> list[Fact]:
    """Return what made the numbers: code, versions, machine."""
    facts = [Fact("code", str(manifest["code"]))]
    facts += [Fact(name, str(value)) for name, value in manifest["versions"].items() if value is not None]
    facts += [Fact(name, str(value)) for name, value in manifest["machine"].items()]
    return facts


def missing_counts(tables: Tables) -> list[Count]:
    """Return how many beliefs are missing, by reason, and how many faults the transcripts hold."""
    beliefs = tables.beliefs
    missing = beliefs.filter(pl.col("credence").is_null())
    reasons: dict[str, int] = {}
    for extra in missing["extra"]:
        reason = str(json.loads(extra).get("missing", "unknown"))
        reasons[reason] = reasons.get(reason, 0) + 1
    counts = [Count(f"missing: {reason}", count, beliefs.height) for reason, count in sorted(reasons.items())]
    if beliefs.height and not counts:
        counts = [Count("missing answers", 0, beliefs.height)]
    faults = tables.transcripts.filter(pl.col("finish") == "fault").height
    if faults:
        counts.append(Count("faults", faults, tables.transcripts.height, "the endpoint gave no answer"))
    return counts


def fault_counts(manifest: dict[str, Any]) -> list[Count]:
    """Return how often each kind of fault was met while hosted subjects were asked."""
    return [
        Count(f"fault: {kind}", count, spent.requests, f"{address}; asked again where that can help")
        for address, spent in spent_on(manifest).items()
        for kind, count in spent.faults.items()
    ]


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
