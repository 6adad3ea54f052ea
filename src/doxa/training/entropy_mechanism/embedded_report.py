"""The findings of the embedded experiment: the paper's claims, their controls, and what is left at equal score."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import numpy as np

from doxa.lab.measured import units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.training.entropy_law import EntropyLaw, Forecast
from doxa.training.entropy_mechanism.embedded_runs import Run, Runs
from doxa.training.entropy_mechanism.exact_tables import NAMES, STEPS
from doxa.training.entropy_mechanism.methods import (
    BETA_ZERO,
    GRPO,
    PLAIN,
    RANDOM,
    SHUFFLED,
    SHUFFLED_SLOW,
    Method,
    claimed,
    named,
)

FALLS, LAW_R2, CORRELATES, KEEPS = 0.8, 0.8, 0.99, 3.0
"""The spec's bounds: share of entropy lost, R² of the law, correlation on tables, times the entropy of GRPO."""
FOURFOLD = (3.8, 4.2)
RISES, COLLAPSES = 1.25, 0.5
"""Ours: the peak of distinct answers beside the start, and the end beside the peak (spec's run: 1.9 and 0.13)."""
MISSED = 0.1
"""Ours: how far the forecast of the last score may be off (spec's run: 0.1)."""
NO_COVARIANCE, NO_FALL, NO_SLOW_FALL, NO_GAIN = 0.01, 0.2, 0.05, 0.05
"""Ours: mean covariance, share of entropy lost (the second at the slowest rate) and score gained that count as none
under shuffled advantages."""
REMEDIES: tuple[tuple[Literal["KL-Cov", "Clip-Cov"], str, float | None], ...] = (
    ("KL-Cov", "kl-cov", 10.0),
    ("Clip-Cov", "clip-cov", None),
)
"""Each with its name in ids and the paper's number."""
KEPT = (("entropy", "nats", "entropy"), ("distinct", "answers", "distinct right answers"))
"""What is compared at equal score, its unit, and its name in sentences."""
ITSELF = {"entropy": 0.1, "distinct": 1.0}
"""Ours: how far a training held against itself may seem to be from itself, in nats and answers."""
THIRD = 1.0 / 3.0


def embedded_findings(tables: Tables, found: list[Method]) -> list[Finding]:
    """Return all findings of the embedded experiment.

    Args:
        tables: of all cells.
        found: the methods that were planned.
    """
    runs = Runs(tables)
    return [
        *_grpo(runs),
        *_theorem(tables),
        *_covariance(runs),
        *_remedies(runs, found),
        *_controls(runs, tables, found),
        *_frontier(runs, found),
    ]


def law_of(run: Run) -> EntropyLaw | None:
    """Return the law of a training's evaluations, None where its entropy does not vary."""
    return EntropyLaw.fit(run.entropy, run.score) if run.step.size >= 3 and np.ptp(run.entropy) > 0 else None


def forecast_of(run: Run) -> Forecast | None:
    """Return the forecast from the first third, None where that is fewer than three evaluations."""
    law = law_of(run)
    return None if law is None or round(THIRD * law.points) < 3 else law.forecast(THIRD, n_resamples=200)


def lost(run: Run) -> float:
    """Return the share of the first entropy that is gone at the end."""
    return 1.0 - _ratio(run.entropy[-1], run.entropy[0])


def _grpo(runs: Runs) -> list[Finding]:
    def law(run: Run, what: str) -> float:
        fitted = law_of(run)
        return float("nan") if fitted is None else float(getattr(fitted, what))

    def error(run: Run) -> float:
        seen = forecast_of(run)
        return float("nan") if seen is None else seen.error

    a, b, ceiling = (
        runs.units(GRPO, lambda run, name=name: law(run, name)) for name in ("a", "b", "ceiling")
    )
    last = runs.units(GRPO, lambda run: float(run.score[-1]))
    peak = runs.units(GRPO, lambda run: _ratio(run.distinct.max(), run.distinct[0]))
    end = runs.units(GRPO, lambda run: _ratio(run.distinct[-1], run.distinct.max()))
    means = {"a": a, "b": b, "ceiling": ceiling, "last score": last}
    numbers = "means over seeds: " + ", ".join(f"{name} {values.mean:.3g}" for name, values in means.items())
    return [
        runs.units(GRPO, lost).finding(
            "entropy-falls",
            "GRPO: share of the first entropy that is gone at the end",
            unit="share",
            above=FALLS,
            possible=(-math.inf, 1.0),
        ),
        runs.units(GRPO, lambda run: law(run, "r2")).finding(
            "law", "GRPO: R = -a·exp(H) + b explains the score (R²)", unit="share", above=LAW_R2, note=numbers
        ),
        runs.units(GRPO, error).finding(
            "forecast",
            "GRPO: the law of the first third forecasts the last score (observed minus forecast)",
            unit="score",
            above=-MISSED,
            below=MISSED,
        ),
        runs.units(GRPO, lambda run: _early(run, run.entropy)).finding(
            "spent-early",
            "GRPO: share of the entropy spent that is spent in the first third",
            unit="share",
            above=0.5,
            paper=0.95,
        ),
        runs.units(GRPO, lambda run: _early(run, run.score)).finding(
            "gained-early",
            "GRPO: share of the score gained that is gained in the first third",
            unit="share",
            above=0.5,
            paper=0.95,
        ),
        peak.finding(
            "distinct-rises",
            "GRPO: most distinct right answers on the way, beside those at the start",
            unit="ratio",
            above=RISES,
        ),
        end.finding(
            "distinct-collapses",
            "GRPO: distinct right answers at the end, beside the most on the way",
            unit="ratio",
            below=COLLAPSES,
        ),
    ]


def _early(run: Run, values: np.ndarray) -> float:
    """Return what share of the change from first to last happened in the first third of the steps."""
    third = float(np.interp(THIRD * run.step[-1], run.step, values))
    whole = float(values[-1] - values[0])
    return _ratio(third - float(values[0]), whole)


def _ratio(part: float | np.floating[Any], whole: float | np.floating[Any]) -> float:
    """Return a ratio, NaN to what is 0."""
    return float(part) / float(whole) if whole else math.nan


def _theorem(tables: Tables) -> list[Finding]:
    found: list[Finding] = []
    for name, short in zip(NAMES.values(), NAMES, strict=True):
        errors = {eta: units(tables, "error of theorem", subject=name, time=eta) for eta in STEPS[-2:]}
        halved = errors[STEPS[-2]].over(errors[STEPS[-1]])
        found += [
            units(tables, "correlation of theorem", subject=name).finding(
                f"theorem-{short}",
                f"exact tables, {name}: -Cov(ln π, Δz) predicts the entropy change of a small step (correlation)",
                unit="r",
                above=CORRELATES,
            ),
            halved.finding(
                f"theorem-order-{short}",
                f"exact tables, {name}: half the step, a quarter of the error (ratio of errors)",
                unit="ratio",
                above=FOURFOLD[0],
                below=FOURFOLD[1],
            ),
            units(tables, "correlation of steps", subject=name).finding(
                f"theorem-run-{short}",
                f"exact tables, {name}: mean covariance and mean entropy change over a training (correlation)",
                unit="r",
                above=CORRELATES,
            ),
        ]
    flat = units(tables, "change without advantage")
    return [
        *found,
        flat.finding(
            "no-advantage",
            "exact tables, all advantages equal: largest entropy change",
            unit="nats",
            below=1e-12,
            control=True,
        ),
    ]


def _covariance(runs: Runs) -> list[Finding]:
    mean, top = (runs.mean_logged(name, GRPO) for name in ("covariance", "covariance_top_0.002"))
    easy, hard = (runs.mean_logged(f"covariance_{name}", GRPO) for name in ("easy", "hard"))
    medium = runs.mean_logged("covariance_medium", GRPO)
    return [
        mean.finding(
            "covariance-positive",
            "GRPO: batch covariance of advantage and log-probability, mean over steps",
            unit="nats",
            above=0.0,
            paper=0.017,
            note=f"of the largest 0.2 % of the tokens {top.mean:.3g}; the paper's number is that of early steps",
        ),
        runs.each(lambda seed: _tracks(runs, seed)).finding(
            "covariance-tracks",
            "GRPO: covariance and entropy lost, windows of five steps (correlation)",
            unit="r",
            above=0.0,
        ),
        easy.minus(hard).finding(
            "easy-prompts",
            "GRPO: covariance on prompts answered right by more than three quarters, minus by less than a quarter",
            unit="nats",
            above=0.0,
            note=f"easy {easy.mean:.3g}, medium {medium.mean:.3g}, hard {hard.mean:.3g}; larger on easy in the paper",
        ),
    ]


def _tracks(runs: Runs, seed: int, window: int = 5) -> float | None:
    """Return the correlation of covariance and entropy lost over windows of steps."""
    covariance, change = (runs.logged(name, GRPO, seed) for name in ("covariance", "entropy_change"))
    steps = sorted(set(covariance) & set(change))
    count = len(steps) // window
    if count < 3:
        return None
    rows = np.array([(covariance[step], -change[step]) for step in steps[: count * window]])
    means = rows.reshape(count, window, 2).mean(1)
    return float(np.corrcoef(means.T)[0, 1]) if np.ptp(means, axis=0).min() > 0 else None


def last_entropy(runs: Runs, method: str) -> Units:
    """Return each seed's entropy at the end."""
    return runs.units(method, lambda run: float(run.entropy[-1]))


def _remedies(runs: Runs, found: list[Method]) -> list[Finding]:
    told: list[Finding] = []
    for kind, slug, paper in REMEDIES:
        own = claimed(found, kind)
        others = ", ".join(
            f"{name} × {np.exp(log_ratio(runs, name).mean):.2g} (R {_last_score(runs, name):.2g})"
            for name in (*named(found, kind), *named(found, "slower GRPO"))
        )
        told.append(
            log_ratio(runs, own).finding(
                f"{slug}-keeps",
                f"{own}: logarithm of its entropy at the end over that of GRPO (3 times is 1.10)",
                unit="ln",
                above=math.log(KEEPS),
                paper=None if paper is None else math.log(paper),
                note=f"means of logarithms: {others}; GRPO R {_last_score(runs, GRPO):.2g}",
            )
        )
    return told


def log_ratio(runs: Runs, method: str) -> Units:
    """Return each seed's logarithm of the last entropy over that of GRPO; a ratio to what is near 0 has no mean."""
    ratio = last_entropy(runs, method).over(last_entropy(runs, GRPO))
    return Units({seed: math.log(value) for seed, value in ratio.values.items() if value > 0.0})


def _last_score(runs: Runs, method: str) -> float:
    return runs.units(method, lambda run: float(run.score[-1])).mean


def _controls(runs: Runs, tables: Tables, found: list[Method]) -> list[Finding]:
    told: list[Finding] = []
    for kind, slug, _ in REMEDIES:
        own = claimed(found, kind)
        chance = own + RANDOM
        told += [
            log_ratio(runs, chance).finding(
                f"{slug}-random",
                f"{chance}: logarithm of its entropy at the end over that of GRPO",
                unit="ln",
                below=math.log(KEEPS),
                control=True,
                note=f"R {_last_score(runs, chance):.2g}",
            ),
            last_entropy(runs, own)
            .minus(last_entropy(runs, chance))
            .finding(
                f"{slug}-choice",
                f"{own}: entropy at the end, minus that with as many tokens chosen at random",
                unit="nats",
                above=0.0,
            ),
        ]
    gain = runs.units(SHUFFLED, lambda run: float(run.score[-1] - run.score[0]))
    same = units(tables, "distance of weights", subject=BETA_ZERO)
    return [
        *told,
        runs.mean_logged("covariance", SHUFFLED).within(
            "shuffled-covariance",
            "advantages shuffled over responses: mean batch covariance",
            NO_COVARIANCE,
            unit="nats",
        ),
        runs.units(SHUFFLED, lost).finding(
            "shuffled-entropy",
            "advantages shuffled: share of the first entropy that is gone at the end",
            unit="share",
            below=NO_FALL,
            control=True,
        ),
        runs.units(SHUFFLED_SLOW, lost).finding(
            "shuffled-slow-entropy",
            "advantages shuffled, slowest rate: share of the first entropy that is gone at the end",
            unit="share",
            below=NO_SLOW_FALL,
            control=True,
            note=f"with their own advantages {runs.units(named(found, 'slower GRPO')[-1], lost).mean:.2g}",
        ),
        gain.finding(
            "shuffled-score",
            "advantages shuffled: score gained",
            unit="score",
            below=NO_GAIN,
            control=True,
        ),
        same.finding(
            "beta-zero",
            f"{BETA_ZERO} is the {PLAIN} exactly (largest difference of the trained weights)",
            unit="",
            below=1e-12,
            control=True,
        ),
    ]


def compared(found: list[Method]) -> list[Method]:
    """Return what is held against GRPO at equal score: training slower, and the remedies."""
    return [method for method in found if method.kind not in ("GRPO", "control")]


def references(found: list[Method], method: Method) -> dict[str, list[str]]:
    """Return what a method is held against; slower GRPO only against GRPO."""
    slower = {} if method.kind == "slower GRPO" else {"slower GRPO": named(found, "slower GRPO")}
    return {"GRPO": [GRPO], **slower}


def _frontier(runs: Runs, found: list[Method]) -> list[Finding]:
    told: list[Finding] = []
    for what, unit, noun in KEPT:
        told.append(
            runs.beside(GRPO, [GRPO], what).within(
                f"{what}-itself",
                f"GRPO: {noun} at equal score, minus itself (what the comparison makes of nothing)",
                ITSELF[what],
                unit=unit,
            )
        )
        for method in compared(found):
            for reference, names in references(found, method).items():
                more = runs.beside(method.name, names, what)
                apart = runs.of(method.name, runs.seeds[0]) is not None if runs.seeds else False
                note = "open question, reported as measured"
                if apart and len(more.values) < len(runs.seeds):
                    note += (
                        f"; on {len(runs.seeds) - len(more.values)} seeds no evaluation comes near its scores"
                    )
                told.append(
                    more.finding(
                        f"{what}-{_slug(method.name)}-{'grpo' if reference == GRPO else 'slower'}",
                        f"{method.name}: {noun} at equal score, minus {reference}",
                        unit=unit,
                        above=0.0,
                        note=note,
                    )
                )
    return told


def _slug(name: str) -> str:
    """Return a method's name as part of an id.

    >>> _slug("KL-Cov 0.2 %"), _slug("GRPO, rate × 0.5")
    ('kl-cov-0-2', 'grpo-rate-0-5')
    """
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))
