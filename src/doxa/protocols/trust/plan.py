"""What is asked of a subject of the user's, and its plays of one condition, each kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from doxa.lab.parts import Keep
from doxa.protocols.trust.playing import Method, play_population
from doxa.protocols.trust.text import Strategy, Style
from doxa.subjects.base import Subject
from doxa.worlds.money_game import MoneyGame

Progress = Callable[[float, str], None]
"""Told the share done and what is being done."""


@dataclass(frozen=True)
class Plan:
    """What is asked; the paper's values are in the study's settings.

    Attributes:
        personas: drawn from the bank.
        least: of each common level.
        repeats: of each question about groups.
        strategies: how groups are asked about.
        targets: Spearman correlations of imposed orderings.
        method: how amounts are read.
        style: of the one-shot prompt.
        retries: of an unreadable reply.
        temperature: of replies.
        nobody: plays without a persona.
        bootstrap: resamples.
        individuals: personas that forecast and play rounds.
        rounds: of their games.
        individual_style: of their prompts.
        max_tokens: longest reply.
        other_styles: further styles of the one-shot prompt, whose plays show how much hangs on it.
        other_temperatures: further temperatures, likewise.
    """

    personas: int
    least: int
    repeats: int
    strategies: tuple[Strategy, ...]
    targets: tuple[float, ...]
    method: Method
    style: Style
    retries: int
    temperature: float
    nobody: int
    bootstrap: int
    individuals: int
    rounds: int
    individual_style: Style
    max_tokens: int
    other_styles: tuple[Style, ...] = ()
    other_temperatures: tuple[float, ...] = ()


@dataclass(frozen=True)
class Asks:
    """Who plays, and what of it is kept."""

    subject: Subject
    personas: pl.DataFrame
    plan: Plan
    seed: int
    keep: Keep

    def play(
        self, game: MoneyGame, condition: str, rankings: Mapping[str, Sequence[str]] | None = None
    ) -> pl.DataFrame:
        """Return the plays of a condition."""
        plan = self.plan

        def compute() -> Any:
            return play_population(
                self.subject,
                self.personas,
                rankings,
                game=game,
                method=plan.method,
                style=plan.style,
                seed=self.seed,
                branch=condition,
                temperature=plan.temperature,
                max_tokens=plan.max_tokens,
                retries=plan.retries,
            ).to_dicts()

        orders = {name: list(ranking) for name, ranking in (rankings or {}).items()}
        name = [
            "play",
            self.subject.identity,
            game.name,
            game.endowment,
            condition,
            orders,
            self.personas["agent_id"].to_list(),
        ]
        schema = {
            "agent_id": pl.String(),
            "sent": pl.Int64(),
            "expected": pl.Float64(),
            "text": pl.String(),
            "missing": pl.String(),
            "retries": pl.Int64(),
        }
        return pl.DataFrame(self.keep(name, compute), schema=schema)
