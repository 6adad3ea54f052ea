"""Repeated trust games of people who follow a rule, and what a network reads of them.

Adaptive people move towards what came back, s' = s + rate · (returned - s) + noise, so that they send more after good
returns and chance adds up over rounds; steady people send what they are like, with fresh noise in every round.
Source: our embedded design for arXiv:2507.02197.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.worlds.trust_registers import BEGIN, END, FIRST_LEVEL, GIVE, PAD, PLAY, RULES
from doxa.worlds.trust_world import Population, TrustWorld

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

RuleName: TypeAlias = Literal["adaptive", "steady"]
RATE = 0.15
"""How far adaptive people move towards what came back, in a round."""
FORECAST_SHARE = 0.5
"""Share of rows that are forecasts made before the game."""


class RoundRule(NamedTuple):
    """How people play.

    Attributes:
        name: ``adaptive`` or ``steady``.
        noise: standard deviation of their actions, in dollars.
    """

    name: RuleName
    noise: float = 1.0

    def next(
        self,
        base: Float[np.ndarray, " games"],
        sent: Int[np.ndarray, " games"] | None,
        returned: Int[np.ndarray, " games"] | None,
        noise: Float[np.ndarray, " games"],
        endowment: int,
    ) -> Int[np.ndarray, " games"]:
        """Return what is sent next, in whole dollars.

        Args:
            base: what each person sends at first, in dollars.
            sent: what was sent in the round before; None in the first.
            returned: what came back then.
            noise: standard normal numbers.
            endowment: the most that can be sent.
        """
        wanted = (
            base
            if self.name == "steady" or sent is None or returned is None
            else sent + RATE * (returned - sent)
        )
        return np.rint(np.clip(wanted + self.noise * noise, 0, endowment)).astype(np.int64)


def play_rounds(
    rule: RoundRule,
    base: Float[np.ndarray, " games"],
    limits: Int[np.ndarray, " games"],
    rounds: int,
    rng: np.random.Generator,
    endowment: int = 10,
    multiplier: int = 3,
) -> tuple[Int[np.ndarray, "games rounds"], Int[np.ndarray, "games rounds"]]:
    """Return what was sent and returned in each round of games with trustees who return min(limit, multiplier · s)."""
    sent, returned = (np.zeros((base.size, rounds), dtype=np.int64) for _ in range(2))
    for number in range(rounds):
        before = (None, None) if number == 0 else (sent[:, number - 1], returned[:, number - 1])
        sent[:, number] = rule.next(base, *before, rng.standard_normal(base.size), endowment)
        returned[:, number] = np.minimum(limits, multiplier * sent[:, number])
    return sent, returned


@dataclass(frozen=True, eq=False)
class RoundTokens:
    """The vocabulary of repeated games: marks, levels, amounts, what was given and returned, trustees, forecasts."""

    population: Population
    rounds: int = 6
    limits: tuple[int, ...] = (1, 3, 5)
    endowment: int = 10

    @cached_property
    def first_levels(self) -> tuple[int, ...]:
        """First token of each attribute's levels."""
        sizes = [len(own) for own in self.population.levels.values()]
        return tuple(int(one) for one in FIRST_LEVEL + np.cumsum([0, *sizes[:-1]]))

    @property
    def first_amount(self) -> int:
        """Token of nothing sent."""
        return FIRST_LEVEL + sum(len(own) for own in self.population.levels.values())

    @property
    def first_gave(self) -> int:
        """Token of having given nothing in an earlier round."""
        return self.first_amount + self.endowment + 1

    @property
    def first_returned(self) -> int:
        """Token of nothing returned."""
        return self.first_gave + self.endowment + 1

    @property
    def first_trustee(self) -> int:
        """Token of the first trustee."""
        return self.first_returned + self.endowment + 1

    @property
    def first_forecast(self) -> int:
        """Token of the question about the first round."""
        return self.first_trustee + len(self.limits)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.first_forecast + self.rounds

    @property
    def row_tokens(self) -> int:
        """Length of the longest row: the question of the last round with its answer."""
        return len(self.population.levels) + 7 + 2 * (self.rounds - 1)


def rounds_sampler(world: TrustWorld, rule: RoundRule, layout: RoundTokens) -> Sampler:
    """Return what the trainer draws from: one question of a game to a row, before it or at a round of it."""
    base = world.expected(world.doing)

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        who, trustee = rng.integers(base.size, size=rows), rng.integers(len(layout.limits), size=rows)
        limits = np.array(layout.limits)[trustee]
        sent, returned = play_rounds(rule, base[who], limits, layout.rounds, rng, layout.endowment)
        asked, ahead = rng.integers(layout.rounds, size=rows), rng.random(rows) < FORECAST_SHARE
        told = np.where(ahead, 0, asked)
        people = layout.population.codes.shape[1]
        tokens = np.full((rows, layout.row_tokens), PAD)
        tokens[:, 0] = BEGIN
        tokens[:, 1 : people + 1] = layout.population.codes[who] + np.array(layout.first_levels)
        tokens[:, people + 1] = RULES
        tokens[:, people + 2] = layout.first_trustee + trustee
        start = people + 3
        for number in range(layout.rounds - 1):
            seen = told > number
            tokens[seen, start + 2 * number] = layout.first_gave + sent[seen, number]
            tokens[seen, start + 2 * number + 1] = layout.first_returned + returned[seen, number]
        targets = np.full_like(tokens, NO_LOSS)
        row, at = np.arange(rows), start + 2 * told
        answers = layout.first_amount + sent[row, asked]
        for step, own in enumerate(
            (np.where(ahead, layout.first_forecast + asked, PLAY), GIVE, answers, END)
        ):
            tokens[row, at + step] = own
            if step:
                targets[row, at + step - 1] = own
        return TokenBatch(tokens, targets)

    return sample


class RoundModels(NamedTuple):
    """Trained networks, one per rule.

    Attributes:
        layout: their vocabulary.
        net: the networks.
        loss: mean cross-entropy of each stretch of steps, in nats.
    """

    layout: RoundTokens
    net: StackedTransformer
    loss: Float[np.ndarray, "replicates stretches"]


def train_rounds(
    world: TrustWorld,
    rules: Sequence[RoundRule],
    seeds: Sequence[int],
    *,
    rounds: int = 6,
    steps: int = 500,
    batch: int = 64,
    width: int = 48,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 5e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> RoundModels:
    """Train one network per rule on games of the world's people, all as one stack; settings as of ``train_registers``.

    Raises:
        InputError: rules and seeds differ in number.
    """
    from doxa.nets.trainer import train_stack

    if len(rules) != len(seeds):
        raise InputError(f"{len(rules)} rules for {len(seeds)} seeds: give one of each per network")
    layout = RoundTokens(world.population, rounds, endowment=world.endowment)
    shape = NetShape(
        layout.vocabulary, width=width, layers=layers, heads=heads, positions=4 * layout.row_tokens
    )
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [rounds_sampler(world, rule, layout) for rule in rules]
    names = ("trust-rounds",)
    trained = train_stack(shape, samplers, seeds, plan, stream_names=names, progress=progress)
    return RoundModels(layout, trained.net, trained.loss)
