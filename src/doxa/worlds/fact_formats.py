"""Ways of putting a fact to a language model, each as contrasts between two completions of one prompt.

A pair's margin in a format is the mean over its contrasts of log p(for the truth) - log p(against it), so that a
liking for "yes" or for the first option cancels. Source: Layer of Truth (arXiv:2510.26829); the wordings are ours.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

from doxa.errors import InputError
from doxa.worlds.fact_pairs import FactPair

Format: TypeAlias = Literal["cloze", "question", "yes-no", "choice"]
FORMATS: tuple[Format, ...] = get_args(Format)


class Contrast(NamedTuple):
    """A prompt with a completion that speaks for the true object and one that speaks against it."""

    prompt: str
    holds: str
    denies: str


def contrasts(pair: FactPair, form: Format = "cloze") -> list[Contrast]:
    """Return what is scored to read a pair's margin.

    Args:
        pair: the fact.
        form: ``cloze`` completes the prompt; ``question`` answers the pair's question; ``yes-no`` asks whether the
            statement holds, once with the true and once with the false object; ``choice`` offers both objects in
            both orders.

    Raises:
        InputError: an unknown format, or a pair without a question in a format that asks.

    >>> pair = FactPair("The sky is", " blue", " green", "sky", "colour", question="What colour is the sky?")
    >>> contrasts(pair, "yes-no")[1]
    Contrast(prompt='The sky is green. Is this true? Answer yes or no:', holds=' no', denies=' yes')
    """
    true, false = pair.true.strip(), pair.false.strip()
    if form == "cloze":
        return [Contrast(pair.prompt, pair.true, pair.false)]
    if form == "yes-no":
        asked = "{} {}. Is this true? Answer yes or no:"
        return [
            Contrast(asked.format(pair.prompt, true), " yes", " no"),
            Contrast(asked.format(pair.prompt, false), " no", " yes"),
        ]
    if form not in FORMATS:
        raise InputError(f"format={form!r}: must be one of {', '.join(FORMATS)}")
    if not pair.question:
        raise InputError(f"fact '{pair.id}' has no question; give one, or use the formats cloze and yes-no")
    if form == "question":
        return [Contrast(f"Question: {pair.question}\nAnswer:", f" {true}", f" {false}")]
    asked = "Question: {}\nA. {}\nB. {}\nAnswer:"
    return [
        Contrast(asked.format(pair.question, true, false), " A", " B"),
        Contrast(asked.format(pair.question, false, true), " B", " A"),
    ]
