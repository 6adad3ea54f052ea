"""Rolling forecasts of reported counts: from each day the total of the next seven, with its spread.

Both paths and their fusion predict the hazards of seven days; infections expected on one day are infectious on the
next. The total y of a week is taken as log-normal around the expected one, with the variance of the path's past errors
of ln y, an exponential mean of the weeks that are over, and the noise of counting.
"""

from __future__ import annotations

from collections.abc import Callable
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

    Only what was reported before an origin is used: networks learn from the days before the stretch they serve.

    Args:
        series: reported counts.
        first: first origin that counts, at least 60.
        refit: days for which networks serve.
        seed: of the networks.
        plan: how they are trained.
    """
    start = first - 4 * HORIZON  # errors of the weeks before the first origin set its spread
    origins = np.arange(start, series.history.days - HORIZON)
    observed = totals(series, origins)
    # one in a million would already be thousands a day of a country
    symbolic = SymbolicPath(series.history.compartments, imported=1e-12)
    posterior = symbolic.posterior(series.history, origins)
    neural = _networks(series, origins, refit, seed, plan)
    parts: dict[str, Ahead] = {"symbolic": lambda now: posterior.predict(now.force), "neural": neural}
    expected = {name: ahead(series, origins, path) for name, path in parts.items()}
    expected["last week"] = np.maximum(1.0, totals(series, origins - HORIZON))
    errors = {name: past_errors(observed, values) for name, values in expected.items()}
    weights: list[np.ndarray] = []

    def fused(situation: Situation) -> Prediction:
        paths = [
            Prediction(found.logit, found.variance + errors[name])
            for name, found in ((name, path(situation)) for name, path in parts.items())
        ]
        whole = fuse(paths)
        weights.append(whole.weights[1])
        return whole.prediction

    expected["fused"] = ahead(series, origins, fused)
    errors["fused"] = past_errors(observed, expected["fused"])
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
    infectious, ends = made.index("I"), made.index("R")
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
    for week in range(HORIZON, len(squared)):
        fresh = squared[week - HORIZON]
        out[week] = fresh if week == HORIZON else DECAY * out[week - 1] + (1 - DECAY) * fresh
    return np.maximum(out, 1e-6)


def _networks(series: Series, origins: np.ndarray, refit: int, seed: int, plan: NeuralPlan) -> Ahead:
    """Return the path that asks, for each origin, the networks that were trained before its stretch."""
    places = np.eye(len(series.names))
    stretches = np.arange(origins[0], origins[-1] + 1, refit)
    trained = [
        NeuralPath.fit(
            series.history, places, np.arange(max(28, begins - MEMORY), begins), seed=seed + place, plan=plan
        )
        for place, begins in enumerate(stretches)
    ]
    which = np.searchsorted(stretches, origins, side="right") - 1

    def path(situation: Situation) -> Prediction:
        logit, variance = np.empty_like(situation.force), np.empty_like(situation.force)
        for place, net in enumerate(trained):
            rows = which == place
            if rows.any():
                found = net.predict(Situation(*(part[rows] for part in situation)))
                logit[rows], variance[rows] = found
        return Prediction(logit, variance)

    return path


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
