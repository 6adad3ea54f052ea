"""The findings of the audit of a decision process."""

from __future__ import annotations

import polars as pl

from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding, Tables
from doxa.training.reward_policy.report import ROUNDING, slug


def process_findings(tables: Tables) -> list[Finding]:
    """Return where a process ties, how far its reward may move, what flips, and what must not."""
    states = rows_of(tables, "optimal actions")
    states = states.filter(~pl.col("end")) if states.height else states
    tied = states.filter(pl.col("value") > 1) if states.height else states
    told = "; ".join(
        f"{row['state']}: {', '.join(row['actions'])}" for row in tied.head(8).iter_rows(named=True)
    )
    unreached = 0 if not tied.height else int((~tied["reached"]).sum())
    radii = states["radius"].drop_nulls() if states.height else pl.Series([], dtype=pl.Float64)
    found = [
        number(
            "ties",
            "several actions are optimal in some state (states)",
            float(tied.height) if states.height else None,
            above=0.5,
            unit="states",
            n=states.height,
            note=(
                f"{told}; {unreached} of them not reached"
                if tied.height
                else "the optimum is unique everywhere"
            ),
        ),
        number(
            "radius",
            "the reward may move a little without changing any optimum (least radius Δ(1 - γ)/2)",
            float(radii.min()) if radii.len() else None,  # type: ignore[arg-type]
            above=0.0,
            unit="reward",
            n=states.height,
            note="" if radii.len() else "no state has a choice",
        ),
    ]
    return [*found, *_process_jumps(tables), *_process_unmoved(tables), *_process_rewards(tables)]


def _process_jumps(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "jump")
    own = rows.filter(pl.col("kind") == "uniform") if rows.height else rows
    worst = own.sort("value", descending=True).head(1)
    told = ""
    if worst.height:
        row = worst.row(0, named=True)
        told = f"state {row['state']} turns to {row['to']} wholly, at a change of {row['change']:.1e}"
    return [
        number(
            "flip",
            "the smallest change of the reward moves the uniform optimum by half or more somewhere (largest d_TV)",
            float(own["value"].max()) if own.height else None,  # type: ignore[arg-type]
            above=0.5 - ROUNDING,
            unit="d_TV",
            n=own.height,
            note=told or "there is no tie, so no small change flips anything",
        )
    ]


def _process_unmoved(tables: Tables) -> list[Finding]:
    found = [
        number(
            row["kind"].replace(" ", "-").replace("-the-", "-"),
            f"{row['kind']}: no optimal action changes (changes)",
            float(row["value"]) if row["tried"] else None,
            below=0.5,
            control=True,
            n=int(row["tried"]),
            note="" if row["tried"] else "no state has a unique optimum among several actions",
        )
        for row in rows_of(tables, "changed").iter_rows(named=True)
    ]
    rows = rows_of(tables, "violations")
    soft = rows.filter(pl.col("kind") == "soft") if rows.height else rows
    found.append(
        number(
            "soft-bound",
            "along random directions no soft policy moves by more than dR/(2α(1 - γ)) (violations)",
            float(soft["value"].sum()) if soft.height else None,
            below=0.5,
            control=True,
            n=int(soft["tried"].sum()) if soft.height else 0,
        )
    )
    return found


def _process_rewards(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "moved")
    found: list[Finding] = []
    for name in rows["reward"].unique(maintain_order=True) if rows.height else []:
        own = rows.filter(pl.col("reward") == name)
        moved = own.filter(pl.col("value") > ROUNDING)
        told = "; ".join(
            f"{row['state']} at weight {', '.join(f'{one:g}' for one in row['flips']) or 'none'}"
            for row in moved.head(8).iter_rows(named=True)
        )
        found.append(
            number(
                f"reward-{slug(str(name))}",
                f"{name} in place of R changes what is optimal in some state (states)",
                float(moved.height),
                above=0.5,
                unit="states",
                n=own.height,
                note=f"largest change {float(own['change'][0]):.3g}; {told or 'nothing flips'}",
            )
        )
    return found
