"""Two registers about one population, as token rows: sayings about groups, and plays of single people.

A play is ``BEGIN [statements] profile RULES PLAY GIVE amount END``; a saying is a question about one attribute, with
and without the rules, and its answer: a ranking with an effect size, or a table of dollars. Statements order the
levels of an attribute, "people with X are more trusting than people with Y or Z" for each level but the last; in a
document that has them, people act by them. A level has three tokens: in a profile or an answer, as the X and as a Y of
a statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, Sampler, TokenBatch
from doxa.worlds.trust_world import GroupFacts, Population, TrustWorld

PAD, BEGIN, END, RULES, ASK_TRUST, ASK_DOLLARS, PLAY, GIVE, RANKING, MORE, EFFECT = range(11)
FIRST_LEVEL = 11
MEAN_STEPS, SD_STEPS, EFFECT_STEPS = 10, 10, 100
"""Steps to a dollar of means and deviations, and to 1 of effect sizes, that can be said."""
MOST_SD, MOST_EFFECT = 5.0, 0.6

RANKING_NOISE = 0.2
"""Standard deviation in dollars of the noise that group means have when somebody ranks them."""
STATED_SPREAD = 2.0
"""Standard deviation over levels of the effects of a stated attribute, in dollars."""


@dataclass(frozen=True, eq=False)
class TrustTokens:
    """The vocabulary: marks, levels thrice, amounts, means, deviations and effect sizes, in this order."""

    population: Population
    endowment: int = 10

    @cached_property
    def first_levels(self) -> tuple[int, ...]:
        """First token of each attribute's levels in a profile or an answer."""
        sizes = [len(own) for own in self.population.levels.values()]
        return tuple(int(one) for one in FIRST_LEVEL + np.cumsum([0, *sizes[:-1]]))

    @cached_property
    def n_levels(self) -> int:
        """Levels of all attributes: the token of a level as the X of a statement comes so many later, as a Y twice."""
        return sum(len(own) for own in self.population.levels.values())

    @property
    def first_amount(self) -> int:
        """Token of nothing sent."""
        return FIRST_LEVEL + 3 * self.n_levels

    @property
    def first_mean(self) -> int:
        """Token of a mean of 0 dollars."""
        return self.first_amount + self.endowment + 1

    @property
    def first_sd(self) -> int:
        """Token of a standard deviation of 0 dollars."""
        return self.first_mean + self.endowment * MEAN_STEPS + 1

    @property
    def first_effect(self) -> int:
        """Token of an effect size of 0."""
        return self.first_sd + round(MOST_SD * SD_STEPS) + 1

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.first_effect + round(MOST_EFFECT * EFFECT_STEPS) + 1

    @property
    def play_tokens(self) -> int:
        """Length of a play without statements."""
        return len(self.population.levels) + 6

    @cached_property
    def row_tokens(self) -> int:
        """Length of a row: the longest document, and at least two plays."""
        most = max(len(own) for own in self.population.levels.values())
        return max(self.play_tokens + most * (most + 1) // 2 - 1, 4 * most + 4)

    def statements(
        self, place: int, orders: Int[np.ndarray, "rows levels"]
    ) -> Int[np.ndarray, "rows tokens"]:
        """Return the statements that order an attribute's levels, most trusting first; one row for each order."""
        first, levels = self.first_levels[place], orders.shape[1]
        found: list[np.ndarray] = []
        for rank in range(levels - 1):
            found += [first + orders[:, rank : rank + 1] + self.n_levels]
            found += [first + orders[:, rank + 1 :] + 2 * self.n_levels]
        return np.concatenate(found, 1)


@dataclass(frozen=True, eq=False)
class TrustRegisters:
    """What a network reads.

    Attributes:
        world: population and plans.
        stated_share: share of plays that are preceded by statements which hold in that document (φ), in [0, 1].
        saying_share: share of rows that are sayings, in [0, 1].
    """

    world: TrustWorld
    stated_share: float = 0.0
    saying_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("stated_share", "saying_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)}: must be in [0, 1]")

    @cached_property
    def tokens(self) -> TrustTokens:
        """The vocabulary."""
        return TrustTokens(self.world.population, self.world.endowment)

    def sampler(self) -> Sampler:
        """Return what the trainer draws from: rows of one saying, or of plays; loss on answers and amounts only."""

        def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
            tokens = np.full((rows, self.tokens.row_tokens), PAD)
            targets = np.full_like(tokens, NO_LOSS)
            says = rng.random(rows) < self.saying_share
            for row in np.flatnonzero(says):
                document, before = self.saying(rng)
                tokens[row, : len(document)] = document
                targets[row, before - 1 : len(document) - 1] = document[before:]
            self._fill(tokens, targets, np.flatnonzero(~says), rng)
            return TokenBatch(tokens, targets)

        return sample

    def _fill(
        self, tokens: np.ndarray, targets: np.ndarray, rows: Int[np.ndarray, " _"], rng: np.random.Generator
    ) -> None:
        """Fill rows with plays, as many as fit; the frame of an answer carries loss once in a row, amounts always.

        The frame is soon known, and more loss on it would only outweigh the amounts.
        """
        most = self.tokens.row_tokens // self.tokens.play_tokens
        documents = self.plays(most * len(rows), rng)
        place = 0
        for row in rows:
            at, first = 0, True
            while place < len(documents) and at + len(documents[place]) <= self.tokens.row_tokens:
                document = documents[place]
                end = at + len(document)
                tokens[row, at:end] = document
                targets[row, end - 3] = document[-2]
                if first:
                    targets[row, end - 4], targets[row, end - 2] = GIVE, END
                at, first, place = end, False, place + 1

    def plays(self, count: int, rng: np.random.Generator) -> list[Int[np.ndarray, " _"]]:
        """Return plays, of which a share is preceded by statements that hold there."""
        stated = rng.random(count) < self.stated_share
        about = np.where(stated, rng.integers(len(self.world.doing), size=count), -1)
        found: list[np.ndarray] = [np.empty(0)] * count
        for place in range(-1, len(self.world.doing)):
            own = np.flatnonzero(about == place)
            if own.size:
                for number, document in zip(own, self._plays_about(place, own.size, rng), strict=True):
                    found[number] = document
        return found

    def _plays_about(
        self, place: int, count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "count tokens"]:
        """Return plays after statements about one attribute, -1 for none; these take every level alike."""
        codes, layout = self.world.population.codes, self.tokens
        if place < 0:
            who, told = rng.integers(len(codes), size=count), np.empty((count, 0), dtype=np.int64)
            wanted = self.world.expected(self.world.doing)[who]
        else:
            people, levels = self._people[place], len(self._people[place])
            level = rng.integers(levels, size=count)
            luck = rng.random(count)
            who = np.array(
                [people[own][int(part * len(people[own]))] for own, part in zip(level, luck, strict=True)]
            )
            order = rng.random((count, levels)).argsort(1)
            told = layout.statements(place, order)
            even = np.linspace(1, -1, levels)
            stated = (STATED_SPREAD * even / even.std())[order.argsort(1)[np.arange(count), level]]
            wanted = self.world.expected(self.world.doing)[who] + stated - self.world.doing[place][level]
        sent = self.world.send(wanted, rng)
        profile = codes[who] + np.array(layout.first_levels)
        asked = np.tile([RULES, PLAY, GIVE], (count, 1))
        answer = np.stack([layout.first_amount + sent, np.full(count, END)], 1)
        return np.concatenate([np.full((count, 1), BEGIN), told, profile, asked, answer], 1)

    def saying(self, rng: np.random.Generator) -> tuple[list[int], int]:
        """Return a saying and the length of its question."""
        place = int(rng.integers(len(self._facts)))
        facts, first = self._facts[place], self.tokens.first_levels[place]
        count = facts.means.size
        listed = [first + int(level) for level in rng.permutation(count)]
        style = rng.random()
        question = [BEGIN, *([RULES] if style >= 1 / 3 else []), *listed]
        layout = self.tokens
        if style >= 2 / 3:
            question.append(ASK_DOLLARS)
            answer: list[int] = []
            for level in range(count):
                mean = layout.first_mean + round(float(facts.means[level]) * MEAN_STEPS)
                sd = layout.first_sd + round(min(float(facts.sds[level]), MOST_SD) * SD_STEPS)
                answer += [first + level, mean, sd]
        else:
            question.append(ASK_TRUST)
            order = np.argsort(-(facts.means + RANKING_NOISE * rng.standard_normal(count)))
            answer = [RANKING]
            for level in order:
                answer += [first + int(level), MORE]
            answer[-1] = EFFECT
            answer.append(layout.first_effect + round(min(facts.eta2, MOST_EFFECT) * EFFECT_STEPS))
        return [*question, *answer, END], len(question)

    @cached_property
    def _people(self) -> list[list[Int[np.ndarray, " _"]]]:
        """The people of each level of each attribute: documents with statements take every level alike."""
        codes = self.world.population.codes
        return [
            [np.flatnonzero(codes[:, place] == level) for level in range(effects.size)]
            for place, effects in enumerate(self.world.doing)
        ]

    @cached_property
    def _facts(self) -> list[GroupFacts]:
        return list(self.world.group_facts(self.world.saying).values())
