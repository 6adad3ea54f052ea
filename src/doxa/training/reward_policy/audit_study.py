"""A reward audit in the record: noise, other reward models and other weights, on answers that are scored already."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError, did_you_mean
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.reward_policy.audit import PromptAudit, audit_prompt, weight_sweep
from doxa.training.reward_policy.files import Scored, TieLog

Scores = tuple[Float[np.ndarray, " _"], ...]
WEIGHTS = np.linspace(0.0, 1.0, 21)


def base_of(scored: Scored, base: str) -> str:
    """Return the name of the reward that is audited: the one asked for, else the first.

    Raises:
        InputError: there is none of that name.
    """
    if base and base not in scored.scores:
        raise InputError(f"base={base!r}: {did_you_mean(base, scored.scores)}")
    return base or next(iter(scored.scores))


def record_audit(
    recorder: Recorder,
    scored: Scored,
    *,
    base: str,
    noise: tuple[float, ...],
    alpha: float,
    tol: float,
    seed: int,
) -> None:
    """Record what changes of a reward do to the selection among answers, prompt by prompt.

    Args:
        recorder: where it goes.
        scored: answers and scores.
        base: reward that is changed, "" for the first.
        noise: sizes of even noise on the scores, in their standard deviations.
        alpha: temperature of softmax-weighted selection, in standard deviations too.
        tol: scores this near count as equal, in units of the score.
        seed: of the noise.
    """
    name = base_of(scored, base)
    before, spread = scored.scores[name], scored.spread[name]
    unit = spread if spread > 0.0 else 1.0
    recorder.measure("spread", spread, subject=name, answers=sum(len(one.answers) for one in scored.answers))
    for size in noise:
        rng = stream(seed, "reward noise", f"{size:g}")
        after = tuple(row + size * unit * rng.uniform(-1.0, 1.0, row.size) for row in before)
        _record(recorder, scored, name, f"noise {size:g}", before, after, alpha * unit, tol, kind="noise")
    rng = stream(seed, "reward constant")
    constant = tuple(row + 3.0 * unit * float(rng.standard_normal()) for row in before)
    _record(recorder, scored, name, "constant", before, constant, alpha * unit, tol, kind="constant")
    for other, after in scored.scores.items():
        if other != name:
            _record(recorder, scored, name, other, before, after, alpha * unit, tol, kind="reward")
    _record_weights(recorder, scored, name, tol)


def _record(
    recorder: Recorder,
    scored: Scored,
    base: str,
    change: str,
    before: Scores,
    after: Scores,
    alpha: float,
    tol: float,
    *,
    kind: str,
) -> None:
    for number, found in enumerate(scored.answers):
        row = audit_prompt(found, before[number], after[number], alpha, tol)
        recorder.measure(
            "top changed",
            float(row.top_changed),
            subject=base,
            axis="sweep",
            time=number,
            kind=kind,
            change=change,
            answers=len(found.answers),
            prompt=scored.prompts[number][:80],
            **_told(row),
        )


def _told(row: PromptAudit) -> dict[str, Any]:
    return {
        "margin": row.margin if math.isfinite(row.margin) else None,
        "tied": row.tied,
        "size": row.change,
        "best_tv": row.best_tv,
        "soft_tv": row.soft_tv,
        "bound": row.bound,
    }


def _record_weights(recorder: Recorder, scored: Scored, base: str, tol: float) -> None:
    """Record how many best answers change while weights move from the base to each other reward."""
    for other, after in scored.scores.items():
        if other == base:
            continue
        sweep = weight_sweep(scored.scores[base], after, WEIGHTS, tol)
        for at, weight in enumerate(sweep.weights):
            recorder.measure(
                "weights changed",
                float(sweep.changed[at]),
                subject=base,
                axis="sweep",
                time=float(weight),
                other=other,
                flips=int(sweep.flips[:, at - 1].sum()) if at else 0,
                prompts=len(scored.prompts),
            )


def record_tie_rates(recorder: Recorder, log: TieLog) -> None:
    """Record the tie rate of each step."""
    for step, rate in zip(log.step, log.rate, strict=True):
        recorder.measure(
            "tie_rate", float(rate), subject="training", axis="step", time=float(step), source=log.source
        )
