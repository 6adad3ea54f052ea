"""Scripts played on servers: a tournament runs at the servers' concurrency, faults are survived and counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from aiohttp import web

from doxa.canonical import digest
from doxa.lab.parts import Parts
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Turn, play
from doxa.subjects.base import Reply, Sampling
from doxa.subjects.cache import CachedSubject, Journal
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.endpoint_transport import LoopThread
from doxa.testing import FaultServer
from tests.protocols.dialogue.scripted_subject import ScriptedSubject

PATIENT = Patience(
    concurrency=64, attempts=12, first_wait_s=0.001, longest_wait_s=0.05, timeout_s=30.0, retry_share=5.0
)
SIDES = ("pro", "con")
SCRIPT = Script(
    "tournament",
    dict.fromkeys(SIDES, "You debate {motion}."),
    tuple(
        Stage(name, tuple(Turn(side, prompt=f"Your {name}.") for side in SIDES))
        for name in ("opening", "closing")
    ),
)


class Slow:
    """A server that answers nobody before as many requests are under way as were waited for, or none come."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.under_way = self.most = 0
        self.loop = LoopThread()
        self.url = self.loop.submit(self._start()).result()

    async def _start(self) -> str:
        self.enough = asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"

    async def _handle(self, request: web.Request) -> web.Response:
        text = digest(json.loads(await request.text())["messages"], length=8)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way >= self.wanted:
            self.enough.set()
        try:
            await asyncio.wait_for(self.enough.wait(), 10.0)
        except TimeoutError:
            self.enough.set()
        self.under_way -= 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    def stop(self) -> None:
        self.loop.submit(self.runner.cleanup()).result()


@pytest.fixture
def slow() -> Iterator[tuple[Slow, Slow]]:
    servers = Slow(48), Slow(48)
    yield servers
    for server in servers:
        server.stop()


def scenes(pro, con, count: int) -> list[Scene]:
    sampling = Sampling(temperature=1.0, max_tokens=16)
    seats = {"pro": Seat(pro, sampling=sampling), "con": Seat(con, sampling=sampling)}
    return [Scene(f"{number:02d}", seats, {"motion": f"motion {number}"}) for number in range(count)]


def test_sixty_debates_run_at_the_servers_concurrency_and_both_servers_at_once(
    slow: tuple[Slow, Slow],
) -> None:
    subjects = [EndpointSubject.open(server.url, "m", patience=PATIENT) for server in slow]
    talks = play(SCRIPT, scenes(*subjects, 60))
    for subject in subjects:
        subject.close()
    assert [server.most >= 48 for server in slow] == [True, True]
    assert sum(len(talk.said) for talk in talks) == 240
    assert [subject.tally.questions for subject in subjects] == [120, 120]


def test_faults_of_two_servers_change_nothing_and_each_is_counted(tmp_path) -> None:
    def say(asked) -> str:
        return digest(asked["messages"], length=8)

    held = []
    for shares in (0.0, {"500": 0.15, "429": 0.1, "cut JSON": 0.1, "reset inside": 0.1}):
        with (
            FaultServer(say, faults=shares, seed=1) as first,
            FaultServer(say, faults=shares, seed=2) as second,
        ):
            journal = Journal(tmp_path / f"replies-{len(held)}.sqlite")
            inner = [EndpointSubject.open(server.url, "m", patience=PATIENT) for server in (first, second)]
            cached = [CachedSubject(subject, journal) for subject in inner]
            talks = play(SCRIPT, scenes(*cached, 12))
            held.append([[one.text for one in talk.said] for talk in talks])
            again = play(SCRIPT, scenes(*cached, 12))
            for subject, server, outer in zip(inner, (first, second), cached, strict=True):
                subject.close()
                assert subject.tally.faults == server.ledger.seen()
                assert (subject.tally.tokens_in, subject.tally.tokens_out) == server.ledger.tokens()
                assert (outer.misses, outer.hits) == (24, 24)
            assert [talk.said for talk in again] == [talk.said for talk in talks]
            journal.close()
    assert held[0] == held[1]
    assert sum(first.ledger.seen().values()) > 0 < sum(second.ledger.seen().values())


def test_a_fault_of_a_cached_subject_is_asked_again_by_the_next_run(tmp_path) -> None:
    """Where answers are cached, parts keep nothing: a part would hold the fault for good."""
    journal = Journal(tmp_path / "replies.sqlite")
    fails = ScriptedSubject("s", lambda *_: Reply("", "fault", fault="timeout"))
    answers = ScriptedSubject("s", lambda *_: "text")
    keep = Parts(tmp_path / "parts")
    [first] = play(SCRIPT, scenes(CachedSubject(fails, journal), CachedSubject(fails, journal), 1), keep=keep)
    [second] = play(
        SCRIPT, scenes(CachedSubject(answers, journal), CachedSubject(answers, journal), 1), keep=keep
    )
    journal.close()
    assert first.stopped
    assert [one.text for one in second.said] == ["text"] * 4
