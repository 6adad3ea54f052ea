"""What Inspect finds when doxa is installed: the entry point ``doxa`` of the group ``inspect_ai`` names this module."""

from doxa.interop.inspect.hosted.drift import belief_shift, context_drift, grow_and_measure
from doxa.interop.inspect.hosted.kable import answer_share, ask_question, kable, key_letter
from doxa.interop.inspect.hosted.provider import doxa

__all__ = [
    "answer_share",
    "ask_question",
    "belief_shift",
    "context_drift",
    "doxa",
    "grow_and_measure",
    "kable",
    "key_letter",
]
