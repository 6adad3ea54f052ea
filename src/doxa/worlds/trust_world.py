"""A population in which what is said of groups and what people do are two plans, as alike as one wants.

Each level of each attribute adds to what a person sends; sayings about groups follow another such plan. The two are
correlated by ``c`` within each attribute. Source: our embedded design for arXiv:2507.02197.

What the design leaves open, and how it is decided here
- People are those of the bank whose nine levels are all common (2 % or more), with Big Five levels drawn at random.
- Effects of an attribute are evenly spaced, in an order drawn at random, with a spread drawn for each attribute.
- The order of the sayings is one of those whose Spearman correlation with that of the doings is nearest to c; with two
  levels it is the same with probability (1 + c)/2. The spread is the same with probability c, else drawn anew.
- What holds of a group is its mean over the population, so that attributes that go together in the bank do so here.
- s = round(clip(centre + effects + noise)) in dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from doxa.belief.rankings import perturb_ranking
from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.personas import TEST_ATTRIBUTES, levels_of

CENTRE, NOISE = 5.0, 1.0
"""Mean of what is sent and standard deviation of its noise, in dollars."""
SPREADS = (0.5, 1.2)
"""Ends between which the standard deviation over levels of an attribute's effects is drawn, in dollars."""


@dataclass(frozen=True, eq=False)
class Population:
    """People by level.

    Attributes:
        personas: one row each, none with a rare level.
        levels: the levels of each attribute, in their usual order.
        codes: the level of each person and attribute, counted from 0.
    """

    personas: pl.DataFrame
    levels: dict[str, tuple[str, ...]]
    codes: Int[np.ndarray, "people attributes"]

    @classmethod
    def of(cls, personas: pl.DataFrame, attributes: Sequence[str] = TEST_ATTRIBUTES) -> Population:
        """Return the people whose levels are all common, of the given personas.

        Raises:
            InputError: an attribute has fewer than two common levels.
        """
        levels = {name: levels_of(personas, name) for name in attributes}
        for name, own in levels.items():
            if len(own) < 2:
                raise InputError(f"{name} has levels {list(own)}: two or more are needed; leave it out")
        kept = personas.filter(pl.all_horizontal(pl.col(name).is_in(own) for name, own in levels.items()))
        places = [
            kept[name].replace_strict(
                {level: place for place, level in enumerate(own)}, return_dtype=pl.Int64()
            )
            for name, own in levels.items()
        ]
        return cls(kept, levels, np.stack([place.to_numpy() for place in places], 1))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.levels)


class GroupFacts(NamedTuple):
    """What holds of each level of an attribute in the population under a plan.

    Attributes:
        means: mean of what is sent, in dollars.
        sds: its standard deviation within the level.
        eta2: share of the variance between levels.
    """

    means: Float[np.ndarray, " levels"]
    sds: Float[np.ndarray, " levels"]
    eta2: float


@dataclass(frozen=True, eq=False)
class TrustWorld:
    """Two plans about one population.

    Attributes:
        population: the people.
        c: correlation of the plans, in [0, 1].
        seed: of the plans.
        endowment: in dollars.
    """

    population: Population
    c: float
    seed: int
    endowment: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.c <= 1:
            raise InputError(f"c={self.c}: must be in [0, 1]")

    @cached_property
    def doing(self) -> tuple[Float[np.ndarray, " levels"], ...]:
        """Effect of each level of each attribute on what is sent, in dollars."""
        rng = stream(self.seed, "trust-world", "doing")
        sizes = [len(own) for own in self.population.levels.values()]
        return tuple(_even(size, rng)[rng.permutation(size)] for size in sizes)

    @cached_property
    def saying(self) -> tuple[Float[np.ndarray, " levels"], ...]:
        """The same of the plan that sayings follow."""
        rng = stream(self.seed, "trust-world", "saying")
        found: list[np.ndarray] = []
        for effects in self.doing:
            spread, same = _even(effects.size, rng), rng.random() < self.c
            target = self.c
            if effects.size == 2:
                target = 1.0 if rng.random() < (1 + self.c) / 2 else -1.0
            order = [str(place) for place in np.argsort(-effects)]
            said = perturb_ranking(order, target, self.seed, "trust-world", len(found)).ranking
            values = np.sort(effects if same else spread)[::-1]
            told = np.empty(effects.size)
            told[[int(place) for place in said]] = values
            found.append(told)
        return tuple(found)

    def expected(self, effects: Sequence[np.ndarray]) -> Float[np.ndarray, " people"]:
        """Return what each person would send without noise and limits, in dollars."""
        columns = [own[self.population.codes[:, place]] for place, own in enumerate(effects)]
        return CENTRE + np.sum(columns, axis=0)

    def send(
        self, wanted: Float[np.ndarray, " people"], rng: np.random.Generator, noise: float = NOISE
    ) -> Int[np.ndarray, " people"]:
        """Return what is sent, in whole dollars within the endowment."""
        noisy = wanted + noise * rng.standard_normal(wanted.shape)
        return np.rint(np.clip(noisy, 0, self.endowment)).astype(np.int64)

    def group_facts(self, effects: Sequence[np.ndarray]) -> dict[str, GroupFacts]:
        """Return what holds of each attribute's levels over the population, noise and limits included."""
        sent = self.expected(effects)
        # The limits bind now and then: the mean over noise of the clipped amount, by Gauss-Hermite nodes.
        nodes, weights = np.polynomial.hermite_e.hermegauss(15)
        amounts = np.clip(sent[:, None] + NOISE * nodes, 0, self.endowment)
        share = weights / weights.sum()
        first, second = amounts @ share, amounts**2 @ share
        whole = float(second.mean() - first.mean() ** 2)
        found: dict[str, GroupFacts] = {}
        for place, (name, levels) in enumerate(self.population.levels.items()):
            codes = self.population.codes[:, place]
            counts = np.bincount(codes, minlength=len(levels))
            means = np.bincount(codes, first, len(levels)) / counts
            spread = np.bincount(codes, second, len(levels)) / counts - means**2
            between = float(counts @ (means - first.mean()) ** 2 / counts.sum())
            found[name] = GroupFacts(means, np.sqrt(spread), between / whole)
        return found


def _even(levels: int, rng: np.random.Generator) -> Float[np.ndarray, " levels"]:
    """Return evenly spaced numbers with mean 0 and a standard deviation drawn between ``SPREADS``."""
    even = np.linspace(-1, 1, levels)
    return even / even.std() * rng.uniform(*SPREADS)
