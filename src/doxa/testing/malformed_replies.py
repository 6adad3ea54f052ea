# ruff: noqa: E501 - the slips are lists of short texts, many to a line
"""Replies from a grammar of known slips, each with what a careful person would read in it, or None for nothing.

It is one grammar, and longer than other files because most of it is lists: languages, markdown, refusals, two options at
once, denials, full-width digits, numbers too large, spans, nested and cut JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple, cast

from doxa.elicit.readers import (
    Field,
    Reading,
    read_choice,
    read_json,
    read_letter,
    read_number,
    read_ranking,
    read_tool_call,
    read_yes_no,
)
from doxa.subjects.base import Reply, ToolCall

LABELS = ("Yes", "No", "Undeterminable")
SIDES = ("for", "against")
SCHEMA = {"credence": Field("integer", 0, 100)}


def _read_tool(text: str) -> Reading:
    """Read a text as the arguments of a call if it is a JSON object, and as a reply without a call if it is not."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    calls = (ToolCall("vote", cast(dict[str, Any], found)),) if isinstance(found, dict) else ()
    return read_tool_call(Reply("" if calls else text, tool_calls=calls), "vote", "side", SIDES)


READERS: Mapping[str, Callable[[str], Reading]] = {
    "letter": lambda text: read_letter(text, ("A", "B", "C"), LABELS),
    "yes-no": read_yes_no,
    "choice": lambda text: read_choice(text, SIDES),
    "number": lambda text: read_number(text, 0, 100),
    "ranking": lambda text: read_ranking(text, ("A", "B", "C")),
    "json": lambda text: read_json(text, SCHEMA),
    "tool": _read_tool,
}
"""The reader of each kind of question in the grammar."""


class Case(NamedTuple):
    """A reply to one kind of question; ``value`` is None where it holds no answer."""

    kind: str
    text: str
    value: Any


BEFORE = [
    "",
    "Let me think step by step. James said so himself.\n\n",
    '<think>Could be (B) or (C), say 12 or 99, yes or no. {"credence": 1} C > B > A</think>\n',
    "<thinking>I cannot answer (C)</thinking>",
    "Le texte le dit clairement.\n",
    "Der Text ist eindeutig.\n",
    "文本说得很清楚。\n",
    "\u200b\ufeff \t\n",
    "As an AI, I don't have personal opinions, but I was asked to decide.\n",
    "### Analysis\n- James holds the view\n- Mary does too\n\n",
]
AFTER = [
    "",
    ".",
    "\n",
    "  \r\n",
    "<|im_end|>",
    "</s>",
    "\u200b",
    "\n\nThis follows from the statement above.",
]
MARKS = [
    "So, the answer is ",
    "So, the answer is: ",
    "**Answer:** ",
    "The correct answer is ",
    "final answer: ",
    "SO, THE ANSWER IS, ",
    "Therefore the answer is\n\n",
    "the answer to this question is ",
]
REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I cannot answer this question.",
    "As an AI language model, I do not hold beliefs.",
    "I won't choose between these options.",
    "I’m not able to take a position on this.",
    "I must decline to answer.",
    "I'd rather not say.",
    "Sorry, I am unable to comply with this request.",
    "It would be inappropriate for me to pick a side.",
    "Lo siento, no puedo responder.",
    "Es tut mir leid, ich kann nicht antworten.",
    "抱歉，我无法回答这个问题。",
]
NOTHING = [
    "",
    " ",
    "\n\n\t",
    "\u200b",
    "...",
    "?",
    "-",
    "null",
    "N/A",
    "<think>still thinking about (A) 70 yes",
    "🤷",
    "\x00\x1b[31m",
]


def cases() -> Iterator[Case]:
    """Yield every reply of the grammar."""
    for kind, text in product(READERS, [*NOTHING, *REFUSALS]):
        yield Case(kind, text, None)
    yield from _letters()
    yield from _yes_no()
    yield from _numbers()
    yield from _rankings()
    yield from _choices()
    yield from _json()
    yield from _tools()


def _letters() -> Iterator[Case]:
    styles = [
        "({})",
        "{}",
        "**{}**",
        "**({})**",
        "[{}]",
        "`{}`",
        '"{}"',
        "\\boxed{{{}}}",
        "({}) {label}",
        "**({}) {label}**",
    ]
    for letter, label in zip("ABC", LABELS, strict=True):
        written = [style.format(letter, label=label) for style in styles]
        written += [
            f"({letter.lower()})",
            f"（{chr(ord(letter) + 0xFEE0)}）",
            chr(ord(letter) + 0x1D400 - 65),
        ]
        for before, mark, form, after in product(BEFORE, MARKS, written, AFTER):
            yield Case("letter", before + mark + form + after, letter)
        for before, form in product(
            BEFORE, [f"({letter})", letter, f"{letter})", f"({letter}) {label}.", f"**{letter}**", label]
        ):
            if before and form == label and not before.endswith("\n"):
                continue
            yield Case("letter", before + form, letter)
        other = "B" if letter == "A" else "A"
        wrong = LABELS["ABC".index(other)]
        none = [
            f"not ({letter})", f"({letter}) or ({other})", f"either ({letter}) or ({other})", f"{letter}/{other}", f"{letter} or {other}",
            f"both ({letter}) and ({other})", f"({letter}), no wait, ({other})", f"neither ({letter}) nor ({other})", "(D)", "(X)", "D", "Q",
            f"({letter}) {wrong}", f"({letter})?", f"maybe ({letter})", f"possibly {letter}", f"({letter}{other})", f"{letter}{other}", "none of the above",
            "(", f"({letter}", "unclear", "up to you", "a matter of taste", f"{letter}1", "Alpha", "(A) (B) (C)", "~~(A)~~ (B)", f"({letter}́)",
        ]  # fmt: skip
        for before, mark, form in product(BEFORE, MARKS, none):
            yield Case("letter", before + mark + form, None)
        for text in [
            f"It is not ({letter}).", f"I would rule out ({letter}).", f"({letter}) is incorrect.", f"({letter}) can't be right.", f"Is it ({letter})?",
            f"Maybe ({letter})", f"It might be ({letter}).", f"Some people would say ({letter}).", f"I doubt whether ({letter}) holds.", f"({letter}) or ({other})",
            f"La respuesta no es ({letter}).", f"Die Antwort ist nicht ({letter}).", f"答案不是({letter})", f"({letter})ではありません", "A and B", "Option D",
            f"I don't think the answer is ({letter}).", f"I can't say that the answer is {letter}.", f"If I had to guess whether the answer is {letter}",
            f"So, the answer is ({letter}). So, the answer is not ({letter}).", f"({letter}) Yes\n({other}) No", f"{letter}\n{other}", "Yes and no.", "Not yes.",
            f"{letter} and {other}", "As expected", "I", "Another one", "А", "Ответ: А", f"The answer isn't ({letter}).", f"Anything but ({letter})",
            f"<answer>{letter}", f"So, the answer is ({letter}).\n\nActually, I'm sorry, but I can't answer that.", f"I can't help with that. ({letter})",
        ]:  # fmt: skip
            yield Case("letter", text, None)
        for refusal, mark in product(REFUSALS[:9], MARKS):
            yield Case("letter", f"{refusal}\nHowever, if I must: {mark}({letter}).", letter)
            yield Case("letter", f"{refusal} The options were ({letter}) and ({other}).", None)


def _yes_no() -> Iterator[Case]:
    for word, value in [
        ("yes", "yes"),
        ("no", "no"),
        ("I don't know", "unknown"),
        ("cannot be determined", "unknown"),
    ]:
        forms = [
            word,
            word.capitalize(),
            word.upper(),
            f"**{word}**",
            f'"{word}"',
            f"{word}.",
            f"{word}!",
            f" {word} .",
        ]
        for before, form, after in product(BEFORE, forms, AFTER):
            if before == "" or before.endswith(("\n", ">")):
                yield Case("yes-no", before + form + after, value)
        for before, mark, after in product(BEFORE, MARKS, AFTER):
            yield Case("yes-no", f"{before}{mark}{word}{after}", value)
    for word, other in (("yes", "no"), ("no", "yes")):
        for rest in [
            ", James believes it.",
            ". He said it himself.",
            " - that is what was said.",
            "; the text is clear.",
        ]:
            yield Case("yes-no", word.capitalize() + rest, word)
        for text in [
            f"{word} and {other}", f"{word}/{other}", f"{word} or {other}", f"{word}, {other}", f"{word}. {other}.", f"not {word}", f"{word}?", f"{word}, but maybe {other}.",
            f"either {word} or {other}", f"both {word} and {other}", f"neither {word} nor {other}", f"The answer is not {word}.", f"{word}\n{other}", f"maybe {word}",
            f"I can't say {word}.", f"Some would say {word}.", f"{word}ish", f"{word}terday", f"I don't know, {word}?", f"The answer is {word} or {other}.",
        ]:  # fmt: skip
            yield Case("yes-no", text, None)
    for text in [
        "No doubt about it",
        "nope-ish",
        "yesno",
        "It is so.",
        "Indeed",
        "The answer is no longer clear",
        "There is no evidence either way for it, or is there?",
    ]:
        yield Case("yes-no", text, None)


def _choices() -> Iterator[Case]:
    for word, other in (SIDES, SIDES[::-1]):
        forms = [
            word,
            word.capitalize(),
            word.upper(),
            f"**{word}**",
            f'"{word}"',
            f"{word}.",
            f" {word} .",
            f"{word}!",
        ]
        for before, form, after in product(BEFORE, forms, AFTER):
            if before == "" or before.endswith(("\n", ">")):
                yield Case("choice", before + form + after, word)
        for before, mark, after in product(BEFORE, MARKS, AFTER):
            yield Case("choice", f"{before}{mark}{word}{after}", word)
        for text in [
            f"{word} and {other}", f"{word}/{other}", f"{word} or {other}", f"{word}. {other}.", f"not {word}", f"{word}?", f"maybe {word}", f"either {word} or {other}",
            f"both {word} and {other}", f"neither {word} nor {other}", f"The answer is not {word}.", f"{word}\n{other}", f"I can't say {word}.", f"{word}ever", f"{word}most",
            f"Some would vote {word}.", f"The answer is {word} or {other}.", f"un{word}", "abstain", "The answer is neither.", f"If I were asked, {word}",
        ]:  # fmt: skip
            yield Case("choice", text, None)


def _tools() -> Iterator[Case]:
    for side, other in (SIDES, SIDES[::-1]):
        for text in [
            f'{{"side": "{side}"}}',
            f' {{"side":"{side}","why":"{other}"}}\n',
            f'{{"why": {{"side": "{other}"}}, "side": "{side}"}}',
        ]:
            yield Case("tool", text, side)
        for text in [
            f'{{"side": "{side.upper()}"}}', f'{{"side": "{side} "}}', f'{{"side": ["{side}"]}}', f'{{"side": {{"{side}": true}}}}', f'{{"Side": "{side}"}}', f'{{"vote": "{side}"}}',
            f'{{"side": "{side}"', f"{{'side': '{side}'}}", f'["{side}"]', f'"{side}"', side, f"I vote {side}.", f'{{"side": "{side} and {other}"}}', f'{{"side": "not {side}"}}',
            '{"side": null}', '{"side": true}', '{"side": 1}', '{"side": ""}', "{}", f'{{"a": {{"side": "{side}"}}}}',
        ]:  # fmt: skip
            yield Case("tool", text, None)


def _numbers() -> Iterator[Case]:
    for number in (0, 7, 42, 60, 75, 100):
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in str(number))
        arabic = "".join(chr(ord(digit) - 48 + 0x660) for digit in str(number))
        forms = [
            f"{number}",
            f"{number}%",
            f"{number} %",
            f"{number}.0",
            f"**{number}**",
            f"{number}/100",
            f"{number} out of 100",
            wide,
            arabic,
            f"{number} percent",
            f"+{number}",
        ]
        for before, mark, form, after in product(BEFORE, MARKS, forms, AFTER):
            yield Case("number", before + mark + form + after, float(number))
        for before, form, after in product(
            BEFORE,
            [*forms, f"<number>{number}</number>", f"<number> {number}% </number>", f"\\boxed{{{number}}}"],
            AFTER,
        ):
            if before == "" or before.endswith(("\n", ">")):
                yield Case("number", before + form + after, float(number))
        none = [
            f"around {number}", f"about {number}", f"~{number}", f"{number}-{number + 10}%", f"{number} to {number + 10}", f"between {number} and {number + 10}", f"{number}?",
            f"{number} or {number + 5}", f"{number}e309", f"{number},000", f"{number}ish", f"{number}+", f"more than {number}", f">{number}", f"<{number}", f"≈{number}", f"{number}±5",
            f"{number}–{number + 10}", f"{number}²", f"{number}½", f"{number}/7", f"{number} out of 12", f"{number}x", f"{number}.{number}.{number}", f"-{number + 1}", f"{number + 101}",
            f"not {number}", f"maybe {number}", f"{number}, or maybe {number + 3}", f"{number}°", f"{number}^2", f"0.{number + 1}", "nan", "inf", "1e309", "seventy", "half",
        ]  # fmt: skip
        for before, mark, form in product(BEFORE, ["", *MARKS], none):
            yield Case("number", before + mark + form, None)
        for text in [f"<number>{number}", f"<number>{number}-{number + 9}</number>", f"<number></number> {number}", f"I read {number} books, so I am quite sure", f"{number}\n{number + 1}",
                     f"<number>{number}</number><number>{number + 1}</number>x {number}", f"The answer is: {number}.\nI'm sorry, I cannot answer that."]:  # fmt: skip
            if "</number><number>" not in text:
                yield Case("number", text, None)


def _rankings() -> Iterator[Case]:
    for order in ("ABC", "BCA", "CBA", "BAC"):
        a, b, c = order
        forms = [
            f"{a} > {b} > {c}", f"{a}>{b}>{c}", f"({a}) > ({b}) > ({c})", f"{a}, {b}, {c}", f"1. {a}\n2. {b}\n3. {c}", f"1) ({a})\n2) ({b})\n3) ({c})", f"Ranking: {a} > {b} > {c}",
            f"**{a} > {b} > {c}**", f"My final ranking is: {a}, {b}, {c}.", "Ａ > Ｂ > Ｃ" if order == "ABC" else f"{a} >> {b} >> {c}", f"{a}; {b}; {c}", f"{a} -> {b} -> {c}",
        ]  # fmt: skip
        for before, form in product(BEFORE, forms):
            if before == "" or before.endswith(("\n", ">")):
                yield Case("ranking", before + form, (a, b, c))
        for mark, form in product(MARKS, forms[:4]):
            yield Case("ranking", mark + form, (a, b, c))
        for before, form in product(BEFORE, [
            f"{a} = {b} > {c}", f"{a} < {b} < {c}", f"{a} > {b}", f"{a} > {b} > {b}", f"{a} > {b} > {c} > {a}", f"{a} > {b} > D", f"{a}, {b} > {c}", f"{a} ~ {b} ~ {c}", f"{a} {b} {c}",
            f"1. {a}\n2. {b}", f"1. {a}\n2. {a}\n3. {c}", f"2. {a}\n1. {b}\n3. {c}", f"{a} > {b} > {c}\n{b} > {a} > {c}", f"{a} > {b} > {c} or {b} > {a} > {c}", f"not {a} > {b} > {c}",
            f"{a} > ({b} = {c})", f"{a}{b}{c}", f"{a} > {b} >", "all equal", f"The answer is not {a} > {b} > {c}",
        ]):  # fmt: skip
            yield Case("ranking", before + form, None)


def _json() -> Iterator[Case]:
    for number in (0, 7, 42, 100):
        good = [
            f'{{"credence": {number}}}', f'{{ "credence" : {number}.0 }}', f'{{"why": "a }} brace and \\"quotes\\" {{", "credence": {number}}}', f'{{"credence": {number}, "more": {{"x": [1, 2]}}}}',
            f'```json\n{{"credence": {number}}}\n```', f'[{{"credence": {number}}}]', f'{{"credence": {number}}}\n{{"credence": {number}}}', f'{{"why": "I can\'t be sure", "credence": {number}}}',
        ]  # fmt: skip
        for before, form, after in product(BEFORE, good, AFTER):
            yield Case("json", before + form + after, {"credence": number})
        for before, form in product(BEFORE, [
            f'{{"credence": "{number}"}}', f'{{"credence": {number}', f'{{"credence": {number},}}', f"{{'credence': {number}}}", f"{{credence: {number}}}", f'{{"answer": {{"credence": {number}}}}}',
            f'{{"credence": {number}.5}}', '{"credence": NaN}', '{"credence": 1e309}', '{"credence": Infinity}', '{"credence": true}', '{"credence": null}', f'{{"credence": [{number}]}}', "{}", "{",
            f'{{"credence": {number}}} {{"credence": {number + 1}}}', f'{{"credence": {number}, "credence": {number + 1}}}', f'{{"Credence": {number}}}', f'{{"credence": -{number + 1}}}', f'"credence": {number}',
            f'{{"credence": {number + 101}}}', f'{{"credence": {number}}} // {{', '{"credence": ７}', f'{{"credence": {number}-{number + 9}}}', f'{{"credence": {number}%}}', "{" * 300, '{"a":' * 300, "9" * 5000,
            f'{{"credence": {"9" * 5000}}}', f'{{"credence": {number} /* sure */}}', f"credence = {number}", f'{{"credence": {number}}}\nI\'m sorry, I cannot answer that.',
        ]):  # fmt: skip
            yield Case("json", before + form, None)
