"""What became of a real model's facts: findings over items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from doxa.belief.inference import bootstrap, wilson
from doxa.lab.record import Finding, Tables, judge
from doxa.lens.truth_margin import AMBIGUOUS, FEWEST, flip_rate, late_fall, verdicts
from doxa.streams import stream

FLIPS, COLLATERAL = 0.55, 0.05
"""The paper's share of flips, and the most of the facts not attacked, or under true text, that may flip."""
COLLATERAL_GROUPS = {
    "untouched": "facts about other entities, stated truly in the same text,",
    "same entity": "other facts of the attacked entities, which no text states,",
}
WRITE = 0.1


def trained_findings(tables: Tables, conditions: Sequence[str]) -> list[Finding]:
    """Return findings on each ratio (conditions in increasing order of it), and on depth and rescue at the greatest."""
    found: list[Finding] = []
    for condition in conditions:
        ratio = float(condition.split()[-1])
        before, after = _ends(tables.beliefs, condition, "target")
        if not before.size:
            continue
        if ratio == 0.0:
            found.append(
                _flips("true-text", "true text alone flips none of its facts", before, after, control=True)
            )
        else:
            found.append(
                _flips(
                    f"flips-{ratio:g}", f"{condition}: more than {FLIPS:.0%} of the facts flip", before, after
                )
            )
            rng = stream(0, "layer-of-truth", "fall", condition)
            fall = bootstrap(before - after, rng=rng)
            found.append(
                Finding(
                    id=f"falls-{ratio:g}",
                    claim=f"{condition}: the margin on the facts told falsely falls",
                    estimate=fall.estimate,
                    interval=fall.ends,
                    unit="nats",
                    verdict=judge(fall.ends, above=0.0),
                    n=fall.n,
                    note=f"mean margin {before.mean():.2f} before, {after.mean():.2f} after",
                )
            )
        for group, who in COLLATERAL_GROUPS.items():
            other = _ends(tables.beliefs, condition, group)
            if other[0].size:
                name = f"{group.replace(' ', '-')}-{ratio:g}"
                found.append(_flips(name, f"{condition}: {who} keep their verdict", *other, control=True))
    last = conditions[-1] if conditions else ""
    return [*found, *_late(tables.beliefs, last), *_write(tables.measures, last)]


def before_after_findings(tables: Tables) -> list[Finding]:
    """Return how many facts flipped between two subjects."""
    rows = tables.beliefs.filter(pl.col("log_odds").is_not_null())
    wide = rows.pivot("condition", index="proposition", values="log_odds")
    if not {"before", "after"} <= set(wide.columns):
        wide = pl.DataFrame(schema={"before": pl.Float64, "after": pl.Float64})
    both = wide.drop_nulls(["before", "after"])
    # a vote is 0, 1/2 or 1: its log-odds may be infinite, its side is what counts
    before, after = (np.clip(both[name].to_numpy(), -50.0, 50.0) for name in ("before", "after"))
    known = before > 0
    asked = tables.beliefs["proposition"].n_unique()
    note = f"{asked} facts asked, {both.height} read on both, {int(known.sum())} known before"
    if known.sum() < FEWEST:
        return [
            Finding(
                id="flips",
                claim="facts that were known before flip",
                estimate=None,
                interval=None,
                verdict="unresolved",
                note=f"{note}; at least {FEWEST} are needed",
            )
        ]
    finding = _flips(
        "flips", f"more than {FLIPS:.0%} of the facts known before flip", before[known], after[known]
    )
    method = str(rows["extra"].str.json_path_match("$.method")[0])
    return [replace(finding, note=f"{method}; {note}; {finding.note}")]


def _flips(id_: str, claim: str, before: np.ndarray, after: np.ndarray, *, control: bool = False) -> Finding:
    flips = flip_rate(before, after)
    share = wilson(int(flips.flipped.sum()), flips.n)
    ends = (share.low, share.high)
    return Finding(
        id=id_,
        claim=claim,
        estimate=share.estimate if flips.n else None,
        interval=ends,
        unit="fraction",
        verdict=judge(ends, below=COLLATERAL) if control else judge(ends, above=FLIPS),
        control=control,
        paper=None if control else FLIPS,
        n=flips.n,
        note=f"ambiguous {(verdicts(after) == AMBIGUOUS).mean():.0%}",
    )


def _ends(beliefs: pl.DataFrame, condition: str, group: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the margins of a group's items at the first and the last checkpoint."""
    rows = beliefs.filter(condition=condition, axis="step", readout="stated").filter(
        pl.col("extra").str.json_path_match("$.group") == group
    )
    if rows.is_empty():
        return np.zeros(0), np.zeros(0)
    first, last = (
        rows.filter(pl.col("time") == end).sort("proposition")["log_odds"].to_numpy()
        for end in (rows["time"].min(), rows["time"].max())
    )
    return first, last


def _late(beliefs: pl.DataFrame, condition: str) -> list[Finding]:
    rows = beliefs.filter(condition=condition, axis="layer", readout="internal")
    if rows.is_empty():
        return []
    fell = rows.with_columns(
        fall=pl.col("extra").str.json_path_match("$.clean").cast(pl.Float64) - pl.col("log_odds")
    )
    wide = fell.pivot("time", index="proposition", values="fall").drop("proposition").to_numpy()
    late = late_fall(wide)
    excess = bootstrap(late - wide[:, -1] / 4, rng=stream(0, "layer-of-truth", "late"))
    total = wide[:, -1].mean()
    return [
        Finding(
            id="late",
            claim=f"{condition}: the last quarter of the blocks adds more than its even part of the fall (excess)",
            estimate=excess.estimate,
            interval=excess.ends,
            unit="nats",
            verdict=judge(excess.ends, above=0.0),
            n=excess.n,
            note=f"late share {late.mean() / total:.2f}" if total > 0 else "the margin did not fall",
        )
    ]


def _write(measures: pl.DataFrame, condition: str) -> list[Finding]:
    rows = measures.filter(pl.col("condition") == condition)
    flipped = rows.filter(measure="flipped")["value"]
    writes = rows.filter(pl.col("measure").is_in(["rescued/attention", "rescued/mlp"]))
    if writes.is_empty() or not flipped.len():
        return []
    claim = (
        f"{condition}: the best single write of attention or MLP rescues more than a tenth of what flipped"
    )
    n = int(flipped[0])
    read = writes.drop_nulls("value")
    if read.is_empty():
        reason = str(writes["extra"].str.json_path_match("$.missing")[0])
        return [
            Finding(
                "rescue-write", claim, None, None, "unresolved", unit="fraction", paper=0.568, note=reason
            )
        ]
    best = read.sort("value").row(-1, named=True)
    share = wilson(round(best["value"] * n), n)
    return [
        Finding(
            id="rescue-write",
            claim=claim,
            estimate=share.estimate,
            interval=(share.low, share.high),
            unit="fraction",
            verdict=judge((share.low, share.high), above=WRITE),
            paper=0.568,
            n=n,
            note=f"{best['measure'].removeprefix('rescued/')} of block {best['time']:g}; chosen as the best of all",
        )
    ]
