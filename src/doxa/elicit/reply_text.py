"""A reply made ready for reading: same length as the raw text, so that every span points into the raw text.

What is made equal: full-width and other letters and digits of Unicode that stand for an ASCII letter or a
decimal digit (mathematical and circled letters, Arabic-Indic digits), brackets, quotes, dashes, colons and spaces of
other scripts. What is not: look-alikes (Cyrillic letters), superscripts, fractions, letters with accents; they stay
what they are and read as no answer.
Markdown emphasis, invisible characters, end-of-turn tokens and thinking blocks become spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt32

Span = tuple[int, int]
"""Start and end of a piece of the raw text, in characters."""

_TABLE_SIZE = 0x20000  # beyond it lie only ideographs, private use and tags, which no answer needs

_PAIRS = {
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}«»": '"',
    "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}": "'",
    "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}": "-",
    "\N{LEFT BLACK LENTICULAR BRACKET}\N{LEFT CORNER BRACKET}\N{LEFT TORTOISE SHELL BRACKET}": "[",
    "\N{RIGHT BLACK LENTICULAR BRACKET}\N{RIGHT CORNER BRACKET}\N{RIGHT TORTOISE SHELL BRACKET}": "]",
    "\N{IDEOGRAPHIC FULL STOP}": ".",
    "\N{IDEOGRAPHIC COMMA}": ",",
    "\N{ARABIC PERCENT SIGN}": "%",
    "\N{ARABIC DECIMAL SEPARATOR}": ".",
    "\N{ARABIC THOUSANDS SEPARATOR}\N{ARABIC COMMA}": ",",
    "\N{ARABIC QUESTION MARK}": "?",
    "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\x85\x0b\x0c\r": "\n",
}
_MARKDOWN = "*`#_"
_END = r"<(?:\|[^|<>\n]{1,40}\|>|/?s>|end_of_turn>)"
_TURN_TOKENS = re.compile(rf"{_END}(?:{_END})*+")
_MANY = "\n" * 8
_BLANK_LINES = re.compile(rf"{_MANY}\n*+")
_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>")


class ReplyText(NamedTuple):
    """A reply ready for reading.

    Attributes:
        clean: the text with characters made equal and everything that is not said blanked.
        lower: the same in lower case (ASCII letters only).
        cut_in_thought: whether the reply ends inside an unclosed thinking block.
        unsaid: spans of what is blanked as a whole: thinking blocks and end-of-turn tokens.
    """

    clean: str
    lower: str
    cut_in_thought: bool
    unsaid: tuple[Span, ...]

    @classmethod
    def of(cls, raw: str) -> ReplyText:
        """Return the reading copy of a raw reply; total, linear, and of the same length."""
        clean, lower = (_without_blank_lines(text) for text in _equalised(raw))
        blanks, cut = _thoughts(lower)
        blanks += [match.span() for match in _TURN_TOKENS.finditer(lower)]
        unsaid = tuple(sorted(blanks))
        return cls(blanked(clean, unsaid), blanked(lower, unsaid), cut, unsaid)

    def sentence_end(self, start: int) -> int:
        """Return where the sentence that goes on at ``start`` ends: at a line's end or behind a mark."""
        match = _SENTENCE_END.search(self.clean, start)
        return match.end() if match else len(self.clean)


class LinePattern:
    """A pattern that begins a line. A search for line ends skips ahead ten times as fast as one for ``^``.

    On every line but the first a match includes the line end before it; groups are as written.
    """

    def __init__(self, body: str) -> None:
        self._first = re.compile(body, re.MULTILINE)
        self._later = re.compile(rf"\n(?:{body})", re.MULTILINE)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches in order, as ``re.finditer`` would."""
        first = self._first.match(text)
        if first:
            yield first
        yield from self._later.finditer(text, first.end() if first else 0)

    @staticmethod
    def begin(match: re.Match[str]) -> int:
        """Return where the line of a match begins."""
        return match.start() + match.group().startswith("\n")


_SENTENCE_END = re.compile(r"\n|[.!?](?=[\s\"')\]]|$)")


def _equalised(raw: str) -> tuple[str, str]:
    if raw.isascii():
        clean = raw.translate(_ascii_table())
        return clean, clean.lower()
    same, lower = _tables()
    # numpy keeps a text as its code points, so that no codec is needed, which is slow where there are surrogates
    codes = np.array([raw]).view(np.uint32)
    index = codes.astype(np.intp)
    if int(codes.max()) < _TABLE_SIZE:
        return _text(same.take(index)), _text(lower.take(index))
    known = codes < _TABLE_SIZE
    index[~known] = 0
    return _text(np.where(known, same.take(index), codes)), _text(np.where(known, lower.take(index), codes))


def _without_blank_lines(text: str) -> str:
    """Make long runs of line ends two line ends and spaces: each line costs a look by each reader."""
    if _MANY not in text:
        return text
    return _BLANK_LINES.sub(lambda run: "\n" + " " * (len(run.group()) - 2) + "\n", text)


def _text(codes: UInt32[np.ndarray, " characters"]) -> str:
    """Return the text of some code points; NUL, which numpy would cut off at the end, is never among them."""
    return str(codes.view(f"U{codes.size}")[0])


@lru_cache(maxsize=1)
def _ascii_table() -> dict[int, str]:
    blank = dict.fromkeys([*range(32), 127, *(ord(mark) for mark in _MARKDOWN)], " ")
    return blank | {ord(mark): "\n" for mark in "\n\r\x0b\x0c"}


@lru_cache(maxsize=1)
def _tables() -> tuple[UInt32[np.ndarray, " codes"], UInt32[np.ndarray, " codes"]]:
    """Return what each character is read as, and the same in lower case."""
    same = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for code in chain(
        range(0x80, 0x3400), range(0xA000, 0xAC00), range(0xF900, _TABLE_SIZE)
    ):  # no ideographs
        reading = _reading(chr(code))
        if reading:
            same[code] = ord(reading)
    for code, reading in _ascii_table().items():
        same[code] = ord(reading)
    for marks, reading in _PAIRS.items():
        same[[ord(mark) for mark in marks]] = ord(reading)
    # The full-width forms of ASCII, from the exclamation mark to the tilde.
    same[0xFF01:0xFF5F] = np.arange(0x21, 0x7F)
    same[[0xFF0A, 0xFF40, 0xFF03, 0xFF3F]] = ord(" ")
    capital = (same >= ord("A")) & (same <= ord("Z"))
    return same, np.where(capital, same + 32, same).astype(np.uint32)


def _reading(character: str) -> str | None:
    """Return the ASCII character a Unicode character stands for, a space if it is invisible, or None."""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Zs", "Cf", "Cc"):
        return " "
    if category in ("Lu", "Ll", "So"):
        plain = unicodedata.normalize("NFKC", character)
        return plain if len(plain) == 1 and plain.isascii() and plain.isalpha() else None
    if 0xFE00 <= ord(character) <= 0xFE0F:  # variation selectors: how a character looks, not which it is
        return " "
    return None


def _thoughts(lower: str) -> tuple[list[Span], bool]:
    """Return the spans of thinking, and whether the last one is not closed.

    A block ends at the first closing tag. A closing tag without an opening one closes a block that the chat
    template opened, so that everything before it was thinking.
    """
    spans: list[Span] = []
    start: int | None = None
    for match in _THOUGHT.finditer(lower):
        if not match.group(1):
            start = match.start() if start is None else start
        elif start is None:
            spans = [(0, match.end())]
        else:
            spans.append((start, match.end()))
            start = None
    if start is not None:
        spans.append((start, len(lower)))
    return spans, start is not None


def blanked(text: str, spans: Sequence[Span]) -> str:
    """Replace each span, in order, by spaces between two line ends: one ends what stood before, one begins the rest."""
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for start, end in spans:
        if end <= at:
            continue
        begin = max(at, start)
        blank = "\n" + " " * (end - begin - 2) + "\n"
        parts += [text[at:begin], blank[: end - begin]]
        at = end
    return "".join([*parts, text[at:]])
