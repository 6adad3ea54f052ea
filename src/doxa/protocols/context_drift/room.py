"""Whether a text fits into what a subject can take in, known before it is asked."""

from __future__ import annotations

import math

from doxa.errors import InputError
from doxa.subjects.base import Sampling, Subject, user

PROBE_WORDS = 600
"""Words kept free for the questions asked after a context: the longest shipped one has about 250."""

USUAL_TOKENS_PER_WORD = 4 / 3
"""Taken where a subject does not count its tokens."""

_SAMPLE_WORDS = 200


def tokens_per_word(model: Subject, text: str) -> float:
    """Return how many tokens a subject's prompt takes per word of a text, measured on its first 200 words."""
    words = text.split()[:_SAMPLE_WORDS]
    if not words:
        return USUAL_TOKENS_PER_WORD
    [reply] = model.reply([(user(" ".join(words)),)], sampling=Sampling(max_tokens=1))
    return reply.tokens_in / len(words) if reply.tokens_in > 0 else USUAL_TOKENS_PER_WORD


def require_room(model: Subject, text: str, reply_tokens: int) -> None:
    """Raise InputError, with the numbers, if a text, a reply and later probes do not fit the subject's context."""
    limit = model.context_tokens
    words = len(text.split())
    if (
        limit is None or (words + PROBE_WORDS) * 8 + reply_tokens < limit
    ):  # single bytes make 6 or 7 tokens a word
        return
    rate = tokens_per_word(model, text)
    needed = math.ceil((words + PROBE_WORDS) * rate) + reply_tokens
    if needed > limit:
        fits = max(0, math.floor((limit - reply_tokens) / rate) - PROBE_WORDS)
        raise InputError(
            f"{words} words need about {needed} tokens of context with the questions after them; {model.address} "
            f"takes {limit}; read at most {fits} words (max_words={fits})"
        )
