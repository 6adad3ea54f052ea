"""Runs with populations, written as the society room records them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from doxa.lab.record import Recorder, Tables
from doxa.lab.store import RunFolder
from tests.lab.view.sample_runs import write_run

KINDS = ("susceptible", "infected", "recovered")


def network(seed: int = 0, *, agents: int = 12, days: int = 6, text: str = "") -> Tables:
    """Return a map whose agents go from one state to the next, and the shares of all."""
    recorder = Recorder(f"epidemic{text}", seed)
    states = np.minimum(np.arange(days)[:, None] * (np.arange(agents) % 3 + 1) // 3, 2)
    for day, row in enumerate(states):
        for place, kind in enumerate(KINDS):
            recorder.measure(
                "share",
                float((row == place).mean()),
                subject="population",
                axis="day",
                time=day,
                state=f"{kind}{text}",
            )
    for agent in range(agents):
        who = f"population/{agent}{text}"
        turn = 2 * np.pi * agent / agents
        recorder.measure("map x", float(np.cos(turn)), subject=who, axis="day")
        recorder.measure("map y", float(np.sin(turn)), subject=who, axis="day")
        for day in range(days):
            recorder.measure("map state", float(states[day, agent]), subject=who, axis="day", time=day)
    for agent in range(agents - 1):
        recorder.measure(
            "map link",
            1.0,
            subject=f"population/{agent}{text}",
            axis="day",
            other=f"population/{agent + 1}{text}",
        )
    return recorder.tables()


def opinions(seed: int = 0, *, agents: int = 5, days: int = 4, text: str = "") -> Tables:
    """Return agents whose credences come together; the last agent of day 1 has none on record."""
    recorder = Recorder(f"opinion{text}", seed)
    for day in range(days):
        for agent in range(agents):
            gone = day == 1 and agent == agents - 1
            recorder.belief(
                subject=f"population/{agent}", proposition=f"rain{text}", readout="internal", axis="day", time=day,
                credence=None if gone else 0.5 + (agent / (agents - 1) - 0.5) / (day + 1),
                **({"missing": "refused"} if gone else {}),
            )  # fmt: skip
    return recorder.tables()


def spread(seed: int = 0, *, days: int = 3, bins: int = 4) -> Tables:
    """Return histograms, means and quantiles, as of a population too large to keep."""
    recorder = Recorder("many", seed)
    for day in range(days):
        recorder.measure("opinion mean", 0.5 + day / 100, subject="population", axis="day", time=day)
        recorder.measure("opinion spread", 0.2, subject="population", axis="day", time=day)
        recorder.measure("opinion quantile", 0.4, subject="population", axis="day", time=day, quantile=0.5)
        for bar in range(bins):
            recorder.measure(
                "opinion histogram", (bar + 1 + day) / (10 + 4 * day), subject="population", unit="share", axis="day",
                time=day, low=bar / bins, high=(bar + 1) / bins,
            )  # fmt: skip
    return recorder.tables()


def write_populations(root: Path, name: str = "opinion-a", text: str = "") -> RunFolder:
    """Write a run with all kinds of populations, and a cell without one."""
    plain = Recorder("plain", 0)
    plain.measure("entropy", 1.0, subject="s")
    cells = {
        "n0": network(0, text=text),
        "n1": network(1, text=text),
        "o0": opinions(text=text),
        "s0": spread(),
        "p0": plain.tables(),
    }
    return write_run(root, name, cells=cells)
