"""Whether a reply declines to answer, said in the first person or plainly; a category of its own.

A refusal is not "I don't know" (an answer where that was offered) and not an unreadable reply. English is
covered; the usual formulas of eight other languages are recognised so that an option named beside them does
not become a belief.
"""

from __future__ import annotations

import re
from functools import cache
from heapq import merge
from itertools import islice
from typing import NamedTuple

from doxa.elicit.reply_text import ReplyText, Span

_CANNOT = (
    r"(?:can(?:no|')t|can not|could(?: not|n't)|won't|will not|would(?: not|n't)|do(?: not|n't)(?: want| wish)? to"
    r"|do not feel|don't feel|(?:'m|am) (?:not (?:able|allowed|permitted|going|willing|comfortable|in a position)"
    r"|unable)|(?:would|'d) (?:rather|prefer) not(?: to)?|prefer not(?: to)?|(?:must |have to |need to |respectfully )?"
    r"(?:decline|refuse))"
)
_DO = (
    r"(?:answer|choos|pick|select|help|assist|provid|giv|shar|offer|express|comment|discuss|engag|participat"
    r"|tak|stat|respond|repl|compl|fulfil|rank|rat|weigh|say|support|oppos|endors|advis|continu|tell|mak|do that"
    r"|do this|pretend|judg|assess|estimat|assign)\w{0,12}"
)
_OWN = r"(?:opinion|belief|view|preference|stance|feeling|position|conviction|value)s?\b"


def _words(*words: str, then: str = "") -> tuple[str, ...]:
    r"""Return one pattern a word that begins with the word itself, which is found ten times as fast as ``\bword``."""
    return tuple(rf"{word}(?<=\b{word}){then}" for word in words)


class _Phrase(NamedTuple):
    """A way to decline.

    Attributes:
        needed: words of which the text must have one from each group; most replies have none.
        heads: how the phrase begins, each pattern with a text of its own; no two begin at one place.
        tail: what must come in the same sentence soon after.
    """

    needed: tuple[tuple[str, ...], ...]
    heads: tuple[str, ...]
    tail: str = ""


_PHRASES = [
    _Phrase(
        (("n't", "not", "unable", "decline", "refuse"),),
        _words("i", "we", then=rf" ?(?:just |simply |really |also |honestly )?{_CANNOT}[ ,](?!help but)"),
        rf"\b{_DO}",
    ),
    _Phrase(
        (("decline", "refuse"),),
        _words("i", "we", then=r" (?:must |have to |will |respectfully ){0,2}(?:decline|refuse)\b"),
    ),
    _Phrase(
        (("sorry", "afraid", "apolog"), ("n't", "not", "unable")),
        (r"sorry\b", r"afraid\b", r"apolog(?:ies|ize|ise)\b"),
        r"\b(?:can(?:no|')t|can not|unable|not able|won't|will not)\b",
    ),
    _Phrase(
        (("do not", "don't"), ("have", "hold", "possess", "form", "take")),
        _words(
            "i",
            "we",
            then=r" (?:do not|don't) (?:really |actually |personally )?(?:have|hold|possess|form|take)\b",
        ),
        rf"\b{_OWN}",
    ),
    _Phrase(
        (("as a",), ("not", "n't", "unable")),
        _words("as", then=r" an? (?:ai|artificial|large language|language|llm)\b"),
        rf"(?:not|n't|unable)\b.{{0,60}}?(?:\b{_OWN}|\b{_DO})",
    ),
    _Phrase((("appropriate for me",),), _words("in", "not ", then=r"appropriate for me\b")),
    _Phrase(
        (("against", "violate"),),
        _words(
            "against",
            "violate",
            "violates",
            then=r" (?:my|our) (?:guidelines|polic|programming|principles|values)",
        ),
    ),
    _Phrase((("no comment",),), _words("no comment", then=r"\b")),
    _Phrase(
        (("sorry", "unable"),),
        (r"^\s{0,20}(?:i'm |i am )?(?:sorry|unable to (?:answer|comply|help|assist))[.,!]?\s{0,20}$",),
    ),
    _Phrase(
        (("lo siento", "no puedo"),),
        (
            *_words("lo siento", then=r"\b"),
            *_words("no puedo", then=r" (?:responder|ayudar|contestar|elegir)"),
        ),
    ),
    _Phrase(
        (("tut mir leid", "ich "),),
        (
            *_words("es tut mir leid", then=r"\b"),
            *_words("ich ", then=r"(?:kann|darf|werde) (?:das |dazu |darauf )?(?:nicht|keine)\b"),
        ),
    ),
    _Phrase((("je ",),), _words("je ", then="(?:suis d\u00e9sol\u00e9|ne peux pas|ne suis pas en mesure)")),
    _Phrase(
        (("mi dispiace", "non posso"),),
        (
            *_words("mi dispiace", then=r"\b"),
            *_words("non posso", then=r" (?:rispondere|aiutar)"),
        ),
    ),
    _Phrase(
        (("desculpe", "posso"),),
        (
            *_words("desculpe", then=r"\b"),
            *_words("n\u00e3o posso", then=r" (?:responder|ajudar)"),
        ),
    ),
    _Phrase(
        (("\u62b1\u6b49", "\u5bf9\u4e0d\u8d77", "\u56de\u7b54", "\u6211\u4e0d\u80fd"),),
        (
            "\u62b1\u6b49",
            "\u5bf9\u4e0d\u8d77",
            "\u65e0\u6cd5\u56de\u7b54",
            "\u4e0d\u80fd\u56de\u7b54",
            "\u6211\u4e0d\u80fd",
        ),
    ),
    _Phrase(
        (("\u7533\u3057\u8a33", "\u304a\u7b54"),),
        ("\u7533\u3057\u8a33", "\u304a\u7b54\u3048\u3067\u304d\u307e\u305b\u3093"),
    ),
    _Phrase((("\uc8c4\uc1a1",),), ("\uc8c4\uc1a1",)),
    _Phrase(
        (("\u0437\u0432\u0438\u043d\u0438\u0442\u0435",),),
        ("\u0437\u0432\u0438\u043d\u0438\u0442\u0435",),
    ),
]
_COMPILED = [
    (phrase.needed, [re.compile(head) for head in phrase.heads], re.compile(phrase.tail))
    for phrase in _PHRASES
]
_SENTENCE = re.compile(r"[^.!?\n]{0,80}")
_MOST = 64  # beginnings looked at of each phrase; a reply with more is a loop


def is_refusal(text: str) -> bool:
    """Return whether a reply declines to answer; total and linear in its length.

    >>> is_refusal("I'm sorry, but I can't answer that."), is_refusal("James can't swim. (A)")
    (True, False)
    """
    return last_refusal(ReplyText.of(text)) is not None


def last_refusal(reply: ReplyText) -> Span | None:
    """Return the span of the last phrase that declines to answer, or None."""
    lower = reply.lower
    narrow = lower.encode("ascii", "replace").decode()  # a search through wide characters takes twice as long

    @cache
    def has(word: str) -> bool:
        return word in (narrow if word.isascii() else lower)

    found: Span | None = None
    for needed, heads, tail in _COMPILED:
        if not all(any(has(word) for word in words) for words in needed):
            continue
        begins = merge(*(head.finditer(lower) for head in heads), key=re.Match.start)
        for begin in islice(begins, _MOST):
            rest = _SENTENCE.match(lower, begin.end())
            end = tail.search(lower, begin.end(), rest.end() if rest else begin.end())
            if end and (found is None or begin.start() > found[0]):
                found = (begin.start(), end.end())
    return found
