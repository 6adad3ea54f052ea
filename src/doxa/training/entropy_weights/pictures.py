"""The figures: estimates against the truth, entropy and score over training, what is left at equal score, weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, bars, curves, intervals, scatter
from doxa.lab.figures.channels import figure, layer, quantity
from doxa.lab.figures.figure import PALETTE
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables
from doxa.training.entropy_weights.regimes import (
    EXTREME,
    EXTREME_WEIGHTED,
    GRPO,
    OFFICIAL,
    PERMUTED,
    Regimes,
    slower,
    weighted,
)
from doxa.training.entropy_weights.report import STATES, at_equal_score, references_of
from doxa.training.entropy_weights.updates import COVARIANCE

ESTIMATES = ("exact", "own_logit", "official", "squared")


def entropy_weights_figures(tables: Tables, regimes: Regimes) -> list[Figure]:
    """Draw the embedded experiment."""
    return [
        *_scatters(tables),
        *_correlations(tables),
        *_over_steps(tables, regimes),
        *_frontier(tables, regimes),
        *_equal_score(tables, regimes),
        *_quadrants(tables),
        *_weights(tables),
    ]


def _scaled(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return one row per estimate, each estimate at the scale that fits the truth best."""
    true = rows["value"].to_numpy()
    parts: list[pl.DataFrame] = []
    for name in names:
        estimate = rows[name].to_numpy().astype(float)
        scale = float(true @ estimate) / max(float(estimate @ estimate), 1e-300)
        parts.append(
            pl.DataFrame({"estimate": estimate * scale, "change": true, "estimator": [name] * len(true)})
        )
    return pl.concat(parts)


def _middle_table(tables: Tables) -> pl.DataFrame:
    """Return the shown rows of the first seed's table of middle size."""
    rows = rows_of(tables, "row")
    if not rows.height:
        return rows
    sizes = rows["actions"].unique().sort().to_list()
    return rows.filter(pl.col("seed") == pl.col("seed").min(), pl.col("actions") == sizes[len(sizes) // 2])


def _scatters(tables: Tables) -> list[Figure]:
    found: list[Figure] = []
    table = _middle_table(tables)
    shown: list[tuple[str, str, pl.DataFrame, tuple[str, ...]]] = []
    if table.height:
        shown.append(("tables", f"softmax tables of {table['actions'][0]} actions", table, ESTIMATES))
    for state in STATES:
        tokens = rows_of(tables, "token", state=state)
        own = tokens.filter(pl.col("seed") == tokens["seed"].min()) if tokens.height else tokens
        name = f"network-{state.replace(' ', '-').lower()}"
        where = "the network " + ("before reinforcement" if state == "base" else "after GRPO")
        shown.append((name, where, own, (*ESTIMATES, COVARIANCE)))
    for name, where, own, names in shown:
        if own.height:
            found.append(
                scatter(
                    f"estimates-{name}",
                    f"Estimated and true change of entropy: {where}",
                    "One point per token and estimator, each estimator at the scale that fits best; on the line an "
                    "estimate is right.",
                    _scaled(own, names),
                    x="estimate",
                    y="change",
                    group="estimator",
                    x_title="estimate (nats)",
                    y_title="change (nats)",
                    diagonal=True,
                )
            )
    return found


def _correlations(tables: Tables) -> list[Figure]:
    places = {"softmax tables": {"where": "tables"}} | {
        f"network, {state}": {"where": "network", "state": state} for state in STATES
    }
    rows = [
        units(tables, "pearson", subject=name, **where).row(possible=(-1.0, 1.0), label=name, where=place)
        for place, where in places.items()
        for name in (*ESTIMATES, COVARIANCE)
        if units(tables, "pearson", subject=name, **where).values
    ]
    if not rows:
        return []
    return [
        intervals(
            "correlations",
            "How estimators agree with the true change",
            "Pearson's correlation, mean and 95 % interval over seeds.",
            rows,
            group="where",
            value_title="correlation",
            references={"none": 0.0},
        )
    ]


def main_regimes(regimes: Regimes) -> list[str]:
    """Return the regimes that curves are drawn of, at most six."""
    return [
        GRPO,
        *[slower(factor) for factor in regimes.slower[:1]],
        weighted(regimes.main),
        OFFICIAL,
        PERMUTED,
    ]


def _over_steps(tables: Tables, regimes: Regimes) -> list[Figure]:
    found: list[Figure] = []
    for name, title, shown in (
        ("training", "", main_regimes(regimes)),
        ("wide-clip", ", with the clip wide open", [GRPO, EXTREME, weighted(regimes.main), EXTREME_WEIGHTED]),
    ):
        for measure, what, unit in (
            ("evaluated entropy", "Policy entropy", "entropy (nats)"),
            ("evaluated pass@1", "Score", "share of right answers"),
        ):
            rows = rows_of(tables, measure).filter(pl.col("subject").is_in(shown))
            if not rows.height:
                continue
            means = rows.group_by("subject", "time", maintain_order=True).agg(
                pl.col("value").mean(),
                pl.col("value").min().alias("low"),
                pl.col("value").max().alias("high"),
            )
            order = {regime: place for place, regime in enumerate(shown)}
            means = means.sort(pl.col("subject").replace_strict(order), "time")
            found.append(
                curves(
                    f"{name}-{measure.split()[-1].replace('@', '')}",
                    f"{what} over training{title}",
                    "Mean over seeds; bands from the least to the greatest.",
                    means,
                    low="low",
                    high="high",
                    group="subject",
                    x_title="step",
                    value_title=unit,
                )
            )
    return found


def _frontier(tables: Tables, regimes: Regimes) -> list[Figure]:
    score = rows_of(tables, "evaluated pass@1").select(
        "seed", "subject", "time", pl.col("value").alias("score")
    )
    found: list[Figure] = []
    shown = [GRPO, *[slower(factor) for factor in regimes.slower], weighted(regimes.main), OFFICIAL][:6]
    for kept, title in (("entropy", "entropy (nats)"), ("distinct", "right answers to a prompt")):
        rows = rows_of(tables, f"evaluated {kept}").select("seed", "subject", "time", "value")
        both = rows.join(score, on=["seed", "subject", "time"]).filter(pl.col("subject").is_in(shown))
        if both.height:
            means = both.group_by("subject", "time", maintain_order=True).agg(
                pl.mean("value"), pl.mean("score")
            )
            found.append(
                scatter(
                    f"frontier-{kept}",
                    f"Score and {'entropy' if kept == 'entropy' else 'different right answers'}",
                    "One point per evaluation, mean over seeds. A method helps only where its points lie above those "
                    "of GRPO and of slower GRPO.",
                    means.sort("subject", "time"),
                    x="score",
                    y="value",
                    group="subject",
                    x_title="score",
                    y_title=title,
                )
            )
    return found


def _equal_score(tables: Tables, regimes: Regimes) -> list[Figure]:
    trained = set(rows_of(tables, "evaluated pass@1")["subject"].to_list())
    names = [one.name for one in regimes.variants() if one.name in trained and one.name != GRPO]
    found: list[Figure] = []
    for kept, unit in (("entropy", "nats"), ("distinct", "right answers to a prompt")):
        rows = [
            at_equal_score(tables, name, kept, others).row(label=name, reference=f"beside {other}")
            for name in names
            for other, others in references_of(regimes).items()
            if name not in others and at_equal_score(tables, name, kept, others).values
        ]
        if rows:
            found.append(
                intervals(
                    f"equal-score-{kept}",
                    f"{'Entropy' if kept == 'entropy' else 'Different right answers'} kept at equal score",
                    "More than the reference keeps at the same score, over the last third of evaluations; mean and "
                    "95 % interval over seeds. Methods that never come near the reference's scores are left out.",
                    rows,
                    group="reference",
                    value_title=unit,
                    references={"no more": 0.0},
                )
            )
    return found


def _quadrants(tables: Tables) -> list[Figure]:
    own = _middle_table(tables)
    if not own.height:
        return []
    lines = lines_of(own.with_columns(pl.col("value").alias("change")), "probability", "advantage", "change")
    largest = float(np.quantile(np.abs(own["value"].to_numpy()), 0.95)) or 1.0
    colour: dict[str, Json] = {
        "field": "change",
        "type": "quantitative",
        "scale": {
            "domain": [-largest, 0.0, largest],
            "range": [PALETTE[1], "#9a9a9a", PALETTE[0]],
            "clamp": True,
        },
        "legend": {"title": "change of entropy (nats)", "gradientLength": 160},
    }
    encoding: dict[str, Json] = {
        "x": quantity("probability", "probability of the action", (0.0, 1.0)),
        "y": quantity("advantage", "advantage"),
        "color": colour,
    }
    return [
        figure(
            "quadrants",
            "What a step does to entropy, by probability and advantage",
            "Rows of a softmax table after one step on a sampled action; blue raises entropy, amber lowers it.",
            [layer("point", encoding, size=40)],
            lines,
            300,
        )
    ]


def _weights(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "weights in bin", state="base")
    if not rows.height:
        return []
    means = rows.group_by("subject", "low", "high", maintain_order=True).agg(pl.mean("value"))
    named = means.with_columns(
        pl.format("{} to {}", pl.col("low").round(2), pl.col("high").round(2)).alias("label")
    )
    return [
        bars(
            "weights",
            "How the weights of tokens are spread",
            "Share of tokens by weight λ, smallest weight 1/2, on mini-batches before reinforcement; mean over seeds.",
            named.sort("low", descending=True),
            group="subject",
            value_title="share of tokens",
        )
    ]
