"""Personas of a small population: unique names, half of them women's, age, education, one adjective for each trait.

The bank of :mod:`doxa.worlds.personas` holds survey respondents; these are drawn uniformly, as simulations of small
groups of language agents do (arXiv:2403.09498).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from doxa.errors import InputError

WOMEN = (
    *(
        "Anna",
        "Maria",
        "Laura",
        "Emma",
        "Sarah",
        "Julia",
        "Alice",
        "Clara",
        "Nina",
        "Elena",
        "Rosa",
        "Ruth",
        "Eva",
    ),
    *(
        "Irene",
        "Helen",
        "Grace",
        "Diana",
        "Carol",
        "Linda",
        "Susan",
        "Karen",
        "Nancy",
        "Betty",
        "Donna",
        "Sandra",
    ),
    *(
        "Amy",
        "Megan",
        "Rachel",
        "Olivia",
        "Sophie",
        "Lucy",
        "Amelia",
        "Hannah",
        "Zoe",
        "Leah",
        "Nora",
        "Iris",
        "Mona",
    ),
)
MEN = (
    *(
        "James",
        "John",
        "Robert",
        "David",
        "Peter",
        "Paul",
        "Thomas",
        "Daniel",
        "Mark",
        "George",
        "Henry",
        "Frank",
    ),
    *(
        "Simon",
        "Victor",
        "Martin",
        "Oscar",
        "Felix",
        "Adam",
        "Louis",
        "Walter",
        "Arthur",
        "Edward",
        "Brian",
        "Kevin",
    ),
    *(
        "Jason",
        "Eric",
        "Ryan",
        "Jacob",
        "Noah",
        "Ethan",
        "Lucas",
        "Oliver",
        "Samuel",
        "Aaron",
        "Leo",
        "Max",
        "Ivan",
    ),
    "Hugo",
)
FAMILIES = (
    *(
        "Adler",
        "Baker",
        "Carter",
        "Dixon",
        "Evans",
        "Fischer",
        "Garcia",
        "Hughes",
        "Irving",
        "Jensen",
        "Keller",
    ),
    *(
        "Lopez",
        "Miller",
        "Nolan",
        "Olsen",
        "Parker",
        "Quinn",
        "Rossi",
        "Silva",
        "Turner",
        "Usher",
        "Vargas",
        "Walsh",
    ),
)
"""Given names, and family names that tell people of the same given name apart where a population is large."""

AGES = (18, 64)
"""Youngest and oldest, in years."""

EDUCATION = (
    "no schooling",
    "primary school",
    "middle school",
    "a high-school diploma",
    "an associate degree",
    "a bachelor's degree",
    "a master's degree",
    "a doctorate",
    "a professional certificate",
)


class Pool(NamedTuple):
    """Adjectives of one trait."""

    high: tuple[str, ...]
    low: tuple[str, ...]


TRAITS: Mapping[str, Pool] = {
    "agreeableness": Pool(
        ("kind", "warm", "trusting", "generous", "helpful", "forgiving", "polite", "considerate", "cooperative",
         "good-natured", "sympathetic", "easy-going"),
        ("cold", "suspicious", "rude", "harsh", "selfish", "stubborn", "quarrelsome", "critical", "distant",
         "uncooperative", "stingy", "vengeful"),
    ),
    "conscientiousness": Pool(
        ("organised", "careful", "thorough", "reliable", "punctual", "hard-working", "tidy", "efficient", "disciplined",
         "systematic"),
        ("careless", "disorganised", "sloppy", "forgetful", "lazy", "hasty", "unreliable", "negligent", "messy",
         "impulsive"),
    ),
    "surgency": Pool(
        ("talkative", "outgoing", "bold", "energetic", "assertive", "lively", "adventurous"),
        ("quiet", "shy", "withdrawn", "reserved", "timid", "passive", "silent"),
    ),
    "stability": Pool(("calm", "relaxed"), ("anxious", "moody")),
    "intellect": Pool(
        ("curious", "creative", "thoughtful", "imaginative"), ("incurious", "uncreative", "unreflective", "simple")
    ),
}  # fmt: skip
"""24, 20, 14, 4 and 8 adjectives, half of each pole; ``stability`` is the opposite of neuroticism."""


@dataclass(frozen=True)
class Persona:
    """Who an agent is.

    Attributes:
        name: unique in its population.
        age: in years.
        education: one of ``EDUCATION``.
        traits: an adjective for each trait of ``TRAITS``.
    """

    name: str
    age: int
    education: str
    traits: tuple[str, ...]

    @property
    def levels(self) -> dict[str, str]:
        """``high`` or ``low`` for each trait."""
        return {
            trait: "high" if word in pool.high else "low"
            for (trait, pool), word in zip(TRAITS.items(), self.traits, strict=True)
        }


def draw_personas(rng: np.random.Generator, n: int) -> list[Persona]:
    """Draw personas, the first half women.

    Args:
        rng: source of the draw.
        n: how many, 1 to 1,748; family names are told where given names do not suffice.
    """
    longest = 2 * min(len(WOMEN), len(MEN)) * len(FAMILIES)
    if not 1 <= n <= longest:
        raise InputError(f"n={n}: must be 1 to {longest}; give personas of your own for more")
    women = (n + 1) // 2
    names = [*_names(rng, WOMEN, women), *_names(rng, MEN, n - women)]
    ages = rng.integers(AGES[0], AGES[1] + 1, size=n)
    schools = rng.integers(0, len(EDUCATION), size=n)
    words = [
        [(*pool.high, *pool.low)[pick] for pick in rng.integers(0, len(pool.high) + len(pool.low), size=n)]
        for pool in TRAITS.values()
    ]
    return [
        Persona(name, int(age), EDUCATION[school], traits)
        for name, age, school, traits in zip(names, ages, schools, zip(*words, strict=True), strict=True)
    ]


def check_personas(personas: Sequence[Persona], n: int) -> None:
    """Raise InputError unless there are n personas with different names."""
    if len(personas) != n:
        raise InputError(f"{len(personas)} personas for {n} agents; give one to each")
    names = [one.name for one in personas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"personas: {', '.join(twice)} stands there more than once; give each a name of its own"
        )


def _names(rng: np.random.Generator, given: tuple[str, ...], n: int) -> list[str]:
    if n <= len(given):
        return [given[pick] for pick in rng.permutation(len(given))[:n]]
    full = [f"{name} {family}" for name in given for family in FAMILIES]
    return [full[pick] for pick in rng.permutation(len(full))[:n]]
