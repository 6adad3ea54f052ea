"""What the experiments show: findings against the spec's bounds, or ours where it has none, fixed before judging."""

from __future__ import annotations

import polars as pl

from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units, least
from doxa.society.clusters.recording import read_measures

MATCHED, AHEAD = 0.7, 0.3
"""The spec's: least adjusted Rand index of ANCHOR, and by how much it is above graph-only clusters."""
FEWER, LOSS = 6.0, 0.02
"""The spec's: least factor of calls saved, largest relative loss of log-likelihood."""
TIE, SAME = 0.02, 1e-9
"""Ours: largest relative distance of fused and symbolic score where the prior is nearly right; rounding."""
DESTROYED, CALIBRATED, COVERED = 0.2, 0.01, (0.85, 1.0)
"""Ours: Rand index without motifs; calibration error above that of the truth; coverage of 90 % bands."""
SECOND = 0.01
"""Ours: largest relative loss of the fused path against the better single path in the second domain."""
LEVEL, OFF = 0.9, 0.07
"""Ours: level of the bands of reported weeks, and how far their coverage may be from it."""


def embedded_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the embedded experiments and of the reported series."""
    frame = read_measures(tables.measures)
    if "missing" in frame.columns:
        frame = frame.drop("missing")
    main = frame.filter(condition="epidemic")
    return [
        *fusion_findings(main),
        *cluster_findings(main),
        *call_findings(main),
        *window_findings(main),
        *control_findings(frame),
        *other_findings(frame),
    ]


def by_seed(frame: pl.DataFrame, measure: str, **which: str | float) -> Units:
    """Return the mean of a measure in each seed; nothing where it was not measured."""
    return by_unit(frame, "seed", measure, **which)


def by_unit(frame: pl.DataFrame, unit: str, measure: str, **which: str | float) -> Units:
    """Return the mean of a measure for each value of a column; nothing where it was not measured."""
    if not {*which} <= {*frame.columns}:
        return Units({})
    rows = frame.filter(measure=measure, **which).drop_nulls("value")
    means = rows.group_by(unit).agg(pl.col("value").mean()).sort(unit)
    return Units(dict(means.iter_rows()))


def gain(frame: pl.DataFrame, path: str, measure: str = "nll") -> Units:
    """Return by how much the fused path's score is below another's, in nats."""
    return by_seed(frame, measure, path=path).minus(by_seed(frame, measure, path="fused"))


def fusion_findings(main: pl.DataFrame) -> list[Finding]:
    """Return what fusing is worth, and what its weights do."""
    better = least([gain(main, "symbolic"), gain(main, "neural")])
    won = sum(value > 0 for value in better.values.values())
    before, after = (
        by_seed(main.filter(part), "weight", transition="susceptible→exposed")
        for part in (pl.col("time").is_between(39, 59), pl.col("time") >= 67)
    )
    return [
        better.finding(
            "fused",
            "over the days held out the fused path's score is below that of both single paths",
            unit="nats",
            above=0.0,
            note=f"below both in {won} of {len(better.values)} seeds; the spec asks for 5 of 6",
        ),
        gain(main, "neural", "nll after the shift").finding(
            "after-the-shift", "after the shift it is below the neural path's", unit="nats", above=0.0
        ),
        before.minus(after).finding(
            "weight",
            "the neural path's weight in infections falls after the shift",
            unit="",
            above=0.0,
            note="days 39 to 59 against days from 67 on, a week after the shift",
        ),
        gain(main, "by confidence").finding(
            "precision",
            "weighing by precision beats weighing by confidences set by hand",
            unit="nats",
            above=0.0,
        ),
    ]


def cluster_findings(main: pl.DataFrame) -> list[Finding]:
    """Return what ANCHOR finds."""
    anchor = by_seed(main, "rand", clustering="ANCHOR")
    possible = (-1.0, 1.0)
    return [
        anchor.finding(
            "clusters", "ANCHOR finds the hidden types", unit="", above=MATCHED, possible=possible
        ),
        anchor.minus(by_seed(main, "rand", clustering="graph only, spectral")).finding(
            "beyond-the-graph", "better than spectral clusters of graph and features", unit="", above=AHEAD
        ),
        by_seed(main, "rand", clustering="no motifs").finding(
            "no-motifs",
            "without motifs it does not",
            unit="",
            below=DESTROYED,
            control=True,
            possible=possible,
        ),
        anchor.minus(by_seed(main, "rand", clustering="no contrastive")).finding(
            "contrastive", "the contrastive part helps to find them", unit="", above=0.0
        ),
    ]


def call_findings(main: pl.DataFrame) -> list[Finding]:
    """Return what asking about clusters saves and costs."""
    if "way" not in main.columns:
        main = main.with_columns(way=pl.lit(None, pl.String), calls=pl.lit(None, pl.Float64))
    rows = main.filter(measure="frontier")

    def of(way: str, column: str) -> Units:
        return Units(dict(rows.filter(way=way).select("seed", column).drop_nulls().sort("seed").iter_rows()))

    each = ("each agent, by its own record", "each agent, by its own record and cluster")
    best = least([of(way, "value") for way in each])
    saved = of(each[0], "calls").over(of("ANCHOR", "calls"))
    run = by_seed(main, "run calls", way="each agent").over(by_seed(main, "run calls", way="ANCHOR"))
    return [
        saved.finding(
            "calls",
            "so many times fewer questions a day than about each agent",
            unit="times",
            above=FEWER,
            paper=7.0,
        ),
        run.finding(
            "calls-with-probes",
            "and over the whole run, the mini-simulations counted",
            unit="times",
            above=FEWER,
            paper=7.0,
            note="paper: 6 to 8 times",
        ),
        of("ANCHOR", "value")
        .minus(best)
        .over(best)
        .finding(
            "loss",
            "at so little loss of log-likelihood against the better way of asking about each agent",
            unit="fraction",
            below=LOSS,
        ),
    ]


def window_findings(main: pl.DataFrame) -> list[Finding]:
    """Return what rolling weeks show."""
    single = least([by_seed(main, "eete", path=path) for path in ("symbolic", "neural")])
    true = by_seed(main, "eete", path="true probabilities")
    return [
        by_seed(main, "eete", path="fused")
        .minus(single)
        .finding(
            "event-times",
            "the fused path expects events at better times than either single path",
            unit="days",
            below=0.0,
            note="of those with an event alone; a path that raises every hazard gains here and loses in log-likelihood"
            + (f"; the true probabilities are {true.mean:.2f} days off" if true.values else ""),
        ),
        by_seed(main, "coverage", path="fused", level=0.9).finding(
            "coverage",
            "90 % bands of the state counts hold what came",
            unit="fraction",
            above=COVERED[0],
            note="bands of whole numbers with both ends hold a little more than 90 %",
            possible=(0.0, 1.0),
        ),
        by_seed(main, "ece", path="fused")
        .minus(by_seed(main, "ece", path="true probabilities"))
        .within(
            "calibrated",
            "the fused path's calibration error is near that of the true probabilities",
            CALIBRATED,
            unit="",
            control=False,
        ),
    ]


def control_findings(frame: pl.DataFrame) -> list[Finding]:
    """Return the controls: a prior nearly right, shuffled labels, a path fused with itself, the floor."""
    main, mild = frame.filter(condition="epidemic"), frame.filter(condition="mild")
    symbolic = by_seed(mild, "nll", path="symbolic")
    fused = by_seed(main, "nll", path="fused")
    return [
        by_seed(mild, "nll", path="fused")
        .minus(symbolic)
        .over(symbolic)
        .within(
            "tie",
            "where the mechanistic prior is nearly right, fusing only ties with it",
            TIE,
            unit="fraction",
            note="rhythm of amplitude .25, shift on day 42",
        ),
        by_seed(main, "nll of labels", labels="shuffled")
        .minus(fused)
        .finding("shuffled", "shuffled clusters raise the score", unit="nats", above=0.0, control=True),
        by_seed(main, "identical").finding(
            "identical", "a path fused with itself is itself", unit="nats", below=SAME, control=True
        ),
        fused.minus(by_seed(main, "nll", path="true probabilities")).finding(
            "floor", "no path is below the true probabilities", unit="nats", above=0.0, control=True
        ),
    ]


def other_findings(frame: pl.DataFrame) -> list[Finding]:
    """Return the second domain and the reported series."""
    other = frame.filter(condition="attention")
    best = least([by_seed(other, "nll", path=path) for path in ("symbolic", "neural")])
    weeks = frame.filter(condition="series")
    missing = "" if weeks.height else "not measured: doxa data get physicsagentabm"

    def of(measure: str, path: str) -> Units:
        if "unit_name" not in weeks.columns:
            return Units({})
        rows = weeks.filter(measure=measure, path=path).drop_nulls("value")
        return Units(dict(rows.select("unit_name", "value").iter_rows()))

    return [
        by_seed(other, "nll", path="fused")
        .minus(best)
        .over(best)
        .finding(
            "attention",
            "in the life cycle of attention the fused path is no worse than the better single one",
            unit="fraction",
            below=SECOND,
        ),
        of("nll of weeks", "symbolic")
        .minus(of("nll of weeks", "fused"))
        .finding(
            "series",
            "on reported counts the fused score is below the symbolic",
            unit="nats",
            above=0.0,
            note=missing,
        ),
        of("nll of weeks", "last week")
        .minus(of("nll of weeks", "fused"))
        .finding(
            "series-last-week", "and below that of repeating last week", unit="nats", above=0.0, note=missing
        ),
        of("coverage of weeks", "fused")
        .less(LEVEL)
        .within(
            "series-coverage",
            "its 90 % bands hold 90 % of the weeks",
            OFF,
            unit="fraction",
            control=False,
            note=missing,
        ),
    ]
