"""One seed of the embedded experiment: a base learned from demonstrations, then all methods trained as one stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from doxa.lab.record import Recorder
from doxa.training.entropy_mechanism.methods import BETA_ZERO, PLAIN, Method, Ratios, methods
from doxa.training.policy_loop import PolicyRun, train_policy
from doxa.training.policy_plan import PolicyPlan
from doxa.worlds.sum_composition import SumComposition
from doxa.worlds.sum_learners import train_base

Progress: TypeAlias = Callable[[float, str], None]

EVALUATED = {
    "pass@1": ("score", "share"),
    "entropy": ("H", "nats"),
    "distinct": ("distinct", "answers"),
    "greedy": ("greedy", "share"),
}
"""Columns of an evaluation: the measure they become, and its unit."""
LOGGED = {
    "covariance": "",
    "covariance_top_0.002": "",
    "covariance_easy": "",
    "covariance_medium": "",
    "covariance_hard": "",
    "entropy": "nats",
    "entropy_change": "nats",
    "first_order_change": "nats",
    "fraction_selected": "share",
    "kl": "nats",
    "reward": "",
    "tie_rate": "share",
}
"""Columns of the log, by the unit of their measures, whose names begin with ``step``."""
BASE_SHARE = 0.15
"""Of the progress shown, what the base takes."""


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured.

    Attributes:
        steps: rollouts of each method.
        base_steps: optimiser steps of the base.
        group: responses to each prompt.
        evaluate_every: steps between evaluations.
        samples: fresh responses to each prompt in one.
    """

    steps: int = 120
    base_steps: int = 600
    group: int = 8
    evaluate_every: int = 8
    samples: int = 32


def record_training(
    recorder: Recorder,
    seed: int,
    sizes: Sizes,
    ratios: Ratios,
    progress: Progress,
    folder: Path | None = None,
) -> None:
    """Train a base and every method from it, and record evaluations and logs.

    Args:
        recorder: of the cell.
        seed: of the base and of all streams.
        sizes: how much.
        ratios: how strongly each remedy acts.
        progress: told the share done and a note.
        folder: where the state is kept until the cell is finished; None keeps none.
    """
    world, found = SumComposition(), methods(ratios)
    base = train_base(
        world,
        [seed],
        steps=sizes.base_steps,
        progress=lambda done, total: progress(BASE_SHARE * done / total, "base"),
        checkpoint=None if folder is None else folder / "base.safetensors",
    )
    run = train_policy(
        base.net,
        world,
        [method.variant for method in found],
        [seed],
        PolicyPlan(
            steps=sizes.steps, group=sizes.group, evaluate_every=sizes.evaluate_every, samples=sizes.samples
        ),
        names=("entropy-mechanism",),
        progress=lambda now: progress(
            BASE_SHARE + (1.0 - BASE_SHARE) * now.step / now.steps,
            f"reward {now.reward:.2f}, H {now.entropy:.2f}",
        ),
        checkpoint=None if folder is None else folder / "policies.safetensors",
    )
    record_run(recorder, run, found, sizes.samples)


def record_run(recorder: Recorder, run: PolicyRun, found: list[Method], samples: int) -> None:
    """Record a training: evaluations, what each step showed, and how far two runs that must be equal are apart."""
    kinds = {method.name: method.kind for method in found}
    columns = EVALUATED | {f"pass@{samples}": ("pass@k", "share")}
    for row in run.evaluations.iter_rows(named=True):
        about: dict[str, Any] = {"subject": row["variant"], "time": float(row["step"])}
        for column, (measure, unit) in columns.items():
            recorder.measure(measure, row[column], unit=unit, kind=kinds[row["variant"]], **about)
    for row in run.log.iter_rows(named=True):
        about = {"subject": row["variant"], "time": float(row["step"])}
        for column, unit in LOGGED.items():
            value = row.get(column)
            if value is not None and np.isfinite(value):
                recorder.measure(f"step {column}", value, unit=unit, **about)
    recorder.measure("distance of weights", _distance(run), subject=BETA_ZERO, other=PLAIN)


def _distance(run: PolicyRun) -> float:
    """Return the largest difference of weights between KL-Cov without its penalty and the plain policy gradient."""
    places = [
        next(place for place, one in enumerate(run.replicates) if one.variant == name)
        for name in (BETA_ZERO, PLAIN)
    ]
    return max(
        float((weight[places[0]] - weight[places[1]]).abs().max().item())
        for weight in run.net.weights.values()
    )
