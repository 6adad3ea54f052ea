"""What trainings on belief worlds showed: kept as measures, read back one row to a training."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.lab.record import Recorder
from doxa.worlds.belief_learners import BeliefCells
from doxa.worlds.belief_world import Attitude, Person, Question

SUBJECT = "belief-world"

CELLS: dict[str, tuple[tuple[Person, ...], Attitude, Question, bool]] = {
    "first_true": (("I",), "believes", "belief", True),
    "first_false": (("I",), "believes", "belief", False),
    "third_true": (("J", "M"), "believes", "belief", True),
    "third_false": (("J", "M"), "believes", "belief", False),
    "plain_true": (("nobody",), "none", "truth", True),
    "plain_false": (("nobody",), "none", "truth", False),
    "framed_true": (("I",), "believes", "truth", True),
    "framed_false": (("I",), "believes", "truth", False),
    "third_framed_true": (("J", "M"), "believes", "truth", True),
    "third_framed_false": (("J", "M"), "believes", "truth", False),
}
"""Kinds of question by name: who is said to hold p how, what is asked about p, whether p is true."""

GAPS: dict[str, tuple[str, str]] = {
    "person_gap": ("third_false", "first_false"),
    "truth_gap": ("first_true", "first_false"),
    "frame_effect": ("plain_false", "framed_false"),
    "third_frame_effect": ("plain_false", "third_framed_false"),
}
"""Differences of accuracies by name."""


def outcomes_of(cells: BeliefCells) -> dict[str, Float[np.ndarray, " replicates"]]:
    """Return, for each training, the accuracy in ``CELLS``, the ``GAPS``, ``facts`` and ``factivity``.

    ``facts`` is the least accuracy of any verification (plain or framed, true or false). ``factivity`` is
    P(yes | "I know that p", p false) - P(yes | "I believe that p", p false), asked if p is true; it is there
    only if the worlds have KNOW.
    """

    def accuracy(
        people: tuple[Person, ...], attitude: Attitude, question: Question, truth: bool
    ) -> np.ndarray:
        columns = [cells.column(who, question, truth=truth, attitude=attitude) for who in people]
        return cells.accuracy[:, columns].mean(axis=1)

    found = {name: accuracy(*kind) for name, kind in CELLS.items()}
    found |= {name: found[plus] - found[minus] for name, (plus, minus) in GAPS.items()}
    found["facts"] = np.min([found[name] for name, kind in CELLS.items() if kind[2] == "truth"], axis=0)
    if any(cell.attitude == "knows" for cell in cells.cells):
        found["factivity"] = cells.factivity_index()
    return found


def record_training(recorder: Recorder, cells: BeliefCells, row: int, loss_nats: float) -> None:
    """Add one training: its answers in every cell, what ``outcomes_of`` makes of them, and its last loss."""
    for column, kind in enumerate(cells.cells):
        count = int(cells.n[row, column])
        name = f"{kind.person}/{kind.attitude}/{kind.question}/{'true' if kind.truth else 'false'}"
        for measure in ("accuracy", "says_yes", "p_yes"):
            if count:
                value = float(getattr(cells, measure)[row, column])
                recorder.measure(f"{measure}/{name}", value, subject=SUBJECT, unit="fraction", n=count)
    for name, values in outcomes_of(cells).items():
        if not math.isnan(values[row]):
            recorder.measure(name, float(values[row]), subject=SUBJECT, unit="fraction")
    recorder.measure("loss", loss_nats, subject=SUBJECT, unit="nats")


def read_trainings(measures: pl.DataFrame) -> pl.DataFrame:
    """Return one row per training: condition, seed, and each of ``outcomes_of`` (null where it was not measured)."""
    names = [*CELLS, *GAPS, "facts", "factivity"]
    wide = measures.filter(pl.col("measure").is_in(names)).pivot(
        "measure", index=["condition", "seed"], values="value"
    )
    absent = [pl.lit(None, dtype=pl.Float64).alias(name) for name in names if name not in wide.columns]
    return wide.with_columns(absent).select("condition", "seed", *names)
