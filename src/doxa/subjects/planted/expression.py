"""How a credence becomes an answer: every possible answer with its probability, as text and as scored options.

An answer can be written in several surface forms (``yes``, `` yes``, ``Yes``). Each form has a fixed share of the
answer's probability, the same share for every answer, so an elicitor that sums forms finds the whole probability,
and one that does not still finds the right ratio. Everything that is no answer shares ``OTHER``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from doxa.canonical import Json
from doxa.subjects.planted.asking import Asked, Calls, Letters, Number, Object, Option
from doxa.subjects.planted.mind import Mind, State
from doxa.subjects.planted.minds import GarblerConfig, NoiseConfig, RefuserConfig
from doxa.subjects.planted.options import over_options, words_said
from doxa.subjects.planted.tool_calls import tool_call

OTHER = 1e-9
"""Probability of all texts together that are no possible answer."""

FLOOR = 1e-12
"""Least probability of a possible answer, before the answers are made to sum to 1 - ``OTHER``."""

REFUSAL = "I'm sorry, but I can't answer that question."
"""What a refuser says."""

ACKNOWLEDGEMENT = "ok ."
"""What is said to a turn that asks nothing."""

MALFORMED = (
    "",
    "yes and no",
    "The answer is: Q",
    "So, the answer is (A), or perhaps (B)",
    '{"answer": "ye',
    "50-60 %",
    "1e309",
    "around forty-ish, give or take",
    "\N{FULLWIDTH LEFT PARENTHESIS}\N{FULLWIDTH LATIN CAPITAL LETTER Z}\N{FULLWIDTH RIGHT PARENTHESIS}",
    "not (C)",
)
"""What a garbler says: nothing, both, a letter that is not there, cut JSON, a span, an overflow, a hedge, a denial."""


class Answer(NamedTuple):
    """A possible answer: what is replied, its probability, and its short forms for scoring."""

    text: str
    probability: float
    forms: tuple[str, ...]


def answers(mind: Mind[Any], state: State[Any], asked: Asked) -> list[Answer]:
    """Return every possible answer with its probability; the probabilities sum to 1."""
    if not asked.anything:
        return [Answer(ACKNOWLEDGEMENT, 1.0, (ACKNOWLEDGEMENT,))]
    found = _well_formed(mind, state, asked)
    config = state.config
    if isinstance(config, RefuserConfig):
        refusal = Answer(REFUSAL, config.probability, (REFUSAL,))
        return [refusal, *_scaled(found, 1.0 - config.probability)]
    if isinstance(config, GarblerConfig):
        each = config.rate / len(MALFORMED)
        return [*_scaled(found, 1.0 - config.rate), *(Answer(text, each, (text,)) for text in MALFORMED)]
    return found


def text_probabilities(found: Sequence[Answer], opening: str) -> dict[str, float]:
    """Return the probability of each text that answers, written behind ``opening``; they sum to 1 - ``OTHER``."""
    total = sum(max(answer.probability, FLOOR) for answer in found)
    spaced = bool(opening) and not opening[-1].isspace() and opening[-1] not in "([<\"'"
    out: dict[str, float] = {}
    for answer in found:
        mass = (1.0 - OTHER) * max(answer.probability, FLOOR) / total
        for form, share in _shares([_behind(opening, form) for form in answer.forms]):
            for written, part in _shares(_spellings(form)):
                for text, last in _shares([f" {written}", written] if spaced else [written, f" {written}"]):
                    out[text] = out.get(text, 0.0) + mass * share * part * last
    return out


def text_log_probability(probabilities: Mapping[str, float], text: str) -> float:
    """Return the log-probability of a text in nats; one that is no answer has a share of ``OTHER`` by its length."""
    known = probabilities.get(text, 0.0)
    if known > 0.0:
        return math.log(known)
    return math.log(OTHER) - (len(text.encode("utf-8", "replace")) + 1) * math.log(257.0)


def _well_formed(mind: Mind[Any], state: State[Any], asked: Asked) -> list[Answer]:
    form = asked.form
    if isinstance(form, Letters):
        return _lettered(mind, state, asked, form)
    if isinstance(form, Object):
        return _objects(mind, state, asked, form)
    if isinstance(form, Number):
        credence = mind.said_credence(state, asked.question)
        upright = 1.0 - credence if form.upside_down else credence
        numbers = _numbers(upright, form.low, form.high)
        # a sentence may end with its full stop
        ends = ("", ".") if asked.phrase else ("",)
        return [_dressed(asked, text, share, tuple(text + end for end in ends)) for text, share in numbers]
    if isinstance(form, Calls):
        return _planned(mind, state, asked, form)
    words = words_said(mind, state, asked)
    if form.unsure:
        aside = state.config.p_other if isinstance(state.config, NoiseConfig) else 0.0
        words = [*((text, (1.0 - aside) * share) for text, share in words), ("I don't know", aside)]
    return [_dressed(asked, text, share, (text,)) for text, share in words]


def _numbers(credence: float, low: float, high: float) -> list[tuple[str, float]]:
    """Return the two neighbouring numbers whose mean is the credence on the scale, and the others with nothing."""
    steps = 100 if high <= 1.0 else round(high - low)
    place = credence * steps
    texts = [
        f"{low + k * (high - low) / steps:.2f}" if high <= 1.0 else f"{low + k:.0f}" for k in range(steps + 1)
    ]
    return [(text, max(0.0, 1.0 - abs(place - k))) for k, text in enumerate(texts)]


def _lettered(mind: Mind[Any], state: State[Any], asked: Asked, form: Letters) -> list[Answer]:
    shares = over_options(mind, state, asked, form.options)
    if form.ranked:
        return [_dressed(asked, text, share, (text,)) for text, share in _rankings(form.options, shares)]
    found: list[Answer] = []
    for option, share in zip(form.options, shares, strict=True):
        marked = f"({option.letter})" if form.brackets else option.letter
        plain = option.letter if form.brackets else f"({option.letter})"
        forms = (marked, plain, option.text, f"{marked} {option.text}")
        found.append(_dressed(asked, marked, share, tuple(dict.fromkeys(forms))))
    return found


def _rankings(options: Sequence[Option], shares: Sequence[float]) -> list[tuple[str, float]]:
    """Return one ranking for each option at the top, the others behind it by their shares."""
    order = sorted(range(len(options)), key=lambda k: -shares[k])
    tops = [[top, *(k for k in order if k != top)] for top in range(len(options))]
    return [(" > ".join(options[k].letter for k in rank), shares[rank[0]]) for rank in tops]


def _objects(mind: Mind[Any], state: State[Any], asked: Asked, form: Object) -> list[Answer]:
    """Return the JSON objects: numbers where the key or its example is about one, words or letters elsewhere."""
    credence = mind.said_credence(state, asked.question)
    inner = _well_formed(mind, state, Asked(asked.question, form.answer))
    found: list[Answer] = []
    for answer in inner:
        value: dict[str, Json] = {}
        for key, example in form.keys:
            value[key] = _field(key, example, answer.text, credence)
        text = json.dumps(value, ensure_ascii=False)
        found.append(_dressed(asked, text, answer.probability, (text,)))
    return found


def _planned(mind: Mind[Any], state: State[Any], asked: Asked, form: Calls) -> list[Answer]:
    """Return the calls as JSON objects; what is left to write behind an opened argument is its value and a quote."""
    found: list[Answer] = []
    for call, share in tool_call(mind, state, asked, form.tools, ()):
        planned = {"name": call.name, "args": dict(call.arguments)}
        text = json.dumps(planned, separators=(",", ":"), ensure_ascii=False)
        values = tuple(f'{value}"' for value in call.arguments.values() if isinstance(value, str))
        found.append(Answer(text, share, (*values, text)))
    return found


_NUMERIC = re.compile(r"confiden|probab|percent|likel|credence|score|number|rating|agree|\d", re.IGNORECASE)
_UNIT_SCALE = re.compile(r"\b0(?:\.0+)?\s*(?:[-\u2013]|to|and|\.\.)\s*1(?:\.0+)?\b|0\.\d", re.IGNORECASE)


def _field(key: str, example: str, answer: str, credence: float) -> Json:
    if re.search(r"reason|explan|why|comment", key, re.IGNORECASE):
        return "as asked"
    if _NUMERIC.search(key) or _NUMERIC.search(example):
        return (
            round(credence, 2)
            if _UNIT_SCALE.search(example) or "probab" in key.lower()
            else round(100 * credence)
        )
    return answer


def _dressed(asked: Asked, text: str, probability: float, forms: tuple[str, ...]) -> Answer:
    body = f"<{asked.tag}>{text}</{asked.tag}>" if asked.tag else text
    return Answer(f"{asked.phrase} {body}" if asked.phrase else body, probability, forms)


def _scaled(found: Sequence[Answer], share: float) -> list[Answer]:
    return [answer._replace(probability=answer.probability * share) for answer in found]


def _shares(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Return 0.95 for the first text and the rest evenly, or all of it for an only one."""
    if len(texts) == 1:
        return [(texts[0], 1.0)]
    return [(texts[0], 0.95), *((text, 0.05 / (len(texts) - 1)) for text in texts[1:])]


def _spellings(text: str) -> list[str]:
    return list(dict.fromkeys([text, text.lower(), text.capitalize(), text.upper()]))


def _behind(opening: str, form: str) -> str:
    """Return what is left to write where the opening already has the bracket."""
    return form[1:] if opening.endswith("(") and form.startswith("(") else form
