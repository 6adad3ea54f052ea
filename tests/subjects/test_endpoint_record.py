from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doxa.errors import InputError, StoreError
from doxa.secret import Secret
from doxa.subjects.addresses import identity, open_subject, parse_address
from doxa.subjects.base import Capability, Conversation, Reply, Sampling, user
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.endpoint_record import RecordingTransport, ReplayDesyncError, ReplayTransport
from doxa.subjects.endpoint_transport import Request, Response, TransportError
from doxa.subjects.schemes import subjects
from doxa.testing import FAULTS, FaultServer
from doxa.testing.faulty_transport import FaultyTransport

QUICK = Patience(first_wait_s=0.0, longest_wait_s=0.0)
SAMPLING = Sampling(max_tokens=4)


def talks(*texts: str) -> list[Conversation]:
    return [(user(text),) for text in texts]


class Echo:
    """Answers with the last message; the first time that a text is asked that says so, not."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        text = json.loads(request.body)["messages"][-1]["content"]
        self.asked.append(text)
        first = self.asked.count(text) == 1
        if first and text == "broken":
            raise TransportError("reset", "the connection broke")
        if first and text == "busy":
            return Response(429, {"retry-after": "3", "set-cookie": "session"}, b"slow down")
        body: dict[str, Any] = {
            "choices": [{"message": {"content": f"{text} {self.asked.count(text)}"}, "finish_reason": "stop"}]
        }
        return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())


def through(transport: Any, *texts: str, key: Secret | None = None) -> list[Reply]:
    subject = EndpointSubject.open("http://x/v1", "m", transport=transport, patience=QUICK, key=key)
    return subject.reply(talks(*texts), sampling=SAMPLING)


def test_a_replay_answers_as_the_server_did_failures_and_all(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    echo = Echo()
    asked = ("a", "broken", "busy", "b")
    recorded = through(RecordingTransport(echo, path), *asked)
    assert [reply.text for reply in recorded] == ["a 1", "broken 2", "busy 2", "b 1"]
    subject = EndpointSubject.open("http://x/v1", "m", transport=ReplayTransport(path), patience=QUICK)
    assert subject.reply(talks(*asked), sampling=SAMPLING) == recorded
    assert subject.tally.faults == {"reset": 1, "429": 1}
    assert len(echo.asked) == 6


def test_equal_requests_get_their_answers_in_order(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    through(RecordingTransport(Echo(), path), "a", "a")
    replay = ReplayTransport(path)
    assert [through(replay, "a")[0].text, through(replay, "a")[0].text] == ["a 1", "a 2"]
    with pytest.raises(ReplayDesyncError, match="request 3 was recorded fewer times than it is asked now"):
        through(replay, "a")


def test_a_request_that_departs_from_the_record_says_where(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    through(RecordingTransport(Echo(), path), "Is the tower tall?", "Is the sea wide?")
    with pytest.raises(ReplayDesyncError) as caught:
        through(ReplayTransport(path), "Is the tower high?")
    assert "request 1 departs from the record at body.messages[0].content" in str(caught.value)
    assert "'the tower high?' here, 'the tower tall?' there, from character 13 on" in str(caught.value)
    other = EndpointSubject.open("http://x/v1", "m", transport=ReplayTransport(path), patience=QUICK)
    with pytest.raises(ReplayDesyncError, match=r"at body\.max_tokens: 5 here, 4 there"):
        other.reply(talks("Is the sea wide?"), sampling=Sampling(max_tokens=5))


def test_no_key_and_no_other_header_is_in_a_record(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    canary = Secret("sk-record-canary")
    through(RecordingTransport(Echo(), path), "busy", "my key is sk-record-canary", key=canary)
    text = path.read_text()
    assert "sk-record-canary" not in text
    assert "my key is ***" in text
    assert "session" not in text
    replayed = through(ReplayTransport(path), "busy", "my key is sk-record-canary", key=canary)
    assert replayed[1].text == "my key is *** 1"


def test_a_record_that_was_cut_off_is_added_to(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    through(RecordingTransport(Echo(), path), "a", "b")
    path.write_bytes(path.read_bytes()[:-20])
    assert len(ReplayTransport(path)._kept) == 1
    through(RecordingTransport(Echo(), path), "c")
    assert through(ReplayTransport(path), "c", "a")[0].text == "c 1"


def test_what_is_no_record_is_refused(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    with pytest.raises(StoreError, match="record it first"):
        ReplayTransport(path)
    path.write_text("{}\n")
    for opened in (lambda: ReplayTransport(path), lambda: RecordingTransport(Echo(), path)):
        with pytest.raises(StoreError, match="line 1: is no entry of a record"):
            opened()
    assert path.read_text() == "{}\n"


def test_addresses_record_and_replay_with_the_same_identity(tmp_path: Path):
    path = tmp_path / "sub" / "record.jsonl"
    with FaultServer(lambda asked: asked["messages"][-1]["content"].upper()) as server:
        recording = open_subject(f"{server.url}?record={path}&connections=2#m")
        first = recording.reply(talks("a", "b"), sampling=SAMPLING)
    address = f"{server.url}?replay={path}#m"
    assert open_subject(address).reply(talks("b", "a"), sampling=SAMPLING) == first[::-1]
    assert identity(address) == identity(f"{server.url}#m") == recording.identity
    assert recording.address == f"{server.url}#m"


def test_identity_opens_no_file(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    identity(f"http://x/v1?record={path}#m")
    identity(f"http://x/v1?replay={path}#m")
    assert Capability.REPLY in subjects.get("http")().capabilities(
        parse_address(f"http://x/v1?record={path}#m")
    )
    assert not path.exists()


@pytest.mark.parametrize(
    "options", ["record=a&replay=b", "connections=0", "connections=x", "connections=9999"]
)
def test_options_that_mean_nothing_are_refused(options: str):
    with pytest.raises(InputError, match="subject 'http://x/v1#m'"):
        open_subject(f"http://x/v1?{options}#m")


def test_faults_are_drawn_by_the_request_and_survived():
    kinds = {"429 retry-after": 0.1, "reset inside": 0.1, "time-out": 0.1, "cut JSON": 0.1, "no choices": 0.1}
    texts = [f"q{k}" for k in range(60)]
    runs: list[dict[str, int]] = []
    for order in (texts, texts[::-1]):
        transport = FaultyTransport(Echo(), kinds, seed=3)
        subject = EndpointSubject.open(
            "http://x/v1",
            "m",
            transport=transport,
            patience=Patience(attempts=30, first_wait_s=0.0, retry_share=5.0),
        )
        replies = subject.reply(talks(*order), sampling=SAMPLING)
        assert [reply.text.split()[0] for reply in replies] == order
        seen: dict[str, int] = {}
        for name, count in transport.struck.items():
            seen[FAULTS[name].seen_as] = seen.get(FAULTS[name].seen_as, 0) + count
        assert subject.tally.faults == seen
        runs.append(dict(sorted(transport.struck.items())))
    assert runs[0] == runs[1]
    assert len(runs[0]) == len(kinds)


def test_faults_that_are_none_are_refused():
    with pytest.raises(InputError, match="did you mean '502' or '500'"):
        FaultyTransport(Echo(), {"501": 0.1})
    with pytest.raises(InputError, match="at most 1"):
        FaultyTransport(Echo(), {"500": 0.6, "502": 0.6})


def test_a_replay_sends_nothing_and_closes(tmp_path: Path):
    path = tmp_path / "record.jsonl"
    recording = RecordingTransport(Echo(), path)
    asyncio.run(recording.close())
    through(recording, "a")
    assert len(path.read_text().splitlines()) == 2
