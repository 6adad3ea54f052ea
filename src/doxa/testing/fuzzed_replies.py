"""Random replies: letters, words, Unicode, and the malformed replies cut, spliced, nested and repeated up to 64 KB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from doxa.streams import stream
from doxa.testing.malformed_replies import AFTER, BEFORE, MARKS, REFUSALS, cases

LONGEST = 65_536
"""Characters of the longest reply by default."""

_ALPHABETS = (
    "ABCabc()[]{}.,:;!?\n \t'\"*_`",
    "0123456789.,-–%/+eE \n",
    "yesno YESNO.,\n",
    "".join(map(chr, (*range(0x20, 0x7F), *range(0xFF01, 0xFF5F), 0x200B, 0xFEFF, 0x661, 0x1D400, 0xD800))),
)
_WORDS = (
    *("answer", "is", "the", "So,", "not", "(A)", "B", "(C)", "I", "can't", "cannot", "sorry", "yes", "no"),
    *("Yes.", "or", "<think>", "</think>", "70", "%", "\n", "{", "}", '"', "credence", ":", "A > B", "for"),
    *("\\boxed{", "**", "１", "against", "<answer>", "side", "if", "unlikely"),
)
_ODD = (
    *("\u0301", "\u0345", "\u200b", "\u200d", "\u2028", "\u202e", "\u2066", "\ufe0f", "\ufeff", "\ufffd"),
    *("\ud800", "\udfff", "\x00", "\x1b[31m", "\r", "\x85", "\xad", "\U000e0041", "\U0010ffff", "🤷🏽"),
    *("١", "७", "Ａ", "𝐁", "Ⓒ", "А", "İ", "ß", "ﬀ", "½", "²"),
)
_NESTING = (
    *(("(", ")"), ("{", "}"), ("[", "]"), ('{"a":', "}"), ('{"credence":', "}"), ("**", "**"), ('"', '"')),
    *(("<think>", "</think>"), ("<answer>", "</answer>"), ("<number>", "</number>"), ("\\boxed{", "}")),
    *(("the answer is (", ")"), ("```json\n{", "}\n```"), ("\\", '"'), ("i can", "not answer")),
)

Shape = Callable[[np.random.Generator, int], str]


def fuzzed(seed: int, index: int, *, longest: int = LONGEST) -> str:
    """Return one random reply of at most ``longest`` characters.

    Lengths are spread evenly on a log scale: for one reply in ten up to the longest, for the others up to a sixteenth
    of it, which is what most replies are like.
    """
    rng = stream(seed, "fuzz", index)
    most = longest if rng.random() < 0.1 else max(1, longest // 16)
    length = int(most ** rng.random())
    return _SHAPES[int(rng.integers(len(_SHAPES)))](rng, length)[:longest]


def adversarial(length: int) -> dict[str, str]:
    """Return replies of a length that a careless pattern could take for ever over, by what they repeat.

    Each piece of the grammar, each odd character and each bracket is repeated, and each bracket is opened in the first
    half and closed in the second.
    """
    short = (
        "a\n",
        "1\n",
        "A > ",
        "(A) ",
        "1. A\n",
        "i ",
        "as an ai ",
        "not ",
        "-",
        "n't ",
        "a",
        "1",
        " ",
        "1.",
    )
    pieces = (*_WORDS, *_ODD, *BEFORE[1:], *AFTER[1:], *MARKS, *REFUSALS, *short)
    out = {repr(piece): _filled(piece, length) for piece in pieces}
    for begin, end in _NESTING:
        out[repr(begin)] = _filled(begin, length)
        out[repr(begin + end)] = _filled(begin, length // 2) + _filled(end, length // 2)
    return out


@lru_cache(maxsize=1)
def _pool() -> tuple[str, ...]:
    return tuple(dict.fromkeys(case.text for case in cases()))


def _filled(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


def _one(rng: np.random.Generator, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


def _letters(rng: np.random.Generator, length: int) -> str:
    letters = _one(rng, _ALPHABETS)
    return "".join(letters[pick] for pick in rng.integers(0, len(letters), length))


def _words(rng: np.random.Generator, length: int) -> str:
    return " ".join(_WORDS[pick] for pick in rng.integers(0, len(_WORDS), length // 4))


def _any_codes(rng: np.random.Generator, length: int) -> str:
    return "".join(map(chr, rng.integers(0, 0x11000 if rng.random() < 0.5 else 0x110000, length)))


def _repeated(rng: np.random.Generator, length: int) -> str:
    """Repeat a word, or a piece of a malformed reply, with another reply behind it or not."""
    whole = _one(rng, _pool() if rng.random() < 0.5 else _WORDS)
    start = int(rng.integers(max(1, len(whole))))
    unit = whole[start : start + 1 + int(rng.integers(24))] or "\n"
    return _filled(unit, length) + (_one(rng, _pool()) if rng.random() < 0.5 else "")


def _nested(rng: np.random.Generator, length: int) -> str:
    """Open a bracket or tag again and again, put a reply inside, and close as many, or not quite."""
    begin, end = _NESTING[int(rng.integers(len(_NESTING)))]
    depth = max(1, length // (len(begin) + len(end)))
    closed = depth if rng.random() < 0.5 else int(rng.integers(0, depth + 1))
    return begin * depth + _one(rng, _pool()) + end * closed


def _mutated(rng: np.random.Generator, length: int) -> str:
    """Change a malformed reply in a few places: lose, double, splice, pad, swap case, or put something in."""
    text = _one(rng, _pool())
    for _ in range(1 + int(rng.integers(6))):
        a, b = sorted(int(place) for place in rng.integers(0, len(text) + 1, 2))
        match int(rng.integers(7)):
            case 0:
                text = text[:a] + text[b:]
            case 1:
                text = text[:b] + text[a:b] * int(rng.integers(1, 4)) + text[b:]
            case 2:
                text = text[:a] + _one(rng, _ODD) + text[a:]
            case 3:
                text = text[:a] + _one(rng, _WORDS) + text[a:]
            case 4:
                text = text[:a] + _one(rng, _pool())[: b + 1] + text[b:]
            case 5:
                text = text[:a] + text[a:b].swapcase() + text[b:]
            case _:
                text = text[:a] + _one(rng, ("\n", " ", "\u200b", ".", "a")) * length + text[a:]
    return text


def _odd(rng: np.random.Generator, length: int) -> str:
    """Put odd characters between the characters of some malformed replies."""
    text = ""
    while len(text) <= length // 2:
        text += _one(rng, _pool()) or " "
    picks = rng.integers(0, 2 * len(_ODD), len(text))
    return "".join(c + (_ODD[pick] if pick < len(_ODD) else "") for c, pick in zip(text, picks, strict=True))


_SHAPES: tuple[Shape, ...] = (
    *(_letters, _words, _any_codes, _repeated, _nested, _odd),
    *(_mutated, _mutated, _mutated),
)
