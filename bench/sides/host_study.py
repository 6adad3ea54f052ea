"""One-question samples of an instant subject: asked, recorded and judged, as a user's study would.

The subject answers at once and belongs to a hosted scheme, so that every reply goes through the reply cache and is
on disk before the next hundred are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from sides.host_samples import expected, question

from doxa.errors import CapabilityError
from doxa.lab import Cell, Context, Figure, Finding, Tables, judge, setting, study
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool, user
from doxa.subjects.schemes import Address, Form, Scheme, subjects

ADDRESS = "instant:parity"
_COMMIT = 100  # replies kept at once: some 15 ms of them


class InstantSubject:
    """Says yes to even numbers and no to odd ones, at no cost."""

    address = identity = ADDRESS
    capabilities = frozenset({Capability.REPLY})
    form: Literal["micro", "published"] = "published"
    context_tokens = None

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        del sampling, tools
        return [Reply(expected(one[-1].content), "stop", 20, 1) for one in conversations]

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        for start in range(0, len(conversations), _COMMIT):
            some = conversations[start : start + _COMMIT]
            yield list(enumerate(self.reply(some, sampling=sampling, tools=tools), start))

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        raise CapabilityError(f"{ADDRESS} replies only, it scores none of {len(queries)} queries")


@subjects.register("instant")
class Instant(Scheme):
    """The instant subject, taken for one that is hosted."""

    hosted: ClassVar[bool] = True

    def open(self, address: Address) -> InstantSubject:
        address.choose()
        return InstantSubject()

    def form(self, address: Address) -> Form:
        del address
        return "published"


@study("bench-host", paper="none", room="belief", claim="even numbers are affirmed and odd ones denied")
class Config:
    seed: int = setting(0, "seed")
    samples: int = setting(5_000, "one-question samples", unit="samples", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    yield Cell("ask", config.seed, uses=("samples",), subjects=(ADDRESS,))


def run(cell: Cell, ctx: Context) -> Tables:
    subject = ctx.subject(cell.subjects[0])
    recorder = ctx.recorder()
    questions = [question(number) for number in range(ctx.config.samples)]
    for start in range(0, len(questions), 500):
        some = questions[start : start + 500]
        replies = subject.reply([(user(text),) for text in some], sampling=Sampling(max_tokens=8))
        for number, (text, reply) in enumerate(zip(some, replies, strict=True), start):
            talk = {"subject": subject.address, "conversation": f"sample {number}"}
            recorder.utterance(**talk, turn=0, role="user", text=text)
            recorder.utterance(
                **talk,
                turn=1,
                role="assistant",
                text=reply.text,
                tokens=reply.tokens_out,
                finish=reply.finish,
            )
            recorder.belief(
                subject=subject.address,
                proposition=f"sample {number}",
                readout="stated",
                credence=1.0 if reply.text == "yes" else 0.0,
                correct=reply.text == expected(text),
            )
        ctx.progress(start + len(some), len(questions))
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    del config
    right = float(tables.beliefs["extra"].str.contains('"correct":true', literal=True).mean())
    return [
        Finding("right", "the answers are right", right, (right, right), judge((right, right), above=0.99))
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    del tables, config
    return []
