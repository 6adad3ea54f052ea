"""What is recorded of a trained model: recovery of what was hidden, coverage, forecasts, the prior's share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.calibration import band_coverage
from doxa.dynamics.deep_markov.model import DeepMarkovModel
from doxa.dynamics.deep_markov.recovery import BAND, affine_fit, latent_recovery
from doxa.dynamics.deep_markov.results import FitResult
from doxa.dynamics.physics_guided.problems import Problem, Series
from doxa.dynamics.physics_guided.variants import GUIDED, NETWORK
from doxa.lab.record import Recorder

SHOWN = 1
"""Sequences of each split that figures show."""
ONCE = 4
"""Paths of the guide from which a next step is told; each beginning of each sequence takes as many."""


def record_model(
    recorder: Recorder, problem: Problem, variant: str, model: DeepMarkovModel, fit: FitResult
) -> None:
    """Record a trained model.

    Args:
        recorder: takes the rows; its condition is the world.
        problem: what it was trained on.
        variant: its name.
        model: the model.
        fit: what its training gave.
    """
    record_course(recorder, variant, fit)
    for split, series in (("train", problem.train), ("test", problem.test)):
        _record_split(recorder, problem, variant, model, split, series)


def record_course(recorder: Recorder, variant: str, fit: FitResult) -> None:
    """Record bound and share of the prior over the course of a training."""
    for step, elbo, alpha in zip(fit.history.step, fit.history.elbo, fit.history.alpha, strict=True):
        recorder.measure("elbo", float(elbo), subject=variant, unit="nats a step", time=float(step))
        recorder.measure("alpha", float(alpha), subject=variant, time=float(step))
    recorder.measure("share of the prior", fit.alpha, subject=variant)


def _record_split(
    recorder: Recorder, problem: Problem, variant: str, model: DeepMarkovModel, split: str, series: Series
) -> None:
    told: dict[str, Any] = {"subject": variant, "split": split}
    bound = model.elbo(series.observed, series.inputs, n_samples=4).per_step
    recorder.measure("bound", bound, unit="nats a step", **told)
    posterior = model.infer(series.observed, series.inputs)
    for aligned in (False, True):
        found = latent_recovery(posterior, series.states, align=aligned)
        for place, (name, unit) in enumerate(zip(problem.coordinates, problem.units, strict=True)):
            where: dict[str, Any] = {
                **told,
                "coordinate": name,
                "aligned": "aligned" if aligned else "as it is",
            }
            recorder.measure("rmse", float(found.rmse[place]), unit=unit, **where)
            recorder.measure("r2", float(found.r2[place]), **where)
            recorder.measure("probe r2", float(found.linear_r2[place]), **where)
            recorder.measure("coverage", float(found.coverage[place]), unit="fraction", **where)
    if model.shape.streams == 2:
        share = network_share(model.alpha, posterior.phy_mean, posterior.nn_mean)
        recorder.measure("share of the network", share, unit="fraction", **told)
    record_forecasts(recorder, problem, variant, model, split, series)
    if variant in (GUIDED, NETWORK):
        shown = affine_fit(posterior.mean, series.states) if variant == NETWORK else posterior.mean
        _record_shown(recorder, problem, told, shown, posterior.std, series.states)


def network_share(
    alpha: float, physics: Float[np.ndarray, "N T n"], network: Float[np.ndarray, "N T n"]
) -> float:
    """Return the network's part of how much both streams move the first coordinate, in [0, 1].

    E[((1-α) z_nn)²] / (E[(α z_phy)²] + E[((1-α) z_nn)²]).
    """
    ours = float(np.nanmean((1.0 - alpha) ** 2 * network[..., 0] ** 2))
    theirs = float(np.nanmean(alpha**2 * physics[..., 0] ** 2))
    return ours / (ours + theirs) if ours + theirs > 0.0 else 0.0


def evidence_response(
    expected: Float[np.ndarray, "N T 1"],
    states: Float[np.ndarray, "N T 1"],
    evidence: Float[np.ndarray, "N T 1"],
) -> float:
    """Return by how much an expected belief moves per unit of evidence, the belief before it held constant.

    Least squares of the expected on the true belief one step before, the evidence, and a constant; Bayes is 1, an
    agent of power λ and anchor κ (1 - κ) λ.
    """
    before, heard = states[:, :-1, 0].ravel(), evidence[:, 1:, 0].ravel()
    design = np.stack([heard, before, np.ones_like(before)], axis=1)
    return float(np.linalg.lstsq(design, expected[:, 1:, 0].ravel(), rcond=None)[0][0])


class Ahead(NamedTuple):
    """Forecasts of the last steps of each sequence."""

    mean: Float[np.ndarray, "N steps p"]
    std: Float[np.ndarray, "N steps p"]


def record_forecasts(
    recorder: Recorder, problem: Problem, variant: str, model: DeepMarkovModel, split: str, series: Series
) -> None:
    """Record forecasts of the last steps from those before them, and of each step from all before it."""
    told: dict[str, Any] = {"subject": variant, "split": split}
    cut = series.observed.shape[1] - problem.horizon
    said = model.forecast(
        series.observed[:, :cut], series.inputs[:, cut:], problem.horizon, u=series.inputs[:, :cut]
    )
    record_ahead(recorder, told, problem.seen_unit, Ahead(said.obs_mean, said.obs_std), series, problem)
    if split == "train":
        return
    once = model.one_step(series.observed, series.inputs, n_samples=ONCE)
    # the first step of a sequence has nothing before it to be told from
    off = once.obs_mean[:, 1:] - seen_truth(problem, series)[:, 1:]
    recorder.measure("one-step rmse", _rmse(off), unit=problem.seen_unit, **told)
    if problem.name == "belief":
        response = evidence_response(once.mean, series.states, series.inputs)
        recorder.measure("response", response, unit="nats per nat", **told)


def record_ahead(
    recorder: Recorder, told: dict[str, Any], unit: str, ahead: Ahead, series: Series, problem: Problem
) -> None:
    """Record how far forecasts are off, together and by step ahead, and how often bands hold what is seen."""
    steps = ahead.mean.shape[1]
    off = ahead.mean - seen_truth(problem, series)[:, -steps:]
    recorder.measure("forecast rmse", _rmse(off), unit=unit, **told)
    wide = BAND * ahead.std
    held = band_coverage(ahead.mean - wide, ahead.mean + wide, series.observed[:, -steps:])
    recorder.measure("forecast coverage", held, unit="fraction", **told)
    for step in range(steps):
        recorder.measure("forecast error", _rmse(off[:, step]), unit=unit, time=float(step + 1), **told)


def seen_truth(problem: Problem, series: Series) -> Float[np.ndarray, "N T p"]:
    """Return what would have been observed without noise; of pictures, the pictures."""
    return series.observed if problem.pictures else series.states[..., :1]


def _record_shown(
    recorder: Recorder,
    problem: Problem,
    told: dict[str, Any],
    mean: Float[np.ndarray, "N T n"],
    std: Float[np.ndarray, "N T n"],
    truth: Float[np.ndarray, "N T n"],
) -> None:
    for place, (name, unit) in enumerate(zip(problem.coordinates, problem.units, strict=True)):
        for sequence in range(SHOWN):
            for step in range(truth.shape[1]):
                at = (sequence, step, place)
                recorder.measure(
                    "latent",
                    float(mean[at]),
                    unit=unit,
                    time=float(step + 1),
                    coordinate=name,
                    sequence=sequence,
                    std=float(std[at]),
                    truth=float(truth[at]),
                    **told,
                )


def _rmse(off: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(off))))
