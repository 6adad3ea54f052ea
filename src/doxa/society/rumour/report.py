"""What the embedded experiments show: one number to each group of populations, and its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from doxa.lab.record import Finding, Tables
from doxa.lab.units import SHARE, Units, least
from doxa.society.rumour.experiments import SUPERCRITICAL
from doxa.society.rumour.plausibility_report import NOT_HERE, plausibility_findings


@dataclass(frozen=True)
class Bounds:
    """Bounds fixed before the judged run; those of the spec first.

    Attributes:
        r2: share of the variance of a believers' curve that an SIS curve tells.
        dead: final share of the least plausible item.
        reader: accuracy on held-out tweets.
        bifurcation: rise of the final share over the sweep.
        most: share of the benefit of daily denials that one on day 1 has.
        slope: change a day of the believers where nobody listens, either way.
        beyond: believers beyond the direct effect, as a share, either way.
        mixed: change of the area where contacts are dealt anew, as a share, either way.
        dealt: accuracy of a reader of sides dealt out anew, from one half, either way.
    """

    r2: float = 0.9
    dead: float = 0.05
    reader: float = 0.8
    bifurcation: float = 0.5
    most: float = 0.5
    slope: float = 0.005
    beyond: float = 0.02
    mixed: float = 0.1
    dealt: float = 0.1


def embedded_findings(
    tables: Tables, bounds: Bounds, rng: np.random.Generator, experiments: Sequence[str]
) -> list[Finding]:
    """Return the findings of the embedded experiments that were run.

    Args:
        tables: of all cells.
        bounds: fixed before.
        rng: resamples stories.
        experiments: by name.
    """
    measures = with_extra(tables.measures)
    judged: dict[str, Callable[[], list[Finding]]] = {
        "topics": lambda: [*plausibility_findings(tables.beliefs, rng), *_curves(measures, bounds)],
        "sweep": lambda: [_critical(measures, bounds)],
        "denials": lambda: _denials(measures, bounds),
        "memory": lambda: _memory(measures),
        "controls": lambda: _controls(measures, bounds),
    }
    found = [finding for name, judge in judged.items() if name in experiments for finding in judge()]
    return [*_reader(measures, bounds), *found]


def with_extra(measures: pl.DataFrame) -> pl.DataFrame:
    """Return the measures with what stands beside each as columns; absent ones are null."""
    extras = [json.loads(extra) for extra in measures["extra"]]
    names = ("topic", "trait", "policy", "memory", "graph", "prior", "cost", "low", "high", "identified")
    kinds = {
        "prior": pl.Float64,
        "cost": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "identified": pl.Boolean,
    }
    return measures.with_columns(
        pl.Series(name, [extra.get(name) for extra in extras], dtype=kinds.get(name, pl.String), strict=False)
        for name in names
    )


def units(measures: pl.DataFrame, name: str, **chosen: object) -> Units:
    """Return one value of a measure to each group."""
    rows = measures.filter(pl.col("measure") == name, pl.col("value").is_not_null())
    for column, value in chosen.items():
        rows = rows.filter(pl.col(column) == value)
    return Units(dict(rows.select("seed", "value").iter_rows()))


def _reader(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    return [
        units(measures, "reader-accuracy").finding(
            "reader",
            "the reader knows the side of tweets with sentences it never saw",
            unit="share of tweets",
            above=bounds.reader,
            possible=SHARE,
        ),
        units(measures, "reader-dealt")
        .less(0.5)
        .within(
            "reader-dealt",
            "trained on sides dealt out anew it knows nothing",
            bounds.dealt,
            unit="share of tweets, from one half",
        ),
    ]


def _curves(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    topics = measures.filter(measure="prior")["topic"].unique().to_list()
    by_topic = {topic: units(measures, "final", topic=topic) for topic in topics}
    best: dict[int, float] = {}
    for topic, final in by_topic.items():
        fits = units(measures, "sis-r2", topic=topic)
        for seed, value in fits.values.items():
            if final.values.get(seed, 0.0) >= SUPERCRITICAL:
                best[seed] = max(best.get(seed, -np.inf), value)
    plausible = {topic: units(measures, "prior", topic=topic).mean for topic in topics}
    least_plausible = min(plausible, key=lambda topic: plausible[topic]) if plausible else ""
    here = "" if topics else NOT_HERE
    return [
        Units(best).finding(
            "sis-curve",
            "believers of an item that spreads follow an SIS curve: R² of the best such item",
            unit="R²",
            above=bounds.r2,
            possible=(-np.inf, 1.0),
            note=here,
        ),
        by_topic.get(least_plausible, Units({})).finding(
            "dies-out",
            "the least plausible item dies out: final share of believers",
            unit="share",
            below=bounds.dead,
            possible=SHARE,
            note=least_plausible or here,
        ),
    ]


def _critical(measures: pl.DataFrame, bounds: Bounds) -> Finding:
    sweep = measures.filter(condition="sweep", measure="final")
    low, high = sweep["prior"].min(), sweep["prior"].max()
    rise = units(sweep, "final", prior=high).minus(units(sweep, "final", prior=low))
    return rise.finding(
        "critical",
        "there is a critical plausibility: rise of the final share over the sweep",
        unit="share",
        above=bounds.bifurcation,
        possible=(-1.0, 1.0),
        note="" if sweep.is_empty() else f"plausibility from {low:g} to {high:g} nats",
    )


def _denials(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    rows = measures.filter(condition="denials", measure="area")
    area = {str(policy): units(rows, "area", policy=policy) for policy in rows["policy"].unique()}
    cost = {
        str(policy): float(number) for policy, number in rows.select("policy", "cost").unique().iter_rows()
    }
    none = area.get("none", Units({}))

    def later(first: str, second: str) -> Units:
        return area.get(second, Units({})).minus(area.get(first, Units({})))

    saved = {policy: none.minus(own) for policy, own in area.items()}
    regular = [
        policy
        for policy in ("day 1", "every 5 days", "every 3 days", "every 2 days", "daily")
        if policy in saved
    ]
    each = [saved[policy].times(1.0 / cost[policy]) for policy in regular]
    falls = [first.minus(second) for first, second in pairwise(each)]
    return [
        least([later("day 1", "day 5"), later("day 5", "day 10")]).finding(
            "earlier",
            "one denial serves better the earlier it comes: smaller gain of day 1 on 5 and of day 5 on 10",
            unit="agent-days",
            above=0.0,
        ),
        saved.get("day 1", Units({}))
        .over(saved.get("daily", Units({})))
        .finding(
            "day-one",
            "a denial on day 1 alone has most of what daily ones achieve",
            unit="share of the benefit",
            above=bounds.most,
        ),
        least(falls).finding(
            "diminishing",
            "what a denial achieves falls with how often there is one: smallest fall from a policy to the next",
            unit="agent-days per denial",
            above=0.0,
            note="; ".join(regular),
        ),
    ]


def _memory(measures: pl.DataFrame) -> list[Finding]:
    rows = measures.filter(condition="memory")

    def fall(n: int, more: str = "") -> Units:
        full = units(rows, f"distinct-{n}", memory=f"full{more}")
        return full.minus(units(rows, f"distinct-{n}", memory=f"no short memory{more}"))

    note = "an input: the writer answers what is at hand"
    return [
        *(
            fall(n).finding(
                f"distinct-{n}",
                f"without short memory tweets are less varied: fall of Distinct-{n}",
                unit="share",
                above=0.0,
                paper=paper,
                note=note,
            )
            for n, paper in ((1, 0.017), (2, 0.034))
        ),
        fall(2, ", nobody listens").finding(
            "distinct-same",
            "the same where beliefs are equal, because nobody listens: fall of Distinct-2",
            unit="share",
            above=0.0,
            note=note,
        ),
    ]


def _controls(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    rows = measures.filter(condition="controls")

    def share(graph: str) -> Units:
        return units(rows, "area-share", graph=graph)

    return [
        units(rows, "deaf-slope").within(
            "deaf-flat", "where nobody listens belief does not move", bounds.slope, unit="share per day"
        ),
        least(
            [
                Units({s: -abs(v) for s, v in units(rows, "beyond-direct", policy=p).values.items()})
                for p in ("none", "every 3 days")
            ]
        )
        .times(-1.0)
        .finding(
            "deaf-denials",
            "where nobody listens to each other denials do no more than directly: largest difference of both policies",
            unit="share of believers",
            below=bounds.beyond,
            control=True,
        ),
        share("dealt anew")
        .minus(share("everybody"))
        .within(
            "dealt-anew",
            "dealing anew who hears whom changes nothing: believers over all days",
            bounds.mixed,
            unit="share of believers",
        ),
        units(rows, "half-peak-day", graph="ring")
        .minus(units(rows, "half-peak-day", graph="everybody"))
        .finding(
            "ring",
            "on a ring it spreads more slowly: later half of the peak than where everybody meets",
            unit="days",
            above=0.0,
        ),
    ]
