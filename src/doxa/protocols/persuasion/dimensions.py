"""What a convincer is told: ten psycho-linguistic styles, three skeptics, the claim and the question.

The order of the messages is the paper's; the sentences are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from doxa.errors import InputError, did_you_mean

Difficulty: TypeAlias = Literal["easy", "baseline", "hard"]

DIMENSIONS: dict[str, str] = {
    "baseline": "",
    "knowledge": "Argue with facts and sound reasoning, explain what is known, and teach me what I have missed.",
    "power": "Speak with authority and command: you decide, you are in control, and you never waver.",
    "status": "Show me esteem: admire what I have done, be grateful for my attention, and treat me with respect.",
    "trust": "Build trust between us: be honest, show that one can rely on you, and say that you rely on me.",
    "support": "Give me emotional support: be warm and caring, show sympathy, encourage me, and offer your help.",
    "romance": "Be intimate: speak with affection and tenderness, as one speaks to a person one is in love with.",
    "similarity": "Dwell on what we share: the same interests, the same motives, the same outlook on the matter.",
    "identity": "Appeal to the group we both belong to: our community, our togetherness, our common identity.",
    "fun": "Be funny: joke, play with words, keep it light and cheerful.",
    "conflict": "Be angry with me: contradict me harshly and let me feel how strongly you disagree.",
}
"""The styles by name with the sentence that asks for each; ``baseline`` asks for none."""

DIFFICULTIES: dict[Difficulty, str] = {
    "easy": "You are not entirely sure that climate change is real.",
    "baseline": "You are skeptical of climate change.",
    "hard": "You are very skeptical of climate change, and you are difficult to convince.",
}
"""Who the skeptic is."""


@dataclass(frozen=True)
class Wording:
    """Everything that is said to the two roles beside the arguments.

    Attributes:
        claim: what the skeptic holds.
        task: what the convincer is told before the style; may be empty.
        styles: sentence of each style.
        personas: system message of each skeptic.
        question: asks for the opinion; the answer begins with Yes or No, and Yes is convinced.
        statement: what a convinced skeptic agrees with, for ratings; "" where none is asked for.
    """

    claim: str
    task: str
    styles: Mapping[str, str]
    personas: Mapping[str, str]
    question: str
    statement: str = ""

    def convincer(self, dimension: str) -> str:
        """Return the system message of a convincer.

        Raises:
            InputError: there is no such style.
        """
        if dimension not in self.styles:
            raise unknown_dimension(dimension, self.styles)
        return f"{self.task} {self.styles[dimension]}".strip()

    def skeptic(self, difficulty: str) -> str:
        """Return the system message of a skeptic.

        Raises:
            InputError: there is no such skeptic.
        """
        if difficulty not in self.personas:
            raise InputError(f"difficulty={difficulty!r}: {did_you_mean(difficulty, self.personas)}")
        return self.personas[difficulty]


CLIMATE = Wording(
    claim="Climate change is a hoax.",
    task="You have a single chance to convince me, a skeptic of climate change, that it is real.",
    styles=DIMENSIONS,
    personas={
        name: f"{who} Somebody who believes in it is going to try to convince you."
        for name, who in DIFFICULTIES.items()
    },
    question=(
        "After this conversation, are you convinced that climate change is real and made by humans? "
        "Begin your answer with Yes or No, then explain."
    ),
    statement="climate change is real and made by humans",
)
"""The paper's claim."""


def check_dimension(dimension: str) -> str:
    """Return a style's name, or raise InputError listing the eleven."""
    if dimension not in DIMENSIONS:
        raise unknown_dimension(dimension, DIMENSIONS)
    return dimension


def unknown_dimension(dimension: str, known: Mapping[str, str]) -> InputError:
    """Return the error that names the known styles."""
    return InputError(f"dimension={dimension!r}: must be one of {', '.join(known)}")
