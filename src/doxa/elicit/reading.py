r"""What reading a reply can give, and what all readers share: where an answer is marked, and what takes it back.

A reader is a total function of a text: it never raises, never guesses and takes time linear in the length.

- An answer is *marked* behind "(so,) the (final) answer is", "Answer:", "I choose", in ``<answer>`` or in
  ``\boxed{}``; the last marked one counts. It *stands alone* on a line of its own.
- A marker that is denied ("is not (A)"), conditional, put into others' mouths or followed by more than one
  answer makes the whole reply unreadable.
- A refusal outweighs an answer that is only mentioned; an answer marked after the refusal outweighs it; a
  refusal after a marked answer leaves neither.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple, TypeAlias

from doxa.elicit.refusals import last_refusal
from doxa.elicit.reply_text import ReplyText, Span


@dataclass(frozen=True, slots=True)
class Found:
    """An answer was read: its value, and where it stands in the raw text."""

    value: Any
    span: Span


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reply declines to answer: the words that do, and where they stand."""

    reason: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unparsed:
    """No answer could be read, and why; ``span`` is what stood in the way, if one thing did."""

    reason: str
    span: Span | None = None


Reading: TypeAlias = Found | Refusal | Unparsed

EMPTY = "the reply is empty"
CUT_THOUGHT = "the reply ends inside its thinking"
CUT = "the reply was cut off right at the answer"
NONE = "no answer in the reply"
SEVERAL = "more than one answer"
DENIED = "the answer is denied, conditional or reported"
UNREADABLE = "the words behind the answer marker are no answer"
TAKEN_BACK = "an answer and a refusal after it"
REPETITION = "the same over and over"

MOST = 64
"""A reply that gives the same sign of an answer more often than this is a loop, and no answer."""


class Token(NamedTuple):
    """A value read at a place: the value and where it begins and ends."""

    value: Any
    start: int
    end: int


class Grammar(NamedTuple):
    """How the answers of one kind of question are recognised.

    Attributes:
        at: the value that begins at a place (after spaces), or None.
        others: whether anything between two places names another value than the one given.
        alone: the value of a line of its own: found, several, or none.
        mentioned: the value that is only mentioned, tried last.
    """

    at: Callable[[ReplyText, int], Token | None]
    others: Callable[[ReplyText, int, int, Any], bool]
    alone: Callable[[ReplyText], Found | Unparsed | None]
    mentioned: Callable[[ReplyText], Found | Unparsed | None]


_IS = r"(?:\s{1,3}|)(?:is|'s|would be|must be|should be|will be|has to be|=|:|-(?=\s))"
_NOUN = (
    r"(?:answer|choice|selection|rating|score|confidence|probability|likelihood|credence|agreement|estimate)"
)
_LEVEL = r"(?: level| score| rating| here| to (?:this|the) question| choice)?"
_NAMED = (re.compile(rf"{_NOUN}{_LEVEL}{_IS}(?:n't)?"),)
# Each of these begins with a text of its own, which a search finds five times as fast as one of several.
_SHOWN = (
    re.compile(r"i(?<=\bi)(?:'d|'ll| would| will|) (?:choose|pick|select|opt for|go with|vote for|vote)\b"),
    re.compile(r"<(?:answer|choice|final|number|score|rating|confidence|probability|agreement)>"),
    re.compile(r"\\boxed\{(?:\s{0,2}\\text\{)?"),
)
_CLOSING = re.compile(r"\s{0,4}</")
_FILLER = re.compile(
    r"(?:[\s,:=\"']{1,4}|most likely\b|(?:definitely|clearly|simply|probably|likely|therefore|thus|option|choice"
    r"|letter|answer|the|for)\b){0,6}"
)
_DENIAL = re.compile(
    r"[\s,:\"'(-]{0,4}(?:not|never|neither|either|nor|none|both|between|unlikely|maybe|perhaps|possibly|anything but"
    r"|n't|nicht|kein|pas|\u4e0d)\b|[\s,:\"'(-]{0,4}\u4e0d"
)
_REPORTED = re.compile(
    r"\b(?:not|never|cannot|if|whether|unless|suppose|supposing|assume|assuming|some|others|people|someone|might"
    r"|may|could|nobody|when|wrong|incorrect|previous|example|format|instead of|rather than|doubt)\b|n't\b"
)
_CLAUSE = re.compile(r"[,;:.!?\n]|\b(?:so|thus|therefore|hence|and|but|however|then)\b")


_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|except|without|rule out|ruled out|rules out|eliminate|eliminates|reject|against|wrong"
    r"|incorrect|rather than|instead of|unlikely|exclude|excludes|maybe|perhaps|possibly|might be|could be|may be"
    r"|whether|doubt|some|others|people|someone|anything but)\b"
    r"|\b(?:nicht|kein|keine|pas|nunca|either|if|unless)\b|n't\b|\bno (?:es|\u00e9)\b|\b(?:non \u00e8|n\u00e3o)"
    "|\u4e0d|\u975e|\u4e26\u975e|\u043d\u0435 "
)
_DENIED_AFTER = re.compile(
    r"[\s,\"']{0,3}(?:(?:is|was|seems|looks|appears|can|could|would|does|must)\b[^.!?\n]{0,30}?(?:\b(?:not|wrong|incorrect"
    r"|false|unlikely|invalid|ruled out|excluded)\b|n't\b)|(?:isn't|wasn't|can't|cannot|couldn't|doesn't|wouldn't)\b)"
    "|[^.\n]{0,6}(?:\u3067\u306f\u3042\u308a\u307e\u305b\u3093|\u3067\u306f\u306a\u3044|\uc544\ub2c8|\uc544\ub2d9|\u4e0d)|\\?"
)
_BEGIN = re.compile(r"\n|[.!?]\s")


def resolve(text: str, grammar: Grammar, *, cut: bool = False) -> Reading:
    """Read a reply by a grammar: marked, standing alone, then mentioned, with refusals weighed in.

    Args:
        text: the raw reply.
        grammar: how answers look.
        cut: whether the reply hit its length limit; an answer that touches its end may then be half of one.
    """
    reply = ReplyText.of(text)
    if not reply.clean.strip():
        return Unparsed(CUT_THOUGHT if reply.cut_in_thought else EMPTY)
    marked = last_marked(reply, grammar)
    found = marked or grammar.alone(reply)
    explicit = isinstance(found, Found)
    if found is None:
        found = grammar.mentioned(reply)
    elif isinstance(found, Unparsed) and found.reason == UNREADABLE:
        alone = grammar.alone(reply)
        found, explicit = (alone, True) if isinstance(alone, Found) else (found, False)
    refusal = last_refusal(reply)
    if refusal is not None:
        start, end = refusal
        if not explicit or not isinstance(found, Found):
            return Refusal(text[start:end], refusal)
        if found.span[0] < start:
            return Unparsed(TAKEN_BACK, refusal)
    if isinstance(found, Found) and cut and not reply.clean[found.span[1] :].strip():
        return Unparsed(CUT, found.span)
    return found or Unparsed(NONE)


def last_marked(reply: ReplyText, grammar: Grammar) -> Found | Unparsed | None:
    """Return the last marked answer; Unparsed where the last marker is denied or names several; None if unmarked."""
    markers = [*_last(_NAMED, reply.lower), *_last(_SHOWN, reply.lower)]
    unreadable: Unparsed | None = None
    for marker in sorted(markers, key=re.Match.start, reverse=True):
        if marker.group().endswith("n't") or _DENIAL.match(reply.lower, marker.end()):
            return Unparsed(DENIED, marker.span())
        filler = _FILLER.match(reply.lower, marker.end())
        token = grammar.at(reply, filler.end() if filler else marker.end()) or grammar.at(reply, marker.end())
        if token is None or (marker.group()[0] == "<" and not _CLOSING.match(reply.clean, token.end)):
            unreadable = unreadable or Unparsed(UNREADABLE, marker.span())
            continue
        if is_reported(reply, marker.start()):
            return Unparsed(DENIED, marker.span())
        if grammar.others(reply, token.end, len(reply.clean), token.value):
            return Unparsed(SEVERAL, (token.start, len(reply.clean)))
        return Found(token.value, (token.start, token.end))
    return unreadable


def _last(patterns: Iterable[re.Pattern[str]], text: str) -> list[re.Match[str]]:
    """Return the last matches of some patterns, in order."""
    found = chain.from_iterable(deque(pattern.finditer(text), maxlen=MOST) for pattern in patterns)
    return sorted(found, key=re.Match.start)[-MOST:]


def is_reported(reply: ReplyText, start: int) -> bool:
    """Return whether the clause before a place denies, conditions or reports what follows."""
    window = reply.lower[max(0, start - 80) : start]
    cuts = [match.end() for match in _CLAUSE.finditer(window)]
    return _REPORTED.search(window, cuts[-1] if cuts else 0) is not None


def is_denied(reply: ReplyText, start: int, end: int) -> bool:
    """Return whether the words around a mention deny it, hedge it or ask for it."""
    window = reply.lower[max(0, start - 60) : start]
    begins = [match.end() for match in _BEGIN.finditer(window)]
    words = window[begins[-1] if begins else 0 :].split()[-4:]
    return (
        _NEGATION.search(" ".join([*words, ""])) is not None
        or _DENIED_AFTER.match(reply.lower, end) is not None
    )


def single(places: Iterable[Token]) -> Found | Unparsed | None:
    """Return the one value of some places, at the last of them; None if there is no place."""
    found = list(islice(places, MOST + 1))
    if not found:
        return None
    last = found[-1]
    # where several patterns are looked for, the last one found need not stand last
    whole = (min(one.start for one in found), max(one.end for one in found))
    if len(found) > MOST:
        return Unparsed(REPETITION, whole)
    if any(token.value != last.value for token in found):
        return Unparsed(SEVERAL, whole)
    return Found(last.value, (last.start, last.end))
