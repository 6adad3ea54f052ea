"""Transcripts in the record: every reply raw, in the table ``transcripts``, and back from it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from doxa.canonical import Json
from doxa.lab.record import Recorder, Tables
from doxa.protocols.dialogue.transcript import Transcript, Utterance


def record(recorder: Recorder, transcripts: Iterable[Transcript], *, condition: str | None = None) -> None:
    """Add transcripts to a cell's record, one row for each utterance; ``transcripts_of`` reads them back."""
    for talk in transcripts:
        name = f"{talk.scene} {talk.branch}".strip()
        for turn, one in enumerate(talk.said):
            held = one.as_json()
            recorder.utterance(
                subject=one.subject,
                conversation=name,
                turn=turn,
                role=one.role,
                text=one.text,
                tokens=one.tokens_out,
                finish=one.finish,
                condition=condition,
                **{_RENAMED.get(name, name): held[name] for name in _EXTRA},
                **({"talk": _about(talk)} if turn == 0 else {}),
            )


_RENAMED = {"turn": "kind"}
"""What stands under another name in the table, where ``turn`` is a number."""
_COLUMNS = ("subject", "role", "text", "finish", "tokens_out")
_EXTRA = tuple(name for name in Utterance.__dataclass_fields__ if name not in _COLUMNS)


def _about(talk: Transcript) -> dict[str, Json]:
    return {name: value for name, value in talk.as_json().items() if name != "said"}


def transcripts_of(tables: Tables) -> list[Transcript]:
    """Return the transcripts that ``record`` added, in their order."""
    found: list[Transcript] = []
    keys = ["condition", "seed", "conversation"]
    for group in tables.transcripts.partition_by(keys, maintain_order=True):
        said: list[dict[str, object]] = []
        about: dict[str, object] = {}
        for row in group.sort("turn").iter_rows(named=True):
            extra = json.loads(row["extra"])
            about = extra.pop("talk", about)
            extra |= {name: extra.pop(other) for name, other in _RENAMED.items()}
            said.append(
                {**extra, **{name: row["tokens" if name == "tokens_out" else name] for name in _COLUMNS}}
            )
        found.append(Transcript.from_json({**about, "said": said}))
    return found
