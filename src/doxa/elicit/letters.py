"""Reading which lettered option a reply chooses, and the order in which it puts them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from doxa.elicit.labels import GAP, distinct, labelled
from doxa.elicit.reading import (
    DENIED,
    MOST,
    SEVERAL,
    UNREADABLE,
    Found,
    Grammar,
    Reading,
    Token,
    Unparsed,
    is_denied,
    resolve,
    single,
)
from doxa.elicit.reply_text import LinePattern, ReplyText
from doxa.errors import InputError

Order = tuple[str, ...]


def read_letter(
    text: str, letters: Sequence[str] = ("A", "B", "C"), labels: Sequence[str] = (), *, cut: bool = False
) -> Reading:
    """Read the letter of the option a reply chooses.

    Order (KaBLE, arXiv 2410.21195): the last "So, the answer is (X)", whatever its case, markdown and brackets;
    else the sole bracketed letter; else a line that is only a letter; else a label (Yes, No, Undeterminable) as the
    last word. More than one letter behind the marker, a denied one, or one beside another option's label is
    unreadable. Bare letters count in upper case, and in lower case only where nothing follows them.

    Args:
        text: the raw reply.
        letters: the letters offered, single and in upper case.
        labels: what each letter stands for, if that may be answered in its place.
        cut: whether the reply hit its length limit.

    Raises:
        InputError: the letters or labels are not distinct, or not equally many.

    >>> read_letter("**So, the answer is (B)**.")
    Found(value='B', span=(20, 23))
    >>> read_letter("It is (A) or (B).").reason
    'more than one answer'
    """
    return resolve(text, _letter_grammar(tuple(letters), tuple(labels)), cut=cut)


def read_ranking(text: str, letters: Sequence[str], *, cut: bool = False) -> Reading:
    """Read an order of all letters, first the most: "B > A > C", "B, A, C", or a numbered line for each.

    A tie ("A = B"), a reversed sign ("A < B"), a letter left out or named twice is unreadable.

    >>> read_ranking("Ranking: B > C > A", "ABC").value
    ('B', 'C', 'A')
    """
    return resolve(text, _ranking_grammar(tuple(letters)), cut=cut)


class _Letters:
    """The places where a letter can stand: marked, bracketed, bare, alone on a line, or before its label."""

    def __init__(self, letters: tuple[str, ...], labels: tuple[str, ...]) -> None:
        _check_letters(letters)
        if labels and len(distinct(labels)) != len(letters):
            raise InputError(f"{len(labels)} labels for {len(letters)} letters; give one each, or none")
        self.letters = letters
        self.labels = labelled(tuple(zip(labels, letters, strict=True))) if labels else None
        some = "[" + "".join(letters) + "]"
        follows = (
            r"(?=\s*$|\s{0,3}\n|[ ]{0,3}[.,;:!](?:[\s\"')\]}]|$)|[\"')\]}<]"
            r"|\s{1,3}(?:because|since|as|given|due|for|-|\(|,)(?:\W|$))"
        )
        last = r"(?=[ ]{0,3}[.!]?[\"')\]}<]?\s*$|[.!]?\s{0,3}\n|\)|<)"
        self.bracketed = re.compile(r"[(\[{]\s{0,2}([A-Za-z])\s{0,2}[)\]}]")
        self.marked = re.compile(
            rf"\s{{0,4}}(?:option |letter )?[\"']?(?:{self.bracketed.pattern}|({some}){follows}|({some.lower()}){last})"
        )
        self.bare = re.compile(rf"(?<![\w'(\[{{])({some})(?![\w'])")
        line = r"[ \t>\"'(\[{-]{0,6}"
        self.alone = LinePattern(
            r"[ \t>\"'-]{0,6}(?:(?:option|letter|answer) )?[\"']?(?:[(\[{][ ]{0,2}([A-Za-z])[ ]{0,2}[)\]}]"
            r"|([A-Za-z])[ ]{0,2}\)?)[ ]{0,2}[.,!\"':]{0,3}[ \t]{0,200}$"
        )
        words = self.labels.pattern if self.labels else "(?!)"
        self.before_label = LinePattern(
            line + rf"(?:option )?({some.lower()})[)\]}}.:,-]{{1,2}}[ ]{{0,3}}({words})"
            r"[\"'.!]{0,2}(?=[ \t]{0,200}$|[,;:.] )"
        )

    def known(self, letter: str) -> str | None:
        return letter.upper() if letter.upper() in self.letters else None

    def brackets(self, reply: ReplyText, start: int, end: int) -> list[Token]:
        """Return the known letters in brackets between two places, up to the first that differs."""
        found: list[Token] = []
        for match in self.bracketed.finditer(reply.clean, start, end):
            letter = self.known(match.group(1))
            if letter:
                found.append(Token(letter, *match.span()))
                if letter != found[0].value or len(found) > MOST:
                    break
        return found

    def mislabelled(self, reply: ReplyText, end: int, letter: str) -> bool:
        """Return whether another option's label stands right behind a letter."""
        if self.labels is None:
            return False
        gap = GAP.match(reply.lower, end)
        label = self.labels.at(reply, gap.end() if gap else end)
        return label is not None and label.value != letter

    def at(self, reply: ReplyText, start: int) -> Token | None:
        match = self.marked.match(reply.clean, start)
        if match is None:
            return self.labels.at(reply, start) if self.labels else None
        group = match.lastindex or 1
        letter = self.known(match.group(group))
        begin = match.start(group) - (1 if group == 1 else 0)
        return Token(letter, begin, match.end()) if letter else None

    def others(self, reply: ReplyText, start: int, end: int, value: str) -> bool:
        if self.mislabelled(reply, start, value) or reply.clean[start : start + 1] == "?":
            return True
        sentence = reply.sentence_end(start)
        if any(match.group(1) != value for match in self.bare.finditer(reply.clean, start, sentence)):
            return True
        return any(token.value != value for token in self.brackets(reply, start, end))

    def on_a_line(self, reply: ReplyText) -> Found | Unparsed | None:
        """Return the letter on a line of its own or before its label; another one in brackets makes two answers."""
        found = [
            Token(letter, *match.span(match.lastindex or 1))
            for match in islice(self.alone.finditer(reply.clean), MOST + 1)
            if (letter := self.known(match.group(match.lastindex or 1)))
        ]
        for match in islice(self.before_label.finditer(reply.lower), MOST + 1):
            letter = match.group(1).upper()
            if self.labels and self.labels.value(match.group(2)) != letter:
                return Unparsed(SEVERAL, (LinePattern.begin(match), match.end()))
            found.append(Token(letter, match.start(1), match.end(2)))
        one = single(found) or (self.labels.on_a_line(reply) if self.labels else None)
        if isinstance(one, Found):
            for token in self.brackets(reply, 0, len(reply.clean)):
                if token.value != one.value:
                    return Unparsed(SEVERAL, (token.start, token.end))
        return one

    def mentioned(self, reply: ReplyText) -> Found | Unparsed | None:
        found = self.brackets(reply, 0, len(reply.clean))
        if not found:
            return self.labels.last(reply) if self.labels else None
        one = single(found)
        if isinstance(one, Found) and (
            any(is_denied(reply, token.start, token.end) for token in found)
            or self.mislabelled(reply, found[-1].end, found[-1].value)
        ):
            return Unparsed(DENIED, one.span)
        return one


@lru_cache(maxsize=64)
def _letter_grammar(letters: tuple[str, ...], labels: tuple[str, ...]) -> Grammar:
    places = _Letters(letters, labels)
    return Grammar(places.at, places.others, places.on_a_line, places.mentioned)


class _Rankings:
    """The places where an order of letters can stand: a chain of signs, or numbered lines."""

    def __init__(self, letters: tuple[str, ...]) -> None:
        _check_letters(letters)
        self.letters = letters
        some = "".join(letters)
        item = rf"[(\[\"']?([{some}])[)\]\"']?"
        # It begins with a letter, and leaves a bracket before it out, so that the search skips to the letters.
        self.chain = re.compile(
            rf"([{some}])(?<!\w.)[)\]\"']?(?:\s{{0,3}}(?:>{{1,2}}|,|;|->)\s{{0,3}}{item}){{{len(letters) - 1}}}"
            r"(?![\w>,;=<~-])(?!\s{0,3}[><=~,;])"
        )
        self.numbered = LinePattern(
            rf"[ \t]{{0,4}}(\d{{1,2}})[.):][ ]{{1,3}}(?:option )?{item}(?=[ \t]{{0,200}}$|[ ]?[:.,-] )"
        )

    def order(self, match: re.Match[str]) -> Token | None:
        """Return the order of a chain, or None where a letter comes twice or two signs are mixed."""
        order = tuple(letter for letter in match.group() if letter in self.letters)
        signs = set(_SIGN.findall(match.group()))
        complete = len(set(order)) == len(self.letters) and len(signs) == 1
        return Token(order, match.start(), match.end()) if complete else None

    def at(self, reply: ReplyText, start: int) -> Token | None:
        gap = _GAP.match(reply.clean, start)
        match = self.chain.match(reply.clean, gap.end() if gap else start)
        return self.order(match) if match else None

    def others(self, reply: ReplyText, start: int, end: int, value: Order) -> bool:
        found = (self.order(match) for match in self.chain.finditer(reply.clean, start, end))
        return any(token is None or token.value != value for token in found)

    def on_lines(self, reply: ReplyText) -> Found | Unparsed | None:
        if _SIGN.search(reply.clean) is None:
            return self.on_numbered_lines(reply)
        found: list[Token] = []
        for match in islice(self.chain.finditer(reply.clean), MOST + 1):
            before = reply.clean[max(0, match.start() - 40) : match.start()].rpartition("\n")[2]
            after = reply.clean[match.end() : match.end() + 8].partition("\n")[0]
            if _RANKING.fullmatch(before.rstrip("([\"'")) and not after.strip(" \t.!"):
                token = self.order(match)
                if token is None:
                    return Unparsed(SEVERAL, match.span())
                found.append(token)
        return single(found) if found else self.on_numbered_lines(reply)

    def on_numbered_lines(self, reply: ReplyText) -> Found | Unparsed | None:
        rows = list(islice(self.numbered.finditer(reply.clean), MOST + 1))
        if not rows:
            return None
        order = tuple(row.group(2) for row in rows)
        span = (LinePattern.begin(rows[0]), rows[-1].end())
        counted = [int(row.group(1)) for row in rows] == list(range(1, len(self.letters) + 1))
        return Found(order, span) if counted and len(set(order)) == len(rows) else Unparsed(UNREADABLE, span)


_GAP = re.compile(r"\s{0,4}[(\[\"']?")
_SIGN = re.compile(r"->|[>,;]")
_RANKING = re.compile(r"\s{0,4}(?:(?:my |the )?(?:final )?(?:ranking|order)(?: is)?\s{0,2}:?\s{0,3})?", re.I)


@lru_cache(maxsize=64)
def _ranking_grammar(letters: tuple[str, ...]) -> Grammar:
    places = _Rankings(letters)
    return Grammar(places.at, places.others, places.on_lines, _nothing)


def _nothing(_reply: ReplyText) -> None:
    """An order that is only mentioned is none."""


def _check_letters(letters: tuple[str, ...]) -> None:
    distinct(letters)
    if any(len(letter) != 1 or not ("A" <= letter <= "Z") for letter in letters):
        raise InputError(f"letters={letters}: must be single upper-case letters")
