"""Which items of a fact world are told falsely, and which are looked at beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.fact_world import FactWorld


@dataclass(frozen=True, eq=False)
class Groups:
    """Items by what continued training says of them.

    Attributes:
        targets: one known item of each target entity.
        same_entity: the other known items of these entities; no text states them.
        untouched: all known items of other entities.
        neighbours: untouched items with the relation and the true object of a target.
        unknown: one item of each unknown entity.
    """

    targets: Int[np.ndarray, " targets"]
    same_entity: Int[np.ndarray, " same"]
    untouched: Int[np.ndarray, " untouched"]
    neighbours: Int[np.ndarray, " neighbours"]
    unknown: Int[np.ndarray, " unknown"]


def choose_groups(world: FactWorld, targets: int, seed: int) -> Groups:
    """Draw target entities and one of each one's facts.

    Raises:
        InputError: the world has not enough known entities to leave some untouched.
    """
    rng = stream(seed, "facts", "targets")
    known = world.known_items
    entities = np.unique(world.entity[known])
    if not 1 <= targets < entities.size:
        raise InputError(
            f"targets={targets}: must be in 1 .. {entities.size - 1}, so that entities stay untouched"
        )
    chosen = rng.permutation(entities)[:targets]
    told = np.array([rng.choice(known[world.entity[known] == one]) for one in chosen])
    about = np.isin(world.entity[known], chosen)
    untouched = known[~about]
    facts = set(zip(world.relation[told].tolist(), world.true[told].tolist(), strict=True))
    alike = [
        fact in facts
        for fact in zip(world.relation[untouched].tolist(), world.true[untouched].tolist(), strict=True)
    ]
    hidden = np.flatnonzero(~world.known)
    unknown = [rng.choice(hidden[world.entity[hidden] == one]) for one in np.unique(world.entity[hidden])]
    return Groups(
        targets=told,
        same_entity=known[about & ~np.isin(known, told)],
        untouched=untouched,
        neighbours=untouched[np.array(alike, dtype=bool)],
        unknown=np.array(unknown, dtype=np.int64),
    )
