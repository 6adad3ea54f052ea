"""The task in which behaviour is shown: tools that inform, and one whose option is the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.subjects.base import Tool

OptionSide = Literal["support", "oppose"]


@dataclass(frozen=True, slots=True)
class InformationTool:
    """A tool without arguments that returns the same text each time."""

    name: str
    description: str
    result: Json


@dataclass(frozen=True, slots=True)
class TerminalTool:
    """The tool that ends a task. ``options`` gives each option's id and its neutral wording."""

    name: str
    description: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class ToolTask:
    """A request, the tools it may be done with, and what each ending means.

    Attributes:
        tools: the tools that inform, names all different.
        terminal: the tool that ends the task.
        option_side: the side of the item that each option of the terminal tool stands for.
        task: the request in words.

    Raises:
        InputError: a name is empty or taken, the terminal tool has fewer than two options, an option has no side,
            or both sides are not covered.
    """

    tools: Sequence[InformationTool]
    terminal: TerminalTool
    option_side: Mapping[str, str]
    task: str = ""

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.tools] + [self.terminal.name]
        for name in names:
            if not name.strip() or names.count(name) > 1:
                raise InputError(
                    f"tool name '{name}' is empty or used twice in one task; name each tool once"
                )
        if len(self.terminal.options) < 2:
            raise InputError(
                f"tool '{self.terminal.name}' has {len(self.terminal.options)} option(s); it needs two"
            )
        for option in self.terminal.options:
            if option not in self.option_side:
                raise InputError(
                    f"tool '{self.terminal.name}' option '{option}' has no side; add it to option_side as "
                    f"'support' or 'oppose'"
                )
            if self.option_side[option] not in ("support", "oppose"):
                raise InputError(
                    f"tool '{self.terminal.name}' option '{option}' has side {self.option_side[option]!r}; "
                    f"must be 'support' or 'oppose'"
                )
        if len({self.option_side[option] for option in self.terminal.options}) < 2:
            raise InputError(
                f"tool '{self.terminal.name}' has options on one side only; one must stand for each side"
            )

    @property
    def terminal_names(self) -> frozenset[str]:
        """The names of the tools that end the task."""
        return frozenset([self.terminal.name])

    def side(self, option: str) -> int:
        """Return +1 if the option stands for the support statement, -1 for the oppose statement."""
        return 1 if self.option_side[option] == "support" else -1

    def offered(self, *, flipped: bool = False) -> tuple[Tool, ...]:
        """Return the tools with their schemas; ``flipped`` lists the terminal tool's options in reverse."""
        options = list(self.terminal.options.items())
        if flipped:
            options.reverse()
        listed = " ".join(f"{option}: {text}" for option, text in options)
        empty: dict[str, Json] = {"type": "object", "properties": {}, "additionalProperties": False}
        choice: dict[str, Json] = {
            "type": "object",
            "properties": {"option": {"type": "string", "enum": [option for option, _ in options]}},
            "required": ["option"],
            "additionalProperties": False,
        }
        return (
            *(Tool(tool.name, tool.description, empty) for tool in self.tools),
            Tool(self.terminal.name, f"{self.terminal.description} Options: {listed}", choice),
        )

    def call(self, name: str, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return what a call gives: ``{"ok": true, ...}``, or ``{"ok": false, "error": ...}``; never raises."""
        if name == self.terminal.name:
            option = arguments.get("option")
            if not isinstance(option, str) or option not in self.terminal.options:
                listed = ", ".join(self.terminal.options)
                return {"ok": False, "error": f"option {option!r} is unknown; options: {listed}"}
            return {"ok": True, "receipt": f"{name}: {option}"}
        for tool in self.tools:
            if tool.name == name:
                return {"ok": True, "result": tool.result}
        known = [tool.name for tool in self.tools] + [self.terminal.name]
        return {"ok": False, "error": f"unknown tool '{name}'; {did_you_mean(name, known)}"}
