"""Reading without the sentences most relevant to the item, or without as many at random: what carries the drift?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from doxa.errors import InputError
from doxa.protocols.context_drift.accumulate import Accumulated, only
from doxa.protocols.context_drift.items import BeliefItem, ReadingText
from doxa.protocols.context_drift.masking import Encoder, mask_random, mask_relevant
from doxa.protocols.context_drift.reading import SUMMARY_TOKENS, Reading
from doxa.streams import stream
from doxa.subjects.base import Message, Sampling, Subject, assistant


@dataclass(frozen=True)
class MaskedReading:
    """A reading from which, for each item, the sentences most similar to its topic are dropped first.

    Attributes:
        reading: the texts and how much of them is read; the mask is taken from what is read.
        share: share of the sentences to drop, in [0, 1).
        encoder: says which are most similar; None drops as many at random, the control.
        seed: seed of the random control.
        sampling: how the summary is drawn.
    """

    reading: Reading
    share: float = 0.2
    encoder: Encoder | None = None
    seed: int = 0
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=SUMMARY_TOKENS))

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise InputError(f"share={self.share}: must be in [0, 1); 0.2 drops a fifth of the sentences")

    def accumulate(self, model: Subject, item: BeliefItem) -> list[Message]:
        """Return the masked reading and the subject's summary."""
        return only(self.accumulate_all(model, [item]), item)

    def require_room(self, model: Subject) -> None:
        """Raise InputError if what is masked, read whole, is too long for the subject's context."""
        self.reading.require_room(model)

    def accumulate_all(self, model: Subject, items: Sequence[BeliefItem]) -> Accumulated:
        """Read once per item, side by side."""
        self.require_room(model)
        requests = [self.masked(item).request for item in items]
        replies = model.reply([(request,) for request in requests], sampling=self.sampling)
        contexts = {
            item.id: (request, assistant(reply.text))
            for item, request, reply in zip(items, requests, replies, strict=True)
            if reply.finish != "fault"
        }
        skipped = {
            item.id: f"fault: {reply.fault}"
            for item, reply in zip(items, replies, strict=True)
            if reply.finish == "fault"
        }
        leaning = self.reading.leaning
        sides = {
            item.id: item.sides[leaning] for item in items if leaning in item.sides and item.id in contexts
        }
        return Accumulated(contexts, sides, skipped, {})

    def masked(self, item: BeliefItem) -> Reading:
        """Return what is left to read for one item; titles stay."""
        texts = self.reading.texts_read
        whole = [text.text for text in texts]
        if self.encoder is None:
            left = mask_random(whole, self.share, stream(self.seed, "context-drift", "mask", item.id))
        else:
            left = mask_relevant(whole, item.topic, self.share, self.encoder)
        kept: list[ReadingText] = [replace(text, text=part) for text, part in zip(texts, left, strict=True)]
        return Reading(kept, sampling=self.reading.sampling)
