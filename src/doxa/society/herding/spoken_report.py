"""What a subject makes of it, beside the published findings. No welfare is claimed before tips are validated."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.calibration import log_odds_fit
from doxa.belief.inference import Interval, wilson
from doxa.lab.figures import Figure, bars, curves, scatter
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Tables
from doxa.streams import stream

NEAR_SLOPE = (0.6, 1.6)
"""Between these the slope of read on meant log-odds must lie for the tips to count as validated (ours)."""
NEAR_BEST = 0.1
Z = 1.96
WEIGHTS = {
    "alpha": ("weight of the public belief", None, None),
    "gamma_consistent": ("NB1: agents under-react to tips that agree with it (weight)", None, 1.0),
    "gamma_inconsistent": ("NB2: agents over-react to tips that contradict it (weight)", 1.0, None),
}


def spoken_findings(tables: Tables) -> list[Finding]:
    """Return the findings about a subject."""
    valid = _calibration(tables)
    return [valid, *_weights(tables), *_planners(tables), *_populations(tables, valid), *_unread(tables)]


def stated(tables: Tables, kind: str) -> pl.DataFrame:
    """Return stated beliefs of one kind with what stands in ``extra`` as columns."""
    extras = [json.loads(text) for text in tables.beliefs["extra"]]
    own = [place for place, extra in enumerate(extras) if extra.get("kind") == kind]
    rows = tables.beliefs[own]
    for name in dict.fromkeys(key for place in own for key in extras[place]):
        rows = rows.with_columns(pl.Series(name, [extras[place].get(name) for place in own], strict=False))
    return rows


def _calibration(tables: Tables) -> Finding:
    claim = "a blind reader recovers what tips were meant to say (slope of read on meant log-odds)"
    rows = stated(tables, "reader")
    known = rows.drop_nulls("credence") if rows.height else rows
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    slope, why = nothing, "no tip could be read"
    if known.height > 2:
        meant = known["meant"].to_numpy().astype(float)
        reference = np.log(np.clip(meant, 0.01, 0.99)) - np.log1p(-np.clip(meant, 0.01, 0.99))
        fit = log_odds_fit(
            known["log_odds"].to_numpy().astype(float), reference, rng=stream(0, "herding", "calibration")
        )
        slope, why = fit.slope, fit.reason
    return Finding.judged(
        "tips-validated",
        claim,
        slope.estimate,
        slope.ends,
        above=NEAR_SLOPE[0],
        below=NEAR_SLOPE[1],
        n=known.height,
        note="; ".join(part for part in (f"{known.height} of {rows.height} tips read", why) if part),
    )


def _weights(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "weight")
    found: list[Finding] = []
    held: dict[str, tuple[float, float]] = {}
    for row in rows.iter_rows(named=True):
        claim, above, below = WEIGHTS[row["weight"]]
        if row["value"] is None:
            found.append(Finding.judged(row["weight"], claim, None, None, note=row["missing"]))
            continue
        held[row["weight"]] = row["value"], row["error"]
        ends = (row["value"] - Z * row["error"], row["value"] + Z * row["error"])
        bounds = {"above": 0.0} if above is None and below is None else {"above": above, "below": below}
        found.append(
            Finding.judged(row["weight"], claim, row["value"], ends, unit="weight", n=int(row["n"]), **bounds)
        )
    claim = "NB3: so they need a stronger public belief to herd than Bayes (α/γ_i)"
    if {"alpha", "gamma_inconsistent"} <= held.keys() and held["gamma_inconsistent"][0] > 0.0:
        (a, a_error), (g, g_error) = held["alpha"], held["gamma_inconsistent"]
        # errors of a ratio by its derivatives, as if the two were independent
        spread = abs(a / g) * math.hypot(a_error / a if a else 0.0, g_error / g)
        found.append(
            Finding.judged("herds-late", claim, a / g, (a / g - Z * spread, a / g + Z * spread), below=1.0)
        )
    else:
        found.append(Finding.judged("herds-late", claim, None, None, note="the weights are not known"))
    return found


def _planners(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "chosen")
    found: list[Finding] = []
    for aim in ("altruistic", "biased"):
        own = rows.filter(pl.col("aim") == aim) if rows.height else rows
        known = own.drop_nulls("value") if own.height else own
        away = [abs(row["value"] - row["best"]) / row["best"] for row in known.iter_rows(named=True)]
        near = sum(one < NEAR_BEST for one in away)
        share = wilson(near, len(away))
        note = f"{near} of {len(away)} beliefs, {own.height - known.height} unread"
        found.append(
            Finding.judged(
                f"near-best-{aim}",
                f"the {aim} planner deviates less than 10 % from the best precision at most beliefs",
                share.estimate if away else None,
                share.ends if away else None,
                above=0.5,
                unit="fraction",
                n=len(away),
                note=note if away else f"no precision could be read; {note}",
            )
        )
        ends = [row["value"] for row in known.iter_rows(named=True) if row["value"] in (0.5, 1.0)]
        found.append(
            Finding.judged(
                f"avoids-ends-{aim}",
                f"the {aim} planner avoids precisions of 0.5 and 1 (share of beliefs at which it sets one)",
                len(ends) / len(away) if away else None,
                wilson(len(ends), len(away)).ends if away else None,
                below=0.5,
                unit="fraction",
                n=len(away),
                note="" if away else "no precision could be read",
            )
        )
    return found


def _populations(tables: Tables, valid: Finding) -> list[Finding]:
    rows = rows_of(tables, "welfare")
    found: list[Finding] = []
    for way in ("tables", "direct"):
        own = rows.filter(pl.col("way") == way) if rows.height else rows
        if not own.height and way == "direct":
            continue
        named = "" if way == "tables" else "-direct"
        asked = "from tables" if way == "tables" else "every agent asked"
        found += [
            _compared(
                own, valid, f"altruistic-helps{named}", "altruistic", "language model", "no control", "GB", above=0.0,
                claim=f"an altruistic planner is worth more than no control ({asked}; difference of welfare)",
            ),
            _compared(
                own, valid, f"biased-hurts{named}", "biased", "no control", "language model", "B", above=0.0,
                claim=f"in the state B a biased planner does harm ({asked}; difference of welfare)",
            ),
            _compared(
                own, valid, f"hybrid-worse{named}", "altruistic", "language model", "hybrid", "GB", above=0.0,
                claim=f"the model's own policy is worth more than the Bayesian one on its agents ({asked})",
            ),
        ]  # fmt: skip
    return found


def _compared(
    rows: pl.DataFrame,
    valid: Finding,
    name: str,
    aim: str,
    first: str,
    second: str,
    states: str,
    *,
    above: float,
    claim: str,
) -> Finding:
    def mean(setting: str) -> tuple[float, float] | None:
        own = rows.filter((pl.col("aim") == aim) & (pl.col("subject") == setting)) if rows.height else rows
        own = own.filter(pl.col("state").is_in(list(states))) if own.height else own
        if own.height < len(states):
            return None
        errors = [math.nan if one is None else float(one) for one in own["error"]]
        return float(own["value"].mean()), math.hypot(*errors) / len(states)  # type: ignore[arg-type]

    one, other = mean(first), mean(second)
    if one is None or other is None:
        return Finding.judged(name, claim, None, None, note="not measured, or a table has empty cells")
    gap, spread = one[0] - other[0], math.hypot(one[1], other[1])
    if valid.verdict != "holds":
        return Finding.judged(
            name,
            claim,
            gap,
            None,
            unit="C",
            note="tips are not validated, so nothing is claimed about welfare",
        )
    ends = None if math.isnan(spread) else (gap - Z * spread, gap + Z * spread)
    note = "the interval is that of the sequences; the tables' own error is not in it"
    return Finding.judged(
        name, claim, gap, ends, above=above, unit="C", note=note if ends else "one sequence has no interval"
    )


def _unread(tables: Tables) -> list[Finding]:
    """Return the control that answers can be read at all."""
    rows = stated(tables, "agent")
    read = rows.drop_nulls("credence").height if rows.height else 0
    share = wilson(read, rows.height)
    counts = rows_of(tables, "count")
    told = {
        kind: int(counts.filter(pl.col("kind") == kind)["value"].sum()) if counts.height else 0
        for kind in ("clipped", "asked again", "unread")
    }
    return [
        Finding.judged(
            "readable",
            "agents' answers can be read",
            share.estimate if rows.height else None,
            share.ends if rows.height else None,
            above=0.8,
            unit="fraction",
            control=True,
            n=rows.height,
            note="precisions: " + ", ".join(f"{count} {kind}" for kind, count in told.items()),
        )
    ]


def spoken_figures(tables: Tables) -> list[Figure]:
    """Draw the calibration of tips, what planners set, and what populations were worth."""
    found: list[Figure] = []
    read = stated(tables, "reader")
    known = read.drop_nulls("credence") if read.height else read
    if known.height:
        found.append(
            scatter(
                "tips",
                "What tips were meant to say, and how they were read",
                "One point per tip: Bayes' belief from even odds, and that of a reader who saw nothing else.",
                known,
                x="meant",
                y="credence",
                x_title="meant",
                y_title="read",
                diagonal=True,
            )
        )
    chosen = rows_of(tables, "chosen")
    if chosen.height and chosen["value"].drop_nulls().len():
        lines: list[dict[str, Any]] = []
        for row in chosen.iter_rows(named=True):
            lines.append(
                {"belief": row["belief"], "precision": row["value"], "planner": f"{row['aim']}, subject"}
            )
            lines.append(
                {"belief": row["belief"], "precision": row["best"], "planner": f"{row['aim']}, best"}
            )
        found.append(
            curves(
                "chosen",
                "What the subject sets as a planner",
                "Mean precision at each public belief, beside the best for Bayesian agents.",
                sorted(lines, key=lambda row: (row["planner"], row["belief"])),
                x="belief",
                value="precision",
                group="planner",
                x_title="public belief P(G)",
                value_title="precision",
            )
        )
    worth = rows_of(tables, "welfare")
    if worth.height:
        named = worth.with_columns(
            pl.format("{}, {}, state {} ({})", "aim", "subject", "state", "way").alias("label"),
            (pl.col("value") - Z * pl.col("error").fill_null(0.0)).alias("low"),
            (pl.col("value") + Z * pl.col("error").fill_null(0.0)).alias("high"),
        )
        found.append(
            bars(
                "populations",
                "What populations were worth",
                "Discounted welfare by planner and state, in C, with intervals over sequences.",
                named,
                low="low",
                high="high",
                value_title="welfare (C)",
            )
        )
    return found
