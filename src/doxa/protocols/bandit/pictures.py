"""Figures of bandit agents under steering."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

import polars as pl

from doxa.lab.figures import Figure, bars, curves, heatmap
from doxa.protocols.bandit.readings import along_multipliers, per_seed

LN_2 = 0.6931
OVER_SEEDS = "Mean over seeds with its 95 % interval."


def sweep_figures(frame: pl.DataFrame, multiplier: float) -> list[Figure]:
    """Draw entropy, validity and words of doubt by multiplier, by temperature, and by layer and multiplier."""
    controls = [
        per_seed(frame, "entropy", f"control {kind}").row(time=multiplier, measure=f"entropy, {name}")
        for kind, name in (("shuffled", "shuffled vector"), ("random", "random vector"))
    ]
    rows = [
        per.row(time=time, measure=name)
        for name in ("entropy", "validity", "doubt")
        for time, per in along_multipliers(frame, name).items()
    ]
    told = "Entropy of the action in nats, share of valid completions, share of words of doubt"
    heat = frame.filter(condition="temperature")
    times = sorted(heat["time"].unique())
    return [
        curves(
            "multipliers",
            "Entropy, validity and doubt by multiplier",
            f"{told}; the vector in mean activation norms, at the chosen layer. {OVER_SEEDS}",
            [*rows, *controls],
            low="low",
            high="high",
            group="measure",
            x_title="multiplier",
            references={"ln 2": LN_2},
            domain=(0.0, 1.0),
        ),
        curves(
            "temperatures",
            "The same by temperature, without steering",
            f"{told}. {OVER_SEEDS}",
            [
                per_seed(heat, name, "temperature", time=time).row(time=time, measure=name)
                for name in ("entropy", "validity", "doubt")
                for time in times
            ],
            low="low",
            high="high",
            group="measure",
            x_title="temperature",
            references={"ln 2": LN_2},
            domain=(0.0, 1.0),
        ),
        *(
            _map(frame, name, title)
            for name, title in (("gain", "Gain of entropy"), ("validity", "Validity"))
        ),
    ]


def _map(frame: pl.DataFrame, measure: str, title: str) -> Figure:
    steered = frame.filter(condition="sweep", measure=measure)
    means = (
        steered.group_by("layer", "time", maintain_order=True)
        .agg(pl.col("value").mean())
        .sort("layer", "time")
    )
    rows = [
        {"layer": f"layer {line['layer']}", "multiplier": f"{line['time']:g}", "value": line["value"]}
        for line in means.iter_rows(named=True)
    ]
    middle = 0.0 if measure == "gain" else None
    return heatmap(
        f"{measure}-map",
        f"{title} by layer and multiplier",
        "Mean over seeds; layer l is the output of block l, counted from 0."
        + (" In nats, over the same prompts unsteered." if measure == "gain" else ""),
        rows,
        row="layer",
        column="multiplier",
        middle=middle,
        domain=None if measure == "gain" else (0.0, 1.0),
    )


def episode_figures(frame: pl.DataFrame, kinds: dict[str, str]) -> list[Figure]:
    """Draw entropy by round, and single trajectories; ``kinds`` names each condition of episodes."""
    by_round = frame.filter(measure="entropy", axis="round")
    rows: list[dict[str, Any]] = []
    for condition, name in kinds.items():
        own = by_round.filter(condition=condition)
        rows += [
            per_seed(own, "entropy", condition, time=time).row(time=time + 1, who=name)
            for time in sorted(own["time"].unique())
        ]
    walked = frame.filter(pl.col("condition").is_in(list(kinds)), measure="cumulative arm")
    drawn: list[Figure] = []
    if rows:
        drawn.append(
            curves(
                "rounds",
                "Entropy of the action by round, arms of equal mean",
                f"In nats. {OVER_SEEDS}",
                rows,
                low="low",
                high="high",
                group="who",
                x_title="round",
                value_title="nats",
                references={"ln 2": LN_2},
            )
        )
    if walked.height:
        first = walked["seed"].min()
        for condition, name in kinds.items():
            own = walked.filter(condition=condition, seed=first)
            drawn.append(
                curves(
                    f"trajectories-{name.replace(' ', '-')}",
                    f"Trajectories, {name}",
                    "How often the second arm was pulled so far, one line to a run: flat is the first arm for ever, "
                    "the diagonal the second.",
                    own.select(
                        pl.col("time").alias("round"), "value", pl.format("run {}", "run").alias("run")
                    ).sort("run", "round"),
                    x="round",
                    group="run",
                    x_title="round",
                    value_title="pulls of the second arm",
                )
            )
    return drawn


def trace_figures(beliefs: pl.DataFrame, kinds: Sequence[str]) -> list[Figure]:
    """Draw the chance of the first arm after every token of some thoughts, one strip to a prompt."""
    rows: list[dict[str, Any]] = []
    traced = beliefs.filter(axis="token")
    if not traced.height:
        return []
    first = traced["seed"].min()
    for kind in kinds:
        own = traced.filter(condition=f"trace {kind}", seed=first).with_columns(
            pl.col("extra").str.json_path_match("$.word").alias("word")
        )
        for (proposition,), strip in own.group_by("proposition", maintain_order=True):
            prompt = str(proposition).rpartition(" ")[2]
            said = " ".join(word for word in strip.sort("time")["word"].to_list() if word)
            rows += [
                {
                    "thought": f"{kind} {prompt}: {said}"[:70],
                    "tokens": f"{int(time)}",
                    "value": credence,
                }
                for time, credence in strip.select("time", "credence").iter_rows()
            ]
    return [
        heatmap(
            "trace",
            "Chance of the first arm after each token of a thought",
            "Share of continuations that take it, by how many tokens stand; a blank has no valid one.",
            rows,
            row="thought",
            column="tokens",
            domain=(0.0, 1.0),
            middle=0.5,
        )
    ]


def word_figures(frame: pl.DataFrame, *, most: int = 8, least: int = 5) -> list[Figure]:
    """Draw the words whose frequency steering raises and lowers most, as log2 of the ratio."""
    ratios = word_ratios(frame, least=least)
    if not ratios:
        return []
    shown = ratios if len(ratios) <= 2 * most else [*ratios[:most], *ratios[-most:]]
    return [
        bars(
            "words",
            "Relative frequency of words, steered over unsteered",
            "log2 of the ratio of frequencies, all seeds together; one more of each word is counted.",
            [{"label": word, "value": ratio} for word, ratio in shown],
            value_title="log2 ratio",
        )
    ]


def word_ratios(frame: pl.DataFrame, *, least: int = 5) -> list[tuple[str, float]]:
    """Return words with log2(frequency steered / frequency unsteered), highest first.

    One is added to each count, so that a word said on one side only has a ratio; words said fewer than ``least``
    times in all are left out.
    """
    counts = frame.filter(measure="word count").group_by("condition", "word").agg(pl.col("value").sum())
    kinds = {
        kind: dict(counts.filter(condition=f"words {kind}").select("word", "value").iter_rows())
        for kind in ("plain", "steered")
    }
    words = sorted({*kinds["plain"], *kinds["steered"]})
    total = {kind: sum(own.values()) + len(words) for kind, own in kinds.items()}
    ratios: list[tuple[str, float]] = []
    for word in words:
        plain, steered = (kinds[kind].get(word, 0.0) for kind in ("plain", "steered"))
        if plain + steered >= least:
            ratios.append((word, log2((steered + 1) / total["steered"]) - log2((plain + 1) / total["plain"])))
    return sorted(ratios, key=lambda one: -one[1])
