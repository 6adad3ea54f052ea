"""Non-intentional accumulation: reading titled texts and summing them up (arXiv:2511.01805)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from doxa.errors import InputError
from doxa.protocols.context_drift.accumulate import Accumulated, only
from doxa.protocols.context_drift.items import BeliefItem, ReadingText
from doxa.protocols.context_drift.room import require_room
from doxa.subjects.base import Message, Sampling, Subject, assistant, user

SUMMARY_TOKENS = 400


class ShortReadingWarning(UserWarning):
    """The texts hold fewer words than were asked for."""


@dataclass(frozen=True)
class Reading:
    """Titled texts one after another up to a number of words, then a summary; text and summary stay in the context.

    Attributes:
        texts: documents in reading order.
        max_words: words read, the first ones; None reads all. More than there are warns and reads all.
        sampling: how the summary is drawn.

    Raises:
        InputError: there is nothing to read, or ``max_words`` < 1.
    """

    texts: Sequence[ReadingText]
    max_words: int | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=SUMMARY_TOKENS))

    def __post_init__(self) -> None:
        if not any(text.text.strip() for text in self.texts):
            raise InputError("the reading is empty; give at least one text with words")
        if self.max_words is not None and self.max_words < 1:
            raise InputError(f"max_words={self.max_words}: must be >= 1; leave it out to read everything")
        if self.max_words is not None and self.max_words > self.words_available:
            warnings.warn(
                f"max_words={self.max_words}, but the texts hold {self.words_available} words; reading all of them",
                ShortReadingWarning,
                stacklevel=3,
            )

    @property
    def words_available(self) -> int:
        """Words of all texts with their titles."""
        return len(self._whole().split())

    @property
    def words_used(self) -> int:
        """Words that are read."""
        return len(self.document.split())

    @property
    def document(self) -> str:
        """What is read: the first ``max_words`` space-separated words, line breaks kept."""
        return first_words(self._whole(), self.max_words)

    @property
    def leaning(self) -> str:
        """The one leaning of all texts, or "" if they differ."""
        leanings = {text.leaning for text in self.texts}
        return leanings.pop() if len(leanings) == 1 else ""

    @property
    def request(self) -> Message:
        """What the subject is given: the document, and to sum it up."""
        return user(f"{self.document}\n\nSummarise what you have read in one paragraph.")

    @property
    def texts_read(self) -> list[ReadingText]:
        """The texts as far as they are read; the last one may be cut."""
        left = self.words_used
        out: list[ReadingText] = []
        for text in self.texts:
            head = len(_headed(replace(text, text="")).split())
            if left <= head:
                break
            out.append(replace(text, text=first_words(text.text, left - head)))
            left -= head + len(text.text.split())
        return out

    def accumulate(self, model: Subject, item: BeliefItem) -> list[Message]:
        """Return the reading and the subject's summary; the item does not enter."""
        return only(self.accumulate_all(model, [item]), item)

    def require_room(self, model: Subject) -> None:
        """Raise InputError, with the words that fit, if the reading is too long for the subject's context."""
        require_room(model, self.request.content, self.sampling.max_tokens)

    def accumulate_all(self, model: Subject, items: Sequence[BeliefItem]) -> Accumulated:
        """Read once; every item gets the same messages."""
        request = self.request
        self.require_room(model)
        [summary] = model.reply([(request,)], sampling=self.sampling)
        if summary.finish == "fault":
            return Accumulated({}, {}, {item.id: f"fault: {summary.fault}" for item in items}, {})
        conversation = (request, assistant(summary.text))
        sides = {item.id: item.sides[self.leaning] for item in items if self.leaning in item.sides}
        return Accumulated({item.id: conversation for item in items}, sides, {}, {})

    def _whole(self) -> str:
        return "\n\n".join(_headed(text) for text in self.texts)


def _headed(text: ReadingText) -> str:
    return f"{text.title}{f' ({text.author})' if text.author else ''}\n\n{text.text}"


def first_words(text: str, count: int | None) -> str:
    """Return the first ``count`` space-separated words, with the white space between them as it was."""
    if count is None:
        return text
    match = re.match(rf"\s*(?:\S+\s+){{0,{count - 1}}}\S+", text)
    return match.group() if match else text
