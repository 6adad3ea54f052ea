"""A study that spills whatever it is given wherever a study can, to see that no secret gets through."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.subjects.base import Sampling, Tool, user


@study("test-canary", paper="none", room="belief", claim="no secret is kept")
class Config:
    seed: int = setting(0, "seed")
    note: str = setting("", "put into every place that holds text")
    subject: str = setting("", "whom to ask")
    fails: bool = setting(False, "whether the cell raises an error that holds the note")


def cells(config: Config) -> Iterable[Cell]:
    subjects = (config.subject,) if config.subject else ()
    yield Cell("spill", config.seed, uses=("note", "subject", "fails"), subjects=subjects)


def run(cell: Cell, ctx: Context) -> Tables:
    note = ctx.config.note
    warnings.warn(f"the note is {note}", stacklevel=1)
    recorder = ctx.recorder()
    recorder.utterance(subject="s", conversation="c", turn=0, role="user", text=f"note {note}", remark=note)
    recorder.measure("length", float(len(note)), subject=f"named {note}", remark=note)
    recorder.belief(subject="s", proposition=f"it is {note}", readout="stated", missing=f"no: {note}")
    if ctx.config.subject:
        subject = ctx.subject(ctx.config.subject)
        tool = Tool("note", note, {"type": "object", "properties": {}})
        (reply,) = subject.reply([(user(f"the key is {note}"),)], sampling=Sampling(), tools=[tool])
        recorder.utterance(
            subject="s",
            conversation="c",
            turn=1,
            role="assistant",
            text=reply.text,
            finish=reply.finish,
            why=reply.fault,
        )
        for call in reply.tool_calls:
            recorder.measure("called", 1.0, subject=call.name, arguments=dict(call.arguments))
    if ctx.config.fails:
        raise ValueError(f"cannot use {note!r}")
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    texts = tables.transcripts["text"].to_list()
    return [
        Finding("kept", "a note", 1.0, (0.0, 2.0), "holds", control=True, note=" ".join(texts) + config.note)
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    spec = {"data": {"values": [{"x": config.note}]}, "mark": "text", "encoding": {"text": {"field": "x"}}}
    return [Figure("note", config.note or "none", f"caption {config.note}", spec)]
