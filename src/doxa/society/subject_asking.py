"""Asking a subject for many agents at once: in one call, again where a reply cannot be read, all of it written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from jaxtyping import Int, Shaped

from doxa.canonical import Json, canonical_json
from doxa.elicit.asking import read_reply
from doxa.elicit.reading import Found, Reading, Refusal, Unparsed
from doxa.society.requests import Opinion, Request, Rewrite, Summarise, strings
from doxa.subjects.base import Conversation, Reply, Sampling, Subject
from doxa.subjects.rehearsal import rehearsal_of
from doxa.subjects.together import together

Read: TypeAlias = Callable[[Reply], Reading]


@dataclass(eq=False)
class Asker:
    """Puts conversations to a subject.

    Attributes:
        subject: who is asked.
        max_tokens: longest reply.
        retries: how often a reply that cannot be read is asked for again; then it is missing.
        seed: of all draws.
        said: every prompt and reply.
    """

    subject: Subject
    max_tokens: int
    retries: int
    seed: int
    said: list[Json] = field(default_factory=list[Json])

    def ask(
        self, request: Request, name: str, talks: Sequence[Conversation], read: Read, temperature: float
    ) -> tuple[list[Reading], Int[np.ndarray, " rows"]]:
        """Ask until every reply can be read or the retries are used up.

        Returns:
            What was read, and how often each was asked again.
        """
        found: list[Reading] = [Unparsed("not asked")] * len(talks)
        again = np.zeros(len(talks), dtype=np.int64)
        waiting = np.arange(len(talks))
        for attempt in range(self.retries + 1):
            again[waiting] = attempt
            replies = self._replies(
                request.take(waiting), name, [talks[row] for row in waiting.tolist()], attempt, temperature
            )
            for row, reply in zip(waiting.tolist(), replies, strict=True):
                found[row] = self._reading(request, row, reply, read)
                self._note(request, row, name, talks[row], reply, attempt, found[row])
            waiting = np.array(
                [row for row in waiting.tolist() if not isinstance(found[row], Found)], dtype=np.int64
            )
            if not waiting.size:
                break
        return found, again

    def _reading(self, request: Request, row: int, reply: Reply, read: Read) -> Reading:
        if rehearsal_of(self.subject) is not None:
            # says nothing; the calls are counted as if every reply could be read and no two agents said the same
            said = f"agent {request.agent[row]}, step {request.time}"
            if isinstance(request, Opinion):
                belief = int(request.credence[row] == 1.0)
                return Found({"tweet": said, "belief": belief, "reasoning": "", "memory": said}, (0, 0))
            if isinstance(request, Summarise | Rewrite):
                return Found(said, (0, 0))
            return Unparsed("a rehearsal")
        return read_reply(reply, read)

    def _replies(
        self, request: Request, name: str, talks: Sequence[Conversation], attempt: int, temperature: float
    ) -> list[Reply]:
        """Return the replies: one call for each population, of several at once where the subject is elsewhere."""
        if attempt and rehearsal_of(self.subject) is not None:
            return [Reply("")] * len(talks)
        sampling = Sampling(temperature, self.max_tokens, seed=self.seed, sample=attempt)
        groups: dict[str, list[int]] = {}
        for row, population in enumerate(request.population.tolist()):
            branch = "" if temperature == 0.0 else f"population {population}, step {request.time}, {name}"
            groups.setdefault(branch, []).append(row)
        jobs = [
            (self.subject, partial(self._once, [talks[row] for row in rows], sampling.at(branch=branch)))
            for branch, rows in groups.items()
        ]
        replies: dict[int, Reply] = {}
        for rows, told in zip(groups.values(), together(jobs), strict=True):
            replies.update(zip(rows, told, strict=True))
        return [replies[row] for row in range(len(talks))]

    def _once(self, talks: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        """Return replies; at temperature 0 each different conversation is asked once."""
        if sampling.temperature > 0.0:
            return self.subject.reply(talks, sampling=sampling)
        keys = [canonical_json([message.as_json() for message in talk]) for talk in talks]
        places = {key: place for place, key in reversed(list(enumerate(keys)))}
        told = self.subject.reply([talks[place] for place in places.values()], sampling=sampling)
        by_key = dict(zip(places, told, strict=True))
        return [by_key[key] for key in keys]

    def _note(
        self,
        request: Request,
        row: int,
        name: str,
        talk: Conversation,
        reply: Reply,
        attempt: int,
        found: Reading,
    ) -> None:
        self.said.append(
            {
                "population": int(request.population[row]),
                "agent": int(request.agent[row]),
                "time": request.time,
                "asked": name,
                "attempt": attempt,
                "prompt": [message.as_json() for message in talk],
                "reply": reply.text,
                "finish": reply.finish,
                "tokens": reply.tokens_out,
                "missing": reason_of(found),
            }
        )


def missing_of(found: Sequence[Reading]) -> Shaped[np.ndarray, " rows"]:
    """Return why each reply could not be read, "" where it could."""
    column = strings(len(found))
    column[:] = [reason_of(one) for one in found]
    return column


def reason_of(one: Reading) -> str:
    """Return why a reply could not be read; a refusal says that it is one."""
    if isinstance(one, Found):
        return ""
    return f"refusal: {one.reason}" if isinstance(one, Refusal) else one.reason
