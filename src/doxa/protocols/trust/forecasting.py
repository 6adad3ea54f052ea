"""Whether a subject can tell its own moves in advance: forecasts before a repeated game, then the game."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.belief.inference import Interval
from doxa.errors import InputError
from doxa.protocols.trust.believing import TEMPERATURE
from doxa.protocols.trust.playing import Choice, Method, amount_chances, choose_amounts
from doxa.protocols.trust.text import (
    Style,
    forecast_question,
    profile_text,
    round_question,
    rounds_prompt,
)
from doxa.subjects.base import Conversation, Subject
from doxa.worlds.personas import TEST_ATTRIBUTES
from doxa.worlds.trust_game import Round, Trustee, TrustGame

SCHEMA: dict[str, pl.DataType] = {
    "agent_id": pl.String(),
    "trustee": pl.String(),
    "round": pl.Int64(),
    "forecast": pl.Int64(),
    "sent": pl.Int64(),
    "returned": pl.Int64(),
    "horizon": pl.Int64(),
    "abs_error": pl.Float64(),
    "forecast_text": pl.String(),
    "text": pl.String(),
    "missing": pl.String(),
}
"""Columns of a game's rows; amounts in dollars, null where unread."""


def forecast_and_play(
    model: Subject, persona: Mapping[str, object], trustee: Trustee, rounds: int = 6, **how: object
) -> pl.DataFrame:
    """Let one persona forecast and play one game; see :func:`forecast_and_play_all`."""
    return forecast_and_play_all(model, [persona], {"trustee": trustee}, rounds, **how)  # pyright: ignore[reportArgumentType]


def forecast_and_play_all(
    model: Subject,
    personas: Sequence[Mapping[str, object]],
    trustees: Mapping[str, Trustee],
    rounds: int = 6,
    *,
    game: TrustGame | None = None,
    attributes: Sequence[str] = TEST_ATTRIBUTES,
    method: Method = "reply",
    style: Style = "bdi",
    seed: int = 0,
    temperature: float = TEMPERATURE,
    max_tokens: int = 256,
    retries: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Let every persona forecast each round of a game with each trustee before it, then play it.

    All games go on side by side: one call for all forecasts, one for each round. The endowment is new in each round. A
    game in which a move cannot be read ends there. By ``distribution`` a forecast is the median of the chances.

    Args:
        model: who plays them.
        personas: each with ``agent_id`` and its levels.
        trustees: by name.
        rounds: of a game, >= 1.
        game: the rules of a round.
        attributes: which the profile tells.
        method: how amounts are read, see ``playing.choose_amounts``.
        style: of the prompts.
        seed: of samples.
        temperature: of replies.
        max_tokens: longest reply.
        retries: of an unreadable reply.
        progress: called with calls done and calls.

    Returns:
        One row per game and round, with the columns of ``SCHEMA``; ``horizon`` is the number of rounds ahead at which
        the forecast was made, 1 for the first round.

    Raises:
        InputError: rounds is below 1.
    """
    if rounds < 1:
        raise InputError(f"rounds={rounds}: must be >= 1")
    rules = game or TrustGame()
    games = [
        _Game(dict(persona), name, trustee) for persona in personas for name, trustee in trustees.items()
    ]
    asks = _Asks(
        model, rules, rounds, tuple(attributes), method, style, seed, temperature, max_tokens, retries
    )
    ahead = [(one, number) for one in games for number in range(1, rounds + 1)]
    prompts = [asks.prompt(one, forecast_question(number, rules, style)) for one, number in ahead]
    for (one, _), choice in zip(ahead, asks.forecasts(prompts), strict=True):
        one.forecasts.append(choice)
    if progress is not None:
        progress(1, rounds + 1)
    for number in range(1, rounds + 1):
        alive = [one for one in games if len(one.moves) == number - 1 and len(one.history) == number - 1]
        prompts = [asks.prompt(one, round_question(one.history, rules, style)) for one in alive]
        for one, choice in zip(alive, asks.moves(prompts, number), strict=True):
            one.moves.append(choice)
            if choice.sent is not None:
                one.history.append(rules.play(one.trustee, choice.sent, one.history))
        if progress is not None:
            progress(number + 1, rounds + 1)
    return pl.DataFrame([row for one in games for row in one.rows(rounds)], schema=SCHEMA)


def mae_by_horizon(frame: pl.DataFrame) -> pl.DataFrame:
    """Return mean |forecast - sent| in dollars by trustee and horizon, with the number of forecasts it rests on."""
    return (
        frame.drop_nulls("abs_error")
        .group_by("trustee", "horizon")
        .agg(pl.col("abs_error").mean().alias("mae"), pl.len().cast(pl.Int64()).alias("n"))
        .sort("trustee", "horizon")
    )


def horizon_slope(frame: pl.DataFrame, *, rng: np.random.Generator, resamples: int = 1000) -> Interval:
    """Return the least-squares slope of |error| on horizon, in dollars a round, resampling agents."""
    from doxa.belief.inference import percentile_interval, weighted_draws

    rows = frame.drop_nulls("abs_error").with_columns(
        x=pl.col("horizon").cast(pl.Float64()), y=pl.col("abs_error")
    )
    sums = (
        rows.group_by("agent_id", maintain_order=True)
        .agg(
            pl.len().alias("n"),
            pl.col("x").sum(),
            pl.col("y").sum(),
            (pl.col("x") * pl.col("y")).sum().alias("xy"),
            (pl.col("x") ** 2).sum().alias("xx"),
        )
        .drop("agent_id")
        .to_numpy()
        .astype(np.float64)
    )
    if not len(sums):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    draws = _slopes(weighted_draws(sums, rng, resamples))
    return percentile_interval(float(_slopes(sums.sum(0)[None])[0]), draws, len(sums))


def _slopes(sums: np.ndarray) -> np.ndarray:
    n, x, y, xy, xx = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return (n * xy - x * y) / (n * xx - x * x)


class _Game:
    """One persona with one trustee."""

    def __init__(self, persona: dict[str, object], name: str, trustee: Trustee) -> None:
        self.persona, self.name, self.trustee = persona, name, trustee
        self.forecasts: list[Choice] = []
        self.moves: list[Choice] = []
        self.history: list[Round] = []

    def rows(self, rounds: int) -> list[dict[str, object]]:
        """Return a row for each round."""
        found: list[dict[str, object]] = []
        for place in range(rounds):
            forecast = self.forecasts[place]
            move = (
                self.moves[place]
                if place < len(self.moves)
                else Choice(None, None, "", "the game ended before")
            )
            reasons = [f"forecast: {forecast.missing}" if forecast.missing else "", move.missing]
            both = forecast.sent is not None and move.sent is not None
            found.append(
                {
                    "agent_id": str(self.persona.get("agent_id", "")),
                    "trustee": self.name,
                    "round": place + 1,
                    "forecast": forecast.sent,
                    "sent": move.sent,
                    "returned": self.history[place].returned if place < len(self.history) else None,
                    "horizon": place + 1,
                    "abs_error": float(abs((forecast.sent or 0) - (move.sent or 0))) if both else None,
                    "forecast_text": forecast.text,
                    "text": move.text,
                    "missing": "; ".join(reason for reason in reasons if reason),
                }
            )
        return found


class _Asks(NamedTuple):
    """How questions are put."""

    model: Subject
    game: TrustGame
    rounds: int
    attributes: tuple[str, ...]
    method: Method
    style: Style
    seed: int
    temperature: float
    max_tokens: int
    retries: int

    def prompt(self, one: _Game, question: str) -> Conversation:
        """Return the prompt of a question in a game."""
        profile = profile_text(one.persona, self.attributes)
        return rounds_prompt(profile, self.game, one.trustee.told, self.rounds, question)

    def moves(self, prompts: Sequence[Conversation], number: int) -> list[Choice]:
        """Return what is sent."""
        return choose_amounts(
            self.model,
            prompts,
            self.game,
            method=self.method,
            style=self.style,
            seed=self.seed,
            names=("trust", "round", number),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            retries=self.retries,
        )

    def forecasts(self, prompts: Sequence[Conversation]) -> list[Choice]:
        """Return what is expected to be sent."""
        if self.method == "reply":
            return self.moves(prompts, 0)
        chances = amount_chances(self.model, prompts, self.game, self.style)
        medians = (chances.cumsum(1) < 0.5).sum(1)
        means = chances @ np.arange(chances.shape[1])
        return [Choice(int(one), float(mean), "", "") for one, mean in zip(medians, means, strict=True)]
