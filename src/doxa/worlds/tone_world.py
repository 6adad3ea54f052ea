"""A world of short talks whose replies have a tone, told by tag words or else taken from what was just said.

A document is a talk: perhaps a note on a state of valence, arousal and dominance, some earlier turns, a remark of the
user, and a reply. With a note, the reply's wording has the tone that its tag words name, whatever the user or anybody
said before. Without one it has the valence of the user's last remark, at an arousal and dominance drawn anew.

Source: our embedded design for explicit affect states around a language model (arXiv:2601.16087).

What the design leaves open, and how it is decided here
- A reply is one clause of a valence, said in a manner of an arousal, by a speaker of a dominance: 5 x 3 x 3 tones.
- Earlier turns have tones of their own, drawn without regard to note and remark, so that nothing but the note can
  carry a mood from turn to turn.
- A text is read word by word; words that the world does not know are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, Sampler, TokenBatch
from doxa.worlds import tone_wording as wording

Vad: TypeAlias = tuple[float, float, float]
"""Valence in [-1, 1], arousal in [0, 1], dominance in [-1, 1]."""

PAD, BEGIN, END = "<pad>", "<begin>", "<end>"
ROLES: tuple[str, ...] = ("<system>", "<user>", "<assistant>", "<tool>")
SPECIAL: tuple[str, ...] = (PAD, BEGIN, END, *ROLES)
"""Special tokens, first in the vocabulary."""

LOW: Vad = (-1.0, 0.0, -1.0)
HIGH: Vad = (1.0, 1.0, 1.0)
EDGES: tuple[tuple[float, ...], ...] = ((-0.5, -0.15, 0.15, 0.5), (0.2, 0.5), (-1 / 3, 1 / 3))
"""Where a level ends and the next begins, for valence, arousal and dominance."""
TAGS: tuple[tuple[str, ...], ...] = (
    ("strongly negative", "slightly negative", "neutral", "slightly positive", "strongly positive"),
    ("quiet", "stirred", "excited"),
    ("giving way", "level", "in charge"),
)
"""The tag of each level."""


class Tone(NamedTuple):
    """Levels of wording, counted from the lowest: valence 0 to 4, arousal 0 to 2, dominance 0 to 2."""

    valence: int
    arousal: int
    dominance: int


def levels_of(state: Sequence[float], edges: Sequence[Sequence[float]] = EDGES) -> Tone:
    """Return the levels that a state lies in.

    >>> levels_of((-0.7, 0.3, 0.0))
    Tone(valence=0, arousal=1, dominance=1)
    """
    return Tone(
        *(int(np.searchsorted(ends, value, side="right")) for ends, value in zip(edges, state, strict=True))
    )


def note(state: Sequence[float]) -> str:
    """Return the tags of a state, one after another.

    >>> note((-0.7, 0.3, 0.0))
    'strongly negative , stirred , level .'
    """
    tags = (names[level] for names, level in zip(TAGS, levels_of(state), strict=True))
    return " , ".join(tags) + " ."


def reply_text(tone: Tone, rng: np.random.Generator) -> str:
    """Return a reply of a tone: a clause, in a manner, from a speaker; all chosen evenly."""
    clause = _filled(_pick(wording.CLAUSES[tone.valence], rng), tone.valence, rng)
    said = _pick(wording.AROUSAL[tone.arousal], rng).format(clause=clause)
    return _pick(wording.DOMINANCE[tone.dominance], rng).format(said=said)


def remark_text(valence: int, rng: np.random.Generator) -> str:
    """Return what a user says with a valence of level 0 to 4."""
    return _filled(_pick(wording.REMARKS[valence], rng), valence, rng)


def template_count() -> int:
    """Return how many patterns of replies there are before topics and tone words are filled in."""
    manners = sum(map(len, wording.AROUSAL)) * sum(map(len, wording.DOMINANCE))
    return sum(map(len, wording.CLAUSES)) * manners


def _filled(pattern: str, valence: int, rng: np.random.Generator) -> str:
    words = wording.TONE_WORDS[valence]
    word, other = (words[place] for place in rng.choice(len(words), 2, replace=False)) if words else ("", "")
    return pattern.format(
        topic=_pick(wording.TOPICS, rng), bare=_pick(wording.BARE, rng), word=word, other=other
    )


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


@dataclass(frozen=True)
class ToneWorld:
    """The talks, how a state is told in them, and their words.

    Attributes:
        describe: returns the note on a state as it is put before the model; the states of one level are told alike.
        tags: the phrases of ``describe`` that are read as one word each.
        edges: ends of the levels of valence, arousal and dominance.
        remarks: more remarks for users to make, each with its level of valence.
        noted: share of talks that have a note.
        earlier: earlier exchanges of a talk at most.

    Raises:
        InputError: a share or number is out of its range, or a note holds none of the tags.
    """

    describe: Callable[[Vad], str] = note
    tags: tuple[str, ...] = tuple(tag for tags in TAGS for tag in tags)
    edges: tuple[tuple[float, ...], ...] = EDGES
    remarks: tuple[tuple[str, int], ...] = ()
    noted: float = 0.75
    earlier: int = 1
    _codes: dict[str, Int[np.ndarray, " _"]] = field(
        default_factory=dict[str, "Int[np.ndarray, ' _']"], repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.noted <= 1.0 or self.earlier < 0:
            raise InputError(f"noted={self.noted}, earlier={self.earlier}: must be in [0, 1] and >= 0")
        if tuple(map(len, self.edges)) != tuple(map(len, EDGES)):
            raise InputError(
                f"edges={self.edges}: must part valence into 5, arousal and dominance into 3 levels"
            )
        for state in ((-0.9, 0.9, -0.9), (0.9, 0.1, 0.9)):
            if not any(tag in self.describe(state).lower() for tag in self.tags):
                raise InputError(f"tags={self.tags}: none stands in the note {self.describe(state)!r}")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The vocabulary in order: special tokens, tags, punctuation, words."""
        patterns = [*wording.TOPICS, *wording.BARE, *(text for text, _ in self.remarks)]
        for group in (
            wording.TONE_WORDS,
            wording.CLAUSES,
            wording.AROUSAL,
            wording.DOMINANCE,
            wording.REMARKS,
        ):
            patterns += [pattern for level in group for pattern in level]
        texts = (re.sub(r"\{\w+\}", " ", pattern.lower()) for pattern in patterns)
        found = {word for text in texts for word in re.findall(r"[a-z']+", text)}
        return (
            *SPECIAL,
            *dict.fromkeys((*(tag.lower() for tag in self.tags), ".", ",", "!", "?", *sorted(found))),
        )

    @cached_property
    def pattern(self) -> str:
        """The regular expression of what is seen of a text in small letters: known words, tags before single words."""
        known = [word for word in self.words if word not in SPECIAL]
        phrases = sorted((word for word in known if word[0].isalpha()), key=lambda word: (-len(word), word))
        marks = [re.escape(word) for word in known if not word[0].isalpha()]
        return rf"(?<![a-z'])(?:{'|'.join(map(re.escape, phrases))})(?![a-z'])|{'|'.join(marks)}"

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return len(self.words)

    @property
    def end(self) -> int:
        """The token that ends a reply."""
        return SPECIAL.index(END)

    @cached_property
    def _seen(self) -> tuple[re.Pattern[str], dict[str, int]]:
        return re.compile(self.pattern), {word: token for token, word in enumerate(self.words)}

    def encode(self, text: str) -> Int[np.ndarray, " _"]:
        """Return the tokens of what the world knows of a text."""
        if text not in self._codes:
            seen, numbers = self._seen
            self._codes[text] = np.array(
                [numbers[word] for word in seen.findall(text.lower())], dtype=np.int64
            )
        return self._codes[text]

    def turn(self, role: str, text: str) -> Int[np.ndarray, " _"]:
        """Return the tokens of one message with its marks."""
        numbers = self._seen[1]
        return np.concatenate([[numbers[f"<{role}>"]], self.encode(text), [self.end]])

    def prompt(self, turns: Sequence[tuple[str, str]]) -> Int[np.ndarray, " _"]:
        """Return the tokens of messages, role and text, opened for a reply."""
        numbers = self._seen[1]
        body = [self.turn(role, text) for role, text in turns]
        return np.concatenate([[numbers[BEGIN]], *body, [numbers["<assistant>"]]])

    def talk(self, rng: np.random.Generator) -> tuple[list[tuple[str, str]], str]:
        """Draw a talk: its messages up to the reply, and the reply."""
        turns: list[tuple[str, str]] = []
        state = tuple(float(value) for value in rng.uniform(LOW, HIGH))
        told = bool(rng.random() < self.noted)
        if told:
            turns.append(("system", self.describe((state[0], state[1], state[2]))))
        for _ in range(int(rng.integers(self.earlier + 1))):
            turns += [("user", self._remark(rng)[0]), ("assistant", reply_text(_any_tone(rng), rng))]
        remark, valence = self._remark(rng)
        turns.append(("user", remark))
        tone = levels_of(state, self.edges) if told else _any_tone(rng)._replace(valence=valence)
        return turns, reply_text(tone, rng)

    def _remark(self, rng: np.random.Generator) -> tuple[str, int]:
        if self.remarks and rng.random() < 0.5:
            return self.remarks[int(rng.integers(len(self.remarks)))]
        valence = int(rng.integers(len(wording.REMARKS)))
        return remark_text(valence, rng), valence

    def sampler(self, positions: int) -> Sampler:
        """Return what the trainer draws from: talks with loss on the last reply alone.

        Args:
            positions: tokens of a row; longer talks lose their beginning behind the note.
        """

        def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
            tokens = np.zeros((rows, positions), dtype=np.int64)
            targets = np.full((rows, positions), NO_LOSS)
            for row in range(rows):
                turns, reply = self.talk(rng)
                said = np.concatenate([self.encode(reply), [self.end]])
                while len(whole := np.concatenate([self.prompt(turns), said])) > positions + 1:
                    turns = _without_oldest(turns)
                tokens[row, : len(whole) - 1] = whole[:-1]
                targets[row, len(whole) - 1 - len(said) : len(whole) - 1] = said
            return TokenBatch(tokens, targets)

        return sample


def _any_tone(rng: np.random.Generator) -> Tone:
    return Tone(int(rng.integers(5)), int(rng.integers(3)), int(rng.integers(3)))


def _without_oldest(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a talk without its oldest exchange.

    Raises:
        InputError: it has none.
    """
    first = 1 if turns[0][0] == "system" else 0
    if len(turns) - first < 2:
        raise InputError("positions: a note, a remark and a reply do not fit; take more")
    return turns[:first] + turns[first + 2 :]
