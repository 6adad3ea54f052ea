"""What a subject's bandit play shows: findings over its episodes, and figures."""

from __future__ import annotations

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, bootstrap, mean_t_interval
from doxa.lab.figures import Figure, curves
from doxa.lab.record import Finding, Tables, judge
from doxa.protocols.bandit.pictures import LN_2, episode_figures, trace_figures, word_figures
from doxa.protocols.bandit.readings import read_measures


def subject_findings(
    tables: Tables, *, least_validity: float, tolerance_nats: float, rng: np.random.Generator
) -> list[Finding]:
    """Judge a subject by its episodes, which are the independent units.

    Args:
        tables: of the run.
        least_validity: share of completions that must be valid.
        tolerance_nats: entropy that a control and a temperature move at most.
        rng: of the bootstrap over episodes.
    """
    frame = read_measures(tables.measures)
    judged = frame.filter(~pl.col("run").is_in(choosing_runs(frame)))
    layer, multiplier, temperature = (chosen(frame, name) for name in ("layer", "multiplier", "temperature"))
    why = why_not(frame)
    plain = judged.filter(condition="temperature", time=1.0)
    heated = judged.filter(condition="temperature", time=temperature or 1.0)
    hotter = heated if temperature and temperature > 1.0 else None
    steered = judged.filter(condition="sweep", layer=layer, time=multiplier) if layer is not None else None
    shuffled = judged.filter(condition="control shuffled")
    gain = paired(steered, plain, rng)
    heat = paired(hotter, plain, rng)
    more = paired(steered, heated, rng)
    still = paired(shuffled if shuffled.height else None, plain, rng)
    at = "" if layer is None else f"layer {layer:g}, multiplier {multiplier:g}"
    hot = "no temperature above 1 leaves completions valid"
    if temperature and temperature > 1.0:
        hot = f"temperature {temperature:g}"
    sooner = episodes(frame, "steered, equal runs", "commitment", minus="plain, equal runs")
    early = episodes(frame, "log runs", "fall")
    return [
        finding("valid", "unsteered completions name an arm", valid(plain, rng), above=least_validity, unit="fraction"),
        finding("collapse", "entropy falls from the first third of a run to its last", early, above=0.0),
        finding("heat", "temperature that leaves completions valid hardly moves the action", heat,
                below=tolerance_nats, note=hot),
        finding("gain", "the vector raises the entropy of the action", gain, above=0.0, note=at or why),
        finding("shuffled", "the vector with shuffled coordinates does not", still,
                above=-tolerance_nats, below=tolerance_nats, control=True, note=at or why),
        finding("matched-validity", "it raises it more than temperature does, both at valid completions", more,
                above=0.0, note=f"{at}; {hot}" if at else why),
        finding("commitment", "steered episodes settle later", sooner, above=0.0, unit="rounds", note=at or why),
    ]  # fmt: skip


def finding(
    name: str,
    claim: str,
    mean: Interval,
    *,
    above: float | None = None,
    below: float | None = None,
    unit: str = "nats",
    control: bool = False,
    note: str = "",
) -> Finding:
    """Return the finding that a mean lies within bounds."""
    missing = mean.n == 0
    return Finding(
        id=name,
        claim=claim,
        estimate=None if missing else mean.estimate,
        interval=mean.ends,
        verdict=judge(mean.ends, above=above, below=below),
        unit=unit,
        control=control,
        n=mean.n,
        note=note or ("nothing was measured" if missing else ""),
    )


def choosing_runs(frame: pl.DataFrame) -> list[int]:
    """Return the runs whose prompts the settings were chosen on: every second of those that have any."""
    runs = frame.filter(condition="temperature")["run"].drop_nulls().unique().sort()
    return runs.gather_every(2).to_list()


def chosen(frame: pl.DataFrame, name: str) -> float | None:
    """Return what was chosen, None where nothing was."""
    values = frame.filter(measure=f"chosen {name}")["value"].to_list()
    return values[0] if values else None


def why_not(frame: pl.DataFrame) -> str:
    """Return why a subject was not steered."""
    absent = frame.filter(condition="vector", measure="norm").filter(pl.col("value").is_null())
    if absent.height:
        return str(absent["extra"].str.json_path_match("$.missing")[0])
    if frame.filter(condition="vector", measure="norm").height:
        return "no multiplier leaves completions valid"
    return "not steered: only the weights of organism: and hf: subjects are open"


def paired(one: pl.DataFrame | None, other: pl.DataFrame, rng: np.random.Generator) -> Interval:
    """Return the mean difference of entropies over prompts, resampling episodes; draws of a prompt count once."""
    if one is None:
        return Interval(np.nan, np.nan, np.nan, 0)
    sides = [
        frame.filter(measure="entropy")
        .drop_nulls("value")
        .group_by("run", "prompt")
        .agg(pl.col("value").mean())
        for frame in (one, other)
    ]
    both = sides[0].join(sides[1], on=["run", "prompt"], suffix="_other").sort("run", "prompt")
    differences = (both["value"] - both["value_other"]).to_numpy()
    return bootstrap(differences, clusters=both["run"].to_list(), rng=rng)


def valid(plain: pl.DataFrame, rng: np.random.Generator) -> Interval:
    """Return the mean validity over prompts, resampling episodes."""
    rows = plain.filter(measure="validity").sort("run", "prompt")
    return bootstrap(rows["value"].to_numpy(), clusters=rows["run"].to_list(), rng=rng)


def episodes(frame: pl.DataFrame, condition: str, measure: str, *, minus: str | None = None) -> Interval:
    """Return the mean of a measure over episodes, or of the difference between the same episodes of two conditions."""
    own = frame.filter(condition=condition, measure=measure).drop_nulls("value").select("run", "value")
    if minus is None:
        return mean_t_interval(own["value"].to_list())
    other = frame.filter(condition=minus, measure=measure).drop_nulls("value").select("run", "value")
    both = own.join(other, on="run", suffix="_other")
    return mean_t_interval((both["value"] - both["value_other"]).to_list())


def subject_figures(tables: Tables) -> list[Figure]:
    """Draw doubt by setting, by round, trajectories, a trace and words, as far as they were measured."""
    frame = read_measures(tables.measures)
    drawn: list[Figure] = []
    for kind, title, axis in (
        ("sweep", "Entropy and validity by multiplier", "multiplier"),
        ("temperature", "Entropy and validity by temperature, without steering", "temperature"),
    ):
        rows = frame.filter(pl.col("measure").is_in(["entropy", "validity"]), condition=kind).drop_nulls(
            "value"
        )
        means = (
            rows.group_by("measure", "layer", "time")
            .agg(pl.col("value").mean())
            .sort("layer", "measure", "time")
        )
        if not means.height:
            continue
        name = pl.col("measure") if kind == "temperature" else pl.format("{}, layer {}", "measure", "layer")
        drawn.append(
            curves(
                f"{axis}s",
                title,
                "Mean over held-out prompts; entropy of the action in nats, share of valid completions.",
                means.with_columns(name.alias("what")),
                group="what",
                x_title=axis,
                references={"ln 2": LN_2},
            )
        )
    kinds = {"log": "logged", "plain, equal": "unsteered", "steered, equal": "steered"}
    drawn += episode_figures(frame, kinds)
    return [*drawn, *trace_figures(tables.beliefs, ("plain", "steered")), *word_figures(frame)]
