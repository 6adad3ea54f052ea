"""The embedded skeptic in the record: held-out splits, dealt-out verdicts, and a style left out at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from doxa.belief.inference import mean_t_interval
from doxa.lab.record import Recorder
from doxa.protocols.persuasion.bank import SKEPTICS, ArgumentBank
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.protocols.persuasion.estimates import record_interval
from doxa.protocols.persuasion.judge import (
    HeldOut,
    folds,
    held_out,
    mean_auc,
    recovery,
    shuffled_within_difficulty,
    style_means,
)

SUBJECT = "embedded-skeptic"
N_FOLDS = 5


def record_skeptic(
    recorder: Recorder,
    folder: Path,
    rng: Callable[..., np.random.Generator],
    *,
    splits: int,
    resamples: int,
    progress: Callable[[float, float], None] | None = None,
) -> None:
    """Fit the skeptic on splits of the arguments, with its two controls, and record what it recovers.

    Args:
        recorder: where it goes.
        folder: of the released files.
        rng: named streams of the cell.
        splits: random splits of the arguments into five groups.
        resamples: of arguments, for the intervals.
        progress: told (done, total).
    """
    bank = ArgumentBank.load(folder)
    readings = bank.readings
    said: list[HeldOut] = []
    shuffled: list[float] = []
    for split in range(splits):
        group = folds(len(bank.ids), N_FOLDS, rng("folds", split))
        said.append(held_out(bank, readings.convinced, group))
        dealt = held_out(bank, shuffled_within_difficulty(readings, rng("dealt", split)), group)
        shuffled.append(mean_auc(dealt.argument, dealt))
        if progress is not None:
            progress(split + 1.0, splits + 1.0)
    styles = np.array([tuple(DIMENSIONS).index(name) for name in bank.dimensions])
    unseen = held_out(bank, readings.convinced, styles)
    found = recovery(readings, said, rng("resamples"), resamples)
    for name in found._fields:
        record_interval(recorder, name, getattr(found, name), subject=SUBJECT, splits=splits)
    record_interval(recorder, "permuted-auc", mean_t_interval(shuffled), subject=SUBJECT)
    left = recovery(readings, [unseen], rng("resamples", "unseen"), resamples)
    record_interval(recorder, "unseen-correlation", left.correlation, subject=SUBJECT)
    record_interval(recorder, "unseen-auc", left.auc, subject=SUBJECT)
    _record_rows(recorder, bank, said[0], unseen)


def _record_rows(recorder: Recorder, bank: ArgumentBank, said: HeldOut, unseen: HeldOut) -> None:
    """Record the state of opinion after every argument of the first split, and the means of styles."""
    readings = bank.readings
    for row, log_odds in enumerate(said.log_odds):
        recorder.belief(
            subject=SUBJECT,
            proposition=bank.ids[readings.argument[row]],
            readout="stated",
            axis="turn",
            time=1.0,
            log_odds=float(log_odds),
            difficulty=SKEPTICS[readings.difficulty[row]],
            dimension=bank.dimensions[readings.argument[row]],
            convinced=bool(readings.convinced[row]),
        )
    for kind, log_odds in (("held out", said.log_odds), ("style unseen", unseen.log_odds)):
        means = style_means(1.0 / (1.0 + np.exp(-log_odds)), readings.dimension)
        measured = style_means(readings.convinced.astype(np.float64), readings.dimension)
        for place, name in enumerate(DIMENSIONS):
            recorder.measure(
                "style-credence", float(means[place]), subject=SUBJECT, dimension=name, kind=kind,
                measured=float(measured[place]),
            )  # fmt: skip
