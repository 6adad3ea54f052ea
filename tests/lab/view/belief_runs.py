"""Beliefs and measures for the tests of the viewer's pictures: seeds, readouts, layers, missing ones."""

from __future__ import annotations

import math
from pathlib import Path

from doxa.lab.record import Recorder, Tables
from doxa.lab.store import RunFolder
from doxa.streams import stream
from tests.lab.view.sample_runs import write_run

SEEDS, TURNS, LAYERS = 4, 5, 3


def belief_tables(condition: str, seed: int, *, turns: int = TURNS, text: str = "p") -> Tables:
    """Return one cell: two propositions by two readouts over turns, margins by layer and turn, a profile of layers."""
    recorder = Recorder(condition, seed)
    rng = stream(seed, "tests of pictures", condition)
    for turn in range(turns):
        for number in range(2):
            for readout in ("stated", "internal"):
                missing = {"missing": "refused"} if rng.random() < 0.2 else {}
                endless = rng.random() < 0.1
                value = None if missing else math.inf if endless else float(rng.normal(turn * 0.3))
                recorder.belief(
                    subject=f"subject {text}",
                    proposition=f"{text}{number}",
                    readout=readout,
                    time=turn,
                    log_odds=value,
                    **missing,
                )
        for layer in range(LAYERS):
            recorder.measure(
                "margin",
                float(rng.normal(layer)),
                subject="s",
                unit="nats",
                axis="turn",
                time=turn,
                layer=layer,
            )
            recorder.measure(
                f"lens/{layer}", float(rng.normal()), subject="s", axis="turn", time=turn, kind=text
            )
    for layer in range(LAYERS):
        recorder.measure("cka", float(rng.random()), subject="s", axis="layer", time=layer)
    return recorder.tables()


def write_beliefs(
    root: Path, name: str = "beliefs-1", *, turns: int = TURNS, seeds: int = SEEDS
) -> RunFolder:
    """Write a run of two conditions by some seeds."""
    cells = {
        f"{condition}{seed}": belief_tables(condition, seed, turns=turns)
        for condition in ("drift", "plain")
        for seed in range(seeds)
    }
    return write_run(root, name, cells=cells)
