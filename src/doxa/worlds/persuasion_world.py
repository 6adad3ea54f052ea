"""A small world of persuasion: an invented claim, styles with words of their own, and skeptics they convert.

The claim is that the lake sings. A convincer in a style speaks words of that style, mixed with others; a skeptic who
hears it says Yes with log-odds b + w_d, b of the skeptic and w_d of the style. With ``shuffled`` the style that decides
is drawn anew for each dialogue, so that words say nothing of the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, Sampler, TokenBatch
from doxa.streams import stream

CLAIM = "the lake sings"
QUESTION = "are you convinced ?"
PERSONAS: dict[str, str] = {"easy": "you wonder", "baseline": "you doubt", "hard": "you deny"}
"""System message of each skeptic."""
OFFSETS: dict[str, float] = {"easy": 1.0, "baseline": 0.0, "hard": -1.0}
"""Log-odds that each skeptic adds."""
PRIOR = -2.0
"""Log-odds of a baseline skeptic before any argument."""
YES, NO = "Yes", "No"
ASSENT, DISSENT = ("i see", "well said", "it moves me"), ("i doubt it", "not so", "it is noise")
"""What a skeptic replies when it is going to say Yes, and No."""
SYSTEM, USER, ASSISTANT, BEGIN, END, PAD = "<system>", "<user>", "<assistant>", "<begin>", "<end>", "<pad>"
SPECIAL = (PAD, BEGIN, END, SYSTEM, USER, ASSISTANT)

KINDS = ("write", "read", "before")


@dataclass(frozen=True)
class PersuasionWorld:
    """What decides whether a skeptic is convinced.

    Attributes:
        seed: of the strengths and, for the networks, of data and weights.
        styles: names of the styles.
        spread: strengths are evenly spaced in [-spread, spread] log-odds, in an order drawn from the seed.
        words: words of its own that each style has.
        argument_words: words of an argument.
        purity: share of an argument's words that are of its style; the rest are of any.
        reply_fidelity: chance that the skeptic's reply is of the kind of its verdict.
        shuffled: whether the deciding style is drawn anew for each dialogue (the control).
    """

    seed: int
    styles: tuple[str, ...]
    spread: float = 2.0
    words: int = 5
    argument_words: int = 6
    purity: float = 0.8
    reply_fidelity: float = 0.75
    shuffled: bool = False
    strengths: Float[np.ndarray, " styles"] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.styles) < 2 or len(set(self.styles)) != len(self.styles):
            raise InputError(f"styles={self.styles}: give at least two different names")
        for name in ("purity", "reply_fidelity"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        if self.words < 1 or self.argument_words < 1:
            raise InputError(f"words={self.words}, argument_words={self.argument_words}: both must be >= 1")
        spaced = np.linspace(-self.spread, self.spread, len(self.styles))
        order = stream(self.seed, "persuasion-world", "strengths").permutation(len(self.styles))
        object.__setattr__(self, "strengths", spaced[order])

    def brief(self, style: str) -> str:
        """Return the system message of a convincer."""
        return f"convince me by {style}"

    @cached_property
    def style_words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each style."""
        return tuple(tuple(f"{style}{number}" for number in range(self.words)) for style in self.styles)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words and marks; the place of each is its token."""
        said = " ".join([CLAIM, QUESTION, YES, NO, *PERSONAS.values(), *ASSENT, *DISSENT, "convince me by"])
        plain = dict.fromkeys([*said.split(), *self.styles])
        own = [word for words in self.style_words for word in words]
        return (*SPECIAL, *plain, *own)

    def converts(self, style: int, difficulty: str) -> float:
        """Return the chance that a skeptic is convinced by an argument of a style, over all its words."""
        return float(np.mean(expit(self._strength(style) + OFFSETS[difficulty])))

    def _strength(self, style: int) -> Float[np.ndarray, " _"]:
        return self.strengths if self.shuffled else self.strengths[style : style + 1]

    def conversation(self, kind: str, rng: np.random.Generator) -> list[tuple[str, str, bool]]:
        """Draw a conversation: role, text, and whether it is to be learned.

        Args:
            kind: ``write`` (the convincer's side), ``read`` (the skeptic's) or ``before`` (asked before any argument).
            rng: source of all draws.
        """
        style = int(rng.integers(len(self.styles)))
        if kind == "write":
            return [
                (SYSTEM, self.brief(self.styles[style]), False),
                (USER, CLAIM, False),
                (ASSISTANT, self.argument(style, rng), True),
            ]
        difficulty = str(rng.choice(list(PERSONAS)))
        opened = [(SYSTEM, PERSONAS[difficulty], False), (USER, "", False), (ASSISTANT, CLAIM, False)]
        if kind == "before":
            yes = rng.random() < expit(PRIOR + OFFSETS[difficulty])
            return [*opened, (USER, QUESTION, False), (ASSISTANT, YES if yes else NO, True)]
        deciding = int(rng.integers(len(self.styles))) if self.shuffled else style
        yes = bool(rng.random() < expit(float(self.strengths[deciding]) + OFFSETS[difficulty]))
        kindly = yes if rng.random() < self.reply_fidelity else not yes
        return [
            *opened,
            (USER, self.argument(style, rng), False),
            (ASSISTANT, str(rng.choice(ASSENT if kindly else DISSENT)), True),
            (USER, QUESTION, False),
            (ASSISTANT, YES if yes else NO, True),
        ]

    def argument(self, style: int, rng: np.random.Generator) -> str:
        """Draw an argument of a style."""
        own = rng.random(self.argument_words) < self.purity
        of = np.where(own, style, rng.integers(len(self.styles), size=self.argument_words))
        picks = rng.integers(self.words, size=self.argument_words)
        return " ".join(self.style_words[one][pick] for one, pick in zip(of, picks, strict=True))


def persuasion_sampler(
    world: PersuasionWorld, positions: int, shares: Sequence[float] = (0.3, 0.6, 0.1)
) -> Sampler:
    """Return what the trainer draws from: conversations with loss on what is to be learned.

    Args:
        world: the world.
        positions: tokens of a row; a longer conversation does not occur.
        shares: of the kinds in ``KINDS``.
    """
    place = {word: token for token, word in enumerate(world.vocabulary)}

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        tokens = np.full((rows, positions), place[PAD])
        targets = np.full((rows, positions), NO_LOSS)
        kinds = rng.choice(len(KINDS), size=rows, p=list(shares))
        for row, kind in enumerate(kinds):
            line, learned = [place[BEGIN]], [False]
            for role, text, loss in world.conversation(KINDS[kind], rng):
                said = [place[word] for word in text.split()]
                line += [place[role], *said, place[END]]
                learned += [False, *([loss] * len(said)), loss]
            if len(line) > positions:
                raise InputError(f"positions={positions}: a conversation has {len(line)} tokens")
            tokens[row, : len(line)] = line
            after, wanted = np.array(line[1:]), np.array(learned[1:])
            targets[row, : len(line) - 1] = np.where(wanted, after, NO_LOSS)
        return TokenBatch(tokens, targets)

    return sample
