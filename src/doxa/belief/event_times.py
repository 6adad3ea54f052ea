"""Event times: when something is expected to happen within a window, and how far off that was.

With the probability p_v that it happens in step v, S(u) = Π_{v<=u}(1 - p_v) is the chance that it has not by then, and
the expected time, counted as the window's length H where it has not happened, is E[min(T, H)] = Σ_{u=0}^{H-1} S(u).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError


class EventTimeError(NamedTuple):
    """Mean distance of expected from true times, in steps.

    Attributes:
        with_event: mean |E[T] - T| over those to whom it happened; NaN if there are none.
        without: mean of 1 - S(H) over the others, the chance they were given; 0 is right.
        n: to how many it happened.
    """

    with_event: float
    without: float
    n: int


class EventScore(NamedTuple):
    """F1 of kinds of events, and their mean over the kinds that happened.

    Attributes:
        by_kind: 2·hits / (predicted + happened) of each kind, NaN where it did not happen.
        macro: their mean; NaN if nothing happened.
    """

    by_kind: Float[np.ndarray, " kinds"]
    macro: float


def survival(hazard: Float[np.ndarray, "*rows steps"]) -> Float[np.ndarray, "*rows points"]:
    """Return S(0) = 1, S(1), ..., S(H) of probabilities per step in [0, 1].

    Raises:
        InputError: a probability is outside [0, 1].
    """
    p = np.asarray(hazard, dtype=np.float64)
    if not np.all((p >= 0.0) & (p <= 1.0)):
        raise InputError("hazard: probabilities per step must be in [0, 1]")
    return np.concatenate([np.ones((*p.shape[:-1], 1)), np.cumprod(1.0 - p, axis=-1)], axis=-1)


def expected_event_time(staying: Float[np.ndarray, "*rows points"]) -> Float[np.ndarray, "*rows"]:
    """Return Σ_{u=0}^{H-1} S(u), the expected time in steps, H where it does not happen within the window.

    >>> round(float(expected_event_time(survival(np.full(7, 0.2)))), 6)
    3.951424
    """
    return np.asarray(np.asarray(staying)[..., :-1].sum(axis=-1))


def event_time_error(
    staying: Float[np.ndarray, "rows points"], happened: Int[np.ndarray, " rows"]
) -> EventTimeError:
    """Return how far expected times were off.

    Args:
        staying: chance that nothing has happened after 0, 1, ..., H steps.
        happened: the step, from 1 to H, in which it did; 0 where it did not.

    Raises:
        InputError: a step is outside 0 .. H.
    """
    steps = np.asarray(staying).shape[-1] - 1
    if np.any((happened < 0) | (happened > steps)):
        raise InputError(f"happened: steps must be in 0 .. {steps}; 0 says that it did not happen")
    yes = happened > 0
    missed = np.abs(expected_event_time(staying) - happened)[yes]
    left = 1.0 - np.asarray(staying)[~yes, -1]
    return EventTimeError(
        float(missed.mean()) if yes.any() else float("nan"),
        float(left.mean()) if left.size else float("nan"),
        int(yes.sum()),
    )


def event_f1(
    predicted: Bool[np.ndarray, "rows kinds"],
    happened: Int[np.ndarray, "rows kinds"],
    when: Float[np.ndarray, "rows kinds"] | None = None,
    *,
    tolerance: float = 1.0,
) -> EventScore:
    """Return the F1 of predicted events.

    Args:
        predicted: which kinds are predicted to happen to whom within the window.
        happened: the step in which it did, 0 where it did not.
        when: predicted steps; with these a hit must also be no more than ``tolerance`` steps off.
        tolerance: in steps.

    Raises:
        InputError: the tables differ in shape.
    """
    if predicted.shape != happened.shape:
        raise InputError(f"predicted {predicted.shape} and happened {happened.shape}: must be one table each")
    yes = happened > 0
    hits = predicted & yes
    if when is not None:
        hits &= np.abs(np.nan_to_num(when, nan=np.inf) - happened) <= tolerance
    total = predicted.sum(axis=0) + yes.sum(axis=0)
    scores = np.where(yes.any(axis=0), 2 * hits.sum(axis=0) / np.maximum(1, total), np.nan)
    return EventScore(scores, float(np.nanmean(scores)) if yes.any() else float("nan"))
