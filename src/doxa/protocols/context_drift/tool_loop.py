"""The loop in which a subject works with tools: one call per turn, each tool once, the terminal call ends it.

A subject that can call tools is offered them; any other is asked for one JSON object per turn, the plan form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, cast, runtime_checkable

from doxa.canonical import Json, canonical_json
from doxa.errors import InputError
from doxa.protocols.context_drift.tools import ToolTask
from doxa.subjects.base import (
    Capability,
    Conversation,
    Message,
    Reply,
    Sampling,
    Subject,
    Tool,
    ToolCall,
    assistant,
    require,
    user,
)

MAX_STEPS = 8
"""Calls a subject may make before a task counts as undecided."""

NATIVE_RULES = "Use the tools, at most one call per turn and each tool at most once."
PLAN_RULES = (
    "Work with the tools below, each at most once. In every turn answer with exactly one JSON object and nothing "
    'else: {"name": "<tool>", "args": {...}}.'
)


@runtime_checkable
class Toolbox(Protocol):
    """A set of tools that can be offered and called."""

    @property
    def terminal_names(self) -> frozenset[str]:
        """The names of the tools that end a task."""
        ...

    def offered(self, *, flipped: bool = False) -> tuple[Tool, ...]:
        """Return the tools with their schemas; ``flipped`` lists options in reverse."""
        ...

    def call(self, name: str, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return ``{"ok": true, ...}`` or ``{"ok": false, "error": ...}``; never raise."""
        ...


class ToolStep(NamedTuple):
    """One call and what came back."""

    name: str
    arguments: Mapping[str, Json]
    result: Mapping[str, Json]


class ToolTrace(NamedTuple):
    """How a loop went.

    Attributes:
        conversation: everything said, from the context on.
        steps: the calls in order, refused ones included.
        last: the successful terminal call, or None.
        ended: ``terminal``, ``no call``, ``steps`` (limit reached), ``refusal`` or ``fault``.
        text: the last reply's text.
    """

    conversation: Conversation
    steps: tuple[ToolStep, ...]
    last: ToolStep | None
    ended: str
    text: str


class ToolOutcome(NamedTuple):
    """What a task came to: the option chosen and its side, or ``no decision`` with the reason."""

    option: str | None
    side: int | None
    reason: str
    trace: ToolTrace


@dataclass
class ToolJob:
    """One loop to be run: what came before, the request, and the tools."""

    context: Conversation
    request: str
    toolbox: Toolbox
    flipped: bool = False
    allow_repeat: bool = False
    _conversation: Conversation = field(default=(), init=False)
    _steps: list[ToolStep] = field(default_factory=list[ToolStep], init=False)
    _used: set[str] = field(default_factory=set[str], init=False)
    _last: ToolStep | None = field(default=None, init=False)
    _ended: str = field(default="", init=False)
    _text: str = field(default="", init=False)

    def open(self, plan: bool) -> None:
        """Put the request, with the tools spelled out in plan form."""
        text = (
            f"{self.request}\n\n{PLAN_RULES}\n{_listing(self)}"
            if plan
            else f"{self.request}\n\n{NATIVE_RULES}"
        )
        self._conversation = (*self.context, user(text))

    @property
    def conversation(self) -> Conversation:
        """What was said so far."""
        return self._conversation

    @property
    def running(self) -> bool:
        """Whether the loop goes on."""
        return not self._ended

    def take(self, reply: Reply, plan: bool) -> None:
        """Add a reply, carry out its call and add the result."""
        self._text = reply.text
        if reply.finish in ("fault", "refusal"):
            self._ended = reply.finish
            self._conversation = (*self._conversation, assistant(reply.text))
            return
        call = read_plan(reply.text) if plan else (reply.tool_calls[0] if reply.tool_calls else None)
        if call is None:
            self._ended = "no call"
            self._conversation = (*self._conversation, assistant(reply.text))
            return
        result = self._carry_out(call)
        answer = canonical_json(result)
        said = assistant(reply.text) if plan else Message("assistant", reply.text, tool_calls=(call,))
        back = user(answer) if plan else Message("tool", answer, tool_call_id=call.id)
        self._conversation = (*self._conversation, said, back)

    def _carry_out(self, call: ToolCall) -> Mapping[str, Json]:
        if call.name in self._used and not self.allow_repeat:
            result: Mapping[str, Json] = {
                "ok": False,
                "error": f"tool '{call.name}' was already used once; pick another one",
            }
        else:
            result = self.toolbox.call(call.name, call.arguments)
        step = ToolStep(call.name, call.arguments, result)
        self._steps.append(step)
        if result.get("ok") is True:
            self._used.add(call.name)
            if call.name in self.toolbox.terminal_names:
                self._last, self._ended = step, "terminal"
        return result

    def trace(self) -> ToolTrace:
        """Return how it went."""
        return ToolTrace(
            self._conversation, tuple(self._steps), self._last, self._ended or "steps", self._text
        )


def run_tool_loop(
    model: Subject,
    task: ToolTask,
    max_steps: int = MAX_STEPS,
    *,
    context: Sequence[Message] = (),
    sampling: Sampling | None = None,
    plan: bool | None = None,
    flipped: bool = False,
) -> ToolOutcome:
    """Return what a subject decides in a task.

    Args:
        model: who works on it.
        task: request, tools, and the side of each option.
        max_steps: calls allowed, >= 1; without a terminal call by then the outcome is ``no decision``.
        context: messages in front of the request.
        sampling: how replies are drawn; greedy with 256 tokens if None.
        plan: whether to ask for JSON objects; None means only if the subject cannot call tools.
        flipped: whether the terminal tool's options are listed in reverse.
    """
    job = ToolJob(tuple(context), task.task, task, flipped)
    [trace] = run_tool_loops(model, [job], max_steps, sampling=sampling, plan=plan)
    return outcome(task, trace)


def run_tool_loops(
    model: Subject,
    jobs: Sequence[ToolJob],
    max_steps: int = MAX_STEPS,
    *,
    sampling: Sampling | None = None,
    plan: bool | None = None,
) -> list[ToolTrace]:
    """Run many loops side by side; each turn of all loops is one batch (one per set of tools if offered natively)."""
    if max_steps < 1:
        raise InputError(f"max_steps={max_steps}: must be >= 1")
    require(model, Capability.REPLY)
    plan = Capability.TOOLS not in model.capabilities if plan is None else plan
    if not plan:
        require(model, Capability.TOOLS)
    sampling = Sampling(max_tokens=256) if sampling is None else sampling
    for job in jobs:
        job.open(plan)
    for _ in range(max_steps):
        running = [job for job in jobs if job.running]
        for group in _groups(running, plan):
            tools = () if plan else group[0].toolbox.offered(flipped=group[0].flipped)
            replies = model.reply([job.conversation for job in group], sampling=sampling, tools=tools)
            for job, reply in zip(group, replies, strict=True):
                job.take(reply, plan)
    return [job.trace() for job in jobs]


def outcome(task: ToolTask, trace: ToolTrace) -> ToolOutcome:
    """Return the option and side of a finished loop."""
    if trace.last is None:
        why = {
            "no call": "no decision: the reply held no tool call",
            "steps": f"no decision: {len(trace.steps)} calls without a terminal one",
        }
        return ToolOutcome(None, None, why.get(trace.ended, trace.ended), trace)
    option = str(trace.last.arguments["option"])
    return ToolOutcome(option, task.side(option), "", trace)


def plan_text(task: ToolTask, *, flipped: bool = False) -> str:
    """Return the request of a task in plan form, as a subject without tool calls sees it."""
    job = ToolJob((), task.task, task, flipped)
    job.open(plan=True)
    return job.conversation[-1].content


def read_plan(text: str) -> ToolCall | None:
    """Read ``{"name": ..., "args": {...}}`` standing alone or in one code fence; anything else is no call."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and len(body) >= 6:
        body = body[3:-3].removeprefix("json").strip()
    try:
        value = json.loads(body)
        canonical_json(value)  # numbers that are not finite have no JSON form and cannot be kept
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    row = cast(dict[str, Json], value)
    name, arguments = row.get("name"), row.get("args", {})
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        return None
    return ToolCall(name, arguments)


def _groups(jobs: Sequence[ToolJob], plan: bool) -> list[list[ToolJob]]:
    """Group the loops that can share a call: all in plan form, those with equal tools otherwise."""
    groups: dict[str, list[ToolJob]] = {}
    for job in jobs:
        groups.setdefault("" if plan else _listing(job), []).append(job)
    return list(groups.values())


def _listing(job: ToolJob) -> str:
    return "\n".join(
        canonical_json({"name": tool.name, "description": tool.description, "parameters": tool.parameters})
        for tool in job.toolbox.offered(flipped=job.flipped)
    )
