"""What the embedded experiment records: estimators on tables and on a network, and the regimes' training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doxa.lab.record import Recorder
from doxa.nets.transformer import StackedTransformer
from doxa.training.entropy_weights.agreement import agreement
from doxa.training.entropy_weights.regimes import GRPO, UNREWARDED, Regimes, worlds_of
from doxa.training.entropy_weights.tables import Estimated, draw_rows, estimate_rows
from doxa.training.entropy_weights.updates import DEALT_OUT, LEAST, Updated, measured_update
from doxa.training.policy_loop import PolicyRun, train_policy
from doxa.training.policy_plan import PolicyPlan
from doxa.worlds.sum_composition import SumComposition
from doxa.worlds.sum_learners import train_base

Progress = Callable[[float, str], None]
SHOWN = 150
"""Tokens or rows of each kind that a figure shows."""
LOGGED = ("reward", "entropy", "entropy_change", "lambda_mean", "lambda_min", "kl")
EVALUATED = ("pass@1", "entropy", "distinct", "greedy", "pass@{n}", "maj@{n}")


@dataclass(frozen=True)
class Sizes:
    """Sizes of the training part.

    Attributes:
        base_steps: steps on demonstrations, before any reinforcement.
        steps: rollouts.
        group: responses to each prompt.
        evaluate_every: steps between evaluations.
        samples: responses to each prompt there.
        network_rollouts: mini-batches on which one real step is measured.
        network_step: learning rate of that step.
    """

    base_steps: int = 600
    steps: int = 120
    group: int = 8
    evaluate_every: int = 8
    samples: int = 32
    network_rollouts: int = 4
    network_step: float = 0.001


def record_tables(
    recorder: Recorder, seed: int, sizes: Sequence[int], draws: int, step: float, progress: Progress
) -> None:
    """Record how estimators agree with the truth on softmax tables of several sizes.

    Args:
        recorder: takes the rows.
        seed: of the tables.
        sizes: actions of a row.
        draws: rows of each size.
        step: η; the exact error is also taken at half of it.
        progress: told what is done.
    """
    for place, actions in enumerate(sizes):
        rows = draw_rows(seed, actions, draws)
        whole, half = (estimate_rows(rows, size) for size in (step, step / 2.0))
        where: dict[str, Any] = {"actions": actions}
        _agreements(recorder, whole.true, whole.estimates, "tables", where)
        for name in whole.estimates:
            error, finer = (np.median(np.abs(one.true - one.estimates[name])) for one in (whole, half))
            recorder.measure("error ratio", float(error / finer), subject=name, unit="", **where)
        probability = rows.probability.numpy()
        scale = np.abs(whole.estimates["official"] / whole.estimates["exact"])
        for name, which in (("rare", probability < 0.1), ("likely", probability > 0.5)):
            if which.any():
                middle = float(np.exp(np.mean(np.log(scale[which]))))
                recorder.measure("official over exact", middle, subject="official", tokens=name, **where)
        _shown(recorder, whole, probability, rows.advantages.numpy(), actions)
        progress((place + 1) / len(sizes), f"tables of {actions} actions")


def _shown(
    recorder: Recorder, whole: Estimated, probability: np.ndarray, advantage: np.ndarray, actions: int
) -> None:
    for row in range(min(SHOWN, len(probability))):
        told: dict[str, Any] = {
            "actions": actions,
            "probability": float(probability[row]),
            "advantage": float(advantage[row]),
            **{name: float(one[row]) for name, one in whole.estimates.items()},
        }
        recorder.measure(
            "row", float(whole.true[row]), subject="softmax table", unit="nats", time=row, **told
        )


def _agreements(
    recorder: Recorder,
    true: np.ndarray,
    estimates: Mapping[str, np.ndarray],
    where: str,
    told: Mapping[str, Any],
) -> None:
    for name, estimate in estimates.items():
        for measure, value in agreement(true, estimate)._asdict().items():
            recorder.measure(
                measure, value, subject=name, where=where, missing="one of the two does not vary", **told
            )
    order = np.roll(np.arange(true.size), true.size // 2)
    dealt = agreement(true, estimates["exact"][order]).pearson
    recorder.measure("pearson", dealt, subject=DEALT_OUT, where=where, missing="no variation", **told)


def record_training(
    recorder: Recorder, seed: int, regimes: Regimes, sizes: Sizes, progress: Progress, folder: Path | None
) -> None:
    """Train a base network, measure single steps on it, train it further in every regime, and record all.

    Args:
        recorder: takes the rows.
        seed: of the network and of all training.
        regimes: what is trained.
        sizes: how long.
        progress: told what is done.
        folder: where training is kept while it is going on; None keeps nothing.
    """
    world = SumComposition()
    base = train_base(
        world,
        [seed],
        steps=sizes.base_steps,
        checkpoint=None if folder is None else folder / "base.safetensors",
        progress=lambda done, steps: progress(0.1 * done / steps, "learning from demonstrations"),
    ).net
    _record_updates(recorder, base, world, seed, "base", sizes)
    variants = regimes.variants()
    plan = PolicyPlan(
        steps=sizes.steps, group=sizes.group, evaluate_every=sizes.evaluate_every, samples=sizes.samples
    )
    run = train_policy(
        base,
        worlds_of(variants, world),
        variants,
        [seed],
        plan,
        names=("entropy-weights", "policy"),
        checkpoint=None if folder is None else folder / "policies.safetensors",
        progress=lambda now: progress(
            0.15 + 0.84 * now.step / now.steps,
            f"step {now.step}: reward {now.reward:.2f}, entropy {now.entropy:.2f}, KL {now.kl:.1e}",
        ),
    )
    _record_run(recorder, run, base, sizes.samples)
    trained = run.net.select([[one.variant for one in run.replicates].index(GRPO)])
    _record_updates(recorder, trained, world, seed, "after GRPO", sizes)


def _record_updates(
    recorder: Recorder, net: StackedTransformer, world: SumComposition, seed: int, state: str, sizes: Sizes
) -> None:
    each: list[Updated] = [
        measured_update(
            net, world, seed, "entropy-weights", "updates", place, step=sizes.network_step, group=sizes.group
        )
        for place in range(sizes.network_rollouts)
    ]
    joined = {name: np.concatenate([one.estimates[name] for one in each]) for name in each[0].estimates}
    true = np.concatenate([one.true for one in each])
    _agreements(recorder, true, joined, "network", {"state": state})
    _record_weights(recorder, each, state)
    first = each[0]
    for row in range(min(SHOWN, first.true.size)):
        told: dict[str, Any] = {name: float(one[row]) for name, one in first.estimates.items()}
        told |= {"probability": float(first.probability[row]), "advantage": float(first.advantage[row])}
        recorder.measure(
            "token", float(first.true[row]), subject="network", unit="nats", time=row, state=state, **told
        )


def _record_weights(recorder: Recorder, each: Sequence[Updated], state: str) -> None:
    """Record how the weights of tokens are spread, as shares of ten bins."""
    edges = np.linspace(LEAST, 1.0, 11)
    for name in ("exact", "official"):
        weights = np.concatenate([one.weights[name] for one in each])
        shares = np.histogram(weights, edges)[0] / weights.size
        for low, high, share in zip(edges, edges[1:], shares, strict=False):
            told: dict[str, Any] = {"low": float(low), "high": float(high), "state": state}
            recorder.measure(
                "weights in bin", float(share), subject=name, unit="share of tokens", time=low, **told
            )


def _record_run(recorder: Recorder, run: PolicyRun, base: StackedTransformer, samples: int) -> None:
    for line in run.log.iter_rows(named=True):
        for name in LOGGED:
            if line.get(name) is not None:
                recorder.measure(name, line[name], subject=line["variant"], time=line["step"])
    for line in run.evaluations.iter_rows(named=True):
        for pattern in EVALUATED:
            name = pattern.format(n=samples)
            recorder.measure(f"evaluated {name}", line[name], subject=line["variant"], time=line["step"])
    for place, one in enumerate(run.replicates):
        if one.variant == UNREWARDED:
            moved = max(
                float((weight[place] - base.weights[name][0]).abs().max())
                for name, weight in run.net.weights.items()
            )
            recorder.measure("weights moved", moved, subject=one.variant)
