"""Reading behaviour from what a subject does: tool tasks, and free responses that a judge reads."""

from __future__ import annotations

from collections.abc import Sequence

from doxa.canonical import canonical_json
from doxa.elicit.refusals import is_refusal
from doxa.protocols.context_drift.asking import Contexts, Found, MeasureOptions, answered, columns
from doxa.protocols.context_drift.elicitors import TerminalChoice, terminal_question
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.judge import judge_sides
from doxa.protocols.context_drift.tool_loop import ToolJob, ToolOutcome, outcome, run_tool_loops
from doxa.protocols.context_drift.tools import ToolTask
from doxa.subjects.base import Capability, Subject, require, user


def tool_behaviour(
    model: Subject, items: Sequence[BeliefItem], contexts: Contexts, options: MeasureOptions, sample: int
) -> Found:
    """Work through every item's tool task; with a judge, let it read each decision too."""
    tasks = [(item, item.tools) for item in items if item.tools is not None]
    jobs = [
        ToolJob(contexts[item.id], task.task, task, flipped=options.flipped(item, sample))
        for item, task in tasks
    ]
    traces = run_tool_loops(model, jobs, options.max_steps, sampling=options.drawn(sample), plan=options.plan)
    done = [outcome(task, trace) for (_, task), trace in zip(tasks, traces, strict=True)]
    found: Found = {}
    for (item, _), one in zip(tasks, done, strict=True):
        refusal = one.reason == "refusal" or (one.side is None and is_refusal(one.trace.text))
        reason = "refusal" if refusal else one.reason
        found[item.id, "behavior"] = columns(
            None if one.side is None else float(one.side), refusal=refusal, missing=reason, raw=_told(one)
        )
    if options.judge is not None:
        read = judge_sides(
            options.judge,
            [(item, task.task, _account(task, one)) for (item, task), one in zip(tasks, done, strict=True)],
        )
        found |= {(item.id, "judge"): answered(one) for (item, _), one in zip(tasks, read, strict=True)}
    return found


def scored_behaviour(
    model: Subject, items: Sequence[BeliefItem], contexts: Contexts, options: MeasureOptions, sample: int
) -> Found:
    """Score the options of every item's terminal call."""
    tasks = {item.id: item.tools for item in items if item.tools is not None}
    asked = [item for item in items if item.id in tasks]
    answers = TerminalChoice(way="log-probabilities", tasks=tasks).elicit(
        model,
        [contexts[item.id] for item in asked],
        [terminal_question(item) for item in asked],
        sampling=options.drawn(sample),
    )
    return {(item.id, "behavior"): answered(answer) for item, answer in zip(asked, answers, strict=True)}


def free_behaviour(
    model: Subject, items: Sequence[BeliefItem], contexts: Contexts, options: MeasureOptions, sample: int
) -> Found:
    """Ask for free responses where an item has no tools, and let the judge read them."""
    found: Found = {}
    free = [item for item in items if item.tools is None and item.behaviour_request]
    for item in items:
        if item.tools is None and not item.behaviour_request:
            found[item.id, "behavior"] = columns(
                None, missing="the item has neither tools nor a request for behaviour"
            )
    if free and options.judge is None:
        return found | {
            (item.id, "behavior"): columns(None, missing="a free response needs a judge; name one")
            for item in free
        }
    if not free or options.judge is None:
        return found
    require(model, Capability.REPLY)
    forks = [(*contexts[item.id], user(item.behaviour_request)) for item in free]
    replies = model.reply(forks, sampling=options.drawn(sample))
    asked = [(item, item.behaviour_request, reply.text) for item, reply in zip(free, replies, strict=True)]
    for item, reply, verdict in zip(free, replies, judge_sides(options.judge, asked), strict=True):
        if reply.finish == "fault":
            found[item.id, "behavior"] = columns(None, missing=f"fault: {reply.fault}", raw=reply.text)
        elif reply.finish == "refusal" or is_refusal(reply.text):
            found[item.id, "behavior"] = columns(None, refusal=True, missing="refusal", raw=reply.text)
        else:
            reason = "" if verdict.value is not None else f"judge: {verdict.reason}"
            found[item.id, "behavior"] = {
                **answered(verdict),
                "missing": reason,
                "raw": reply.text,
                "refusal": False,
            }
    return found


def _told(one: ToolOutcome) -> str:
    """Return the calls and the last text as one line of JSON, kept as the raw answer."""
    return canonical_json(
        {
            "calls": [
                [step.name, dict(step.arguments), step.result.get("ok") is True] for step in one.trace.steps
            ],
            "text": one.trace.text,
        }
    )


def _account(task: ToolTask, one: ToolOutcome) -> str:
    """Return what a judge gets to see of a tool task: the decision in its neutral words, or the last text."""
    if one.option is None:
        return one.trace.text or "(nothing)"
    return f"{task.terminal.name}: {task.terminal.options[one.option]}"
