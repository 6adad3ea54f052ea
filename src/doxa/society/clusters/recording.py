"""Rows of the record: scores of paths over held-out days and windows, weights, reliability and bands."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
from jaxtyping import Int
from scipy.special import ndtri

from doxa.belief.calibration import band_coverage
from doxa.belief.event_times import EventTimeError, event_f1, event_time_error
from doxa.lab.record import Recorder
from doxa.society.clusters.fusion import Mode
from doxa.society.clusters.one_step import PATHS
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.rolling import band_limits
from doxa.society.clusters.scoring import NextStates, next_states
from doxa.society.clusters.series import Series
from doxa.society.clusters.symbolic import Prediction
from doxa.society.clusters.weekly import PATHS as WEEKLY_PATHS
from doxa.society.clusters.weekly import Weeks, log_normal_nll
from doxa.society.clusters.world import World, true_staying
from doxa.streams import stream

HORIZON = 7
LOOKBACK = 28
LEVELS = (0.5, 0.9)
NOTHING = "nothing happened in the window"
_MODES: dict[str, Mode] = {"symbolic": "symbolic", "neural": "neural", "fused": "precision"}


def put(
    recorder: Recorder, measure: str, value: float, *, time: float = 0.0, unit: str = "", **extra: str | float
) -> None:
    """Record one number of the cell's condition."""
    recorder.measure(
        measure, value, subject="population", unit=unit, axis="day", time=time, condition=None, **extra
    )


def read_measures(measures: pl.DataFrame) -> pl.DataFrame:
    """Return the table of measures with what ``extra`` holds as columns."""
    rows = [json.loads(text) for text in measures["extra"].to_list()]
    names = sorted({name for row in rows for name in row} - {"missing"})
    told = pl.DataFrame({name: pl.Series([row.get(name) for row in rows], strict=False) for name in names})
    return pl.concat([measures.drop("extra"), told], how="horizontal") if names else measures


def record_days(
    recorder: Recorder, model: ClusterModel, world: World, days: Int[np.ndarray, " days"]
) -> None:
    """Record scores of all paths over days, before and after the shift, and the weight of the neural path."""
    held = model.daily.held(int(days[0]))
    scores = {path: model.scored(held.paths[path], days) for path in PATHS}
    scores["base rates"] = model.scored(base_rates(model, len(days)), days)
    scores["true probabilities"] = next_states(
        model.compartments, model.states, days, iter(world.moves[days])
    )
    before = days < world.plan.shift_day
    for path, score in scores.items():
        put(recorder, "nll", score.nll, unit="nats", path=path)
        put(recorder, "brier", score.brier, path=path)
        put(recorder, "brier of a move", score.brier_of_move, path=path)
        put(recorder, "ece", score.ece, path=path)
        for name, part in (("before", before), ("after", ~before)):
            put(recorder, f"nll {name} the shift", score.on(part).nll, unit="nats", path=path)
        _record_reliability(recorder, score, path)
    for place, day in enumerate(model.daily.days):
        for number, name in enumerate(model.compartments.ways):
            weight = float(model.daily.weight[place, :, number].mean())
            put(recorder, "weight", weight, time=float(day), transition=name)


def base_rates(model: ClusterModel, days: int) -> Prediction:
    """Return the rates of the days the networks learned from, the same every day."""
    first, last = model.trained
    events, trials = (
        table[first : last + 1].sum(axis=(0, 1)).astype(float)
        for table in (model.history.events, model.history.trials)
    )
    logit = np.log(events) - np.log(trials - events)
    shape = (days, len(model.history.sizes), len(logit))
    return Prediction(np.broadcast_to(logit, shape), np.ones(shape))


def _record_reliability(recorder: Recorder, score: NextStates, path: str) -> None:
    for one in score.reliability:
        put(recorder, "reliability", one.share_true, credence=one.credence, n=one.n, path=path)


def record_windows(recorder: Recorder, model: ClusterModel, world: World, first: int, paths: int) -> None:
    """Record event times, events and bands over rolling windows of a week, by path."""
    origins = range(first, len(model.states) - HORIZON, HORIZON)
    for origin in origins:
        rng = stream(model.seed, "cluster window", "truth", origin)
        staying = true_staying(world, origin, HORIZON, rng, paths)
        left = model.observed(origin, HORIZON).left
        error = event_time_error(staying, left)
        _put_times(recorder, origin, "true probabilities", error)
    names = model.compartments.names
    for path, mode in _MODES.items():
        for origin in origins:
            forecast, seen = model.window(origin, HORIZON, mode=mode, paths=paths, lookback=LOOKBACK)
            error = event_time_error(forecast.staying, seen.left)
            likely = forecast.chance >= 0.5
            _put_times(recorder, origin, path, error)
            values = {
                "et-f1": event_f1(likely, seen.made).macro,
                "et-f1, within a day": event_f1(likely, seen.made, forecast.when).macro,
            }
            for measure, value in values.items():
                put(recorder, measure, value, time=origin, path=path, missing=NOTHING)
            counts = forecast.counts.sum(axis=2)  # over clusters
            after = model.history.counts[origin + 1 : origin + HORIZON + 1].sum(axis=1)
            for level, (low, high) in band_limits(counts, LEVELS).items():
                share = band_coverage(low.astype(float), high.astype(float), after)
                put(recorder, "coverage", share, time=origin, path=path, level=level)
                if path == "fused" and level == LEVELS[-1]:
                    for step in range(HORIZON):
                        for state, name in enumerate(names):
                            put(
                                recorder,
                                "band",
                                float(after[step, state]),
                                time=origin + 1 + step,
                                state=name,
                                low=float(low[step, state]),
                                high=float(high[step, state]),
                            )


def _put_times(recorder: Recorder, origin: int, path: str, error: EventTimeError) -> None:
    for measure, value in (("eete", error.with_event), ("chance without event", error.without)):
        put(recorder, measure, value, time=origin, path=path, missing=NOTHING)


def record_series(recorder: Recorder, series: Series, weeks: Weeks) -> None:
    """Record scores, bands and weights of weekly forecasts of reported counts, by unit and transition."""
    put(recorder, "corrections", float(series.corrections), of=", ".join(series.names))
    transitions = series.history.compartments.ways
    for path in WEEKLY_PATHS:
        nll = log_normal_nll(weeks.observed, weeks.expected[path], weeks.deviation[path])
        distance = np.abs(np.log(weeks.observed + 0.5) - np.log(weeks.expected[path]))
        for unit, country in enumerate(series.names):
            for place, transition in enumerate(transitions):
                where = f"{country} {transition}"
                put(
                    recorder,
                    "nll of weeks",
                    float(nll[:, unit, place].mean()),
                    unit="nats",
                    path=path,
                    unit_name=where,
                )
                for level in LEVELS:
                    reach = float(ndtri(0.5 + level / 2)) * weeks.deviation[path][:, unit, place]
                    inside = float(np.mean(distance[:, unit, place] <= reach))
                    measure = "coverage of weeks" if level == LEVELS[-1] else f"coverage of weeks, {level:g}"
                    put(recorder, measure, inside, path=path, unit_name=where)
                put(
                    recorder,
                    "error of weeks",
                    float(distance[:, unit, place].mean()),
                    unit="nats",
                    path=path,
                    unit_name=where,
                )
    for place, origin in enumerate(weeks.origins[::HORIZON]):
        row = place * HORIZON
        for unit, country in enumerate(series.names):
            expected, spread = (table["fused"][row, unit, 0] for table in (weeks.expected, weeks.deviation))
            reach = float(ndtri(0.5 + LEVELS[-1] / 2)) * spread
            put(
                recorder,
                "week",
                float(weeks.observed[row, unit, 0]),
                time=float(origin),
                unit_name=country,
                low=float(expected * np.exp(-reach)),
                high=float(expected * np.exp(reach)),
                date=series.dates[int(origin)],
            )
            weight = float(weeks.weight[row, unit, 0])
            put(recorder, "weight of weeks", weight, time=float(origin), unit_name=country)
