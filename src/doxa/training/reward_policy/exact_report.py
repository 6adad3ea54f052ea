"""The findings of level 1: bounds, cliffs, worlds, and what must not change."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding, Tables
from doxa.training.reward_policy.report import HIGH, LARGE, RATIO, ROUNDING, SMALL, SOFT_ENOUGH

NO_CLIFF = 0.01
"""Largest distance that a soft policy may move by at a change of ``SMALL``; its bound there is 0.005."""


def exact_findings(tables: Tables) -> list[Finding]:
    """Return the findings of what is exact."""
    return [*_bounds(tables), *_cliffs(tables), *_worlds(tables), *_unmoved(tables)]


def _bounds(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "violations")
    told, pairs = "", 0
    if rows.height:
        nearest = rows.group_by("bound", maintain_order=True).agg(pl.col("nearest").max())
        told = ", ".join(f"{name} {share:.3g}" for name, share in nearest.rows())
        pairs = int(rows.filter(pl.col("bound") == "values")["pairs"].sum())
    trip = _first(rows_of(tables, "round trip"))
    return [
        number(
            "bounds",
            "no bound is exceeded over random pairs of rewards (how many are)",
            float(rows["value"].sum()) if rows.height else None,
            below=0.5,
            paper=0.0,
            unit="violations",
            n=pairs,
            note=f"largest share of each bound: {told}",
        ),
        number(
            "tight",
            "two actions without a future come as near to the bound dR/(2α) as one likes (share of it at 1e-5)",
            _first(rows_of(tables, "tightness")),
            above=0.999,
            below=1.0 + ROUNDING,
            paper=1.0,
            unit="fraction",
        ),
        number(
            "round-trip",
            "the inverse Bellman reward of random action values has them as its optimum (largest error)",
            trip,
            below=1e-10,
        ),
    ]


def _cliffs(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "distance")
    greedy = _of(rows, kind="greedy")
    found = [
        number(
            "hard-jump",
            "a deterministic optimum jumps by 1 at a tie, however small the change (least distance)",
            float(greedy["least"].min()) if greedy.height else None,  # type: ignore[arg-type]
            above=1.0 - ROUNDING,
            paper=1.0,
            unit="d_TV",
            n=greedy.height,
        )
    ]
    for ways in (2, 3, 4):
        own = _of(rows, kind="uniform", ways=ways)
        expected = (ways - 1) / ways
        off = own.select((pl.col("value") - expected).abs().max()).item() if own.height else None
        found.append(
            number(
                f"uniform-jump-{ways}",
                f"the uniform optimum jumps by (m - 1)/m at a tie of m = {ways}",
                None if off is None else float(own["value"].mean()),  # type: ignore[arg-type]
                above=expected - ROUNDING,
                below=expected + ROUNDING,
                paper=expected,
                unit="d_TV",
                n=own.height,
            )
        )
    found += [
        number(
            "hard-size",
            f"the hard jump has one size (uniform, at {LARGE:g} over at {SMALL:g})",
            _ratio(_of(rows, kind="uniform")),
            above=1.0 - RATIO,
            below=1.0 + RATIO,
        ),
        number(
            "soft-size",
            f"a soft policy moves in proportion to the change (α = 0.1, at {LARGE:g} over at {SMALL:g}, by 100)",
            _scaled(_ratio(_of(rows, kind="soft", alpha=0.1)), SMALL / LARGE),
            above=1.0 - RATIO,
            below=1.0 + RATIO,
            control=True,
        ),
        number(
            "soft-no-cliff",
            f"soft policies with α >= {SOFT_ENOUGH:g} show no cliff (largest distance at a change of {SMALL:g})",
            _most(rows.filter(pl.col("alpha") >= SOFT_ENOUGH) if rows.height else rows, SMALL),
            below=NO_CLIFF,
            control=True,
            unit="d_TV",
        ),
    ]
    return found


def _worlds(tables: Tables) -> list[Finding]:
    routes = _of(rows_of(tables, "route"), kind="uniform")
    jump = None
    if routes.height:
        ends = dict(routes.select("time", "value").rows())
        jump = float(abs(ends[-1e-6] - ends[1e-6]))
    slack = rows_of(tables, "slack mismatch")
    tried = int(slack["tried"].sum()) if slack.height else 0
    losing = _first(rows_of(tables, "losing"))
    return [
        number(
            "two-routes",
            "a toll of one millionth decides between two equally short routes (change of the share of one)",
            jump,
            above=HIGH,
            unit="fraction",
        ),
        number(
            "slack",
            "an optimum of an incomplete reward loses just where a tied action would do better (exceptions)",
            _first(slack),
            below=0.5,
            n=tried,
            unit="processes",
            note="" if losing is None else f"{losing:.0%} of the processes lose",
        ),
    ]


def _unmoved(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "changed")
    claims = {
        "inside the radius": "a unique optimum stays while the reward moves by less than Δ(1 - γ)/2 (flips)",
        "shaping": "a potential-based term changes no optimal action (processes changed)",
        "constant": "a constant changes no optimal action (processes changed)",
    }
    found: list[Finding] = []
    for kind, claim in claims.items():
        own = _of(rows, kind=kind)
        found.append(
            number(
                kind.replace(" ", "-").replace("-the-", "-"),
                claim,
                float(own["value"].sum()) if own.height else None,
                below=0.5,
                control=True,
                unit="flips",
                n=int(own["tried"].sum()) if own.height else 0,
            )
        )
    beyond = _of(rows, kind="beyond the radius")
    found.append(
        number(
            "beyond-radius",
            "without a future, 1.01 times that radius flips it (share, worst direction)",
            float(beyond["value"].sum()) / float(beyond["tried"].sum()) if beyond.height else None,
            above=HIGH,
            unit="fraction",
            n=int(beyond["tried"].sum()) if beyond.height else 0,
        )
    )
    return found


def _of(rows: pl.DataFrame, **where: Any) -> pl.DataFrame:
    """Return the rows where columns have given values."""
    for name, value in where.items():
        if name not in rows.columns:
            return rows.clear()
        rows = rows.filter(pl.col(name) == value)
    return rows


def _at(rows: pl.DataFrame, size: float) -> pl.DataFrame:
    return rows.filter((pl.col("time") / size - 1.0).abs() < 1e-6)


def _ratio(rows: pl.DataFrame) -> float | None:
    """Return the mean distance at the larger change over that at the smaller."""
    if not rows.height:
        return None
    means = [float(_at(rows, size)["value"].mean()) for size in (LARGE, SMALL)]  # type: ignore[arg-type]
    return means[0] / means[1] if means[1] else None


def _most(rows: pl.DataFrame, size: float) -> float | None:
    return float(_at(rows, size)["most"].max()) if rows.height else None  # type: ignore[arg-type]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _first(rows: pl.DataFrame) -> float | None:
    return float(rows["value"][0]) if rows.height else None
