"""The dialogue loop: the three steps of the protocol with a small trained network in both seats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from doxa.belief.information import expit
from doxa.belief.rank_correlation import mean_pairwise_spearman
from doxa.lab.record import Recorder
from doxa.nets.plan import Precision
from doxa.protocols.dialogue import record
from doxa.protocols.persuasion.dialogues import (
    Convincer,
    DialogueRecord,
    Skeptic,
    as_arguments,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.protocols.persuasion.small_model import small_subject, wording
from doxa.subjects.base import Sampling
from doxa.worlds.persuasion_learners import train_persuasion_models
from doxa.worlds.persuasion_world import OFFSETS, PERSONAS, PRIOR, PersuasionWorld

SUBJECT = "small-model"
SHOWN = 3
"""Dialogues of each style that are kept word for word; the rest is in the numbers."""


def record_loop(
    recorder: Recorder,
    *,
    seed: int,
    shuffled: bool,
    arguments: int,
    steps: int,
    batch: int,
    peak_rate: float,
    precision: Precision,
    progress: Callable[[float, float], None] | None = None,
) -> None:
    """Train a network on dialogues, let it convince itself, and record the shares of every style and skeptic.

    Args:
        recorder: where it goes.
        seed: of the world, the network and all draws.
        shuffled: whether the verdicts of the training dialogues hang on a style drawn anew.
        arguments: written in each style; every skeptic reads all of them.
        steps: of the training.
        batch: conversations of a step.
        peak_rate: highest learning rate.
        precision: of the matrix products.
        progress: told (done, total).
    """
    world = PersuasionWorld(seed, tuple(DIMENSIONS), shuffled=shuffled)
    models = train_persuasion_models(
        [world],
        steps=steps,
        batch=batch,
        peak_rate=peak_rate,
        precision=precision,
        progress=lambda done, total: progress(0.7 * done, float(total)) if progress else None,
    )
    subject = small_subject(
        models.net.export(0), world, f"persuasion {seed}{' shuffled' if shuffled else ''}"
    )
    said, sampling = wording(world), Sampling(temperature=1.0, max_tokens=8, seed=seed)
    convincers = [Convincer(subject, style, sampling) for style in world.styles]
    skeptics = [Skeptic(subject, name, sampling) for name in PERSONAS]
    written = write_arguments(convincers, arguments, said)
    bank = as_arguments(convincers, written)
    records = read_arguments(bank, skeptics, said)
    before = ask_before(skeptics, 1, said)
    _record_shares(recorder, world, records)
    _record_order(recorder, world, records)
    planted = np.array([expit(PRIOR + OFFSETS[who.difficulty]) for who, _, _ in before])
    off = np.array([opinion.credence for _, opinion, _ in before]) - planted
    recorder.measure("before-error", float(np.abs(off).mean()), subject=SUBJECT)
    recorder.measure("loss", float(models.loss[0, -1]), subject=SUBJECT, unit="nats")
    record(recorder, [one.transcript for one in records if one.number < SHOWN])
    for one in records:
        if one.number < SHOWN:
            opinion = one.opinions[-1]
            recorder.belief(
                subject=SUBJECT,
                proposition=f"{one.dimension} {one.number}",
                readout="stated",
                axis="turn",
                time=1.0,
                credence=opinion.credence,
                dimension=one.dimension,
                difficulty=one.difficulty,
                verdict=opinion.verdict,
            )


def _record_shares(recorder: Recorder, world: PersuasionWorld, records: list[DialogueRecord]) -> None:
    for place, style in enumerate(world.styles):
        for difficulty in PERSONAS:
            own = [one for one in records if (one.dimension, one.difficulty) == (style, difficulty)]
            verdicts = [one.opinions[-1].convinced for one in own]
            read = [verdict for verdict in verdicts if verdict is not None]
            missing: dict[str, Any] = {} if read else {"missing": "no verdict could be read"}
            recorder.measure(
                "convinced",
                float(np.mean(read)) if read else None,
                subject=SUBJECT,
                dimension=style,
                difficulty=difficulty,
                n=len(read),
                unparsed=len(verdicts) - len(read),
                credence=float(np.mean([one.opinions[-1].credence for one in own])),
                planted=world.converts(place, difficulty),
                strength=float(world.strengths[place]),
                **missing,
            )


def _record_order(recorder: Recorder, world: PersuasionWorld, records: list[DialogueRecord]) -> None:
    """Record the order and the spread of the styles over all three skeptics, and the steps between these."""
    shares, credences = np.full(len(world.styles), np.nan), np.full(len(world.styles), np.nan)
    for place, style in enumerate(world.styles):
        said = [one.opinions[-1] for one in records if one.dimension == style]
        read = [one.convinced for one in said if one.convinced is not None]
        shares[place] = np.mean(read) if read else np.nan
        credences[place] = np.mean([one.credence for one in said])
    read_all = not np.isnan(shares).any()
    order = mean_pairwise_spearman([shares, world.strengths]).estimate if read_all else float("nan")
    missing: dict[str, Any] = {} if read_all else {"missing": "a style has no verdict that could be read"}
    recorder.measure("order", order, subject=SUBJECT, **missing)
    recorder.measure(
        "spread", float(np.ptp(shares)), subject=SUBJECT, credence=float(np.ptp(credences)), **missing
    )
    means = {
        name: np.mean([one.opinions[-1].credence for one in records if one.difficulty == name])
        for name in PERSONAS
    }
    ladder = min(means["easy"] - means["baseline"], means["baseline"] - means["hard"])
    recorder.measure("ladder", float(ladder), subject=SUBJECT)
