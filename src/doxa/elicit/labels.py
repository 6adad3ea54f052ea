"""Reading which of some named options a reply gives: words such as yes and no, or for and against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from doxa.elicit.reading import (
    DENIED,
    SEVERAL,
    Found,
    Grammar,
    Reading,
    Token,
    Unparsed,
    is_denied,
    is_reported,
    resolve,
    single,
)
from doxa.elicit.reply_text import LinePattern, ReplyText
from doxa.errors import InputError

Pairs = tuple[tuple[str, str], ...]
"""What may be written, with the value it stands for."""

GAP = re.compile(r"[\s)\]}.:,\"'-]{0,4}")
_BEGIN = re.compile(r"\n|[.!?]\s")
_ENDS = re.compile(
    r"\s{0,3}(?:$|\n|[.,;:!)\]}\"'<](?:[\s\"')\]}]|$)|[)\]}<]|\s(?:because|since|as|-|\()(?:\W|$))"
)
_UNKNOWN = (
    *(
        "i don't know",
        "i do not know",
        "don't know",
        "do not know",
        "unknown",
        "undeterminable",
        "undetermined",
    ),
    *("not sure", "unsure", "uncertain", "not certain", "no idea", "impossible to say", "impossible to know"),
    *("impossible to determine", "impossible to tell", "cannot be determined", "can't be determined"),
    *(
        "cannot be known",
        "can't be known",
        "can't say for sure",
        "cannot say for sure",
        "can't tell",
        "cannot tell",
    ),
    *("can't say for certain", "cannot say for certain", "hard to say", "i have no way of knowing"),
)


def read_choice(text: str, labels: Sequence[str], *, cut: bool = False) -> Reading:
    """Read which of some labels a reply gives: marked, alone on a line, as its first word, or as its last.

    Case, spaces and a last full stop do not matter. The first word counts only before a mark or the end.

    Raises:
        InputError: the labels are not distinct.

    >>> read_choice("Against .", ["for", "against"]).value
    'against'
    """
    return resolve(text, _grammar(tuple((label, label) for label in distinct(labels))), cut=cut)


def read_yes_no(text: str, *, cut: bool = False) -> Reading:
    """Read "yes", "no" or "unknown" (I don't know, cannot be determined, not sure).

    >>> read_yes_no("No, James does not believe that.").value, read_yes_no("I don't know.").value
    ('no', 'unknown')
    """
    pairs = (("yes", "yes"), ("no", "no"), *((phrase, "unknown") for phrase in _UNKNOWN))
    return resolve(text, _grammar(pairs), cut=cut)


class Labels:
    """Labels as one pattern over lower-case text, whatever the spaces; longest first, so that none hides another."""

    def __init__(self, pairs: Pairs) -> None:
        spaced = {" ".join(label.lower().split()): value for label, value in pairs}
        self._values = {key.replace(" ", ""): value for key, value in spaced.items()}
        ordered = sorted(spaced, key=len, reverse=True)
        self.pattern = "|".join(r"\s{0,3}".join(map(re.escape, label.split(" "))) for label in ordered)
        edge = r"(?<![\w'/-])"
        self._regex = re.compile(self.pattern)
        self._word = re.compile(rf"{edge}(?:{self.pattern})(?![\w'/])")
        self._alone = LinePattern(
            rf"[ \t>\"'(\[{{-]{{0,6}}({self.pattern})[ ]{{0,2}}[.,!\"')\]}}]{{0,3}}[ \t]{{0,200}}$"
        )
        self._first = re.compile(
            rf"[\s\"'(\[{{-]{{0,200}}({self.pattern})(?=\s{{0,2}}(?:[.,!;:](?![\w/])|-\s))"
        )
        self._last = re.compile(rf"{edge}(?:{self.pattern})[\s.!\"')\]}}]{{0,200}}$")

    def value(self, text: str) -> str:
        """Return what a piece of text that matched stands for."""
        return self._values["".join(text.split())]

    def at(self, reply: ReplyText, start: int) -> Token | None:
        """Return the label that begins at a place, unless it goes on ("no longer", "yes/no")."""
        gap = GAP.match(reply.lower, start)
        match = self._regex.match(reply.lower, gap.end() if gap else start)
        if match is None or _ENDS.match(reply.clean[match.end() : match.end() + 12]) is None:
            return None
        return Token(self.value(match.group()), *match.span())

    def others(self, reply: ReplyText, start: int, end: int, value: str) -> bool:
        """Return whether the rest of the sentence names another label or asks."""
        sentence = min(end, reply.sentence_end(start))
        return reply.clean[start : start + 1] == "?" or any(
            token.value != value for token in self._named(reply, start, sentence)
        )

    def on_a_line(self, reply: ReplyText) -> Found | Unparsed | None:
        """Return the label on a line of its own."""
        return single(Token(self.value(m.group(1)), *m.span(1)) for m in self._alone.finditer(reply.lower))

    def alone(self, reply: ReplyText) -> Found | Unparsed | None:
        """Return the label on a line of its own, or else the first word, unless a later sentence differs."""
        one = self.on_a_line(reply)
        first = self._first.match(reply.lower)
        if one or not first:
            return one
        opening = Token(self.value(first.group(1)), *first.span(1))
        later = (
            token for token in self._named(reply, first.end(), len(reply.lower)) if _closed(reply, token)
        )
        return single(chain([opening], later))

    def last(self, reply: ReplyText) -> Found | Unparsed | None:
        """Return the label that is the reply's last word, unless its sentence denies it or names another."""
        match = self._last.search(reply.lower, max(0, len(reply.lower.rstrip()) - 120))
        token = self._regex.match(reply.lower, match.start()) if match else None
        if token is None:
            return None
        if is_denied(reply, *token.span()) or is_reported(reply, token.start()):
            return Unparsed(DENIED, token.span())
        start = max(0, token.start() - 400)
        begins = [m.end() for m in _BEGIN.finditer(reply.clean, start, token.start())]
        value = self.value(token.group())
        if any(t.value != value for t in self._named(reply, begins[-1] if begins else start, token.start())):
            return Unparsed(SEVERAL, token.span())
        return Found(value, token.span())

    def _named(self, reply: ReplyText, start: int, end: int) -> Iterator[Token]:
        return (Token(self.value(m.group()), *m.span()) for m in self._word.finditer(reply.lower, start, end))


@lru_cache(maxsize=64)
def labelled(pairs: Pairs) -> Labels:
    """Return the labels' patterns, built once."""
    return Labels(pairs)


@lru_cache(maxsize=64)
def _grammar(pairs: Pairs) -> Grammar:
    labels = labelled(pairs)
    return Grammar(labels.at, labels.others, labels.alone, labels.last)


def _closed(reply: ReplyText, token: Token) -> bool:
    """Return whether a word stands where an answer would: opening a sentence before a mark, or ending one."""
    before = reply.clean[max(0, token.start - 3) : token.start].rstrip(" \t\"'(")
    after = reply.clean[token.end : token.end + 2].lstrip(" ")
    opens = not before or before[-1] in ".!?\n"
    closes = not after or after[0] in ".!?\n"
    return (opens and (closes or after[0] in ",;:-")) or closes


def distinct(names: Sequence[str]) -> list[str]:
    """Return options as a list.

    Raises:
        InputError: fewer than two, or two that differ in case and spaces only.
    """
    found = list(names)
    keys = {"".join(name.lower().split()) for name in found}
    if len(found) < 2 or len(keys) != len(found) or "" in keys:
        raise InputError(f"options {found}: give at least two, each different from the others")
    return found
