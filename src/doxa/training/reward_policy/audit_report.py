"""The findings and figures of the audits: scored answers, a decision process, a training's log."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.figures import Figure, bars, curves
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Tables
from doxa.training.reward_policy.report import number

FEW = 0.05
"""Share of prompts above which a change of the reward is said to decide."""
MOST = 0.5
AMPLIFIED = 0.25
"""Share of groups above which a training is warned about."""
ROUNDING = 1e-9


def audit_findings(tables: Tables, part: str) -> list[Finding]:
    """Return the findings of an audit: ``subject``, ``scores``, ``mdp`` or ``log``."""
    if part == "mdp":
        return _process(tables)
    if part == "log":
        return _log(tables)
    return [*_answered(tables), *_answers(tables), *_weights(tables)]


def audit_figures(tables: Tables) -> list[Figure]:
    """Draw what an audit found."""
    return [*_margins(tables), *_sweeps(tables), *_tie_rates(tables), *_distances(tables)]


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


def _process(tables: Tables) -> list[Finding]:
    states = rows_of(tables, "optimal actions")
    states = states.filter(~pl.col("idle")) if states.height else states
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


def _margins(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "top changed")
    if not rows.height:
        return []
    own = rows.filter((pl.col("kind") == "constant") & pl.col("margin").is_not_null()).sort("margin")
    found: list[Figure] = []
    if own.height:
        lines = own.with_row_index("rank").with_columns(
            ((pl.col("rank") + 1) / own.height).alias("share"), pl.col("margin").alias("x")
        )
        found.append(
            curves(
                "margins",
                "By how much the best answer is best",
                "Share of prompts whose best answer is ahead of the second by no more than that.",
                lines,
                x="x",
                value="share",
                x_title="margin of the best answer",
                value_title="share of prompts",
                domain=(0.0, 1.02),
            )
        )
    changes = rows.group_by("change", maintain_order=True).agg(
        pl.col("value").mean().alias("best answer changes"),
        pl.col("best_tv").mean().alias("best-of-N moves (d_TV)"),
        pl.col("soft_tv").mean().alias("soft selection moves (d_TV)"),
        pl.col("bound").mean().clip(upper_bound=1.0).alias("its bound"),
    )
    long = changes.unpivot(index="change", variable_name="what", value_name="value")
    found.append(
        bars(
            "changes",
            "What changes of the reward do to the selection",
            "Means over prompts; a constant must do nothing, and soft selection must stay below its bound.",
            long,
            label="change",
            group="what",
            value_title="share, or d_TV",
            domain=(0.0, 1.0),
        )
    )
    return found


def _sweeps(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "weights changed")
    if not rows.height:
        return []
    named = rows.with_columns(pl.format("{} → {}", "subject", "other").alias("pair"))
    return [
        curves(
            "weights",
            "Prompts whose best answer changes with the weights",
            "Share of prompts whose best answer is not that of the first reward alone.",
            named.sort("pair", "time"),
            group="pair",
            x_title="weight of the second reward",
            value_title="share of prompts",
            domain=(0.0, 1.0),
        )
    ]


def _tie_rates(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "tie_rate")
    if not rows.height:
        return []
    return [
        curves(
            "tie-rate",
            "Amplified groups",
            "Share of groups whose rewards differ, with a deviation below the tolerance.",
            rows.sort("time"),
            x_title="step",
            value_title="share of groups",
            domain=(0.0, 1.0),
            references={"warning": AMPLIFIED},
        )
    ]


def _distances(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "distance")
    if not rows.height:
        return []
    words = {"greedy": "deterministic", "uniform": "uniform", "soft": "soft"}
    named = rows.with_columns(pl.col("kind").replace_strict(words).alias("policy"))
    return [
        curves(
            "map",
            "How far the optimal policy moves along random directions",
            "Largest d_TV over directions and states, against the size of the change of the reward.",
            named.sort("policy", "time"),
            group="policy",
            x_title="largest change of the reward",
            value_title="d_TV",
            domain=(0.0, 1.02),
            log_x=True,
        )
    ]


def slug(name: str) -> str:
    """Return a name as a part of a finding's id.

    >>> slug("noise 0.01"), slug("rm/A v2")
    ('noise-0-01', 'rm-a-v2')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "reward"


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
