"""timely-beliefs' side: ``fixed_viewpoint`` and the beliefs about one event; a proposition is an event."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import timely_beliefs as tb
from kit.side import Work, serve
from sides.store_rows import ASKED, asked_steps, in_any_order, in_order, rows

EVENTS = pd.Timestamp("2000-01-01", tz="UTC")
BELIEFS = pd.Timestamp("1990-01-01", tz="UTC")


def prepare(case: dict[str, Any]) -> Work:
    warnings.simplefilter("ignore")
    made = rows(case)
    sources = np.array([tb.BeliefSource(name=f"agent {n:04d}") for n in range(case["holders"])], dtype=object)
    events = EVENTS + pd.to_timedelta(np.arange(case["propositions"]), unit="D")
    times = BELIEFS + pd.to_timedelta(np.arange(int(made.step.max()) + 1), unit="h")
    frame = pd.DataFrame(
        {
            "event_start": events.take(made.proposition),
            "belief_time": times.take(made.step),
            "source": sources.take(made.holder),
            "cumulative_probability": 0.5,
            "event_value": made.credence,
        }
    )
    beliefs = tb.BeliefsDataFrame(frame, sensor=tb.Sensor(name="credence"))
    if case["do"] == "as of":
        asked = times[asked_steps(case)]
        return lambda: [in_any_order(beliefs.fixed_viewpoint(at)["event_value"].to_numpy()) for at in asked]
    return lambda: in_order(_trajectory(beliefs, events[ASKED]))


def _trajectory(beliefs: tb.BeliefsDataFrame, event: pd.Timestamp) -> np.ndarray:
    about = beliefs.xs(event, level="event_start")
    return about.sort_index(level=["source", "belief_time"])["event_value"].to_numpy()


if __name__ == "__main__":
    serve(prepare, packages=("timely-beliefs", "pandas"))
