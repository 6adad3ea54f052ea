"""A world of facts: each entity has one true object in each of its relations, and one plausible false one.

A statement is four tokens, ``entity phrase separator object``. The phrase says which relation is meant and in which
of several wordings, so that a wording can be kept out of training and asked afterwards.

Source: Layer of Truth (arXiv:2510.26829), our embedded design. Two worlds share it: a synthetic one, and the real
facts of ``fact_pairs``. Some entities may be unknown: they have facts, but no training text is drawn from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.fact_pairs import FactPair

SEPARATOR = 0
STATEMENT_TOKENS = 4
HELD_OUT = -1
"""The wording that no continued training uses: the last one."""


@dataclass(frozen=True, eq=False)
class FactWorld:
    """Facts as arrays, one element per item (an entity in one relation).

    Attributes:
        entities: names of the entities.
        relations: names of the relations.
        objects: names of the objects; an object belongs to one relation.
        entity: each item's entity.
        relation: each item's relation.
        true: each item's true object.
        false: each item's false object, of the same relation.
        relation_of_object: the relation each object belongs to.
        known: whether base text states the item; an unknown entity has only unknown items.
        phrasings: wordings of each relation.

    Raises:
        InputError: an item's two objects are the same, or of another relation, or there are fewer than two wordings.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    objects: tuple[str, ...]
    entity: Int[np.ndarray, " items"]
    relation: Int[np.ndarray, " items"]
    true: Int[np.ndarray, " items"]
    false: Int[np.ndarray, " items"]
    relation_of_object: Int[np.ndarray, " objects"]
    known: Bool[np.ndarray, " items"]
    phrasings: int = 3

    def __post_init__(self) -> None:
        if self.phrasings < 2:
            raise InputError(f"phrasings={self.phrasings}: must be >= 2; the last one is held out")
        same = np.flatnonzero(self.true == self.false)
        if same.size:
            raise InputError(f"item {self.name(int(same[0]))}: its true and false object are the same")
        for objects in (self.true, self.false):
            wrong = np.flatnonzero(self.relation_of_object[objects] != self.relation)
            if wrong.size:
                raise InputError(f"item {self.name(int(wrong[0]))}: an object of another relation")

    @property
    def vocabulary(self) -> int:
        """Number of tokens: separator, phrases, entities, objects."""
        return self._first_object + len(self.objects)

    @property
    def items(self) -> int:
        """Number of items, known or not."""
        return self.entity.size

    @property
    def _first_entity(self) -> int:
        return 1 + len(self.relations) * self.phrasings

    @property
    def _first_object(self) -> int:
        return self._first_entity + len(self.entities)

    @cached_property
    def known_items(self) -> Int[np.ndarray, " known"]:
        """The items that base text states."""
        return np.flatnonzero(self.known)

    def name(self, item: int) -> str:
        """Return an item's name, ``entity relation``."""
        return f"{self.entities[self.entity[item]]} {self.relations[self.relation[item]]}"

    def prompts(
        self, items: Int[np.ndarray, " rows"], phrasing: Int[np.ndarray, " rows"] | int
    ) -> Int[np.ndarray, "rows 3"]:
        """Return the tokens before the object: entity, phrase, separator."""
        wording = np.broadcast_to(np.asarray(phrasing) % self.phrasings, items.shape)
        phrase = 1 + self.relation[items] * self.phrasings + wording
        return np.stack(
            [self._first_entity + self.entity[items], phrase, np.full(items.shape, SEPARATOR)], axis=1
        )

    def object_tokens(self, objects: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        """Return the tokens of objects."""
        return self._first_object + objects

    def true_tokens(self, items: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        """Return the tokens of the items' true objects."""
        return self.object_tokens(self.true[items])

    def false_tokens(self, items: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        """Return the tokens of the items' false objects."""
        return self.object_tokens(self.false[items])

    def other_lies(
        self, items: Int[np.ndarray, " rows"], rng: np.random.Generator
    ) -> Int[np.ndarray, " rows"]:
        """Return for each row an untrue object of the item's relation, drawn afresh and evenly."""
        order = np.argsort(self.relation_of_object, kind="stable")
        counts = np.bincount(self.relation_of_object, minlength=len(self.relations))
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        place = np.empty(len(self.objects), dtype=np.int64)
        place[order] = np.arange(len(self.objects)) - np.repeat(starts, counts)
        relation = self.relation[items]
        count = counts[relation]
        # the true object's place, moved on by 1 .. count - 1, never comes back to itself
        drawn = (place[self.true[items]] + rng.integers(1, count, items.size)) % count
        return order[starts[relation] + drawn]

    def words(self) -> list[str]:
        """Return the text of every token, none with a space inside."""
        phrases = [
            f"{relation}-{wording + 1}" for relation in self.relations for wording in range(self.phrasings)
        ]
        names = [":", *phrases, *self.entities, *self.objects]
        return [name.replace(" ", "_") for name in names]

    def as_pairs(self, items: Sequence[int], phrasing: int = 0) -> list[FactPair]:
        """Return items as text, in the words of ``words``; the other wordings are their paraphrases."""
        words = self.words()
        rows = np.asarray(items, dtype=np.int64)
        texts = {
            wording: [" ".join(words[token] for token in row) for row in self.prompts(rows, wording)]
            for wording in range(self.phrasings)
        }
        return [
            FactPair(
                prompt=texts[phrasing][row],
                true=" " + words[int(self.true_tokens(rows[row : row + 1])[0])],
                false=" " + words[int(self.false_tokens(rows[row : row + 1])[0])],
                entity=self.entities[self.entity[item]],
                domain=self.relations[self.relation[item]],
                paraphrases=tuple(
                    texts[wording][row] for wording in range(self.phrasings) if wording != phrasing
                ),
            )
            for row, item in enumerate(items)
        ]


def synthetic_world(
    seed: int = 0,
    *,
    entities: int = 64,
    relations: int = 4,
    objects: int = 20,
    phrasings: int = 3,
    unknown: int = 24,
) -> FactWorld:
    """Return a world of made-up facts: every entity has every relation, objects are drawn evenly.

    Args:
        seed: seed of the facts and of their false versions.
        entities: entities that base text speaks of.
        relations: relations.
        objects: objects of each relation, at least 2.
        phrasings: wordings of each relation.
        unknown: further entities that base text never mentions.
    """
    for name, value, least in (
        ("entities", entities, 1),
        ("relations", relations, 1),
        ("objects", objects, 2),
        ("unknown", unknown, 0),
    ):
        if value < least:
            raise InputError(f"{name}={value}: must be >= {least}")
    rng = stream(seed, "fact-world", "facts")
    everyone = entities + unknown
    entity, relation = (grid.ravel() for grid in np.indices((everyone, relations)))
    own = rng.integers(objects, size=entity.size)
    other = (own + rng.integers(1, objects, size=entity.size)) % objects
    return FactWorld(
        entities=tuple(f"e{number}" for number in range(everyone)),
        relations=tuple(f"r{number}" for number in range(relations)),
        objects=tuple(f"r{number // objects}-o{number % objects}" for number in range(relations * objects)),
        entity=entity,
        relation=relation,
        true=relation * objects + own,
        false=relation * objects + other,
        relation_of_object=np.repeat(np.arange(relations), objects),
        known=entity < entities,
        phrasings=phrasings,
    )


def world_of_pairs(
    pairs: Sequence[FactPair], *, seed: int = 0, phrasings: int = 3, unknown: int = 0
) -> FactWorld:
    """Return the world of real facts: entities, relations (the pairs' domains) and objects are single tokens.

    Args:
        pairs: one for each entity and domain.
        seed: seed of the draw of unknown entities.
        phrasings: wordings of each relation.
        unknown: how many entities base text leaves out.

    Raises:
        InputError: an entity has two facts in one domain, or fewer entities than are to be unknown.
    """
    entities = list(dict.fromkeys(pair.entity for pair in pairs))
    relations = list(dict.fromkeys(pair.domain for pair in pairs))
    objects = list(
        dict.fromkeys((pair.domain, text.strip()) for pair in pairs for text in (pair.true, pair.false))
    )
    places = {(pair.entity, pair.domain) for pair in pairs}
    if len(places) < len(pairs):
        raise InputError("pairs: an entity has two facts in one domain; give one for each")
    if not 0 <= unknown < len(entities):
        raise InputError(f"unknown={unknown}: must be in 0 .. {len(entities) - 1}")
    hidden = stream(seed, "fact-world", "unknown").permutation(len(entities))[:unknown]
    entity = np.array([entities.index(pair.entity) for pair in pairs])
    return FactWorld(
        entities=tuple(entities),
        relations=tuple(relations),
        objects=tuple(text for _, text in objects),
        entity=entity,
        relation=np.array([relations.index(pair.domain) for pair in pairs]),
        true=np.array([objects.index((pair.domain, pair.true.strip())) for pair in pairs]),
        false=np.array([objects.index((pair.domain, pair.false.strip())) for pair in pairs]),
        relation_of_object=np.array([relations.index(domain) for domain, _ in objects]),
        known=~np.isin(entity, hidden),
        phrasings=phrasings,
    )
