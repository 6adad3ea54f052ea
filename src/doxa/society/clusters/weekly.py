"""Rolling forecasts of reported counts: from each day the total of the next seven, with its spread.

Both paths and their fusion predict the hazards of seven days; infections expected on one day are infectious on the
next. The total y of a week is taken as log-normal around the expected one, with the variance of the path's past errors
of ln y, an exponential mean of the weeks that are over, and the noise of counting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.information import expit
from doxa.society.clusters.fusion import fuse
from doxa.society.clusters.history import Situation, force_of
from doxa.society.clusters.neural import NeuralPath, NeuralPlan
from doxa.society.clusters.series import Series
from doxa.society.clusters.symbolic import Prediction, SymbolicPath

HORIZON = 7
DECAY = 0.95
"""Weight of yesterday's mean of squared errors: a memory of three weeks, because weeks overlap."""
MEMORY = 180
"""Days a network learns from."""
RECORD = 28
"""Days before a stretch by which its networks are judged first; they learn from the days before these."""
PATHS = ("symbolic", "neural", "fused", "last week")

Ahead = Callable[[Situation], Prediction]


class Weeks(NamedTuple):
    """Forecasts of weekly totals.

    Attributes:
        origins: first day of each week.
        observed: totals.
        expected: expected totals of each of :data:`PATHS`.
        deviation: standard deviation of ln y of each path.
        weight: weight of the neural path on the first day of each week.
    """

    origins: Int[np.ndarray, " weeks"]
    observed: Int[np.ndarray, "weeks units transitions"]
    expected: dict[str, Float[np.ndarray, "weeks units transitions"]]
    deviation: dict[str, Float[np.ndarray, "weeks units transitions"]]
    weight: Float[np.ndarray, "weeks units transitions"]


def weekly_forecasts(series: Series, *, first: int, refit: int, seed: int, plan: NeuralPlan) -> Weeks:
    """Return forecasts from every day from ``first`` on; networks are trained anew every ``refit`` days.

    Only what was reported before an origin is used: networks learn from days that end :data:`RECORD` before
    the stretch they serve, and are trusted there by their own errors since, not by those of the networks before them.

    Args:
        series: reported counts.
        first: first origin that counts, at least 110.
        refit: days for which networks serve.
        seed: of the networks.
        plan: how they are trained.
    """
    begins, ends = first - RECORD, series.history.days - HORIZON
    origins = np.arange(begins, ends)
    mechanism = _mechanism(series, origins)
    served = _networks(series, begins, ends, refit, seed, plan)
    records = {
        "symbolic": _record(series, begins, ends, _mechanism(series, np.arange(begins - RECORD, ends))),
        "neural": _Record.joined([_record(series, one.begins, one.ends, one.net.predict) for one in served]),
    }
    errors = {name: record.errors for name, record in records.items()}
    weights: list[np.ndarray] = []

    def fused(situation: Situation) -> Prediction:
        found = {"symbolic": mechanism(situation), "neural": _by_stretch(served, origins, situation)}
        paths = [Prediction(path.logit, path.variance + errors[name]) for name, path in found.items()]
        whole = fuse(paths)
        weights.append(whole.weights[1])
        return whole.prediction

    observed = totals(series, origins)
    expected = {
        **{name: record.expected for name, record in records.items()},
        "fused": ahead(series, origins, fused),
        "last week": np.maximum(1.0, totals(series, origins - HORIZON)),
    }
    errors |= {name: past_errors(observed, expected[name]) for name in ("fused", "last week")}
    kept = origins >= first
    return Weeks(
        origins[kept],
        observed[kept],
        {name: expected[name][kept] for name in PATHS},
        {name: np.sqrt(errors[name] + 1.0 / expected[name])[kept] for name in PATHS},
        weights[0][kept],
    )


def totals(series: Series, origins: Int[np.ndarray, " weeks"]) -> Int[np.ndarray, "weeks units transitions"]:
    """Return the events of the seven days from each origin."""
    running = np.concatenate(
        [np.zeros_like(series.history.events[:1]), np.cumsum(series.history.events, axis=0)]
    )
    return running[origins + HORIZON] - running[origins]


def ahead(
    series: Series, origins: Int[np.ndarray, " weeks"], path: Ahead
) -> Float[np.ndarray, "weeks units transitions"]:
    """Return the expected totals of seven days by a path, all origins at once."""
    history, made = series.history, series.history.compartments
    situation = history.situations(origins)
    people = history.sizes[:, None].astype(np.float64)
    counts = history.counts[origins].astype(np.float64)
    total = np.zeros((len(origins), len(history.sizes), len(made.transitions)))
    infectious, ends = made.code("infected"), made.code("recovered")
    for step in range(HORIZON):
        p = made.compete(expit(path(situation).logit))
        events = counts[..., made.sources] * p
        total += events
        after = counts.copy()
        for place, (source, target) in enumerate(zip(made.sources, made.targets, strict=True)):
            after[..., source] -= events[..., place]
            after[..., target] += events[..., place]
        # those who leave within a week were reported a week before the origin, at the latest
        gone = np.minimum(series.leaving[origins + step], after[..., infectious])
        after[..., infectious] -= gone
        after[..., ends] += gone
        at_risk = np.maximum(1.0, counts[..., made.sources])
        shares = np.concatenate([situation.shares[:, 1:], (after / people)[:, None]], axis=1)
        rates = np.concatenate([situation.rates[:, 1:], (events / at_risk)[:, None]], axis=1)
        force = force_of(made, shares[:, -1], history.mixing)
        situation, counts = Situation(situation.day + 1, force, shares, rates), after
    return np.maximum(total, 1e-3)


def past_errors(
    observed: Int[np.ndarray, "*weeks_and_rest"], expected: Float[np.ndarray, "*weeks_and_rest"]
) -> Float[np.ndarray, "*weeks_and_rest"]:
    """Return for each origin the exponential mean of squared errors of ln y over weeks that were over by then."""
    squared = (np.log(observed + 0.5) - np.log(expected)) ** 2
    out = np.full(squared.shape, 0.25)  # before any week is over: a factor of 1.65 either way
    total, count = np.zeros(squared.shape[1:]), 0.0
    for week in range(HORIZON, len(squared)):
        total, count = DECAY * total + squared[week - HORIZON], DECAY * count + 1.0
        out[week] = total / count
    return np.maximum(out, 1e-6)


class _Record(NamedTuple):
    """What a path expected of the weeks of a stretch, and its mean squared error before each."""

    expected: Float[np.ndarray, "weeks units transitions"]
    errors: Float[np.ndarray, "weeks units transitions"]

    @classmethod
    def joined(cls, stretches: Sequence[_Record]) -> _Record:
        return cls(*(np.concatenate(part) for part in zip(*stretches, strict=True)))


def _record(series: Series, begins: int, ends: int, path: Ahead) -> _Record:
    """Return the record of a path, whose errors are counted from :data:`RECORD` days before the stretch on."""
    days = np.arange(begins - RECORD, ends)
    expected = ahead(series, days, path)
    errors = past_errors(totals(series, days), expected)
    return _Record(expected[RECORD:], errors[RECORD:])


def _mechanism(series: Series, days: Int[np.ndarray, " weeks"]) -> Ahead:
    # one in a million would already be thousands a day of a country
    path = SymbolicPath(series.history.compartments, imported=1e-12)
    posterior = path.posterior(series.history, days)
    return lambda now: posterior.predict(now.force)


class _Served(NamedTuple):
    """Networks and the stretch of origins they serve; they learned nothing of the :data:`RECORD` days before it."""

    begins: int
    ends: int
    net: NeuralPath


def _networks(
    series: Series, begins: int, ends: int, refit: int, seed: int, plan: NeuralPlan
) -> list[_Served]:
    places, served = np.eye(len(series.names)), list[_Served]()
    for number, start in enumerate(range(begins, ends, refit)):
        learned = np.arange(max(2 * HORIZON, start - RECORD - MEMORY), start - RECORD)
        net = NeuralPath.fit(series.history, places, learned, seed=seed + number, plan=plan)
        served.append(_Served(start, min(ends, start + refit), net))
    return served


def _by_stretch(served: Sequence[_Served], origins: np.ndarray, situation: Situation) -> Prediction:
    """Return what the networks that serve each origin predict."""
    found: list[Prediction] = []
    for one in served:
        rows = (origins >= one.begins) & (origins < one.ends)
        found.append(one.net.predict(Situation(*(part[rows] for part in situation))))
    return Prediction(*(np.concatenate(part) for part in zip(*found, strict=True)))


def log_normal_nll(
    observed: Int[np.ndarray, "*shape"],
    expected: Float[np.ndarray, "*shape"],
    deviation: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Return -ln P(y) in nats of whole numbers y whose logarithm is normal around that of the expected number."""
    from scipy.special import log_ndtr

    middle, spread = np.log(expected), deviation
    upper = (np.log(observed + 0.5) - middle) / spread
    lower = (np.log(np.maximum(observed - 0.5, 1e-300)) - middle) / spread
    # the difference of two tails is taken on the side where both are small
    flip = lower > 0
    high, low = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
    first, second = log_ndtr(high), log_ndtr(low)
    return -(first + np.log1p(-np.exp(np.minimum(second - first, -1e-12))))
