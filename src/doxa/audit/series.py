"""``doxa audit --series DIR``: what a row of saved checkpoints came to believe, by step and by depth.

A series is a folder of checkpoints in transformers format whose names end in their step (``step-000500``,
``checkpoint-500``). The first one says which facts are known; a fact has flipped when the last one prefers its
counterfact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from doxa.audit.series_reading import FlippedFact, Series, summarised
from doxa.lab.run import Running, run_study

__all__ = ["FlippedFact", "Series", "SeriesResult", "audit_series"]

COLUMNS = 10
"""Checkpoints shown side by side in text; the JSON and the report hold all."""
FACTS_FILE = "facts.json"
"""The facts of a series, where its folder holds them."""


@dataclass(frozen=True)
class SeriesResult:
    """An audited series.

    Attributes:
        series: what was read.
        report: path of the report.
        seconds: wall time of this call.
        computed: how many checkpoints this call read; the others were kept from before.
    """

    series: Series
    report: Path
    seconds: float
    computed: int

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {**asdict(self.series), "verdict": self.series.finding.verdict, "report": str(self.report)}

    def as_text(self) -> str:
        """Return what a person reads."""
        series = self.series
        head = (
            f"series {series.folder} · {len(series.steps)} checkpoints, steps {series.steps[0]} to "
            f"{series.steps[-1]} · {series.facts} facts, {series.known} known at step {series.steps[0]}"
        )
        shown = _spread(len(series.steps), COLUMNS)
        rows: list[tuple[str, Sequence[float], str]] = [
            ("margin", series.margins, ".2f"),
            ("flipped", series.flipped_share, ".0%"),
            *((f"depth {depth}", series.lens[depth], ".2f") for depth in reversed(range(len(series.lens)))),
        ]
        lines = [head, "", f"{'step':<10}" + "".join(f"{series.steps[place]:>8}" for place in shown)]
        for name, values, form in rows:
            lines.append(f"{name:<10}" + "".join(f"{values[place]:>8{form}}" for place in shown))
        lines.append("mean over known facts, in nats; depth 0 is the embedding")
        lines.append("")
        lines.append(
            f"{len(series.flipped)} of {series.known} known facts flipped · {series.finding.verdict}"
        )
        if series.t10 is not None and series.t90 is not None:
            lines.append(f"their shift: 10 % at step {series.t10:.3g}, 90 % at step {series.t90:.3g}")
        top = len(series.lens) - 1
        for fact in series.flipped:
            where = "" if fact.depth is None else f", from depth {fact.depth} of {top}"
            lines.append(
                f"  {fact.fact:<28}{fact.before:>7.2f} → {fact.after:>6.2f}   step {fact.step}{where}"
            )
        lines.append(f"report  {self.report}")
        return "\n".join(lines)


def _spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of so many places, first and last among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def audit_series(
    folder: Path | str,
    *,
    facts: str = "",
    form: str = "cloze",
    band: float = 0.1,
    seed: int = 0,
    **running: Unpack[Running],
) -> SeriesResult:
    """Audit the checkpoints of a folder.

    Args:
        folder: holds the checkpoints.
        facts: built-in name or file of facts; by default ``facts.json`` in the folder, or else the built-in ones.
        form: cloze, question, yes-no or choice.
        band: half width of the ambiguous band, in nats.
        seed: seed of the draw of false objects, where the file leaves them open.
        running: how the study is run (``out``, ``executor``, ``workers``, ``fresh``, ``meter``).

    Raises:
        InputError: no series, or facts that cannot be read; nothing was started.
        CellsFailedError: a checkpoint could not be read.
    """
    place = Path(folder)
    own = place / FACTS_FILE
    chosen = facts or (str(own) if own.is_file() else "facts")
    overrides = {"folder": str(place), "facts": chosen, "form": form, "band": band, "seed": seed}
    result = run_study("series", overrides=overrides, **running)
    series = summarised(result.tables, result.config)
    return SeriesResult(series, result.report, result.seconds, result.computed)
