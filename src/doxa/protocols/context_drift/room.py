"""Whether a text fits into what a subject can take in, known before it is asked."""

from __future__ import annotations

import math

from doxa.errors import ContextError
from doxa.subjects.base import Sampling, Subject, user

PROBE_CHARACTERS = 2000
"""Kept free for the questions after a context: the longest shipped task with its calls takes 1,700."""

USUAL_TOKENS_PER_CHARACTER = 0.3
"""Taken where a subject does not count its tokens."""

_SAMPLE_CHARACTERS = 1000


def tokens_per_character(model: Subject, text: str) -> float:
    """Return how many tokens a subject's prompt takes per character of a text, measured on its beginning."""
    sample = text[:_SAMPLE_CHARACTERS]
    [reply] = model.reply([(user(sample),)], sampling=Sampling(max_tokens=1))
    return reply.tokens_in / len(sample) if reply.tokens_in > 0 else USUAL_TOKENS_PER_CHARACTER


def require_room(model: Subject, text: str, reply_tokens: int) -> None:
    """Raise ContextError, with the numbers, if a text, a reply and later probes do not fit the subject's context."""
    limit = model.context_tokens
    # no tokenizer takes more tokens than there are bytes
    if limit is None or len(text.encode("utf-8", "replace")) + PROBE_CHARACTERS + reply_tokens < limit:
        return
    rate = tokens_per_character(model, text)
    needed = math.ceil((len(text) + PROBE_CHARACTERS) * rate) + reply_tokens
    if needed > limit:
        words = len(text.split())
        characters = max(0.0, (limit - reply_tokens) / rate - PROBE_CHARACTERS)
        fits = math.floor(0.095 * words * characters / len(text)) * 10  # words differ in length: 5 % to spare
        raise ContextError(
            f"{words} words need about {needed} tokens of context with the questions after them; {model.address} "
            f"takes {limit}; read at most {fits} words (max_words={fits})"
        )


def require_turns(
    model: Subject, turns: int, tokens: int, *, unit: str, per_unit: int = 1, before: int = 0
) -> None:
    """Raise ContextError, with the numbers, if that many full turns and later probes do not fit the subject's context.

    Args:
        model: who must take it in.
        turns: turns after what stands first.
        tokens: tokens of a turn at most.
        unit: the setting that counts them, for the message: rounds or max_steps.
        per_unit: turns that one of it makes.
        before: turns that stand first whatever their number.
    """
    limit = model.context_tokens
    asked = math.ceil(PROBE_CHARACTERS * USUAL_TOKENS_PER_CHARACTER)
    needed = (before + turns) * tokens + asked
    if limit is not None and needed > limit:
        fits = math.floor(((limit - asked) / tokens - before) / per_unit)
        most = f"use {unit} <= {fits}" if fits >= 1 else "take a model with a longer context"
        raise ContextError(
            f"{unit}={turns // per_unit} with turns of {tokens} tokens need up to {needed} tokens of context; "
            f"{model.address} takes {limit}; {most}, or shorter turns"
        )
