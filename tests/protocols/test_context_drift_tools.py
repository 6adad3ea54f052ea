"""The tool loop: what ends it, what is refused, and the plan form for subjects without tool calls."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import CapabilityError, InputError
from doxa.protocols.context_drift.tool_loop import ToolJob, run_tool_loop, run_tool_loops
from doxa.subjects.base import Reply, ToolCall, user
from tests.protocols.drift_subjects import Scripted, task


def native(*calls):
    """A subject that makes these calls, one per turn."""

    def answer(conversation, sampling):
        turn = sum(message.role == "assistant" for message in conversation)
        if turn >= len(calls):
            return "I am done."
        name, arguments = calls[turn]
        return Reply("", "tool_call", tool_calls=(ToolCall(name, arguments, f"c{turn}"),))

    return Scripted(answer, tools=True)


def planner(*replies):
    def answer(conversation, sampling):
        turn = sum(message.role == "assistant" for message in conversation)
        return replies[turn] if turn < len(replies) else "I am done."

    return Scripted(answer)


def plan(name, **arguments):
    return json.dumps({"name": name, "args": arguments})


def test_terminal_call_ends_the_loop():
    subject = native(("look", {}), ("decide", {"option": "close"}), ("listen", {}))
    result = run_tool_loop(subject, task())
    assert (result.option, result.side, result.reason) == ("close", -1, "")
    assert [step.name for step in result.trace.steps] == ["look", "decide"]
    roles = [message.role for message in result.trace.conversation]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    assert result.trace.conversation[2].tool_call_id == "c0"


def test_repeated_tool_is_refused_and_unknown_tool_returns_an_error():
    subject = native(("look", {}), ("look", {}), ("loook", {}), ("decide", {"option": "open"}))
    result = run_tool_loop(subject, task())
    errors = [step.result.get("error", "") for step in result.trace.steps]
    assert "already used once" in errors[1]
    assert "unknown tool 'loook'; did you mean 'look'" in errors[2]
    assert result.side == 1


def test_terminal_call_with_an_unknown_option_does_not_end():
    result = run_tool_loop(native(("decide", {"option": "ajar"}), ("decide", {"option": "open"})), task())
    assert [step.result["ok"] for step in result.trace.steps] == [False, True]
    assert result.option == "open"


def test_no_terminal_call_is_no_decision():
    result = run_tool_loop(native(*[("look", {})] * 20), task())
    assert (result.option, result.side) == (None, None)
    assert result.reason == "no decision: 8 calls without a terminal one"
    assert len(result.trace.steps) == 8
    result = run_tool_loop(native(), task())
    assert result.reason.startswith("no decision: the reply held no tool call")
    assert result.trace.text == "I am done."


def test_only_the_first_call_of_a_turn_counts():
    both = (ToolCall("look", {}, "1"), ToolCall("decide", {"option": "open"}, "2"))
    subject = Scripted(lambda conversation, sampling: Reply("", "tool_call", tool_calls=both), tools=True)
    result = run_tool_loop(subject, task(), 3)
    assert result.side is None
    assert all(len(message.tool_calls) <= 1 for message in result.trace.conversation)


@pytest.mark.parametrize("finish", ["refusal", "fault"])
def test_refusal_and_fault_are_told_apart(finish):
    subject = Scripted(lambda conversation, sampling: Reply("No.", finish), tools=True)
    assert run_tool_loop(subject, task()).reason == finish


def test_plan_form_for_subjects_without_tool_calls():
    subject = planner(plan("look"), f"```json\n{plan('decide', option='open')}\n```")
    result = run_tool_loop(subject, task())
    assert result.option == "open"
    assert subject.offered == [(), ()]
    assert '"decide"' in subject.asked[0][0].content
    assert [message.role for message in result.trace.conversation] == ["user", "assistant"] * 2 + ["user"]


def test_plan_form_can_be_asked_of_anyone_and_native_of_few():
    assert run_tool_loop(planner(plan("decide", option="close")), task(), plan=True).side == -1
    with pytest.raises(CapabilityError):
        run_tool_loop(planner(), task(), plan=False)
    with pytest.raises(InputError, match="max_steps=0"):
        run_tool_loop(planner(), task(), 0)


@pytest.mark.parametrize(
    "text",
    ["decide open", '{"name": "decide"', '{"name": 3, "args": {}}', '{"name": "decide", "args": []}', "[1]", "null",
     '{"name": "decide", "args": {"option": "open"}} trailing', "[" * 100_000, '{"name": "look", "args": {"x": NaN}}',
     '{"name": "look", "args": {"x": 1e999}}'],
)  # fmt: skip
def test_what_is_no_plan_is_no_decision(text):
    result = run_tool_loop(planner(text), task())
    assert result.side is None
    assert result.reason.startswith("no decision")
    assert result.trace.text == text


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_survived(text):
    result = run_tool_loop(planner(text, text), task(), 2)
    assert result.side is None or result.reason == ""


def test_flipping_reverses_the_options_listed():
    one, two = planner(), planner()
    run_tool_loop(one, task())
    run_tool_loop(two, task(), flipped=True)
    first, second = one.asked[0][0].content, two.asked[0][0].content
    assert first.index("open: It opens.") < first.index("close: It closes.")
    assert second.index("open: It opens.") > second.index("close: It closes.")


def test_context_stands_in_front_and_loops_share_batches():
    subject = planner(plan("decide", option="open"))
    jobs = [ToolJob((user(f"before {n}"),), "Do it.", task()) for n in range(3)]
    traces = run_tool_loops(subject, jobs)
    assert subject.batches == [3]
    assert [trace.conversation[0].content for trace in traces] == ["before 0", "before 1", "before 2"]
