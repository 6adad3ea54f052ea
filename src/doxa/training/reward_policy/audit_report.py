"""The findings of the audits: scored answers, a training's log; those of a decision process stand apart."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding, Tables
from doxa.training.reward_policy.process_report import process_findings
from doxa.training.reward_policy.report import ROUNDING, slug

FEW = 0.05
"""Share of prompts above which a change of the reward is said to decide."""
MOST = 0.5
AMPLIFIED = 0.25
"""Share of groups above which a training is warned about."""


def audit_findings(tables: Tables, part: str) -> list[Finding]:
    """Return the findings of an audit: ``subject``, ``scores``, ``mdp`` or ``log``."""
    if part == "mdp":
        return process_findings(tables)
    if part == "log":
        return _log(tables)
    return [*_answered(tables), *_answers(tables), *_weights(tables)]


def _share(name: str, claim: str, count: int, n: int, **rest: Any) -> Finding:
    found = wilson(count, n)
    note = rest.pop("note", "") or ("" if n else "nothing was measured")
    return Finding.judged(
        name,
        claim,
        found.estimate if n else None,
        found.ends if n else None,
        unit="fraction",
        n=n,
        note=note,
        **rest,
    )


def _answered(tables: Tables) -> list[Finding]:
    rows, right = rows_of(tables, "answered"), rows_of(tables, "right")
    if not rows.height:
        return []
    told = f"{float(right['value'][0]):.0%} of the answers are right" if right.height else "no answer came"
    return [
        _share(
            "answered",
            "answers come",
            int(rows["value"][0]),
            int(rows["asked"][0]),
            above=0.8,
            control=True,
            note=told,
        )
    ]


def _answers(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "top changed")
    if not rows.height:
        return [
            number("tie-rate", "different answers tie for the best at most prompts", None, note="no answers")
        ]
    base = str(rows["subject"][0])
    one = rows.filter(pl.col("kind") == "constant")
    found = [
        _share(
            "tie-rate",
            f"different answers tie for the best at most prompts ({base})",
            int(one["tied"].sum()),
            one.height,
            above=MOST,
            note=_quantiles(one),
        )
    ]
    for change in rows.filter(pl.col("kind") != "constant")["change"].unique(maintain_order=True):
        own = rows.filter(pl.col("change") == change)
        found.append(
            _share(
                f"top-{slug(str(change))}",
                f"{change} in place of {base} changes the best answer of more than one prompt in twenty",
                int(own["value"].sum()),
                own.height,
                above=FEW,
                note=f"best-of-N d_TV {_mean(own, 'best_tv'):.3g}, softmax-weighted {_mean(own, 'soft_tv'):.3g} "
                f"(bound {_mean(own, 'bound'):.3g}), largest change {_largest(own, 'size'):.3g}",
            )
        )
    return [*found, *_unmoved(rows, one)]


def _unmoved(rows: pl.DataFrame, constant: pl.DataFrame) -> list[Finding]:
    wide = rows.filter(pl.col("margin").is_not_null() & (pl.col("margin") > 2.0 * pl.col("size") + ROUNDING))
    wide = wide.filter(pl.col("kind") != "constant")
    over = rows.filter(pl.col("soft_tv") > pl.col("bound") + ROUNDING)
    counts = (
        (
            "constant",
            "a constant added to all scores of a prompt changes no best answer (prompts)",
            constant,
            "value",
        ),
        (
            "margin",
            "no best answer changes whose margin is more than twice the change (prompts)",
            wide,
            "value",
        ),
        ("soft-bound", "no softmax-weighted selection moves by more than dR/(2α) (prompts)", over, None),
    )
    return [
        number(
            name,
            claim,
            float(own[column].sum()) if column else float(own.height),
            below=0.5,
            control=True,
            unit="prompts",
            n=own.height if column else rows.height,
        )
        for name, claim, own, column in counts
    ]


def _weights(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "weights changed")
    found: list[Finding] = []
    for second in rows["other"].unique(maintain_order=True) if rows.height else []:
        own = rows.filter(pl.col("other") == second).sort("time")
        first = str(own["subject"][0])
        prompts = int(own["prompts"][0])
        steepest = own.sort("flips", descending=True)
        note = f"{int(own['flips'].sum())} flips"
        if steepest["flips"][0]:
            note += f", most of them at weight {float(steepest['time'][0]):g}"
        found.append(
            _share(
                f"weights-{slug(str(second))}",
                f"half {first} and half {second}, in place of {first}, changes the best answer of more than one prompt "
                "in twenty",
                round(float(own["value"][own.height // 2]) * prompts),
                prompts,
                above=FEW,
                note=note,
            )
        )
    return found


def _log(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "tie_rate").sort("time")
    late = rows.tail(max(1, rows.height // 3))
    told = ""
    if rows.height:
        worst = rows.sort("value", descending=True).row(0, named=True)
        told = f"most at step {worst['time']:g}: {worst['value']:.0%}; {rows.height} steps, from {worst['source']}"
    return [
        number(
            "amplified",
            "in more than a quarter of the groups, rewards differ by next to nothing, so that dividing by their "
            "deviation makes it full size (mean of the last third of the steps)",
            float(late["value"].mean()) if late.height else None,  # type: ignore[arg-type]
            above=AMPLIFIED,
            unit="fraction",
            n=rows.height,
            note=told,
        )
    ]


def _quantiles(rows: pl.DataFrame) -> str:
    known = rows["margin"].drop_nulls()
    if not known.len():
        return "every prompt has one answer only"
    parts = [float(known.quantile(share) or 0.0) for share in (0.1, 0.5, 0.9)]
    return "margins " + ", ".join(f"{one:.3g}" for one in parts) + " (10 %, median, 90 %)"


def _mean(rows: pl.DataFrame, column: str) -> float:
    return float(rows[column].to_numpy().mean())


def _largest(rows: pl.DataFrame, column: str) -> float:
    return float(rows[column].to_numpy().max())
