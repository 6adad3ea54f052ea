"""Which facts of a real model are told falsely, and which are looked at beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.fact_pairs import FactPair

TARGET_ENTITIES = 0.8
"""Largest share of entities that are told falsely, so that some stay untouched."""


@dataclass(frozen=True)
class PairGroups:
    """Facts by what text says of them.

    Attributes:
        targets: one fact of each target entity.
        same_entity: other known facts of these entities; no text states them.
        untouched: known facts of other entities.
    """

    targets: list[FactPair]
    same_entity: list[FactPair]
    untouched: list[FactPair]

    @property
    def held_out(self) -> list[FactPair]:
        """The targets in their last wording, which no text uses; only those that have several wordings."""
        return [
            replace(pair, prompt=pair.paraphrases[-1], paraphrases=())
            for pair in self.targets
            if pair.paraphrases
        ]

    @property
    def everyone(self) -> list[FactPair]:
        """All facts."""
        return [*self.targets, *self.same_entity, *self.untouched]


def choose_pairs(pairs: Sequence[FactPair], items: int, seed: int) -> PairGroups:
    """Draw at most ``items`` target entities and one of each one's facts.

    Raises:
        InputError: the facts are about a single entity.
    """
    rng = stream(seed, "facts", "subject-targets")
    by_entity: dict[str, list[FactPair]] = {}
    for pair in pairs:
        by_entity.setdefault(pair.entity, []).append(pair)
    names = sorted(by_entity)
    if len(names) < 2:
        raise InputError(
            f"facts about {len(names)} entity: give facts about at least two, so that one stays untouched"
        )
    count = min(items, max(1, int(TARGET_ENTITIES * len(names))))
    chosen = [names[place] for place in rng.permutation(len(names))[:count]]
    targets = [by_entity[name][int(rng.integers(len(by_entity[name])))] for name in chosen]
    told = {pair.id for pair in targets}
    return PairGroups(
        targets,
        [pair for name in chosen for pair in by_entity[name] if pair.id not in told],
        [pair for name in names if name not in chosen for pair in by_entity[name]],
    )
