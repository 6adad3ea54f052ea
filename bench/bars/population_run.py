"""Runs a population whose every day is kept on disk, and prints its resident memory as it goes (bar 19)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bars.resident import resident_mb
from doxa.society.dynamics.sis import SisConfig
from doxa.society.population import Plan, simulate
from doxa.society.scenario import ties

LOOKS = 100


def main(agents: int, days: int) -> None:
    """Print ``DAY MEGABYTES`` a hundred times over the run, and the number of infected at its end."""
    graph = ties("watts-strogatz?k=10&p=0.1", agents, 0)
    plan = Plan("sis", SisConfig(graph=graph, begin={"infected": 0.01}, infection=0.05, recovery=0.1), days)

    def told(day: int, _state: object) -> None:
        if day % max(1, days // LOOKS) == 0:
            print(day, f"{resident_mb():.2f}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        over = simulate(plan, folder=Path(folder), told=told)
    print("infected", int((over.state.values == 1).sum()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
