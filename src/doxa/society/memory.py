"""What agents remember: today's talk (short), a running digest (long), and how one enters the other (reflection).

Each switch is an ablation. :class:`doxa.protocols.dialogue.Memory` says what a participant finds of one conversation;
here nobody keeps the conversation itself, only what was made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from doxa.errors import InputError, did_you_mean
from doxa.society.minds import OpinionMind
from doxa.society.requests import Opinion, Rewrite, Summarise, Texts, Written, strings

PARTS = ("short", "long", "reflection")


@dataclass(frozen=True)
class Memory:
    """Which parts of memory agents have.

    Attributes:
        short: what was heard today is at hand when the opinion is formed.
        long: a digest is carried from day to day.
        reflection: the digest is rewritten with each day's summary; without it the last summaries stand in a row.
        last: how many summaries a digest without reflection keeps.
    """

    short: bool = True
    long: bool = True
    reflection: bool = True
    last: int = 3

    def __post_init__(self) -> None:
        if self.last < 1:
            raise InputError(f"last={self.last}: must be >= 1; long=False keeps nothing")

    @classmethod
    def of(cls, parts: Sequence[str]) -> Memory:
        """Return the memory with the parts named, of ``PARTS``; reflection stands for long memory too.

        >>> Memory.of(("long",))
        Memory(short=False, long=True, reflection=False, last=3)
        """
        for part in parts:
            if part not in PARTS:
                raise InputError(f"memory={part!r}: {did_you_mean(part, PARTS)}")
        return cls("short" in parts, "long" in parts or "reflection" in parts, "reflection" in parts)


class Recalled(NamedTuple):
    """An opinion request with memory in it.

    Attributes:
        asked: the request.
        again: how often the mind was asked again for a summary or a memory.
        missing: how many of these could not be had.
    """

    asked: Opinion
    again: int = 0
    missing: int = 0


def recall(mind: OpinionMind, memory: Memory, asked: Opinion) -> Recalled:
    """Return an opinion request with what the agents have in mind.

    A mind that remembers by itself only learns which parts of memory there are. Any other is asked to summarise the
    day, and, with reflection, to rewrite its long memory. What cannot be had leaves the memory as it was.

    Args:
        mind: who remembers.
        memory: which parts there are.
        asked: the request, with what was heard today and the memory of the day before.
    """
    asked = replace(asked, at_hand=memory.short, carried=memory.long)
    if mind.remembers:
        return Recalled(asked)
    who = (asked.population, asked.agent, asked.time, asked.topic)
    summary: Written = mind.answer(Summarise(*who, asked.heard))
    lost = summary.missing != ""
    today = np.where(lost, "", summary.text)
    asked = replace(asked, today=today if memory.short else strings(asked.size))
    again = int(summary.again.sum())
    if not memory.long:
        return Recalled(asked, again, int(lost.sum()))
    if memory.reflection:
        rewritten: Written = mind.answer(Rewrite(*who, asked.memory, today))
        again += int(rewritten.again.sum())
        lost |= rewritten.missing != ""
        digest = rewritten.text
    else:
        digest = joined(asked.memory, today, memory.last)
    kept = np.where(lost, asked.memory, digest)
    return Recalled(replace(asked, memory=kept), again, int(lost.sum()))


def joined(memory: Texts, new: Texts, last: int) -> Texts:
    r"""Return strings that hold the last lines of a memory and a new one behind them.

    >>> joined(np.array(["a\nb"], dtype=object), np.array(["c"], dtype=object), 2).tolist()
    ['b\nc']
    """
    out = np.empty(len(memory), dtype=object)
    out[:] = [
        "\n".join([*(str(old).splitlines() if old else []), " ".join(str(more).split())][-last:])
        for old, more in zip(memory, new, strict=True)
    ]
    return out
