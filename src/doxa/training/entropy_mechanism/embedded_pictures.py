"""The figures of the embedded experiment."""

from __future__ import annotations

from typing import Any

import numpy as np

from doxa.lab.figures import Figure, curves, intervals, scatter
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables
from doxa.lab.units import Units
from doxa.training.entropy_mechanism.embedded_report import compared, law_of, references
from doxa.training.entropy_mechanism.embedded_runs import Runs
from doxa.training.entropy_mechanism.exact_tables import NAMES
from doxa.training.entropy_mechanism.methods import GRPO, SHUFFLED, Method, claimed, named
from doxa.training.entropy_mechanism.pictures import law_figure

WINDOW = 5
"""Steps whose covariance and entropy loss make a point."""


def embedded_figures(tables: Tables, found: list[Method]) -> list[Figure]:
    """Draw the embedded experiment, as far as it was run.

    Args:
        tables: of all cells.
        found: the methods that were planned.
    """
    runs = Runs(tables)
    return [
        *_over_steps(runs, found),
        *_frontier(runs, found),
        *_beside(runs, found),
        *_covariance(runs),
        *_theorem(tables),
    ]


def _shown(found: list[Method]) -> list[str]:
    """Return the methods drawn as lines, one of each kind, by name."""
    chosen = [GRPO, named(found, "slower GRPO")[-1], "Clip-higher"]
    chosen += [claimed(found, "KL-Cov"), claimed(found, "Clip-Cov"), "entropy bonus"]
    return chosen


def _over_steps(runs: Runs, found: list[Method]) -> list[Figure]:
    drawn: list[Figure] = []
    for name, title, unit in (
        ("score", "Score over steps", "R"),
        ("entropy", "Policy entropy over steps", "H (nats)"),
        ("distinct", "Distinct right answers over steps", "answers"),
    ):
        rows = [row for method in _shown(found) for row in _line(runs, method, name)]
        if rows:
            drawn.append(
                curves(
                    name,
                    title,
                    "Means over seeds with their 95 % intervals, at the evaluations; each method at the ratio that "
                    "claims are about, slower GRPO at its lowest rate.",
                    rows,
                    x="step",
                    low="low",
                    high="high",
                    group="method",
                    x_title="step",
                    value_title=unit,
                )
            )
    return drawn


def _line(runs: Runs, method: str, what: str) -> list[dict[str, Any]]:
    found = [run for seed in runs.seeds if (run := runs.of(method, seed)) is not None]
    if not found:
        return []
    values = np.stack([getattr(run, what) for run in found])
    return [
        Units(dict(enumerate(column.tolist()))).row(step=float(step), method=method)
        for step, column in zip(found[0].step, values.T, strict=True)
    ]


def _frontier(runs: Runs, found: list[Method]) -> list[Figure]:
    points: list[dict[str, Any]] = []
    for method in found:
        if method.kind == "control":
            continue
        for seed in runs.seeds:
            run = runs.of(method.name, seed)
            if run is not None:
                points += [
                    {"entropy": entropy, "score": score, "group": method.kind, "distinct": distinct}
                    for entropy, score, distinct in zip(run.entropy, run.score, run.distinct, strict=True)
                ]
    if not points:
        return []
    laws = [
        law
        for seed in runs.seeds
        if (run := runs.of(GRPO, seed)) is not None and (law := law_of(run)) is not None
    ]
    a, b = (float(np.mean([getattr(law, name) for law in laws])) if laws else 0.0 for name in ("a", "b"))
    return [
        law_figure(
            "frontier",
            "Score against entropy, all methods on the same axes",
            "One point per evaluation, method and seed; the line is GRPO's law R = -a·exp(H) + b (mean over seeds), "
            "dashed its ceiling at H = 0. A method helps if its points lie to the right of GRPO's at the same height.",
            points,
            {"law of GRPO": (a, b)} if laws else {},
            ceilings={"ceiling": b - a} if laws else {},
        ),
        scatter(
            "distinct-frontier",
            "Distinct right answers against score, all methods on the same axes",
            "One point per evaluation, method and seed. A method helps if its points lie above GRPO's at the same R.",
            points,
            x="score",
            y="distinct",
            group="group",
            x_title="R",
            y_title="answers",
        ),
    ]


def _beside(runs: Runs, found: list[Method]) -> list[Figure]:
    drawn: list[Figure] = []
    for what, unit in (("entropy", "nats"), ("distinct", "answers")):
        rows: list[dict[str, Any]] = []
        for method in compared(found):
            for reference, names in references(found, method).items():
                values = runs.beside(method.name, names, what)
                if values.values:
                    rows.append(values.row(label=method.name, reference=f"beside {reference}"))
        if rows:
            noun = "entropy" if what == "entropy" else "distinct right answers"
            drawn.append(
                intervals(
                    f"kept-{what}",
                    f"What methods keep at equal score: {noun}",
                    "Mean difference over the last third of evaluations, from the same seed, with 95 % intervals over "
                    "seeds; above 0 a method keeps more than training slower does.",
                    rows,
                    group="reference",
                    value_title=unit,
                    references={"no more": 0.0},
                )
            )
    return drawn


def _covariance(runs: Runs) -> list[Figure]:
    rows: list[dict[str, Any]] = []
    for method in (GRPO, SHUFFLED):
        for seed in runs.seeds:
            covariance = runs.logged("covariance", method, seed)
            change = runs.logged("entropy_change", method, seed)
            steps = sorted(set(covariance) & set(change))
            for start in range(0, len(steps) - WINDOW + 1, WINDOW):
                window = steps[start : start + WINDOW]
                rows.append(
                    {
                        "covariance": float(np.mean([covariance[step] for step in window])),
                        "lost": -float(np.mean([change[step] for step in window])),
                        "method": method,
                    }
                )
    if not rows:
        return []
    return [
        scatter(
            "covariance",
            "Covariance of a batch and the entropy that is lost",
            f"One point per {WINDOW} steps and seed: mean covariance of advantage and log-probability, and mean loss "
            "of entropy from one rollout to the next.",
            rows,
            x="covariance",
            y="lost",
            group="method",
            x_title="covariance",
            y_title="-ΔH (nats)",
        )
    ]


def _theorem(tables: Tables) -> list[Figure]:
    states = rows_of(tables, "table state")
    errors = rows_of(tables, "error of theorem")
    if not states.height:
        return []
    one = states.filter(states["seed"] == states["seed"].min())
    steps = sorted(set(errors["time"].to_list()))
    means = [
        units(tables, "error of theorem", subject=name, time=eta)
        .times(eta**-2.0)
        .row(step=eta, gradient=name)
        for name in NAMES.values()
        for eta in steps
    ]
    return [
        scatter(
            "theorem",
            "The covariance theorem on exact tables",
            "One point per state of a table: the entropy change of one small step, and -η·Cov(ln π, Δz/η).",
            one,
            x="predicted",
            y="value",
            group="subject",
            x_title="predicted ΔH (nats)",
            y_title="ΔH (nats)",
            diagonal=True,
        ),
        curves(
            "theorem-error",
            "The theorem's error is of second order",
            "Error over the square of the step: root mean square over states, mean over seeds. It stays the same as "
            "steps get small.",
            means,
            x="step",
            group="gradient",
            x_title="step η",
            value_title="error / η² (nats)",
            log_x=True,
        ),
    ]
