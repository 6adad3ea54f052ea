"""What a subject's beliefs and plays show: findings with the published table beside, and figures."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.belief.inference import mean_t_interval, wilson
from doxa.lab.figures import Figure, bars, curves, scatter
from doxa.lab.record import Finding, Tables
from doxa.protocols.trust.beside_report import beside_findings
from doxa.protocols.trust.findings import finding_of, interval_of
from doxa.protocols.trust.recording import read_measures
from doxa.protocols.trust.text import STRATEGIES, label

MODELS = ("Gemma-2-27B", "Llama-70B", "Llama-8B")
TABLE_3: dict[str, dict[str, tuple[float, float, float]]] = {
    "NOCTX+TR": {"delta": (0.02, 0.01, 0.09), "rho": (0.80, 0.49, 0.80)},
    "CTX+TR": {"delta": (0.06, 0.01, 0.09), "rho": (0.40, 0.50, 0.40)},
    "CTX+$": {"delta": (0.10, 0.03, 0.21), "rho": (0.83, 0.50, 0.00)},
}
"""Median |Δη²| and ρ over attributes of the published models (table 3)."""
TABLE_4: dict[str, tuple[float, float, float]] = {
    "none": (0.40, 0.50, 0.40),
    "self": (0.00, 0.80, 1.00),
    "imposed 0.8": (0.08, 0.30, -0.14),
    "imposed 0.2": (0.14, 0.20, 0.40),
}
"""Median ρ of each condition (table 4); the imposed rows are of the supplied ordering."""
LARGE = 0.1
"""Bound of a large |Δη²|: the mean of published models' dollar tables is 0.11."""
VALID = 0.95
"""Least share of valid answers."""
DEALT = 0.1
"""How far from 0 the mean of ρ may lie where amounts are dealt to others."""


def subject_findings(tables: Tables, note: str) -> list[Finding]:
    """Return the findings of a subject."""
    frame = read_measures(tables.measures)
    main = frame.filter(condition="population")
    found = [finding for strategy in STRATEGIES for finding in _strategy(main, strategy, note)]
    found += _conditions(main)
    found += [_dealt(main), _agreement(main)]
    found += [_valid(frame, "population"), _valid(frame, "individual")]
    found += _slopes(frame)
    for condition in sorted({*frame["condition"].to_list()}):
        if condition.startswith("endowment"):
            own = interval_of(frame.filter(condition=condition), "median spearman", strategy="CTX+TR")
            name = condition.replace(" ", "-")
            claim = f"with an {condition} stated trust in context and play still agree in order"
            found.append(finding_of(name, claim, own, above=0.0))
    return found + beside_findings(frame, tables.transcripts)


def _strategy(frame: pl.DataFrame, strategy: str, note: str) -> list[Finding]:
    published = TABLE_3[strategy]
    told = {
        kind: ", ".join(f"{m} {v:.2f}" for m, v in zip(MODELS, values, strict=True))
        for kind, values in published.items()
    }
    own = frame.filter(strategy=strategy)
    left = own.filter(measure="left out")["attribute"].unique().to_list()
    alike = own.filter(pl.col("value").is_null(), measure="spearman")["attribute"].unique().to_list()
    more = [note, f"left out in part or whole: {', '.join(sorted(left))}" if left else ""]
    more += [f"ρ undefined, not in the median: {', '.join(sorted(alike))}" if alike else ""]
    rho, delta = (
        interval_of(frame, f"median {name}", strategy=strategy) for name in ("spearman", "delta_eta2")
    )
    slug = strategy.lower().replace("+$", "-dollars").replace("+", "-")
    return [
        finding_of(
            f"rho-{slug}",
            f"asked by {strategy}, believed and acted orders agree (median over attributes)",
            rho,
            above=0.0,
            paper=_middle(published["rho"]),
            note="; ".join([f"paper: {told['rho']}", *filter(None, more)]),
        ),
        finding_of(
            f"delta-{slug}",
            f"asked by {strategy}, believed and found effect sizes are within {LARGE} (median |Δη²|)",
            delta,
            below=LARGE,
            paper=_middle(published["delta"]),
            note=f"paper: {told['delta']}",
        ),
    ]


def _conditions(frame: pl.DataFrame) -> list[Finding]:
    found: list[Finding] = []
    names = sorted(
        {name for name in frame["ordering"].drop_nulls() if name == "self" or name.startswith("imposed")}
    )
    for name in names[::-1]:
        gain = interval_of(frame, "gain", ordering=name)
        supplied = interval_of(frame, "median spearman", strategy=f"{name}, supplied")
        known = TABLE_4.get(name)
        told = "" if known is None else ", ".join(f"{m} {v:.2f}" for m, v in zip(MODELS, known, strict=True))
        slug = name.replace(" ", "-")
        found += [
            finding_of(
                f"rho-{slug}",
                f"told the {_ordering(name)}, play follows it",
                supplied,
                above=0.0,
                paper=None if known is None else _middle(known),
                note=f"paper: {told}" if told else "",
            ),
            finding_of(
                f"gain-{slug}",
                "and follows it better than without being told (the same ordering held against both)",
                gain,
                above=0.0,
                note="like is compared with like; the paper's unconditioned row is of other orderings",
            ),
        ]
    return found


def _ordering(name: str) -> str:
    return "elicited ordering" if name == "self" else f"ordering at {name.removeprefix('imposed ')} to it"


def _dealt(frame: pl.DataFrame) -> Finding:
    values = frame.filter(strategy="dealt", measure="median spearman")["value"].drop_nulls()
    mean = mean_t_interval(values.to_list())
    return finding_of(
        "dealt",
        "where amounts are dealt to other personas, ρ is centred on 0",
        mean,
        above=-DEALT,
        below=DEALT,
        control=True,
    )


def _agreement(frame: pl.DataFrame) -> Finding:
    values = frame.filter(measure="agreement", strategy="CTX+TR")["value"].drop_nulls()
    return finding_of(
        "agreement",
        "repeats of a belief agree with each other: the ceiling of any consistency (mean over attributes)",
        mean_t_interval(values.to_list()),
        above=0.5,
    )


def _valid(frame: pl.DataFrame, part: str) -> Finding:
    own = (pl.col("condition") == "individual") == (part == "individual")
    rows = frame.filter(own, pl.col("measure").is_in(["valid", "read"]), pl.col("n").is_not_null())
    good = round(sum(value * n for value, n in zip(rows["value"], rows["n"], strict=True)))
    told = wilson(good, int(rows["n"].sum()))
    return finding_of(f"valid-{part}", f"answers about amounts can be read ({part})", told, above=VALID)


def _slopes(frame: pl.DataFrame) -> list[Finding]:
    names = ("all", "M1", "M3", "M5")
    claim = "errors of forecasts grow with the horizon"
    return [
        finding_of(
            "horizon" if name == "all" else f"horizon-{name}",
            claim if name == "all" else f"{claim}, trustee {name}",
            interval_of(frame.filter(condition="individual"), "slope", trustee=name),
            above=0.0,
            unit="dollars a round",
        )
        for name in names
    ]


def _middle(values: tuple[float, ...]) -> float:
    return sorted(values)[len(values) // 2]


def subject_figures(tables: Tables) -> list[Figure]:
    """Draw ranks, effect sizes, conditions and errors by horizon, as far as they were measured."""
    frame = read_measures(tables.measures)
    main = frame.filter(condition="population")
    found: list[Figure] = []
    sizes = [
        {"attribute": label(row["attribute"]), "strategy": row["strategy"], "value": row["value"]}
        for row in main.filter(pl.col("strategy").is_in(STRATEGIES), measure="delta_eta2")
        .drop_nulls("value")
        .iter_rows(named=True)
    ]
    if sizes:
        found += [_ranks(main)]
        found.append(
            bars(
                "effect-sizes",
                "Believed against found effect size",
                "|Δη²| of each attribute by strategy.",
                sizes,
                label="attribute",
                group="strategy",
                value_title="|Δη²|",
            )
        )
    ladder: list[dict[str, Any]] = []
    for name in (
        "self",
        *sorted({n for n in main["ordering"].drop_nulls() if n.startswith("imposed")})[::-1],
    ):
        for kind in ("unconditioned", "supplied"):
            own = interval_of(main, "median spearman", strategy=f"{name}, {kind}")
            if own.ends:
                ladder.append(
                    {"ordering": name, "play": kind, "value": own.estimate, "low": own.low, "high": own.high}
                )
    if ladder:
        found.append(
            bars(
                "ladder",
                "Order acted against order told",
                "Median ρ of the ordering with play, not told and told it.",
                ladder,
                label="ordering",
                low="low",
                high="high",
                group="play",
                value_title="median ρ",
            )
        )
    errors = frame.filter(measure="mae").drop_nulls("value")
    if errors.height:
        found.append(
            curves(
                "horizon",
                "Error of forecasts by horizon",
                "Mean |forecast - sent| in dollars by trustee.",
                errors.sort("trustee", "time"),
                group="trustee",
                x_title="rounds ahead",
                value_title="dollars",
            )
        )
    return found


def _ranks(frame: pl.DataFrame) -> Figure:
    rows = frame.filter(strategy="CTX+TR").drop_nulls("value")
    lines: list[dict[str, Any]] = []
    for attribute in dict.fromkeys(rows["attribute"].drop_nulls()):
        own = rows.filter(attribute=attribute)
        believed = own.filter(measure="believed rank")["value"]
        acted = own.filter(measure="level mean")["value"].rank()
        if believed.len() == acted.len():
            lines += [
                {"believed": b, "acted": a, "attribute": label(attribute)}
                for b, a in zip(believed, acted, strict=True)
            ]
    return scatter(
        "ranks",
        "Believed rank against rank in play",
        "One point for each level; 1 is least trusting; CTX+TR.",
        lines,
        x="believed",
        y="acted",
        group="attribute",
        x_title="believed rank",
        y_title="rank of mean sent",
        diagonal=True,
    )
