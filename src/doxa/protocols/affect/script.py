"""Dialogue scripts: what the user says, turn by turn, and in which phase of the dialogue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from doxa.canonical import Json
from doxa.errors import InputError, StoreError, did_you_mean

Phase: TypeAlias = Literal["opening", "shock", "reconciliation", "closing"]
"""Parts of a dialogue, in their order; the closing may be left out."""

PHASES: tuple[Phase, ...] = get_args(Phase)


class Line(NamedTuple):
    """One thing the user says, in which phase."""

    phase: Phase
    text: str


@dataclass(frozen=True)
class DialogueScript:
    """A fixed dialogue from the user's side.

    Attributes:
        name: what it is called.
        lines: in the order of the turns.

    Raises:
        InputError: see ``validate``.
    """

    name: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        self.validate()

    def validate(self) -> None:
        """Check that the script can be held and measured.

        Raises:
            InputError: a line is empty or of no known phase, a phase comes after a later one, or one that is needed
                to measure a recovery is missing.
        """
        if not self.lines:
            raise InputError(f"script '{self.name}': has no lines; give a phase and a text for each turn")
        for turn, line in enumerate(self.lines, 1):
            if line.phase not in PHASES:
                raise InputError(
                    f"script '{self.name}', turn {turn}: phase {line.phase!r}; {did_you_mean(str(line.phase), PHASES)}"
                )
            if not line.text.strip():
                raise InputError(f"script '{self.name}', turn {turn}: has no text")
        for turn, (one, other) in enumerate(pairwise(self.lines), 2):
            if PHASES.index(other.phase) < PHASES.index(one.phase):
                raise InputError(
                    f"script '{self.name}', turn {turn}: {other.phase} after {one.phase}; the order is "
                    f"{', '.join(PHASES)}"
                )
        for phase in PHASES[:-1]:
            if phase not in {line.phase for line in self.lines}:
                raise InputError(
                    f"script '{self.name}': has no {phase}; recovery needs turns before the shock, the shock, and "
                    "a reconciliation after it"
                )

    @classmethod
    def load(cls, name_or_path: str | Path) -> DialogueScript:
        """Read a script of doxa's own by name, or a file of JSON.

        The file holds ``{"name": ..., "turns": [{"turn": 1, "phase": "opening", "text": ...}, ...]}``; numbers may be
        left out.

        Raises:
            InputError: there is no such script, or it cannot be held.
            StoreError: the file cannot be read.
        """
        text = str(name_or_path)
        if text in scripts():
            held = files("doxa.protocols.affect").joinpath("scripts", f"{text}.json").read_text("utf-8")
            return cls.from_json(json.loads(held), text)
        path = Path(name_or_path)
        if path.suffix != ".json":
            raise InputError(f"script {text!r}: no path of a .json file, and {did_you_mean(text, scripts())}")
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read as JSON ({error})") from error
        return cls.from_json(found, path.stem)

    @classmethod
    def from_json(cls, held: Any, name: str = "") -> DialogueScript:
        """Return the script that a JSON object holds.

        Raises:
            InputError: it holds none, or its turns are out of order.
        """
        turns = held.get("turns") if isinstance(held, Mapping) else None
        if not isinstance(turns, list):
            raise InputError(f"script '{name}': must be an object with a list 'turns' of phase and text")
        lines: list[Line] = []
        for number, one in enumerate(turns, 1):
            if not isinstance(one, Mapping) or not isinstance(one.get("text"), str):
                raise InputError(f"script '{name}', turn {number}: must be an object with phase and text")
            if one.get("turn", number) != number:
                raise InputError(
                    f"script '{name}': turn {one['turn']} stands in place {number}; put them in order"
                )
            lines.append(Line(one.get("phase", ""), one["text"]))
        return cls(str(held.get("name", name)), tuple(lines))

    def as_json(self) -> dict[str, Json]:
        """Return the script as ``load`` reads it."""
        turns: list[Json] = [
            {"turn": turn, "phase": line.phase, "text": line.text} for turn, line in enumerate(self.lines, 1)
        ]
        return {"name": self.name, "turns": turns}

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def spans(self) -> dict[Phase, tuple[int, int]]:
        """First and last turn of each phase that it has."""
        return {
            phase: (min(turns), max(turns))
            for phase in PHASES
            if (turns := [turn for turn, line in enumerate(self.lines, 1) if line.phase == phase])
        }

    @property
    def shock(self) -> int:
        """First turn of the shock."""
        return self.spans["shock"][0]

    @property
    def reconciliation(self) -> int:
        """First turn of the reconciliation."""
        return self.spans["reconciliation"][0]


def scripts() -> tuple[str, ...]:
    """Return the names of doxa's own scripts."""
    folder = files("doxa.protocols.affect").joinpath("scripts")
    return tuple(
        sorted(one.name.removesuffix(".json") for one in folder.iterdir() if one.name.endswith(".json"))
    )
