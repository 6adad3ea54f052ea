from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.subjects.base import Conversation, Query, Reply, Sampling, Tool, ToolCall, user
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.planted import PlantedSubject
from doxa.testing import FAULTS, FaultServer, Manner, check_subject
from doxa.testing.fault_command import read_faults
from doxa.testing.fault_ledger import Ledger

QUICK = Manner(pause_s=0.001, long_bytes=200_000)
TEXTS = [f"q{number}" for number in range(24)]
OPTIONS = {"A": -0.5, "B": -1.5, "C": -3.0}


def patience(timeout_s: float = 20.0) -> Patience:
    return Patience(first_wait_s=0.001, longest_wait_s=0.05, timeout_s=timeout_s, retry_share=5.0)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Say what was asked, with wide characters, and give three likeliest tokens."""
    text = asked["messages"][-1]["content"]
    choice: dict[str, Any] = {
        "message": {"role": "assistant", "content": f"é: {text}"},
        "finish_reason": "stop",
    }
    if asked.get("logprobs"):
        top = [{"token": token, "logprob": log_prob} for token, log_prob in OPTIONS.items()]
        choice["logprobs"] = {"content": [{"token": "A", "logprob": -0.5, "top_logprobs": top}]}
    return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def ask(server: FaultServer, texts: Sequence[str] = TEXTS, **options: Any) -> tuple[list[Reply], Any]:
    subject = EndpointSubject.open(server.url, "m", patience=patience(**options))
    replies = subject.reply([(user(text),) for text in texts], sampling=Sampling())
    subject.close()
    return replies, subject.tally


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.of != "scores"])
def test_each_fault_is_survived_and_counted_as_the_ledger_says(fault: str):
    timeout_s = 0.3 if FAULTS[fault].seen_as == "timeout" else 20.0
    with FaultServer(answer, faults={fault: 0.4}, manner=QUICK) as server:
        replies, tally = ask(server, timeout_s=timeout_s)
    assert server.ledger.faults()[fault] > 3
    altered = 0
    for text, reply in zip(TEXTS, replies, strict=True):
        if reply.text != f"é: {text}":
            assert FAULTS[fault].alters or (reply.finish == "fault" and reply.fault)
            altered += FAULTS[fault].alters
        else:
            assert reply.finish == "stop"
    assert altered == len(server.ledger.altered())
    assert tally.faults == server.ledger.seen()
    assert tally.requests == len(server.ledger.entries)
    assert (tally.tokens_in, tally.tokens_out) == server.ledger.tokens()
    assert set(server.ledger.answered().values()) <= {1}


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.of == "scores"])
def test_log_probabilities_that_are_spoiled_are_read_right_or_not_at_all(fault: str):
    with FaultServer(answer, faults={fault: 0.3}, manner=QUICK, seed=3) as server:
        subject = EndpointSubject.open(server.url, "m", patience=patience(), scores=True)
        subject.score([Query((user("first"),), tuple(OPTIONS))] * 2)  # which shows that the server can
        found = subject.score_seen([Query((user(text),), tuple(OPTIONS)) for text in TEXTS])
        subject.close()
    assert server.ledger.faults()[fault] > 3
    for scores in found:
        if not np.isnan(scores.log_probs).all():
            np.testing.assert_allclose(scores.log_probs, list(OPTIONS.values()))
        else:
            assert scores.fault
    assert subject.tally.faults == server.ledger.seen()


def test_what_is_done_hangs_on_seed_question_and_attempt_alone():
    faults = {"500": 0.2, "cut JSON": 0.2, "reset inside": 0.2}

    def done(texts: Sequence[str], seed: int) -> dict[tuple[str, int], str]:
        with FaultServer(answer, faults=faults, seed=seed) as server:
            ask(server, texts)
        return {(entry.request, entry.attempt): entry.fault for entry in server.ledger.entries}

    first = done(TEXTS, 0)
    assert first == done(TEXTS[::-1], 0)
    assert first != done(TEXTS, 1)
    assert done(TEXTS[:8], 0).items() < first.items()


def test_without_faults_a_subject_behind_it_keeps_the_contract_of_subjects():
    with FaultServer(PlantedSubject.open("bayesian", {}), faults=0.0) as server:
        subject = EndpointSubject.open(server.url, "planted", patience=patience())
        check_subject(subject)
        subject.close()
    assert not server.ledger.faults()


class _Echo(PlantedSubject):
    """Calls a tool with all that it was asked."""

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        said = [message.as_json() for message in conversations[0]]
        call = ToolCall("echo", {"said": said, "stop": list(sampling.stop), "tools": [t.name for t in tools]})
        return [Reply("", "tool_call", 1, 1, (call,))]


def test_tools_and_tool_calls_go_through():
    with FaultServer(_Echo("bayesian", PlantedSubject.open("bayesian", {}).config), faults=0.0) as server:
        subject = EndpointSubject.open(server.url, "m", patience=patience())
        tool = Tool("echo", "says it again", {"type": "object"})
        (reply,) = subject.reply([(user("hi"),)], sampling=Sampling(stop=("x",)), tools=[tool])
        subject.close()
    said = [{"role": "user", "content": "hi"}]
    assert reply.tool_calls[0].arguments == {"said": said, "stop": ["x"], "tools": ["echo"]}


def test_between_a_client_and_a_server_it_passes_on_what_it_does_not_spoil():
    with (
        FaultServer(answer, faults=0.0) as real,
        FaultServer(upstream=real.url, faults={"double delivery": 0.3, "no choices": 0.3}) as server,
    ):
        replies, tally = ask(server)
        with urllib.request.urlopen(f"{server.url}/models") as response:
            assert json.load(response)["object"] == "list"
        with urllib.request.urlopen(f"{server.url.removesuffix('/v1')}/ledger") as response:
            assert Ledger.read(response.read().decode().splitlines()) == server.ledger
    assert [reply.text for reply in replies] == [f"é: {text}" for text in TEXTS]
    assert tally.faults == {"no choices": server.ledger.faults()["no choices"]}
    twice = server.ledger.faults()["double delivery"]
    assert len(real.ledger.entries) == len(server.ledger.entries) + twice > len(TEXTS)
    assert (tally.tokens_in, tally.tokens_out) == (3 * len(TEXTS), 2 * len(TEXTS))


def posted(url: str, body: bytes) -> tuple[int, bytes]:
    """Return status and body of a POST by another client."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", data=body)) as found:
            return found.status, found.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_server_upstream_that_is_gone_is_a_502():
    with FaultServer(answer, faults=0.0) as real:
        gone = real.url
    with FaultServer(upstream=gone, faults=0.0) as server:
        status, body = posted(server.url, b"{}")
    assert status == 502
    assert b"upstream" in body


def test_a_request_that_the_answer_cannot_take_is_a_400_with_the_reason():
    with FaultServer(answer, faults=0.0) as server:
        assert posted(server.url, b"{")[0] == 400
        assert b"messages" in posted(server.url, b"{}")[1]
        assert ask(server, ["fine"])[0][0].text == "é: fine"


def test_an_error_of_the_answer_is_raised_where_the_server_ends():
    def broken(asked: dict[str, Any]) -> str:
        return str(1 / 0)

    with pytest.raises(ZeroDivisionError), FaultServer(broken, faults=0.0) as server:
        assert ask(server, ["x"])[0][0].finish == "fault"


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="did you mean '429'"):
        FaultServer(answer, faults={"428": 0.1})
    with pytest.raises(InputError, match="at most 1"):
        FaultServer(answer, faults={"429": 0.6, "500": 0.6})
    with pytest.raises(InputError, match="one of the two"):
        FaultServer()
    with pytest.raises(InputError, match="upstream 'localhost'"):
        FaultServer(upstream="localhost")
    with FaultServer(answer) as server, pytest.raises(OSError, match="in use"):
        FaultServer(answer, port=int(server.url.split(":")[2].split("/")[0])).__enter__()


def test_faults_are_read_from_a_command_line():
    assert read_faults("0.25") == 0.25
    assert read_faults("429=0.1, cut-json=0.05") == {"429": 0.1, "cut JSON": 0.05}
    for text in ("much", "429=much"):
        with pytest.raises(InputError, match="give a share"):
            read_faults(text)


@pytest.mark.slow
def test_the_command_prints_its_address_serves_and_says_what_it_did():
    command = [sys.executable, "-W", "error", "-m", "doxa.testing.fault_command", "--faults", "500=1"]
    with subprocess.Popen(
        [*command, "--subject", "planted:bayesian"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert posted(url, b'{"messages": []}')[0] == 500
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read().split() == ["1", "500", "1", "requests"]
        assert process.wait() == 0
