"""Non-intentional accumulation: research on one's own in a library (arXiv:2511.01805)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from doxa.protocols.context_drift.accumulate import Accumulated, only
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.library import Library
from doxa.protocols.context_drift.room import USUAL_TOKENS_PER_CHARACTER, require_turns
from doxa.protocols.context_drift.tool_loop import MAX_STEPS, ToolJob, run_tool_loops
from doxa.subjects.base import Conversation, Message, Sampling, Subject, assistant, user

REPORT_TOKENS = 400


@dataclass(frozen=True)
class Research:
    """The subject searches and reads about the item on its own; its trace stays in the context.

    Attributes:
        tools: the library it searches.
        max_steps: calls it may make.
        sampling: how its turns are drawn.
        plan: whether to ask for JSON objects instead of tool calls; None means if it cannot call tools.
    """

    tools: Library
    max_steps: int = MAX_STEPS
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=REPORT_TOKENS))
    plan: bool | None = None

    def accumulate(self, model: Subject, item: BeliefItem) -> list[Message]:
        """Return the trace of the research; raises InputError if the item would be skipped."""
        return only(self.accumulate_all(model, [item]), item)

    def require_room(self, model: Subject) -> None:
        """Raise InputError if the longest document, read with every call, could outgrow the subject's context."""
        turn = self.sampling.max_tokens + math.ceil(self.tools.longest * USUAL_TOKENS_PER_CHARACTER)
        require_turns(model, self.max_steps, turn, unit="max_steps", before=1)

    def accumulate_all(self, model: Subject, items: Sequence[BeliefItem]) -> Accumulated:
        """Research every item, side by side; who is still calling tools at the end is asked for the report."""
        self.require_room(model)
        jobs = [
            ToolJob(
                (),
                f"Find out about this question with the search and read tools: {item.topic}. "
                "When you know enough, answer without a tool call: write a report of one or two paragraphs.",
                self.tools,
                allow_repeat=True,
            )
            for item in items
        ]
        traces = run_tool_loops(model, jobs, self.max_steps, sampling=self.sampling, plan=self.plan)
        contexts: dict[str, Conversation] = {}
        skipped: dict[str, str] = {}
        late: dict[str, Conversation] = {}
        for item, trace in zip(items, traces, strict=True):
            if trace.ended == "fault":
                skipped[item.id] = f"fault: {trace.text or 'no answer'}"
            elif trace.ended == "steps":
                late[item.id] = (*trace.conversation, user("Write the report now."))
            else:
                contexts[item.id] = trace.conversation
        if late:
            for key, reply in zip(
                late, model.reply(list(late.values()), sampling=self.sampling), strict=True
            ):
                if reply.finish == "fault":
                    skipped[key] = f"fault: {reply.fault}"
                else:
                    contexts[key] = (*late[key], assistant(reply.text))
        return Accumulated(
            {item.id: contexts[item.id] for item in items if item.id in contexts}, {}, skipped, {}
        )
