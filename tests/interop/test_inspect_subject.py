from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob

import doxa
from doxa.errors import CapabilityError, InputError, MissingExtraError
from doxa.interop.inspect.subject import InspectSubject
from doxa.interop.inspect.words import from_chat, from_tools, to_chat, to_output, to_reply, to_tools
from doxa.subjects.addresses import form, identity, parse_address
from doxa.subjects.base import (
    Capability,
    Message,
    Query,
    Reply,
    Sampling,
    Tool,
    ToolCall,
    assistant,
    system,
    user,
)
from doxa.subjects.cache import CachedSubject, Journal
from doxa.testing import check_subject
from tests.interop.hosts import model_of

VOTE = Tool(
    "vote", "Votes.", {"type": "object", "properties": {"for": {"type": "string"}}, "required": ["for"]}
)
CALL = ToolCall("vote", {"for": "tax"}, "call_7")


def test_a_conversation_and_its_tools_come_back_as_they_went():
    talk = (
        system("Be brief."),
        user("Vote."),
        Message("assistant", "", (CALL,)),
        Message("tool", '{"ok":true}', tool_call_id="call_7"),
        assistant("Done."),
    )
    chat = to_chat(talk)
    assert [message.role for message in chat] == ["system", "user", "assistant", "tool", "assistant"]
    assert chat[3].function == "vote", "a tool's answer knows which tool it is of"
    assert from_chat(chat) == talk
    [back] = from_tools(to_tools([VOTE]))
    assert (back.name, back.description) == (VOTE.name, VOTE.description)
    assert {name: back.parameters[name] for name in VOTE.parameters} == VOTE.parameters


@pytest.mark.parametrize(
    "reply",
    [
        Reply("yes", "stop", 4, 2),
        Reply("ye", "length", 4, 1),
        Reply("no comment", "refusal", 4, 2),
        Reply("", "tool_call", 4, 2, (CALL,)),
    ],
)
def test_a_reply_comes_back_as_it_went(reply):
    assert to_reply(to_output(reply, "doxa/x")) == reply


def test_an_output_without_a_choice_is_a_fault_and_an_unread_call_stays_in_the_text():
    assert to_reply(ModelOutput(model="m", choices=[], error="blocked")) == Reply(
        "", "fault", fault="blocked"
    )
    output = ModelOutput.for_tool_call("m", "vote", {"for": "tax"}, content="")
    output.choices[0].message.tool_calls[0].parse_error = "cut"
    reply = to_reply(output)
    assert reply.tool_calls == ()
    assert reply.finish == "stop"
    assert "vote" in reply.text


def test_conversations_are_answered_in_their_order_and_failures_are_faults():
    def answer(messages, tools, config):
        if "break" in messages[-1].text:
            raise RuntimeError("the line broke")
        return f"heard {messages[-1].text}"

    subject = InspectSubject(model_of(answer))
    talks = [(user(f"{n}" if n != 3 else "break"),) for n in range(40)]
    replies = subject.reply(talks, sampling=Sampling())
    assert [reply.text for n, reply in enumerate(replies) if n != 3] == [
        f"heard {n}" for n in range(40) if n != 3
    ]
    assert replies[3].finish == "fault"
    assert replies[3].fault == "RuntimeError: the line broke"
    assert (replies[0].tokens_in, replies[0].tokens_out) == (5, 2)
    tally = subject.tally
    assert (tally.questions, tally.answered, tally.tokens_in, tally.tokens_out) == (40, 39, 195, 78)
    assert dict(tally.faults) == {"RuntimeError": 1}


def test_sampling_and_tools_reach_the_model_and_draws_differ_by_their_seed():
    seen = []

    def answer(messages, tools, config):
        seen.append((config, [tool.name for tool in tools]))
        return ModelOutput.for_tool_call("m", "vote", {"for": "tax"}, tool_call_id="call_7", content="")

    subject = InspectSubject(model_of(answer))
    warm = Sampling(temperature=0.7, max_tokens=9, top_p=0.9, seed=3, stop=("\n",))
    [reply] = subject.reply([(user("Vote."),)], sampling=warm, tools=[VOTE])
    assert reply.tool_calls == (CALL,)
    assert reply.finish == "tool_call"
    subject.reply([(user("Vote."),)], sampling=warm.at(sample=1))
    subject.reply([(user("Vote."),)], sampling=Sampling())
    first, second, greedy = (config for config, _ in seen)
    assert (first.temperature, first.max_tokens, first.top_p, first.stop_seqs) == (0.7, 9, 0.9, ["\n"])
    assert first.seed != second.seed
    assert greedy.seed is None
    assert greedy.temperature == 0.0
    assert [names for _, names in seen] == [["vote"], [], []]


def scored(messages, tools, config):
    if not config.logprobs:
        return "text"
    assert (config.max_tokens, config.top_logprobs) == (1, 20)
    output = ModelOutput.from_content("m", "A")
    if "silent" in messages[-1].text:
        return output
    top = [TopLogprob(token="A", logprob=math.log(0.7)), TopLogprob(token="B", logprob=math.log(0.2))]
    output.choices[0].logprobs = Logprobs(
        content=[Logprob(token="A", logprob=top[0].logprob, top_logprobs=top)]
    )
    return output


def test_options_are_read_from_the_likeliest_tokens():
    subject = InspectSubject(model_of(scored), scores=True)
    assert Capability.SCORE in subject.capabilities
    read, silent = subject.score([Query((user("q"),), ("A", "B", "C")), Query((user("silent"),), ("A", "B"))])
    np.testing.assert_allclose(np.exp(read[:2]), [0.7, 0.2])
    assert np.isnan(read[2])
    assert np.isnan(silent).all()
    with pytest.raises(CapabilityError, match="no usable log-probabilities: none came; ask for text"):
        subject.score([Query((user("silent"),), ("A",))])
    with pytest.raises(CapabilityError, match="no option is a single token"):
        subject.score([Query((user("q"),), ("Alpha",))])
    with pytest.raises(CapabilityError, match=r"add \?scores=true"):
        InspectSubject(model_of(scored)).score([Query((user("q"),), ("A",))])


def test_replies_are_kept_in_the_cache_and_not_asked_twice(tmp_path):
    asked = []
    model = model_of(lambda messages, tools, config: asked.append(1) or "once")
    with Journal(tmp_path / "replies.sqlite") as journal:
        for _ in range(2):
            cached = CachedSubject(InspectSubject(model), journal)
            assert cached.reply([(user("q"),)], sampling=Sampling())[0].text == "once"
    assert len(asked) == 1


def test_an_address_opens_a_model_and_can_be_planned_without_opening_it():
    subject = doxa.subject("inspect:mockllm/model?scores=true&revision=2")
    assert subject.address == "inspect:mockllm/model?scores=true&revision=2"
    assert identity(subject.address) == subject.identity
    assert identity("inspect:mockllm/model") != subject.identity
    assert form("inspect:openai/gpt-4o") == "published"
    assert parse_address("inspect:openai/gpt-4o").name == "openai/gpt-4o"
    with pytest.raises(InputError, match="scores must be true or false"):
        doxa.subject("inspect:mockllm/model?scores=yes")
    with pytest.raises(InputError, match="nowhere"):
        doxa.subject("inspect:nowhere/model")


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"needs the extra 'inspect': python -m pip install 'doxa\[inspect\]'"
    ):
        doxa.subject("inspect:openai/gpt-4o")


def test_the_suite_for_subjects_passes():
    check_subject(InspectSubject(model_of(lambda messages, *_: f"heard {messages[-1].text}")))
