"""Series of one's own: models learn from their beginnings and forecast their ends; latents are read from the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from doxa.belief.calibration import band_coverage
from doxa.dynamics.deep_markov.model import DeepMarkovModel
from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.recovery import BAND, latent_recovery
from doxa.dynamics.deep_markov.results import FitResult
from doxa.dynamics.physics_guided.problems import Problem, Series
from doxa.dynamics.physics_guided.scores import network_share, record_course
from doxa.dynamics.physics_guided.series_file import FEWEST, OwnSeries
from doxa.dynamics.physics_guided.training import Plan, Progress, inputs_of, train_models
from doxa.dynamics.physics_guided.variants import variants_of
from doxa.errors import InputError
from doxa.lab.record import Recorder

WORLD = "csv"


def check_own(own: OwnSeries, prior: PhysicsPrior, horizon: int) -> None:
    """Check that a table, a prior and a horizon fit together.

    Raises:
        InputError: they do not; what to change is said.
    """
    shortest = int(own.lengths.min())
    if shortest - horizon < FEWEST:
        raise InputError(
            f"horizon={horizon}: leaves {shortest - horizon} steps of the shortest sequence; give at most "
            f"{shortest - FEWEST}"
        )
    inputs = 0 if own.inputs is None else own.inputs.shape[2]
    if prior.input_dim not in (0, inputs):
        raise InputError(
            f"prior: takes {prior.input_dim} input(s), the table has {inputs} u… column(s); add them, or leave B out"
        )
    if prior.obs_dim not in (None, len(own.channels)):
        raise InputError(
            f"prior: its C shows {prior.obs_dim} channel(s), the table has {', '.join(own.channels)}; one row for each"
        )
    if own.truth is not None and own.truth.shape[2] != prior.latent_dim:
        raise InputError(
            f"{own.truth.shape[2]} truth… column(s): the prior has {prior.latent_dim} coordinates; give one for each"
        )


def record_own(
    recorder: Recorder, own: OwnSeries, prior: PhysicsPrior, plan: Plan, horizon: int, progress: Progress
) -> None:
    """Record the three models on one's own series."""
    inputs = own.inputs if own.inputs is not None else np.zeros((*own.observed.shape[:2], 0))
    hidden = own.truth if own.truth is not None else np.full((*inputs.shape[:2], prior.latent_dim), np.nan)
    series = Series(own.observed, inputs, hidden)
    coordinates = tuple(f"z{place + 1}" for place in range(prior.latent_dim))
    problem = Problem(
        WORLD,
        series,
        series,
        prior,
        coordinates,
        ("",) * prior.latent_dim,
        horizon,
        {},
        train_lengths=own.lengths - horizon,
    )
    problems = dict.fromkeys(variants_of(WORLD), problem)
    trained = train_models(problems, plan, recorder.seed, lambda done, note: progress(0.9 * done, note))
    for variant, (model, fit) in trained.items():
        record_course(recorder, variant, fit)
        _record_ends(recorder, problem, own, variant, model)
        _record_latents(recorder, problem, own, variant, model, fit)


def _record_ends(
    recorder: Recorder, problem: Problem, own: OwnSeries, variant: str, model: DeepMarkovModel
) -> None:
    """Record forecasts of the last steps of each sequence, which were not trained on."""
    cut, horizon = own.lengths - problem.horizon, problem.horizon
    later = cut[:, None] + np.arange(horizon)
    rows = np.arange(len(cut))[:, None]
    u = inputs_of(problem.train)
    future = None if u is None else u[rows, later]
    said = model.forecast(own.observed, future, horizon, u=u, lengths=cut)
    seen = own.observed[rows, later]
    known = np.isfinite(seen)
    told: dict[str, Any] = {"subject": variant, "split": "test"}
    if not known.any():
        for name in ("forecast rmse", "forecast coverage"):
            recorder.measure(name, None, missing="nothing was measured at the ends", **told)
        return
    off, wide = said.obs_mean - seen, BAND * said.obs_std
    recorder.measure("forecast rmse", float(np.sqrt(np.mean(off[known] ** 2))), **told)
    held = band_coverage((said.obs_mean - wide)[known], (said.obs_mean + wide)[known], seen[known])
    recorder.measure("forecast coverage", held, unit="fraction", **told)
    for step in range(horizon):
        here = known[:, step]
        if here.any():
            value = float(np.sqrt(np.mean(off[:, step][here] ** 2)))
            recorder.measure("forecast error", value, time=float(step + 1), **told)


def _record_latents(
    recorder: Recorder,
    problem: Problem,
    own: OwnSeries,
    variant: str,
    model: DeepMarkovModel,
    fit: FitResult,
) -> None:
    """Record what is believed of every step, and against the truth where the table holds it."""
    posterior = model.infer(own.observed, inputs_of(problem.train), lengths=own.lengths)
    told: dict[str, Any] = {"subject": variant, "split": "test"}
    if model.shape.streams == 2:
        share = network_share(fit.alpha, posterior.phy_mean, posterior.nn_mean)
        recorder.measure("share of the network", share, unit="fraction", **told)
    if own.truth is not None:
        within = np.arange(own.truth.shape[1]) < own.lengths[:, None]
        truth = np.where(within[..., None], own.truth, np.nan)
        for aligned in (False, True):
            found = latent_recovery(posterior, truth, align=aligned)
            for place, name in enumerate(problem.coordinates):
                where: dict[str, Any] = {
                    **told,
                    "coordinate": name,
                    "aligned": "aligned" if aligned else "as it is",
                }
                recorder.measure("rmse", float(found.rmse[place]), **where)
                recorder.measure("r2", float(found.r2[place]), **where)
                recorder.measure("coverage", float(found.coverage[place]), unit="fraction", **where)
    for row, sequence in enumerate(own.names):
        for step in range(int(own.lengths[row])):
            for place, name in enumerate(problem.coordinates):
                known = None if own.truth is None else float(own.truth[row, step, place])
                recorder.measure(
                    "latent",
                    float(posterior.mean[row, step, place]),
                    time=float(step + 1),
                    coordinate=name,
                    sequence=sequence,
                    std=float(posterior.std[row, step, place]),
                    truth=known,
                    **told,
                )
