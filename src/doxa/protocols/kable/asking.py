"""Putting KaBLE questions to a subject: option log-probabilities or a reply in text, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from doxa.elicit.readers import Found, Reading, Refusal, read_letter
from doxa.errors import InputError, did_you_mean
from doxa.protocols.kable.items import KableItem, choose
from doxa.protocols.kable.questions import ANSWERS, LETTERS
from doxa.protocols.kable.rows import one_version, prompt_version, rows_from_letters, rows_from_log_probs
from doxa.protocols.kable.summary import KableResult, summarise
from doxa.streams import stream
from doxa.subjects.base import Capability, Query, Reply, Sampling, Subject, require, user

Method: TypeAlias = Literal["auto", "logprob", "generate"]
METHODS: tuple[Method, ...] = ("auto", "logprob", "generate")
Progress: TypeAlias = Callable[[int, int], None]
"""Called with the questions done and the questions in all."""

OPTION_TEXTS = tuple(f" ({letter})" for letter in LETTERS)
"""What is scored behind "Answer:"; as the beginning of a chat turn it stands without the space."""


class Asked(NamedTuple):
    """What asking gave: the rows, and the raw replies (None where letters were scored)."""

    rows: pl.DataFrame
    replies: list[Reply] | None


def evaluate(
    model: Subject,
    items: Sequence[KableItem],
    method: Method | str = "auto",
    limit: int | None = None,
    *,
    seed: int = 0,
    batch: int = 512,
    max_tokens: int = 512,
    progress: Progress | None = None,
) -> KableResult:
    """Ask a subject KaBLE questions, one question per call and zero-shot, and return what its answers show.

    Args:
        model: the subject.
        items: questions from :func:`load`, all of one prompt version.
        method: ``logprob`` scores " (A)", " (B)" and " (C)" behind the prompt's "Answer:", or "(A)", "(B)" and
            "(C)" as the reply to a chat turn; ``generate`` takes a reply at temperature 0 and reads its letter;
            ``auto`` scores where the subject can.
        limit: questions per task, type and subject (drawn, the same sentences everywhere); None asks all.
        seed: seed of that draw and of the bootstrap.
        batch: questions handed to the subject at once.
        max_tokens: longest reply.
        progress: called after each batch.

    Raises:
        InputError: no questions, an unknown method, or prompts of two versions.
        CapabilityError: the subject cannot do what the method needs.
    """
    asked = ask(
        model, choose(items, limit, seed=seed), method, batch=batch, max_tokens=max_tokens, progress=progress
    )
    return summarise(asked.rows, stream(seed, "kable", "bootstrap"))


def ask(
    model: Subject,
    items: Sequence[KableItem],
    method: Method | str = "auto",
    *,
    batch: int = 512,
    max_tokens: int = 512,
    progress: Progress | None = None,
) -> Asked:
    """Ask every question and return its row; arguments and errors as in :func:`evaluate`."""
    if method not in METHODS:
        raise InputError(f"method={method!r}: {did_you_mean(str(method), METHODS)}")
    if batch < 1:
        raise InputError(f"batch={batch}: must be >= 1")
    one_version(prompt_version(item.prompt) for item in items)
    framing = framing_of(model)
    if method == "logprob" or (method == "auto" and Capability.SCORE in model.capabilities):
        return Asked(_scored(model, items, framing, batch, progress), None)
    replies = _replies(model, items, batch, max_tokens, progress)
    read = [read_reply(reply) for reply in replies]
    rows = rows_from_letters(items, [one.letter for one in read], [one.missing for one in read], framing)
    return Asked(rows, replies)


class LetterRead(NamedTuple):
    """A letter read from a reply, or None and the reason."""

    letter: str | None
    missing: str | None


def read_reply(reply: Reply) -> LetterRead:
    """Return the letter of a reply; a fault, a refusal and unreadable text are missing, with the reason."""
    if reply.finish == "fault":
        return LetterRead(None, f"fault: {reply.fault}")
    reading = _read(reply.text, cut=reply.finish == "length")
    if isinstance(reading, Found):
        return LetterRead(str(reading.value), None)
    kind = "refusal" if isinstance(reading, Refusal) or reply.finish == "refusal" else "unparsed"
    return LetterRead(None, f"{kind}: {reading.reason}")


def parse_answer(text: str) -> str | None:
    """Return the letter a reply ends with, or None.

    In order: the last "So, the answer is (X)", whatever its case, markdown and brackets (several letters behind
    it: none); else a sole bracketed letter; else a line that is only a letter; else Yes, No or Undeterminable as
    the last word. A denied letter, and two of these signs that disagree, are none. See
    :func:`doxa.elicit.readers.read_letter`.

    >>> parse_answer("It cannot be known. So, the answer is **(C)**."), parse_answer("(A) or (B)")
    ('C', None)
    """
    reading = _read(text)
    return str(reading.value) if isinstance(reading, Found) else None


def _read(text: str, *, cut: bool = False) -> Reading:
    return read_letter(text, LETTERS, tuple(ANSWERS.values()), cut=cut)


def framing_of(model: Subject) -> str:
    """Return how the subject puts a question: ``chat``, ``roles``, ``verbatim``, or ``own`` if it does not say."""
    asked = getattr(model, "subject", model)  # a cache answers for the subject behind it
    return str(getattr(asked, "framing", "own"))


def option_texts(framing: str) -> tuple[str, ...]:
    """Return what is scored as the answer: behind "Answer:", or without the space as the beginning of a chat turn."""
    return tuple(text.lstrip() for text in OPTION_TEXTS) if framing == "chat" else OPTION_TEXTS


def _scored(
    model: Subject, items: Sequence[KableItem], framing: str, batch: int, progress: Progress | None
) -> pl.DataFrame:
    require(model, Capability.SCORE)
    options = option_texts(framing)
    log_probs = np.empty((len(items), len(LETTERS)))
    for start in range(0, len(items), batch):
        part = items[start : start + batch]
        scores = model.score([Query((user(item.prompt),), options) for item in part])
        log_probs[start : start + len(part)] = np.stack(scores)
        if progress is not None:
            progress(start + len(part), len(items))
    return rows_from_log_probs(items, log_probs, framing)


def _replies(
    model: Subject, items: Sequence[KableItem], batch: int, max_tokens: int, progress: Progress | None
) -> list[Reply]:
    require(model, Capability.REPLY)
    replies: list[Reply] = []
    for start in range(0, len(items), batch):
        part = items[start : start + batch]
        replies += model.reply(
            [(user(item.prompt),) for item in part], sampling=Sampling(max_tokens=max_tokens)
        )
        if progress is not None:
            progress(len(replies), len(items))
    return replies
