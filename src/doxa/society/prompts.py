"""What a subject is told when it is a mind: texts with slots, all of them in one file that can be exchanged."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from doxa.errors import InputError, did_you_mean
from doxa.protocols.dialogue.script import filled
from doxa.society.requests import OFFICIAL


@dataclass(frozen=True)
class Prompts:
    """The texts; which slots each has stands beside it.

    Attributes:
        persona: who the agent is: name, age, education, traits.
        summary: asks what was heard: topic, opinions.
        memory: asks for the new long memory: topic, memory, today.
        opinion: asks for tweet, belief and reasoning: topic, previous, memory, today.
        fused: asks for these and the new memory at once: topic, previous, memory, opinions.
        believes, doubts, official: a line of what was heard: text.
        denial: what the official agent says: topic.
        nothing: stands where there is nothing to tell.
        agreeing, doubting: what agents say before the first day: topic.
        emotion, action, probability, judge: the other requests: situation, and fields, options, or criterion and scale.
    """

    persona: str
    summary: str
    memory: str
    opinion: str
    fused: str
    believes: str
    doubts: str
    official: str
    denial: str
    nothing: str
    agreeing: tuple[str, ...]
    doubting: tuple[str, ...]
    emotion: str
    action: str
    probability: str
    judge: str

    @classmethod
    def default(cls) -> Prompts:
        """Return the prompts that ship with doxa, ``prompts.yaml`` beside this file."""
        text = importlib.resources.files("doxa.society").joinpath("prompts.yaml").read_text("utf-8")
        return cls._of(text, "prompts.yaml")

    @classmethod
    def read(cls, path: str | Path) -> Prompts:
        """Return the prompts of a file of the same form; what it leaves out is as by default.

        Raises:
            InputError: it cannot be read, or holds a text that there is not.
        """
        try:
            return cls._of(Path(path).read_text("utf-8"), str(path), cls.default())
        except OSError as error:
            raise InputError(f"prompts {path}: cannot be read ({error.strerror})") from error

    @classmethod
    def _of(cls, text: str, where: str, base: Prompts | None = None) -> Prompts:
        import yaml

        try:
            held: Any = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"prompts {where}: is no YAML ({error})") from error
        if not isinstance(held, dict):
            raise InputError(f"prompts {where}: give a text to each name, as in 'summary: …'")
        known = {one.name: one.type for one in fields(cls)}
        given: dict[str, Any] = {name: getattr(base, name) for name in known} if base else {}
        for name, value in cast(dict[str, Any], held).items():
            if name not in known:
                raise InputError(f"prompts {where}: no text '{name}'; {did_you_mean(str(name), known)}")
            given[name] = (
                _sentences(value, name, where) if name in ("agreeing", "doubting") else str(value).strip()
            )
        return cls(**given)

    def fill(self, name: str, slots: Mapping[str, str]) -> str:
        """Return a text with its slots filled; what stands in them is not filled again.

        Raises:
            InputError: the text has a slot that it cannot have.
        """
        return filled(getattr(self, name), slots, f"prompt '{name}'")

    def line(self, text: str, believes: bool, speaker: int) -> str:
        """Return a line of what was heard."""
        form = self.official if speaker == OFFICIAL else self.believes if believes else self.doubts
        return filled(form, {"text": text}, "a line of what was heard")


def _sentences(value: Any, name: str, where: str) -> tuple[str, ...]:
    sentences = tuple(str(one) for one in cast(list[Any], value)) if isinstance(value, list) else ()
    if not sentences:
        raise InputError(f"prompts {where}: '{name}' is a list of sentences, at least one")
    return sentences
