"""Figures of a simulation of linear bandits."""

from __future__ import annotations

from typing import Any

import numpy as np

from doxa.lab.figures import Figure, curves
from doxa.worlds.linear_bandits.result import BanditResult, as_rows

LEAST_MARKS = 3
LONGEST_LABEL = 3
"""Digits with which an action is written."""


def result_figures(result: BanditResult, kind: str = "pseudo") -> list[Figure]:
    """Draw regret, its growth on two logarithms, and by agent the shares of actions and what it holds of each."""
    rows = as_rows(result, kind)
    drawn = [
        curves(
            f"{kind}-regret",
            f"Cumulative {kind} regret",
            "Mean over trials; the band is one standard error.",
            rows,
            x="round",
            low="low",
            high="high",
            group="agent",
            x_title="round",
            value_title="regret",
        ),
        growth_figure(f"{kind}-growth", "How regret grows", rows, _slopes(result, kind)),
    ]
    for place, name in enumerate(result.names):
        drawn += _agent_figures(result, place, name)
    return drawn


def _slopes(result: BanditResult, kind: str) -> str:
    """Return the slopes of the last decade as text, nothing where that has too few checkpoints."""
    last = int(result.checkpoints[-1])
    if (result.checkpoints >= last / 10).sum() < LEAST_MARKS:
        return ""
    fitted = result.slope(last / 10, last, kind)
    means = {name: float(slopes.mean()) for name, slopes in zip(*fitted, strict=True)}
    told = [f"{name} {slope:.2f}" for name, slope in means.items() if np.isfinite(slope)]
    return f"Fitted over the last decade: {', '.join(told)}." if told else ""


def growth_figure(name: str, title: str, rows: list[dict[str, Any]], note: str = "") -> Figure:
    """Draw log10 of regret over log rounds; a slope of 1 is linear regret.

    Args:
        name: the figure's id.
        title: its title.
        rows: columns ``round``, ``value`` and ``agent``.
        note: follows the caption, such as fitted slopes.
    """
    lines = [
        {"round": row["round"], "agent": row["agent"], "value": float(np.log10(row["value"]))}
        for row in rows
        if row["value"] > 0.0 and row["round"] >= 10
    ]
    how = "log₁₀ of mean regret over rounds on a logarithm; a line of slope 1 is linear regret, ½ its square root."
    return curves(
        name,
        title,
        f"{how} {note}".strip(),
        lines,
        x="round",
        group="agent",
        x_title="round",
        value_title="log₁₀ regret",
        log_x=True,
    )


def _agent_figures(result: BanditResult, place: int, name: str) -> list[Figure]:
    arms, marks = result.arms[place], result.checkpoints
    if len(arms) < 2:
        return []
    shares = result.pulls[place].mean(axis=0) / marks[:, None]
    boards = result.boards[place].mean(axis=0)
    slug = "-".join(name.lower().split())
    drawn: list[Figure] = []
    for what, values, title in (
        ("shares", shares, "share of rounds so far"),
        ("board", boards, "what is held of each action"),
    ):
        rows = [
            {"round": int(at), "value": float(values[mark, arm]), "action": label_of(arms[arm])}
            for arm in range(len(arms))
            for mark, at in enumerate(marks)
            if np.isfinite(values[mark, arm])
        ]
        drawn.append(
            curves(
                f"{what}-{slug}",
                f"{name}: {title}",
                "Mean over trials, by action.",
                rows,
                x="round",
                group="action",
                x_title="round",
                value_title=title,
                log_x=True,
            )
        )
    return drawn


def label_of(action: np.ndarray) -> str:
    """Return an action as text.

    >>> label_of(np.array([1.0, 0.5, 0.0]))
    '(1, 0.5, 0)'
    """
    return "(" + ", ".join(f"{value:.{LONGEST_LABEL}g}" for value in action) + ")"
