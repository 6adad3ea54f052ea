"""The embedded debates, recorded: numbers, real texts before learned readers, and a small language model's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.calibration import brier_score, expected_calibration_error, reliability_curve
from doxa.belief.coherence import martingale_test, movement_test, mutual_overconfidence, pair_coherence
from doxa.lab.record import Recorder
from doxa.protocols.persuasion.bank import ArgumentBank
from doxa.streams import stream
from doxa.worlds.optimizers_curse import OptimizersCurseDebate

THRESHOLD = 0.75
GRID = 10
"""Bins of a side in the joint density of closing bets, and of the reliability curve."""


def variants(n_arguments: int, sigma: float, slope: float, anchor: float) -> dict[str, OptimizersCurseDebate]:
    """Return the debates of numbers: the effect and its five controls, and the pair with common information."""
    main = OptimizersCurseDebate(n_arguments, sigma, slope)
    return {
        "numbers": main,
        "numbers, read afresh": replace(main, rescore="fresh"),
        "numbers, Bayesian": replace(main, rescore="bayes"),
        "numbers, common": replace(main, rescore="common"),
        "numbers, no noise": replace(main, sigma=0.0),
        "numbers, no choice": replace(main, n_arguments=1),
        "numbers, anchored": replace(main, anchor=anchor),
    }


def record_numbers(
    recorder: Recorder,
    seed: int,
    worlds: dict[str, OptimizersCurseDebate],
    n_debates: int,
    sweep_arguments: tuple[int, ...],
    sweep_sigma: tuple[float, ...],
) -> None:
    """Record debates of numbers in every variant, and the excess over N and σ."""
    for name, world in worlds.items():
        found = world.simulate(n_debates, stream(seed, "debate-confidence", "numbers", name))
        record_debates(recorder, name, found.credence, found.won)
        put(recorder, name, "inflation", float(found.inflation.mean()), unit="standard deviations")
        steps = np.diff(found.log_odds.mean(axis=(0, 1)))
        put(recorder, name, "log_odds_step", float(steps.mean()), unit="nats")
    main = worlds["numbers"]
    for count in sweep_arguments:
        for sigma in sweep_sigma:
            world = OptimizersCurseDebate(count, sigma, main.slope)
            rng = stream(seed, "debate-confidence", "sweep", count, f"{sigma:g}")
            found = world.simulate(max(500, n_debates // 4), rng)
            for stage, mean in ((0, found.credence[..., 0].mean()), (2, found.credence[..., 2].mean())):
                excess = float(mean) - 0.5
                put(recorder, "sweep", "excess", excess, time=stage, arguments=count, sigma=sigma)


def record_texts(
    recorder: Recorder,
    seed: int,
    bank: ArgumentBank,
    *,
    n_readers: int,
    penalty: float,
    n_debates: int,
    n_arguments: int,
    slope: float,
    weight: float,
) -> None:
    """Record debates over real arguments between readers of one noise: five conditions and the fresh-reader control."""
    from doxa.protocols.debate.reader_world import SWITCHES, ReaderDebate, learn_tastes

    tastes = learn_tastes(bank, n_readers, penalty, stream(seed, "debate-confidence", "tastes"))
    name = texts_name("cross_model", penalty)
    put(recorder, name, "noise", tastes.noise, unit="standard deviations")
    put(recorder, name, "agreement", tastes.agreement)
    main = ReaderDebate("cross_model", n_arguments, slope, weight)
    worlds: dict[str, ReaderDebate] = {switch: replace(main, condition=switch) for switch in SWITCHES}
    worlds["read afresh"] = replace(main, rescore="fresh")
    for switch, world in worlds.items():
        rng = stream(seed, "debate-confidence", "texts", switch)
        found = world.simulate(bank, tastes, n_debates, rng)
        record_debates(recorder, texts_name(switch, penalty), found.credence, found.won)


def texts_name(switch: str, penalty: float) -> str:
    """Return the condition's name in the record."""
    return f"texts {penalty:g}, {switch}"


def record_debates(
    recorder: Recorder,
    condition: str,
    credence: Float[np.ndarray, "debates 2 stages"],
    won: Bool[np.ndarray, " debates"],
) -> None:
    """Record what many debates' credences show: means, sums, both sure, movement, calibration, joint density."""
    paths = credence.reshape(-1, credence.shape[-1])
    labels = np.repeat(np.arange(len(credence)), 2)
    for stage in range(credence.shape[-1]):
        pair = pair_coherence(credence[:, 0, stage], credence[:, 1, stage])
        put(recorder, condition, "credence", float(credence[..., stage].mean()), time=stage)
        put(recorder, condition, "incoherence", pair.excess.estimate, time=stage)
        put(recorder, condition, "sum_over_1", pair.share_over.estimate, time=stage)
    closing, outcome = credence[..., -1], np.stack([won, ~won], axis=1)
    both = mutual_overconfidence(closing[:, 0], closing[:, 1], threshold=THRESHOLD)
    put(recorder, condition, "both_over_75", both.estimate)
    put(recorder, condition, "brier", brier_score(closing.ravel(), outcome.ravel()))
    put(recorder, condition, "ece", expected_calibration_error(closing.ravel(), outcome.ravel()))
    step = martingale_test(paths, labels)
    put(recorder, condition, "step", step.estimate)
    moved = movement_test(paths, labels)
    put(recorder, condition, "movement_excess", moved.excess.estimate)
    for one in reliability_curve(closing.ravel(), outcome.ravel(), n_bins=GRID):
        put(recorder, condition, "reliability", one.share_true, credence=one.credence, n=one.n)
    counts, _, _ = np.histogram2d(closing[:, 0], closing[:, 1], bins=GRID, range=((0, 1), (0, 1)))
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = float(counts[row, column] / len(credence))
        put(recorder, condition, "joint", share, proposition=int(row), opposition=int(column))


def put(
    recorder: Recorder,
    condition: str,
    measure: str,
    value: float,
    *,
    time: float = 0.0,
    unit: str = "",
    **extra: float | int,
) -> None:
    """Record one number of a condition; time is the number of the stage."""
    recorder.measure(
        measure, value, subject="debaters", unit=unit, axis="turn", time=time, condition=condition, **extra
    )
