"""Subjects that answer from what they are told, for the tests of moods."""

import re

import numpy as np

from doxa.canonical import digest
from doxa.streams import stream
from doxa.subjects.base import Capability, Reply

TONES = {
    "strongly negative": ("I hate this.", "That is awful."),
    "slightly negative": ("That is a bit sad.", "I am not glad."),
    "neutral": ("The chair stands there.", "It is on the table."),
    "slightly positive": ("That is nice.", "Fine with me."),
    "strongly positive": ("I love this!", "That is wonderful!"),
}


class Tuned:
    """Answers in the tone whose words stand in its prompt; neutral without any. It counts its calls."""

    address = "tuned"
    capabilities = frozenset({Capability.REPLY, Capability.SCORE, Capability.SAMPLE})
    form = "published"
    context_tokens = None
    identity = "tuned"

    def __init__(self):
        self.calls = []

    def reply(self, conversations, *, sampling, tools=()):
        self.calls.append(list(conversations))
        return [self._reply(conversation, sampling) for conversation in conversations]

    def score(self, queries):
        return [np.log(np.full(len(query.options), self.lean(query.conversation))) for query in queries]

    def lean(self, conversation):
        text = " ".join(message.content for message in conversation)
        return 0.1 if "negative" in text else 0.9

    def _reply(self, conversation, sampling):
        text = " ".join(message.content for message in conversation if message.role != "assistant")
        found = re.search("|".join(TONES), text)
        words = digest([message.as_json() for message in conversation])
        tone = TONES[found[0] if found else "neutral"]
        place = stream(sampling.seed, "tuned", sampling.sample, words).integers(len(tone))
        return Reply(tone[int(place)])


class Says:
    """Gives the replies it was made with, one after another."""

    address = identity = "says"
    capabilities = frozenset({Capability.REPLY})
    form = "published"
    context_tokens = None

    def __init__(self, *replies):
        self.left = list(replies)

    def reply(self, conversations, *, sampling, tools=()):
        return [self.left.pop(0) for _ in conversations]

    def score(self, queries):
        raise AssertionError("nothing is scored")
