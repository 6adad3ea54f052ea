"""Agents between sessions: their mood and turns in a file of JSON, read back only under the same rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.dynamics.affect import Mood
from doxa.errors import InputError, StoreError
from doxa.lab.files import write_atomic
from doxa.protocols.affect.mood import MoodOf
from doxa.protocols.affect.turn import Turn

FORMAT = "doxa affect agent 1"


def write(path: Path, rule: MoodOf, mood: Mood, turns: Sequence[Turn]) -> Path:
    """Write an agent's mood and turns.

    Raises:
        StoreError: the file cannot be written.
    """
    told: list[Json] = [
        {"user": one.user, "reply": one.reply, "missing": one.missing, **_numbers(one)} for one in turns
    ]
    held: dict[str, Json] = {
        "format": FORMAT,
        "rule": rule.as_json(),
        "state": _floats(mood.state),
        "velocity": _floats(mood.velocity),
        "turn": mood.turn,
        "turns": told,
    }
    write_atomic(path, json.dumps(held, ensure_ascii=False, indent=1).encode())
    return path


def read(path: Path, rule: MoodOf) -> tuple[Mood, list[Turn]]:
    """Return the mood and the turns in a file; prompts are not kept.

    Raises:
        StoreError: the file is not there, damaged, or holds something else.
        InputError: it was saved under another rule, estimator or source.
    """
    try:
        held: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if held["format"] != FORMAT:
            raise KeyError("format")
        found, mood, turns = held["rule"], _mood(held), [_turn(*one) for one in enumerate(held["turns"], 1)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: not a saved agent of doxa ({type(error).__name__}: {error})") from error
    if found != json.loads(json.dumps(rule.as_json())):
        raise InputError(
            f"{path}: saved under another rule, estimator or source; make the agent with those, or begin anew"
        )
    space, clip = rule.dynamics.space, rule.dynamics.clip
    for name, values in (("state", mood.state), ("velocity", mood.velocity)):
        if values.shape != (space.size,) or not np.isfinite(values).all():
            raise StoreError(f"{path}: {name} {values.tolist()} must be {space.size} finite numbers")
    if clip and not np.array_equal(space.clipped(mood.state), mood.state):
        raise StoreError(f"{path}: state {mood.state.tolist()} lies beyond the ends of the scale")
    return mood, turns


def _floats(values: Float[np.ndarray, " d"]) -> list[Json]:
    return [float(one) for one in values]


def _numbers(turn: Turn) -> dict[str, Json]:
    expressed: Json = None if turn.missing else _floats(turn.expressed)
    return {"signal": _floats(turn.signal), "state": _floats(turn.state), "expressed": expressed}


def _mood(held: dict[str, Any]) -> Mood:
    return Mood(np.array(held["state"], float), np.array(held["velocity"], float), int(held["turn"]))


def _turn(number: int, held: dict[str, Any]) -> Turn:
    state = np.array(held["state"], float)
    expressed = (
        np.full_like(state, np.nan) if held["expressed"] is None else np.array(held["expressed"], float)
    )
    signal = np.array(held["signal"], float)
    return Turn(number, held["user"], held["reply"], signal, state, expressed, (), held["missing"])
