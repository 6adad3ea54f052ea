"""A small player of bandits as a model folder, with a tokenizer that reads the English of the task.

It stands in for a model of the user's: ``doxa run east --subject hf:FOLDER --set subject_history=summary
--set max_tokens=5`` asks it as it would ask any other. The tokenizer keeps what the summary says of the arms, as the
network's own tokens, and drops the rest of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from tokenizers import Regex, decoders, normalizers
from transformers import PreTrainedTokenizerFast

from doxa.lab.quiet_loading import quiet
from doxa.nets.words import word_tokenizer
from doxa.protocols.bandit.text import LABELS, WORDINGS
from doxa.worlds import bandit_tokens as layout_of
from doxa.worlds.bandit_teacher import train_students
from doxa.worlds.bandit_tokens import COUNT_ENDS, FIRST_COUNT, MEAN_EDGES, BanditTokens

CHAT_TEMPLATE = "<begin>{% for message in messages %}{{ message.content }}{% endfor %}"

PADDING = "<pad>"
_SPECIAL_WORDS = {layout_of.ACT: "\nAction:", layout_of.FILLER: " well", layout_of.PAD: PADDING}


def save_student(
    folder: str | Path, *, seed: int = 0, steps: int = 1500, batch: int = 128, width: int = 48
) -> Path:
    """Train one network on the teacher's summaries and write it as a folder that plain transformers opens.

    Args:
        folder: where to.
        seed: of the network.
        steps: optimiser steps.
        batch: texts of a step.
        width: of the network.
    """
    layout = BanditTokens("summary")
    students = train_students(layout, [seed], steps=steps, batch=batch, width=width)
    path = Path(folder)
    with quiet():
        students.net.export(0).save_pretrained(path)
        tokenizer(layout).save_pretrained(str(path))
    return path


def tokenizer(layout: BanditTokens) -> PreTrainedTokenizerFast:
    """Return the tokenizer: replacements turn the summary into marks, everything else is dropped."""
    said = {layout_of.ARM_A: f" {LABELS[0]}", layout_of.ARM_B: f" {LABELS[1]}"}
    arms = [(_mark(token), text) for tokens, text in said.items() for token in tokens]
    changes = [normalizers.Replace(Regex(pattern), mark) for pattern, mark in _replacements(layout)]
    return word_tokenizer(
        [_mark(token) for token in range(layout.vocabulary)],
        pad=PADDING,
        pattern=r"<[a-z]+\d*>",
        normalizer=normalizers.Sequence(changes),
        decoder=decoders.Sequence([*(decoders.Replace(mark, text) for mark, text in arms), decoders.Fuse()]),
        template=CHAT_TEMPLATE,
    )


def _mark(token: int) -> str:
    """Return the text of a token: words of a thought as they are said, all else as a mark."""
    if token in _SPECIAL_WORDS:
        return _SPECIAL_WORDS[token]
    if token == layout_of.BEGIN:
        return "<begin>"
    if token in (*layout_of.UNSURE, *layout_of.SURE):
        return f" {layout_of.WORDS[token]}"
    return f"<token{token}>"


def _replacements(layout: BanditTokens) -> Iterable[tuple[str, str]]:
    """Yield patterns of the summary and the marks they become, in the order they apply."""
    for wording, words in enumerate(WORDINGS.values()):
        for number, tokens in ((1, layout_of.ARM_A), (2, layout_of.ARM_B)):
            name = re.escape(LABELS[number - 1])
            yield rf"{number} \({name}\): (?={words.acted} )", _mark(tokens[wording])
        yield rf"Which {words.thing} do you {words.act}\?", _mark(layout_of.THINK[wording])
    acted = "|".join(words.acted for words in WORDINGS.values())
    start = 0
    for bucket, last in enumerate(COUNT_ENDS):
        yield rf"(?:{acted}) (?:{_either(range(start, last + 1))}) times", _mark(FIRST_COUNT + bucket)
        start = last + 1
    yield rf"(?:{acted}) \d+ times", _mark(FIRST_COUNT + len(COUNT_ENDS))
    yield r"nothing yet", _mark(layout.first_reward)
    yield from _means(layout)


def _means(layout: BanditTokens) -> Iterable[tuple[str, str]]:
    """Yield the patterns of mean payoffs, which are written with one digit behind the point."""
    edges = [layout.centre + layout.spread * edge for edge in MEAN_EDGES]
    first = layout.first_reward + 1
    for bucket, (low, high) in enumerate(pairwise(edges), start=1):
        tenths = np.arange(round(10 * low), round(10 * high))
        written = _either(f"{tenth / 10:.1f}" for tenth in tenths)
        yield rf"(?<![\d.-])(?:{written}) points on average", _mark(first + bucket)
    high = [f"{whole}" for whole in range(round(edges[-1]), 200)]
    yield (
        rf"(?<![\d.-])(?:{_either(high)}|[2-9]\d\d|\d{{4,}})\.\d points on average",
        _mark(first + len(edges)),
    )
    yield r"-?\d+\.\d points on average", _mark(first)


def _either(choices: Iterable[object]) -> str:
    return "|".join(re.escape(str(choice)) for choice in choices)
