"""Conversations for the tests of the viewer: a trunk with questions off its path, a private note and two forks."""

from __future__ import annotations

from typing import Any

from doxa.lab.record import Recorder, Tables

ROLES = ("convincer", "skeptic")


def talk_tables(seed: int = 0, *, turns: int = 6, text: str = "says", condition: str = "dialogue") -> Tables:
    """Return one cell as the dialogue protocol records it: a trunk, and forks that share two and four messages."""
    recorder = Recorder(condition, seed)
    for branch, shared in (("", 0), ("kinder", 2), ("sterner", 4)):
        for turn in range(turns):
            own = branch if turn >= shared else ""
            off, note = turn == 3 and not branch, turn == 5 and not branch
            said = f"{text} {turn} {own}".strip()
            _say(recorder, f"scene 1 {branch}".strip(), turn, said, branch=branch, off=off, note=note)
    return recorder.tables()


def _say(
    recorder: Recorder, name: str, turn: int, text: str, *, branch: str, off: bool = False, note: bool = False
) -> None:
    role = ROLES[turn % 2]
    extra: dict[str, Any] = {
        "kind": "opinion" if off else "reply",
        "kept": None if off else text,
        "heard": "" if off or note else text,
        "audience": [] if off or note else [ROLES[1 - turn % 2]],
        "attempts": 1,
        "fault": "",
    }
    if turn == 0:
        extra["talk"] = {"branch": branch, "scene": "scene 1", "script": "test"}
    recorder.utterance(
        subject="organism:leaning",
        conversation=name,
        turn=turn,
        role=role,
        text=text,
        tokens=3,
        finish="stop",
        **extra,
    )


def long_tables(turns: int, *, letters: int = 10, huge: int = 0) -> Tables:
    """Return one conversation of many turns; the eighth has ``huge`` letters if that is not 0."""
    recorder = Recorder("long", 0)
    for turn in range(turns):
        text = f"message {turn} " + "word " * (turn % letters)
        if turn == 7 and huge:
            text = "begin " + "x" * (huge - 10) + " end"
        recorder.utterance(
            subject="s", conversation="endless", turn=turn, role=("user", "assistant")[turn % 2], text=text
        )
    return recorder.tables()
