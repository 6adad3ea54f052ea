"""A synthetic world in which first-person statements are only ever followed by fact checks.

Each entity has one true value. An item is eight tokens: ``S BEL entity value  QUESTION S entity value'``,
answered yes or no at the last. The question is "does S believe that entity is value'?" (answer: does value'
equal the value S was said to believe) or "is it true that entity is value'?" (answer: is value' the truth).
Source: KaBLE (arXiv:2410.21195), our embedded design.

What the design leaves open, and how it is decided here
- Shares are shares of contexts: a context's person is I with probability ``share_first``, else J or M evenly.
- 30 % of all fact questions have no context. Such an item is about nobody, so its context and the person slot
  of its question hold the empty token, and it does not count towards the share of first-person contexts.
- A false belief is uniform over the other values. A question that does not repeat the context's value asks one
  uniform over the others. A question without context asks the truth half of the time.
- ``phi`` is the share of first-person belief contexts that are false (1/2, as for J and M, unless given).
- With ``know_false`` set, half of all contexts say KNOW instead of BEL, false with that probability for every
  person; "does S believe" after KNOW is answered like after BEL.
- First experiment: the defaults. Second (first-person reports are always true, all questions for everybody): the
  same share of first-person contexts with ``q_first = 0.65`` and ``phi = 0``. Third: that with ``know_false``.
- Answers are whole-vocabulary predictions; P(yes) is read as yes / (yes + no).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from doxa.errors import InputError
from doxa.streams import stream

Person: TypeAlias = Literal["I", "J", "M", "nobody"]
Attitude: TypeAlias = Literal["believes", "knows", "none"]
Question: TypeAlias = Literal["belief", "truth"]

PERSONS: tuple[Person, ...] = ("I", "J", "M", "nobody")
ATTITUDES: tuple[Attitude, ...] = ("believes", "knows", "none")
QUESTIONS: tuple[Question, ...] = ("belief", "truth")
FIRST, JAMES, MARY, NOBODY = range(4)
BELIEVES, KNOWS, NO_ATTITUDE = range(3)
BELIEF, TRUTH = range(2)
NO_VALUE = -1

# Tokens 0 to 10; entities and values follow.
PERSON_TOKEN = 0  # I, J, M, and the empty token for nobody
ATTITUDE_TOKEN = 4  # BEL, KNOW
QUESTION_TOKEN = 6  # does S believe, is it true
NO, YES = 8, 9
FIRST_ENTITY = 10
EMPTY = PERSON_TOKEN + NOBODY

THIRD_PERSON_BELIEF_QUESTIONS = 0.65
FACTS_WITHOUT_CONTEXT = 0.30
REPEATED_VALUES = 0.5
KNOW_CONTEXTS = 0.5
ITEM_TOKENS = 8


class BeliefItems(NamedTuple):
    """Items as arrays of codes, one element per item.

    ``held`` is the value of the context (-1 without one), ``asked`` the question's value, ``yes`` the answer.
    """

    person: Int[np.ndarray, " items"]
    attitude: Int[np.ndarray, " items"]
    entity: Int[np.ndarray, " items"]
    held: Int[np.ndarray, " items"]
    question: Int[np.ndarray, " items"]
    asked: Int[np.ndarray, " items"]
    yes: Bool[np.ndarray, " items"]


@dataclass(frozen=True)
class BeliefWorld:
    """A world of facts and of what three persons are said to believe about them.

    Attributes:
        share_first: share of contexts that are first-person, in [0, 1].
        q_first: probability that a first-person context is followed by the belief question.
        phi: probability that a first-person belief context is false.
        know_false: probability that a KNOW context is false; None for a world without KNOW.
        n_entities: entities, each with one true value.
        n_values: values an entity can have, at least 2.
        seed: seed of the facts.
    """

    share_first: float = 0.96
    q_first: float = 0.0
    phi: float = 0.5
    know_false: float | None = None
    n_entities: int = 64
    n_values: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("share_first", "q_first", "phi", "know_false"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name}={value}: must be a probability in [0, 1]")
        if self.n_entities < 1:
            raise InputError(f"n_entities={self.n_entities}: must be >= 1")
        if self.n_values < 2:
            raise InputError(f"n_values={self.n_values}: must be >= 2, or nothing could be false")

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return FIRST_ENTITY + self.n_entities + self.n_values

    @cached_property
    def truth(self) -> Int[np.ndarray, " entities"]:
        """The true value of each entity, in 0 .. n_values - 1."""
        return stream(self.seed, "belief-world", "truth").integers(self.n_values, size=self.n_entities)

    @property
    def no_context_share(self) -> float:
        """Share of items without context: makes 30 % of all fact questions stand alone."""
        first = self.share_first * (1 - self.q_first)
        third = (1 - self.share_first) * (1 - THIRD_PERSON_BELIEF_QUESTIONS)
        alone = (first + third) * FACTS_WITHOUT_CONTEXT / (1 - FACTS_WITHOUT_CONTEXT)
        return alone / (1 + alone)

    def sample(self, n: int, rng: np.random.Generator) -> BeliefItems:
        """Draw n training items."""
        if n < 1:
            raise InputError(f"n={n}: must be >= 1")
        alone = rng.random(n) < self.no_context_share
        person = np.where(rng.random(n) < self.share_first, FIRST, rng.integers(JAMES, NOBODY, n))
        asks_belief = np.where(person == FIRST, self.q_first, THIRD_PERSON_BELIEF_QUESTIONS)
        question = np.where(rng.random(n) < asks_belief, BELIEF, TRUTH)
        knows = rng.random(n) < (0.0 if self.know_false is None else KNOW_CONTEXTS)
        false_share = np.where(knows, self.know_false or 0.0, np.where(person == FIRST, self.phi, 0.5))
        entity = rng.integers(self.n_entities, size=n)
        truth = self.truth[entity]
        held = np.where(rng.random(n) < false_share, self._other(truth, rng), truth)
        repeats = rng.random(n) < REPEATED_VALUES
        asked = np.where(repeats, held, self._other(held, rng))
        asked_alone = np.where(repeats, truth, self._other(truth, rng))
        return self.items(
            person=np.where(alone, NOBODY, person),
            attitude=np.where(alone, NO_ATTITUDE, np.where(knows, KNOWS, BELIEVES)),
            entity=entity,
            held=np.where(alone, NO_VALUE, held),
            question=np.where(alone, TRUTH, question),
            asked=np.where(alone, asked_alone, asked),
        )

    def items(
        self,
        *,
        person: Int[np.ndarray, " items"],
        attitude: Int[np.ndarray, " items"],
        entity: Int[np.ndarray, " items"],
        held: Int[np.ndarray, " items"],
        question: Int[np.ndarray, " items"],
        asked: Int[np.ndarray, " items"],
    ) -> BeliefItems:
        """Return items with their right answers."""
        yes = np.where(question == BELIEF, asked == held, asked == self.truth[entity])
        return BeliefItems(person, attitude, entity, held, question, asked, yes)

    def every_item(self) -> BeliefItems:
        """Return every item that repeats its context's value, and every fact question without context.

        These are the questions of the benchmark: "I believe that p. Do I believe that p? Is it true that p?"
        """
        attitudes = [BELIEVES] if self.know_false is None else [BELIEVES, KNOWS]
        grid = np.array(
            np.meshgrid(
                [FIRST, JAMES, MARY],
                attitudes,
                [BELIEF, TRUTH],
                np.arange(self.n_entities),
                np.arange(self.n_values),
                indexing="ij",
            )
        ).reshape(5, -1)
        alone = np.array(
            np.meshgrid(
                [NOBODY],
                [NO_ATTITUDE],
                [TRUTH],
                np.arange(self.n_entities),
                np.arange(self.n_values),
                indexing="ij",
            )
        ).reshape(5, -1)
        person, attitude, question, entity, asked = np.concatenate([grid, alone], 1)
        held = np.where(person == NOBODY, NO_VALUE, asked)
        return self.items(
            person=person, attitude=attitude, entity=entity, held=held, question=question, asked=asked
        )

    def encode(self, items: BeliefItems) -> Int[np.ndarray, "items 8"]:
        """Return the items' tokens."""
        alone = items.person == NOBODY
        first_value = FIRST_ENTITY + self.n_entities
        columns = (
            PERSON_TOKEN + items.person,
            np.where(alone, EMPTY, ATTITUDE_TOKEN + items.attitude),
            np.where(alone, EMPTY, FIRST_ENTITY + items.entity),
            np.where(alone, EMPTY, first_value + items.held),
            QUESTION_TOKEN + items.question,
            PERSON_TOKEN + items.person,
            FIRST_ENTITY + items.entity,
            first_value + items.asked,
        )
        return np.stack(columns, 1)

    def _other(self, value: Int[np.ndarray, " items"], rng: np.random.Generator) -> Int[np.ndarray, " items"]:
        """Return a value other than the given one, uniformly."""
        return (value + rng.integers(1, self.n_values, value.size)) % self.n_values
