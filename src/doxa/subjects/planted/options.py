"""How a credence spreads over the options of a question."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from doxa.subjects.planted.asking import Asked, Option, side
from doxa.subjects.planted.mind import Mind, State
from doxa.subjects.planted.minds import Noise, NoiseConfig, YesSayer
from doxa.worlds.micro import COLOURS, SURE_PERCENT, Fact, HowSure, IsTrue, Vote, VoteTrue, WhatFlag

_DENIAL = re.compile(r"(?<![a-z])(?:no|not|never|without|cannot|[a-z]+n't)(?![a-z])")


def words_said(mind: Mind[Any], state: State[Any], asked: Asked) -> list[tuple[str, float]]:
    """Return the words that answer in the micro world, with their probabilities."""
    if isinstance(asked.question, WhatFlag):
        return _colours(mind, state, asked.question.place)
    credence = mind.said_credence(state, asked.question)
    if isinstance(asked.question, HowSure):
        return _percents(mind, credence)
    yes, no = ("for", "against") if isinstance(asked.question, Vote | VoteTrue) else ("yes", "no")
    return [(yes, credence), (no, 1.0 - credence)]


def _colours(mind: Mind[Any], state: State[Any], place: str) -> list[tuple[str, float]]:
    """Return the facts with probabilities in proportion to the credences that they are the flag's."""
    found = [mind.said_credence(state, IsTrue(Fact(place, colour))) for colour in COLOURS]
    texts = [Fact(place, colour).text for colour in COLOURS]
    return list(zip(texts, _normal(found), strict=True))


def _percents(mind: Mind[Any], credence: float) -> list[tuple[str, float]]:
    """Return the eleven confidences: two neighbours whose mean is the credence, or, for noise, ten coins."""
    last = len(SURE_PERCENT) - 1
    if isinstance(mind, Noise):
        shares = [math.comb(last, k) * credence**k * (1.0 - credence) ** (last - k) for k in range(last + 1)]
    else:
        shares = [max(0.0, 1.0 - abs(credence * last - k)) for k in range(last + 1)]
    return [(f"{percent} %", share) for percent, share in zip(SURE_PERCENT, shares, strict=True)]


def over_options(mind: Mind[Any], state: State[Any], asked: Asked, options: Sequence[Option]) -> list[float]:
    """Return the probability of each option.

    Options in the micro world's words have the probabilities of those words. Of other options those that say yes
    share the credence and those that say no the rest; of two without a yes, the only one with a denial says no and the
    other yes. Where no option says yes or none says no, a believing subject
    knows no better than to take them evenly, and yes-sayer and noise take the first as yes.
    """
    words = {text.casefold(): share for text, share in words_said(mind, state, asked)}
    texts = [option.text.strip(" .").casefold() for option in options]
    aside = state.config.p_other if isinstance(state.config, NoiseConfig) else 0.0
    if asked.question is not None and sum(words.get(text, 0.0) for text in texts) > 0.5:
        return _set_aside(
            [words.get(text, 0.0) for text in texts], [text not in words for text in texts], aside
        )
    sides = [_side(text) for text in texts]
    denied = [_DENIAL.search(text) is not None for text in texts]
    if 1 not in sides and len(texts) == 2 and sum(denied) == 1:
        sides = [-1 if denies else 1 for denies in denied]
    credence = mind.said_credence(state, asked.question)
    fixed = isinstance(mind, YesSayer | Noise)
    if 1 not in sides or (-1 not in sides and not fixed):
        if not fixed:
            return [1.0 / len(options)] * len(options)
        sides = [1, *[-1] * (len(options) - 1)]
    mass = {1: credence, -1: 1.0 - credence, 0: 0.0}
    return _set_aside(
        [mass[side] / sides.count(side) for side in sides], [side == 0 for side in sides], aside
    )


def _set_aside(shares: Sequence[float], others: Sequence[bool], aside: float) -> list[float]:
    """Return the shares made to sum to 1, of which ``aside`` goes evenly to the others if there are any."""
    aside = aside if any(others) else 0.0
    return [
        (1.0 - aside) * share + aside * other / max(1, sum(others))
        for share, other in zip(_normal(shares), others, strict=True)
    ]


def _side(text: str) -> int:
    """Return what an option says by its first word: a longer sentence may hold a yes or no that is not its own."""
    words = text.split(maxsplit=1)
    return side(words[0]) if words else 0


def _normal(shares: Sequence[float]) -> list[float]:
    total = sum(shares)
    return [share / total for share in shares] if total > 0.0 else [1.0 / len(shares)] * len(shares)
