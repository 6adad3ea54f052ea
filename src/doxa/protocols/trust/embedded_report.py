"""What the embedded experiments show: findings against bounds fixed before any run, and figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from doxa.lab.figures import Figure, bars, curves, scatter
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.protocols.trust.recording import read_measures
from doxa.protocols.trust.text import STRATEGIES, label

MAIN = "CTX+TR"
ALIGNED, DECOUPLED, KNOWN, GAIN = 0.8, 0.35, 0.8, 0.3
"""The spec's bounds: median ρ of one plan, of two; how well each register is known; gain of being told beliefs."""
NO_GAIN, STEERED, NOT_STEERED = 0.1, 0.5, 0.25
"""Ours, where the spec says none, clear and in proportion: gain, slope of the acted order on the supplied one."""
CENTRED, CHANCE = 0.25, 0.01
"""Ours: how far from 0 shuffled ρ, and from (G - 1)/(N - 1) shuffled η², may lie."""
COVERED, RHO_BIAS, ETA_BIAS = 0.90, 0.1, 0.02
"""Ours: least coverage of 95 % intervals, largest bias of recovered numbers."""
GROWS, FLAT = 0.05, 0.05
"""Ours: slope of the error of forecasts on the horizon, in dollars a round."""
STATED, UNSTATED = "stated 0.5", "stated 0"


def embedded_findings(tables: Tables, note: str) -> list[Finding]:
    """Return the findings of the embedded experiments; ``note`` says who the people are."""
    frame = read_measures(tables.measures)
    said, acted = (planned(frame, "c 0", f"{verb} as planned") for verb in ("says", "plays"))
    one, none = median_rho(frame, "c 1", MAIN), median_rho(frame, "c 0", MAIN)
    rho: dict[str, Any] = {"unit": "", "possible": (-1.0, 1.0)}
    return [
        one.finding(
            "aligned", "where one plan makes both, sayings and plays agree", above=ALIGNED, note=note, **rho
        ),
        none.finding(
            "decoupled",
            "where the plans are independent, they do not",
            above=-DECOUPLED,
            below=DECOUPLED,
            control=True,
            **rho,
        ),
        rise(frame).finding(
            "rises", "median ρ rises with the correlation of the plans", unit="ρ per c", above=0.0
        ),
        said.finding("knows-sayings", "at c = 0 sayings still follow their plan", above=KNOWN, **rho),
        acted.finding(
            "knows-doings",
            "at c = 0 plays still follow theirs: both are known, and not connected",
            above=KNOWN,
            **rho,
        ),
        gain(frame, STATED).finding(
            "self-gain",
            "a network that has read statements true of their documents acts by its own beliefs once told",
            unit="ρ",
            above=GAIN,
            paper=0.3,
            note="paper: Llama-70B .50 → .80, Llama-8B .40 → 1.00, Gemma .40 → .00",
        ),
        gain(frame, UNSTATED).finding(
            "no-gain", "a network that has not, does not", unit="ρ", below=NO_GAIN, control=True
        ),
        steered(frame, STATED).finding(
            "steered", "imposed orderings steer it in proportion to their own ρ", unit="slope", above=STEERED
        ),
        steered(frame, UNSTATED).finding(
            "not-steered",
            "they do not steer the other",
            unit="slope",
            above=-NOT_STEERED,
            below=NOT_STEERED,
            control=True,
        ),
        shuffled_rho(frame).within(
            "shuffled-order", "with shuffled attributes ρ is centred on 0", CENTRED, unit=""
        ),
        shuffled_eta(frame).within(
            "shuffled-size", "and η² on its chance level (G - 1)/(N - 1)", CHANCE, unit="", control=True
        ),
        *recovery_findings(frame),
        *horizon_findings(frame),
    ]


def recovery_findings(frame: pl.DataFrame) -> list[Finding]:
    """Return what simulated people with known rules show of the measures."""
    found: list[Finding] = []
    for measure, name, bias in (("rho", "ρ", RHO_BIAS), ("eta2", "η²", ETA_BIAS)):
        rows = frame.filter(pl.col("condition").str.starts_with("recovery")).drop_nulls("value")
        found.append(
            by_seed(rows.filter(measure=f"{measure} coverage")).finding(
                f"coverage-{measure}",
                f"95 % intervals of {name} hold the planted value",
                unit="fraction",
                above=COVERED,
                possible=(0.0, 1.0),
            )
        )
        keys = ["condition", "seed", "attribute"]
        both = rows.filter(measure=f"{measure} planted").join(
            rows.filter(measure=f"{measure} recovered"), on=keys, suffix="_found"
        )
        error = both.with_columns(value=pl.col("value_found") - pl.col("value"))
        found.append(
            by_seed(error).within(
                f"recovered-{measure}", f"{name} is recovered without bias", bias, unit="", control=False
            )
        )
    return found


def horizon_findings(frame: pl.DataFrame) -> list[Finding]:
    """Return what forecasts show."""

    def of(rule: str, measure: str) -> Units:
        return by_seed(frame.filter(rule=rule, measure=measure).drop_nulls("value"))

    return [
        of("adaptive", "slope").finding(
            "horizon",
            "errors of forecasts grow with the horizon where people adapt",
            unit="dollars a round",
            above=GROWS,
            note="paper: they grow, but for Llama-8B with M3 and M5",
        ),
        of("steady", "slope").within(
            "steady", "they do not where people are steady", FLAT, unit="dollars a round"
        ),
        of("deterministic", "mean error").within(
            "deterministic", "they are 0 for a rule without noise that knows itself", 1e-9, unit="dollars"
        ),
    ]


def by_seed(rows: pl.DataFrame) -> Units:
    """Return the mean of the values of each seed."""
    means = rows.group_by("seed").agg(pl.col("value").mean()).sort("seed")
    return Units(dict(means.iter_rows()))


def median_rho(frame: pl.DataFrame, condition: str, strategy: str) -> Units:
    """Return the median over attributes of ρ of each network."""
    return by_seed(
        frame.filter(condition=condition, strategy=strategy, measure="median spearman").drop_nulls("value")
    )


def planned(frame: pl.DataFrame, condition: str, measure: str) -> Units:
    """Return how well a register is known."""
    return by_seed(frame.filter(condition=condition, measure=measure).drop_nulls("value"))


def correlations(frame: pl.DataFrame) -> list[float]:
    """Return the correlations of plans that were measured, smallest first."""
    names = frame["condition"].unique().to_list()
    return sorted(float(name.removeprefix("c ")) for name in names if name.startswith("c "))


def rise(frame: pl.DataFrame) -> Units:
    """Return the least-squares slope of the median ρ on c of each seed."""
    swept = {c: median_rho(frame, f"c {c:g}", MAIN).values for c in correlations(frame)}
    seeds = set.intersection(*(set(values) for values in swept.values())) if len(swept) > 1 else set[int]()
    return Units(
        {
            seed: float(np.polyfit(list(swept), [values[seed] for values in swept.values()], 1)[0])
            for seed in sorted(seeds)
        }
    )


def orderings(frame: pl.DataFrame, condition: str, ordering: str) -> Units:
    """Return the median over attributes of ρ between a supplied ordering and the order acted."""
    rows = frame.filter(condition=condition, ordering=ordering, measure="rho supplied").drop_nulls("value")
    return Units(dict(rows.group_by("seed").agg(pl.col("value").median()).sort("seed").iter_rows()))


def gain(frame: pl.DataFrame, condition: str) -> Units:
    """Return the median ρ told one's own beliefs minus that told nothing."""
    return orderings(frame, condition, "self").minus(orderings(frame, condition, "none"))


def steered(frame: pl.DataFrame, condition: str) -> Units:
    """Return the slope of ρ(acted, elicited) on ρ(supplied, elicited) over attributes and imposed orderings."""
    rows = frame.filter(pl.col("ordering").str.starts_with("imposed"), condition=condition)
    keys = ["seed", "attribute", "ordering"]
    own = rows.filter(measure="rho own").select(*keys, acted="value")
    both = rows.filter(measure="rho of ordering").select(*keys, supplied="value").join(own, on=keys)
    found: dict[int, float] = {}
    for (seed,), part in both.drop_nulls().group_by("seed", maintain_order=True):
        if part["supplied"].n_unique() > 1:
            found[int(str(seed))] = float(
                np.polyfit(part["supplied"].to_numpy(), part["acted"].to_numpy(), 1)[0]
            )
    return Units(found)


def shuffled_rho(frame: pl.DataFrame) -> Units:
    """Return the mean over attributes and networks of a seed of ρ with shuffled attributes."""
    return by_seed(frame.filter(strategy="shuffled", measure="spearman").drop_nulls("value"))


def shuffled_eta(frame: pl.DataFrame) -> Units:
    """Return the mean of η² minus its chance level, likewise."""
    rows = frame.filter(strategy="shuffled", measure="eta2_behaviour").drop_nulls("value")
    return by_seed(rows.with_columns(value=pl.col("value") - (pl.col("levels") - 1) / (pl.col("n") - 1)))


def embedded_figures(tables: Tables) -> list[Figure]:
    """Draw consistency by c, ranks, effect sizes, the ladder of orderings, recovery and forecasts."""
    frame = read_measures(tables.measures)
    found: list[Figure] = []
    swept = [
        median_rho(frame, f"c {c:g}", strategy).row(c=c, strategy=strategy)
        for strategy in (*STRATEGIES, "shuffled")
        for c in correlations(frame)
    ]
    if swept:
        found.append(
            curves(
                "coupling",
                "Saying against doing by the correlation of the plans",
                "Median over attributes of Spearman's ρ; mean and 95 % interval over networks.",
                swept,
                x="c",
                low="low",
                high="high",
                group="strategy",
                x_title="correlation of the plans",
                value_title="median ρ",
                domain=(-1.0, 1.0),
                references={"no agreement": 0.0},
            )
        )
        found += [ranks_figure(frame, "c 0"), ranks_figure(frame, "c 1"), sizes_figure(frame)]
    ladder = [
        orderings(frame, condition, ordering).row(ordering=ordering, network=name)
        for condition, name in ((UNSTATED, "no statements read"), (STATED, "half of plays after statements"))
        for ordering in dict.fromkeys(frame.filter(condition=condition)["ordering"].drop_nulls())
    ]
    if ladder:
        found.append(
            bars(
                "ladder",
                "Order acted against order told",
                "Median over attributes of ρ between the supplied ordering and play, one attribute at a time; 'none' "
                "holds the elicited ordering, not told, against play.",
                ladder,
                label="ordering",
                low="low",
                high="high",
                group="network",
                value_title="median ρ",
            )
        )
    if frame.filter(measure="mae").height:
        found.append(horizon_figure(frame))
    if frame.filter(measure="rho planted").height:
        found.append(recovery_figure(frame))
    return found


def ranks_figure(frame: pl.DataFrame, condition: str) -> Figure:
    """Draw the believed rank of each level against its rank in play, networks averaged."""
    rows = frame.filter(condition=condition, strategy=MAIN)
    believed = rows.filter(measure="believed rank").with_columns(
        place=pl.int_range(pl.len()).over("seed", "attribute")
    )
    played = rows.filter(measure="level mean").with_columns(
        place=pl.int_range(pl.len()).over("seed", "attribute"),
        rank=pl.col("value").rank().over("seed", "attribute"),
    )
    both = believed.join(
        played.select("seed", "attribute", "place", "rank"), on=["seed", "attribute", "place"]
    )
    lines = [
        {"believed": row["value"], "acted": row["rank"], "attribute": label(row["attribute"])}
        for row in both.drop_nulls("value").iter_rows(named=True)
    ]
    return scatter(
        f"ranks-{condition.replace(' ', '-')}",
        f"Believed rank against rank in play, {condition}",
        "One point for each level of an attribute and network; 1 is least trusting.",
        lines,
        x="believed",
        y="acted",
        group="attribute",
        x_title="believed rank",
        y_title="rank of mean sent",
        diagonal=True,
    )


def sizes_figure(frame: pl.DataFrame) -> Figure:
    """Draw |Δη²| by strategy and c."""
    lines = [
        by_seed(
            frame.filter(condition=f"c {c:g}", strategy=strategy, measure="median delta_eta2").drop_nulls(
                "value"
            )
        ).row(strategy=strategy, plans=f"c {c:g}")
        for strategy in STRATEGIES
        for c in correlations(frame)
    ]
    return bars(
        "effect-sizes",
        "Believed against found effect size",
        "Median over attributes of |Δη²|; mean and interval over networks.",
        lines,
        label="strategy",
        low="low",
        high="high",
        group="plans",
        value_title="median |Δη²|",
    )


def horizon_figure(frame: pl.DataFrame) -> Figure:
    """Draw the error of forecasts by horizon, rule and trustee."""
    rows = (
        frame.filter(measure="mae")
        .group_by("rule", "trustee", "time", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    lines = rows.with_columns(group=pl.format("{}, {}", "rule", "trustee")).sort("group", "time")
    return curves(
        "horizon",
        "Error of forecasts by horizon",
        "Mean |forecast - sent| in dollars; mean over networks.",
        lines,
        group="group",
        x_title="rounds ahead",
        value_title="dollars",
    )


def recovery_figure(frame: pl.DataFrame) -> Figure:
    """Draw recovered against planted ρ."""
    keys = ["condition", "seed", "attribute"]
    both = frame.filter(measure="rho planted").join(
        frame.filter(measure="rho recovered"), on=keys, suffix="_found"
    )
    return scatter(
        "recovery",
        "Recovered against planted ρ",
        "One point for each attribute and seed; mean over populations.",
        both.drop_nulls(["value", "value_found"]),
        x="value",
        y="value_found",
        group="condition",
        x_title="planted ρ",
        y_title="mean recovered ρ",
        diagonal=True,
    )
