"""doxa's side: ``CachedSubject`` over a ``Journal``, the whole way from a conversation to a reply.

In the number: each request's canonical JSON and its SHA-256, the look-up, the log of every call, the check of the
checksum, the value's JSON, and a ``Reply``. A put is a question that was not asked before: looked up, logged,
answered by a subject that costs nothing, kept with its request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sides.cache_work import Opener, answer, main, question

from doxa.errors import CapabilityError
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool, user
from doxa.subjects.cache import CachedSubject, Journal

SAMPLING = Sampling(max_tokens=256)


class Prepared:
    """A subject whose replies lie ready; asked for one that does not, it gives a fault."""

    address = "bench:prepared"
    identity = "bench:prepared"
    capabilities = frozenset({Capability.REPLY})
    form: Literal["micro", "published"] = "published"
    context_tokens = None

    def __init__(self, replies: dict[str, Reply]) -> None:
        self.replies = replies

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        del sampling, tools
        none = Reply("", "fault", fault="none is prepared")
        return [self.replies.get(conversation[-1].content, none) for conversation in conversations]

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        raise CapabilityError(f"replies only, no scores of {len(queries)} queries")


class Journaled:
    def __init__(self, path: Path, talks: list[Conversation], replies: dict[str, Reply], batch: int) -> None:
        self.journal = Journal(path)
        self.putting = CachedSubject(Prepared(replies), self.journal, run="bench")
        self.getting = CachedSubject(Prepared({}), self.journal, run="bench")
        self.talks, self.batch = talks, batch

    def put(self, numbers: Sequence[int]) -> None:
        for some in self._batches(numbers):
            self.putting.reply(some, sampling=SAMPLING)

    def get(self, numbers: Sequence[int]) -> list[str | None]:
        texts: list[str | None] = []
        for some in self._batches(numbers):
            replies = self.getting.reply(some, sampling=SAMPLING)
            texts += [reply.text if reply.cached else None for reply in replies]
        return texts

    def _batches(self, numbers: Sequence[int]) -> Iterator[list[Conversation]]:
        for start in range(0, len(numbers), self.batch):
            yield [self.talks[number] for number in numbers[start : start + self.batch]]

    def close(self) -> None:
        self.journal.close()


def opener(count: int, case: dict[str, Any]) -> Opener:
    talks = [(user(question(number)),) for number in range(count)]
    replies = {question(number): Reply(answer(number), "stop", 24, 200) for number in range(count)}
    return lambda folder: Journaled(folder / "replies.sqlite", talks, replies, int(case["batch"]))


if __name__ == "__main__":
    main(opener)
