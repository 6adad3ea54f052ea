from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.secret import Secret
from doxa.subjects.base import (
    Capability,
    Conversation,
    Message,
    Query,
    Reply,
    Sampling,
    Subject,
    Tool,
    ToolCall,
    system,
    user,
)
from doxa.subjects.cache import CachedSubject, Journal, explain
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Exchange, Patience, retry_after_s
from doxa.subjects.endpoint_scoring import read_top_tokens
from doxa.subjects.endpoint_transport import AiohttpTransport, LoopThread, Request, Response, TransportError
from doxa.subjects.endpoint_wire import FaultError, read_reply, reply_body
from doxa.testing import check_subject
from doxa.testing.virtual_time import run_virtually
from tests.subjects import tiny_models

QUICK = Patience(first_wait_s=0.0, longest_wait_s=0.01, timeout_s=10.0)


def answer(text: str | None, **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text, **message},
    }
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}


class Server:
    """A server in this process that does to a question what the question's text says, in order."""

    def __init__(self) -> None:
        self.loop = LoopThread()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.seen: Counter[str] = Counter()
        self.under_way = self.most_under_way = 0
        self.url = self.loop.submit(self._start()).result()

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"

    def stop(self) -> None:
        self.loop.submit(self.runner.cleanup()).result()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        text = body["messages"][-1]["content"]
        steps = text.split()
        step = steps[min(self.seen[text], len(steps) - 1)]
        self.seen[text] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            return await self._do(request, step, text)
        finally:
            self.under_way -= 1

    async def _do(self, request: web.Request, step: str, text: str) -> web.StreamResponse:
        good = json.dumps(answer(f"re: {text}"))
        match step:
            case "429":
                return web.json_response(
                    {"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0"}
                )
            case "429-bare":
                return web.Response(status=429)
            case "quota":
                return web.json_response({"error": {"code": "insufficient_quota"}}, status=429)
            case "cut":
                return web.Response(body=good[:-20].encode(), content_type="application/json")
            case "html":
                return web.Response(text=f"<html>{good}</html>", content_type="text/html")
            case "empty":
                return web.json_response({"choices": []})
            case "inside":
                return web.json_response({"error": {"code": 503, "message": "upstream"}})
            case "redirect":
                return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "echo-key":
                return web.json_response({"error": request.headers.get("Authorization")}, status=400)
            case _ if step.isdigit():
                return web.Response(status=int(step), text="broken\nbadly")
        return web.json_response(answer(f"re: {text}"))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def opened(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EndpointSubject]]:
    for name in ("DOXA_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    subjects: list[EndpointSubject] = []

    def open_one(**options: Any) -> EndpointSubject:
        subjects.append(
            EndpointSubject.open(server.url, "tiny", patience=options.pop("patience", QUICK), **options)
        )
        return subjects[-1]

    yield open_one
    for subject in subjects:
        subject.close()


def talks(*texts: str) -> list[Conversation]:
    return [(user(text),) for text in texts]


def test_questions_are_answered_in_order_with_bounded_concurrency(server: Server, opened: Any):
    subject = opened(patience=Patience(concurrency=4))
    assert isinstance(subject, Subject)
    texts = [f"q{k}" for k in range(60)]
    replies = subject.reply(talks(*texts), sampling=Sampling())
    assert [reply.text for reply in replies] == [f"re: {text}" for text in texts]
    assert replies[0] == Reply("re: q0", "stop", 7, 2)
    assert server.most_under_way <= 4
    assert (subject.tally.requests, subject.tally.tokens_in, subject.tally.tokens_out) == (60, 420, 120)
    assert subject.reply([], sampling=Sampling()) == []


def test_faults_that_pass_are_survived_and_counted(server: Server, opened: Any):
    subject = opened()
    texts = [
        "429 ok",
        "429-bare ok",
        "500 502 ok",
        "cut ok",
        "html ok",
        "empty ok",
        "inside ok",
        "reset ok",
        "ok",
    ]
    replies = subject.reply(talks(*texts), sampling=Sampling())
    assert [reply.text for reply in replies] == [f"re: {text}" for text in texts]
    assert subject.tally.faults == {
        "429": 2, "500": 1, "502": 1, "cut JSON": 1, "content type": 1, "no choices": 1, "503": 1, "reset": 1
    }  # fmt: skip
    assert subject.tally.requests == sum(server.seen.values()) == len(texts) + 9
    assert subject.tally.tokens_in == 7 * len(texts)


def test_faults_that_stay_become_faults_with_a_reason(opened: Any):
    subject = opened()
    texts = ["400", "quota", "500", "html", "redirect", "fine"]
    replies = subject.reply(talks(*texts), sampling=Sampling())
    assert [reply.finish for reply in replies] == ["fault"] * 5 + ["stop"]
    assert replies[0].fault == "status 400: broken badly"
    assert "insufficient_quota" in replies[1].fault
    assert replies[3].fault == "content type 'text/html; charset=utf-8' instead of JSON"
    assert subject.tally.faults == {"400": 1, "429 quota": 1, "500": 6, "content type": 6, "307": 1}


def test_retries_end_when_their_budget_is_spent(opened: Any):
    subject = opened(patience=Patience(first_wait_s=0.0, retry_share=0.5, retry_floor=3))
    replies = subject.reply(talks(*(f"{k} 500" for k in range(500, 520))), sampling=Sampling())
    assert all(reply.finish == "fault" for reply in replies)
    assert subject.tally.retries <= 3 + 0.5 * 20
    assert subject.tally.requests == 20 + subject.tally.retries


def test_a_refused_key_ends_it_for_all(opened: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DOXA_API_KEY", raising=False)
    subject = opened(patience=Patience(concurrency=1))
    with pytest.raises(SubjectError, match=r"401.*wants a key and none is set; set DOXA_API_KEY"):
        subject.reply(talks("401", "a", "b"), sampling=Sampling())
    assert subject.tally.requests == 1


def test_nobody_there_is_an_error_that_says_what_to_do():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subject = EndpointSubject.open(f"http://127.0.0.1:{port}/v1", "m", patience=QUICK)
    with pytest.raises(SubjectError, match=r"cannot connect .* start the server or check the address"):
        subject.reply(talks("a", "b"), sampling=Sampling())
    with pytest.raises(SubjectError, match="cannot connect"):
        subject.check()
    subject.close()


def test_check_takes_any_answer_for_a_sign_of_life(opened: Any):
    opened().check()


def test_the_key_is_sent_and_shown_nowhere(
    server: Server,
    opened: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    canary = "sk-endpoint-canary"
    monkeypatch.setenv("DOXA_API_KEY", canary)
    subject = opened()
    with Journal(tmp_path / "cache.sqlite") as journal:
        cached = CachedSubject(subject, journal, run="r")
        (fault,) = cached.reply(talks("echo-key"), sampling=Sampling())
        cached.reply(talks(f"my key is {canary}"), sampling=Sampling())
        explained = explain(journal, 1)
    assert server.headers[0]["Authorization"] == f"Bearer {canary}"
    assert "Bearer ***" in fault.fault
    try:
        subject.reply(talks("401"), sampling=Sampling())
    except SubjectError:
        raised = traceback.format_exc()
    shown = [
        raised,
        explained,
        fault.fault,
        subject.address,
        subject.identity,
        repr(vars(subject)),
        caplog.text,
    ]
    shown += [repr(subject.tally), repr(subject.request("POST", "/"))]
    assert not any(canary in text for text in shown)
    for file in tmp_path.iterdir():
        assert canary.encode() not in file.read_bytes()


def test_a_key_goes_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DOXA_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-canary")
    assert EndpointSubject.open("https://api.openai.com/v1", "m")._key is not None
    assert EndpointSubject.open("https://elsewhere.example/v1", "m")._key is None
    assert EndpointSubject.open("https://elsewhere.example/v1", "m", key=Secret("sk-other"))._key is not None


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://a/v1", "http://u:hunter22@a/v1", "http://a/v1?api_key=hunter22"]
)
def test_addresses_that_are_none_or_hold_a_key_are_refused(url: str):
    with pytest.raises(InputError) as caught:
        EndpointSubject.open(url, "m")
    assert "hunter22" not in str(caught.value)


def test_identity_is_address_model_and_revision():
    base = EndpointSubject.open("http://a/v1/", "m")
    assert base.identity == EndpointSubject.open("http://a/v1", "m", key=Secret("sk-something")).identity
    others = [("http://b/v1", "m", ""), ("http://a/v1", "n", ""), ("http://a/v1", "m", "2")]
    identities = {
        EndpointSubject.open(url, model, revision=revision).identity for url, model, revision in others
    }
    assert len(identities | {base.identity}) == 4
    assert base.address == "http://a/v1#m"


def test_the_request_holds_what_was_asked_and_a_seed_of_its_own(server: Server, opened: Any):
    subject = opened()
    drawn = Sampling(temperature=0.7, top_p=0.9, max_tokens=5, seed=1, stop=("x",))
    call = ToolCall("vote", {"for": "tax"}, "c1")
    talk = (
        system("s"),
        user("a"),
        Message("assistant", "", (call,)),
        Message("tool", "done", tool_call_id="c1"),
    )
    subject.reply([talk], sampling=drawn, tools=[Tool("vote", "votes", {"type": "object"})])
    body = server.bodies[-1]
    assert body["messages"][2] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "vote", "arguments": '{"for": "tax"}'}}
        ],
    }
    assert body["messages"][3] == {"role": "tool", "content": "done", "tool_call_id": "c1"}
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["stop"]) == (0.7, 0.9, 5, ["x"])
    assert body["tools"][0]["function"]["name"] == "vote"
    seeds = {
        json.loads(reply_body("m", talk, other))["seed"]
        for other in (drawn, drawn.at(sample=1), drawn.at(branch="b"))
    }
    seeds.add(json.loads(reply_body("m", talks("other")[0], drawn))["seed"])
    assert len(seeds) == 4
    assert body["seed"] in seeds
    greedy = json.loads(reply_body("m", talk, Sampling()))
    assert {"seed", "top_p", "stop", "tools"}.isdisjoint(greedy)


def as_response(body: Any, *, status: int = 200) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"content-type": "application/json; charset=utf-8"}, raw)


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ({"content": "a"}, "stop", Reply("a", "stop", 7, 2)),
        ({"content": "a"}, "length", Reply("a", "length", 7, 2)),
        ({"content": "a"}, "content_filter", Reply("a", "refusal", 7, 2)),
        ({"content": None, "refusal": "no"}, "stop", Reply("no", "refusal", 7, 2)),
        ({"content": None}, "length", Reply("", "length", 7, 2)),
        ({"content": [{"text": "a"}, {"text": "b"}]}, "stop", Reply("ab", "stop", 7, 2)),
        (
            {"content": None, "tool_calls": [{"id": "x", "function": {"name": "vote", "arguments": '{"n": 1}'}}]},
            "tool_calls",
            Reply("", "tool_call", 7, 2, (ToolCall("vote", {"n": 1}, "x"),)),
        ),
        (
            {"content": "so", "tool_calls": [{"id": "x", "function": {"name": "vote", "arguments": '{"n": '}}]},
            "tool_calls",
            Reply('so vote({"n": )', "stop", 7, 2),
        ),
    ],
)  # fmt: skip
def test_replies_are_read_as_they_come(message: dict[str, Any], reason: str, expected: Reply):
    body = answer(None)
    body["choices"][0] |= {"message": message, "finish_reason": reason}
    assert read_reply(as_response(body)) == expected


def test_arguments_that_name_a_key_twice_are_not_read():
    call = {"id": "x", "function": {"name": "vote", "arguments": '{"side": "for", "side": "against"}'}}
    reply = read_reply(as_response(answer(None, tool_calls=[call])))
    assert (reply.tool_calls, reply.text) == ((), 'vote({"side": "for", "side": "against"})')


@pytest.mark.parametrize("reason", [[], {}, 1, None])
def test_a_finish_reason_of_any_form_is_read(reason: Any):
    body = answer("a")
    body["choices"][0]["finish_reason"] = reason
    assert read_reply(as_response(body)).finish == "stop"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"[" * 50_000, {"choices": None}, {"choices": [None]}, {"choices": [{"message": None}]},
     {"error": "x", "choices": [{}]}, {"choices": {"0": {}}}, b"\xff\xfe"],
)  # fmt: skip
def test_odd_bodies_are_faults_and_nothing_else(body: Any):
    with pytest.raises(FaultError):
        read_reply(as_response(body))
    with pytest.raises(FaultError):
        read_top_tokens(as_response(body))


class Timed:
    """A transport that answers every request alike and notes when it was sent."""

    def __init__(self, do: Callable[[], Response]) -> None:
        self.do = do
        self.times: list[float] = []

    async def send(self, request: Request) -> Response:
        self.times.append(asyncio.get_running_loop().time())
        return self.do()


def cut_off() -> Response:
    raise TransportError("reset", "cut")


def test_waits_double_and_never_pass_the_limit():
    failing = Timed(cut_off)
    exchange = Exchange(failing, Patience(attempts=6, first_wait_s=1.0, longest_wait_s=10.0))
    with pytest.raises(FaultError, match="cut"):
        run_virtually(exchange.ask(Request("POST", "http://x", {}, b"", 1.0), read_reply))
    waits = np.diff(failing.times)
    assert len(waits) == 5
    for k, wait in enumerate(waits):
        assert min(0.5 * 2**k, 10.0) <= wait <= min(1.5 * 2**k, 10.0)


def test_the_server_says_how_long_to_wait_and_all_who_ask_it_do():
    busy = Timed(lambda: Response(429, {"retry-after": "7"}, b""))
    exchange = Exchange(busy, Patience(attempts=2, first_wait_s=0.0))
    request = Request("POST", "http://x", {}, b"", 1.0)

    async def ask_twice() -> list[BaseException | Reply]:
        first = asyncio.create_task(exchange.ask(request, read_reply))
        await asyncio.sleep(1.0)
        return await asyncio.gather(first, exchange.ask(request, read_reply), return_exceptions=True)

    assert all("429" in str(found) for found in run_virtually(ask_twice()))
    assert busy.times[0] == 0.0
    assert min(busy.times[1:]) >= 7.0
    assert exchange.tally.faults == {"429": 4}


def test_retry_after_is_seconds_or_a_date_or_nothing():
    def read(value: str) -> float | None:
        return retry_after_s(Response(429, {"retry-after": value}, b""))

    assert read("3") == 3.0
    assert read("-3") == 0.0
    assert read("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert read("soon") is None
    assert read("nan") is None
    assert retry_after_s(Response(429, {}, b"")) is None


class Raw:
    """A server on bare streams, on the loop of its caller: ``do`` writes what it likes for each request."""

    def __init__(self, do: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.do = do
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"

    async def __aexit__(self, *_error: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
                await self.do(await reader.readexactly(length), writer)
        writer.close()


def raw_response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_an_answer_that_comes_twice_is_never_that_of_the_next_question():
    again = asyncio.Event()

    async def twice(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_response(b"re: " + body))
        await writer.drain()
        await again.wait()
        writer.write(raw_response(b"re: " + body))

    async def ask() -> list[bytes]:
        transport = AiohttpTransport()
        async with Raw(twice) as url:
            found: list[bytes] = []
            for body in (b"one", b"two"):
                again.clear()
                found.append((await transport.send(Request("POST", url, {}, body, 5.0))).body)
                again.set()
                for _ in range(20):
                    await asyncio.sleep(0.001)
            await transport.close()
        return found

    assert asyncio.run(ask()) == [b"re: one", b"re: two"]


def test_a_response_that_does_not_come_in_time_is_a_fault_and_nothing_is_cancelled():
    stuck = asyncio.Event()

    async def silent(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"stuck":
            await stuck.wait()
        writer.write(raw_response(b"late"))

    async def ask() -> bytes:
        transport = AiohttpTransport()
        async with Raw(silent) as url:
            with pytest.raises(TransportError, match=r"no answer within 0\.05 s") as caught:
                await transport.send(Request("POST", url, {}, b"stuck", 0.05))
            assert caught.value.kind == "timeout"
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            answer = (await transport.send(Request("POST", url, {}, b"x", 5.0))).body
            await transport.close()
        return answer

    assert asyncio.run(ask()) == b"late"


def test_collections_are_rare_only_while_somebody_asks():
    before = gc.get_threshold()

    class Looking:
        async def send(self, request: Request) -> Response:
            assert gc.get_threshold()[0] > before[0]
            return as_response(answer("ok"))

    subject = EndpointSubject.open("http://x/v1", "m", transport=Looking(), patience=QUICK)
    assert len(subject.reply(talks("a", "b"), sampling=Sampling())) == 2
    assert gc.get_threshold() == before


def test_replies_are_handed_on_before_the_last_one_came():
    stuck = asyncio.Event()

    class Half:
        async def send(self, request: Request) -> Response:
            if b"stuck" in request.body:
                await stuck.wait()
            return as_response(answer("ok"))

    subject = EndpointSubject.open("http://x/v1", "m", transport=Half(), patience=QUICK)
    batches = subject.reply_batches(talks("a", "stuck", "b"), sampling=Sampling())
    assert sorted(index for index, _ in next(batches)) == [0, 2]
    batches.close()


def test_it_is_called_from_several_threads_and_inside_a_running_loop(opened: Any):
    subject = opened()

    async def inside() -> list[list[Reply]]:
        ask = [
            asyncio.to_thread(subject.reply, talks(f"t{k}", f"u{k}"), sampling=Sampling()) for k in range(8)
        ]
        direct = subject.reply(talks("direct"), sampling=Sampling())
        return [*await asyncio.gather(*ask), direct]

    replies = asyncio.run(inside())
    assert [reply.text for pair in replies[:8] for reply in pair] == [
        f"re: {letter}{k}" for k in range(8) for letter in "tu"
    ]


@pytest.mark.slow
def test_a_real_server_answers(tmp_path: Path):
    folder = tiny_models.save(tmp_path / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        patience = Patience(
            first_attempts=200, attempts=200, retry_floor=200, first_wait_s=0.01, longest_wait_s=1.0
        )
        subject = EndpointSubject.open(f"http://127.0.0.1:{port}/v1", str(folder), patience=patience)
        assert Capability.SCORE not in subject.capabilities
        subject.check()
        replies = subject.reply(talks("is it true?", "hi"), sampling=Sampling(max_tokens=6))
        assert [reply.fault for reply in replies] == ["", ""], (tmp_path / "log").read_text()
        assert all(reply.tokens_out == 6 or reply.finish == "stop" for reply in replies)
        from doxa.subjects.transformers import TransformersSubject

        own = TransformersSubject.open(str(folder)).reply(
            talks("is it true?", "hi"), sampling=Sampling(max_tokens=6)
        )
        assert [reply.text for reply in replies] == [reply.text for reply in own]
        assert [reply.tokens_in for reply in replies] == [reply.tokens_in for reply in own]
        with pytest.raises(CapabilityError, match="no log-probabilities"):
            subject.score([Query(talks("hi")[0], ("a", "b"))])
        check_subject(subject)
        subject.close()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
