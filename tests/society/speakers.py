"""Subjects for tests, whose replies are a function of what they are shown."""

from __future__ import annotations

import json

import numpy as np

from doxa.canonical import digest
from doxa.subjects.base import Capability, Reply


class Speaker:
    """Answers by a function of the last message; counts what it was asked."""

    address = "speaker"
    form = "published"
    context_tokens = None

    def __init__(self, answer, scores=None):
        self.answer = answer
        self.scores = scores
        self.identity = "speaker"
        self.capabilities = frozenset({Capability.REPLY} | ({Capability.SCORE} if scores else set()))
        self.calls = []
        self.samplings = []
        self.queries = []

    def reply(self, conversations, *, sampling, tools=()):
        self.calls.append([talk[-1].content for talk in conversations])
        self.samplings.append(sampling)
        return [
            answer if isinstance(answer, Reply) else Reply(answer)
            for answer in (self.answer(talk, sampling) for talk in conversations)
        ]

    def score(self, queries):
        self.queries += queries
        return [np.array(self.scores(query)) for query in queries]


def opinion(belief, tweet="hm", **more):
    """Return a well-formed reply."""
    return json.dumps({"tweet": tweet, "belief": belief, "reasoning": "so", **more})


def sensible(talk, sampling):
    """Believe if somebody heard does, by a digest of all that is shown; else write a line."""
    text = talk[-1].content
    if '"belief"' not in text:
        return f"digest {digest(text, length=6)}"
    number = int(digest([talk[0].content, text], length=8), 16)
    return opinion(number % 2, f"tweet {number % 97}")
