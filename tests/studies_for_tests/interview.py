"""A study that asks one subject, in two cells: replies in text, or scores of two options."""

from __future__ import annotations

from collections.abc import Iterable

from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.subjects.base import Query, Sampling, user


@study("test-interview", paper="none", room="elicit", claim="every question is answered")
class Config:
    seed: int = setting(0, "seed")
    questions: int = setting(10, "questions of a cell")
    subject: str = setting("", "whom to ask")
    scored: bool = setting(False, "whether options are scored instead of replies taken")


def cells(config: Config) -> Iterable[Cell]:
    for name in ("first", "second"):
        yield Cell(name, config.seed, uses=("questions", "subject", "scored"), subjects=(config.subject,))


def run(cell: Cell, ctx: Context) -> Tables:
    recorder = ctx.recorder()
    subject = ctx.subject(ctx.config.subject)
    talks = [(user(f"{cell.condition} question {number}?"),) for number in range(ctx.config.questions)]
    if ctx.config.scored:
        for number, scores in enumerate(subject.score([Query(talk, (" yes", " no")) for talk in talks])):
            recorder.measure(f"score {number}", float(scores[0]), subject=subject.address)
        return recorder.tables()
    replies = subject.reply(talks, sampling=Sampling(max_tokens=5))
    for number, reply in enumerate(replies):
        recorder.utterance(
            subject=subject.address,
            conversation=str(number),
            turn=1,
            role="assistant",
            text=reply.text,
            tokens=reply.tokens_out,
            finish=reply.finish,
        )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    return []


def figures(tables: Tables, config: Config) -> list[Figure]:
    return []
