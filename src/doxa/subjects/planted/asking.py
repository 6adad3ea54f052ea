"""What the last user turn asks, and in which form it wants the answer.

Planted subjects answer the forms in which beliefs are asked for: the micro world's own words, lettered options, a
ranking of them, a number between two ends, a tagged answer, a JSON object, a tool call written as one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast

from doxa.canonical import Json, canonical_json
from doxa.subjects.base import Conversation, Tool
from doxa.subjects.planted.mind import Heard, Said
from doxa.worlds.micro import (
    Attitude,
    DoesBelieve,
    Fact,
    HowSure,
    IsTrue,
    Question,
    Report,
    Stance,
    Supports,
    Unread,
    Vote,
    VoteTrue,
    WhatFlag,
    read,
)


class Option(NamedTuple):
    """A lettered option: ``(A) Yes`` is Option("A", "Yes")."""

    letter: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """Answer with the words of the micro world, or yes and no, or "I don't know" where that is ``unsure``."""

    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Letters:
    """Answer with the letter of an option; ``ranked`` asks for all letters, most likely first."""

    options: tuple[Option, ...]
    brackets: bool
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """Answer with a number between two ends, in whole steps, or in hundredths where the upper end is 1.

    ``upside_down`` is a scale whose lower end means agreement.
    """

    low: float
    high: float
    upside_down: bool = False


@dataclass(frozen=True, slots=True)
class Object:
    """Answer with a JSON object of these keys, each with its example; ``answer`` is the form of its answer."""

    keys: tuple[tuple[str, str], ...]
    answer: Words | Letters


@dataclass(frozen=True, slots=True)
class Calls:
    """Answer with a JSON object that calls one of these tools: ``{"name": ..., "args": {...}}``."""

    tools: tuple[Tool, ...]


Form: TypeAlias = Words | Letters | Number | Object | Calls


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked.

    Attributes:
        question: the micro question, or None if it asks something outside the micro world.
        form: the form of the answer.
        phrase: words the answer must begin with, such as ``The answer is:``; empty if none is demanded.
        tag: name of the tag the answer must stand in, or "".
        anything: whether anything is asked at all.
    """

    question: Question | None
    form: Form
    phrase: str = ""
    tag: str = ""
    anything: bool = True


_PHRASE = re.compile(r"(?:so,\s+)?the\s+answer\s+is\b\s*[:,]?", re.IGNORECASE)
_BLOCK = re.compile(r"^[ \t]*([(\[]?)([A-Z])[)\].:][ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]*(?:question|statement|text)[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"<([A-Za-z_][\w-]{0,40})>[^<>]{0,80}</\1>")
_SCALE = re.compile(
    r"(?:from|between|scale(?: of)?)\s+(\d{1,3})(?:\.0)?\s*(?:[-\u2013]|to|and|through)\s*(\d{1,3})(?:\.0)?\b"
    r"|\b(0|1)(?:\.0)?\s*(?:[-\u2013]|\.\.\.?|\u2026|to|and|through)\s*(1|5|7|10|100)(?:\.0)?\b(?!\s*-)",
    re.IGNORECASE,
)
_ANCHORS = re.compile(r'\d means "([^"\n]{0,80})".{0,160}\d means "([^"\n]{0,80})"', re.DOTALL)
_UNSURE = re.compile(r"\bi don'?t know\b|\bdon'?t know\b", re.IGNORECASE)
_PERCENT = re.compile(r"\bpercent(?:age)?\b|\bprobability\b", re.IGNORECASE)
_KEY = re.compile(r'"([^"\n]{1,60})"\s*:\s*("[^"\n]*"|[^,}\n]*)')
_YES_NO = re.compile(r"\byes\b.{0,40}\bno\b", re.IGNORECASE | re.DOTALL)


def events(conversation: Conversation) -> Iterable[Heard]:
    """Yield what the user's turns tell and what the subject said of facts, in order; the rest is passed over."""
    last: Question | None = None
    for message in conversation:
        if message.role == "user":
            last = None
            for found in read(message.content):
                if isinstance(found, Fact | Attitude | Stance | Report):
                    yield found
                elif not isinstance(found, Unread):
                    last = found
        elif message.role == "assistant":
            yield from _said(last, message.content)
            last = None


def _said(question: Question | None, answer: str) -> Iterable[Said]:
    """Yield what an answer of the subject's own says of a fact."""
    if isinstance(question, IsTrue) and side(answer):
        yield Said(question.fact, side(answer) > 0)
    elif isinstance(question, WhatFlag):
        for fact in read(answer):
            if isinstance(fact, Fact):
                yield Said(fact, True)


def asked(conversation: Conversation) -> Asked:
    """Return what the last user turn asks; instructions on form are read from the system turn too."""
    last = next((message.content for message in reversed(conversation) if message.role == "user"), "")
    rules = "\n".join([message.content for message in conversation if message.role == "system"] + [last])
    questions = [
        found
        for found in read(_LABEL.sub("", last))
        if isinstance(found, IsTrue | DoesBelieve | Supports | Vote | VoteTrue | WhatFlag | HowSure)
    ]
    question = questions[-1] if questions else None
    form = _form(last, rules)
    tag = _TAG.search(rules)
    told = [found for found in read(last) if not isinstance(found, Unread)]
    anything = bool(
        question or not isinstance(form, Words) or tag or "?" in last or _YES_NO.search(last) or not told
    )
    return Asked(question, form, _phrase(rules), tag.group(1) if tag else "", anything)


def _form(last: str, rules: str) -> Form:
    options, brackets = _options(last)
    letters = Letters(options, brackets) if options else None
    tools = _listed_tools(last)
    if tools:
        return Calls(tools)
    keys = _object_keys(rules)
    if keys:
        return Object(keys, letters or Words())
    if letters:
        return Letters(options, brackets, ranked=re.search(r"\brank", rules, re.IGNORECASE) is not None)
    scale = _SCALE.search(_TAG.sub(" ", rules))
    ends = [float(end) for end in scale.groups() if end is not None] if scale else [0.0, 100.0]
    if (scale and ends[0] < ends[1]) or _PERCENT.search(rules):
        anchors = _ANCHORS.search(rules)
        return Number(*ends, upside_down=anchors is not None and side(anchors[1]) > side(anchors[2]))
    return Words(_UNSURE.search(rules) is not None)


_YES = frozenset(["yes", "true", "for", "support", "agree", "correct", "likely", "approve"])
_NO = frozenset(["no", "false", "against", "oppose", "disagree", "incorrect", "unlikely", "reject", "not"])


def side(text: str) -> int:
    """Return +1 if the first word that says yes or no says yes, -1 if it says no, 0 without such a word."""
    for word in re.findall(r"[a-z']+", text.lower()):
        if word in _YES or word in _NO:
            return 1 if word in _YES else -1
    return 0


def _options(text: str) -> tuple[tuple[Option, ...], bool]:
    """Return the last run of lettered lines A, B, ... and whether its letters stand in brackets."""
    runs: list[list[re.Match[str]]] = []
    for match in _BLOCK.finditer(text):
        if match.group(2) == "A":
            runs.append([match])
        elif runs and ord(match.group(2)) == ord(runs[-1][-1].group(2)) + 1:
            runs[-1].append(match)
    full = [run for run in runs if len(run) >= 2]
    if not full:
        return (), False
    return tuple(Option(match.group(2), match.group(3)) for match in full[-1]), full[-1][0].group(1) != ""


def _phrase(rules: str) -> str:
    found = _PHRASE.findall(rules)
    return found[-1].rstrip(" ,\t\n") if found else ""


def _listed_tools(text: str) -> tuple[Tool, ...]:
    """Return the tools that a text lists, each on a line of its own as a JSON object with name and parameters."""
    found: list[Tool] = []
    for line in text.splitlines() if '"parameters"' in text else ():
        try:
            value = json.loads(line)
            canonical_json(value)  # what is not finite has no JSON form and could not be passed on
        except (ValueError, RecursionError):
            continue
        row = cast(dict[str, Json], value) if isinstance(value, dict) else {}
        name, parameters = row.get("name"), row.get("parameters")
        if isinstance(name, str) and isinstance(parameters, Mapping):
            found.append(Tool(name, str(row.get("description", "")), parameters))
    return tuple(found)


def _object_keys(rules: str) -> tuple[tuple[str, str], ...]:
    """Return keys and examples of the JSON object a text demands, if it demands one."""
    if "json" not in rules.lower():
        return ()
    for start in [match.start() for match in re.finditer(r"\{", rules)][:8]:
        end = rules.find("}", start)
        if end < 0:
            return ()
        body = rules[start : end + 1]
        try:
            value = json.loads(body)
        except ValueError:
            pairs = tuple((match.group(1), match.group(2).strip(' "')) for match in _KEY.finditer(body))
            if pairs:
                return pairs
            continue
        if isinstance(value, dict) and value:
            return tuple((str(key), str(example)) for key, example in cast(dict[str, object], value).items())
    return ()
