from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from doxa.errors import InputError, SubjectError
from doxa.lab.asking import expect_missing, spending_text
from doxa.lab.run import plan, run_study
from doxa.subjects.addresses import identity, one_subject, open_subject, parse_address, price
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, user
from doxa.subjects.budget import Budget
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Exchange, Patience
from doxa.subjects.endpoint_pool import Member, Pool, Stamp
from doxa.subjects.endpoint_transport import Request, Response, TransportError
from doxa.subjects.endpoint_wire import FaultError, read_reply
from doxa.subjects.endpoints import PoolSubject
from doxa.testing import FaultServer, check_subject
from doxa.testing.virtual_time import run_virtually

INTERVIEW = str(Path(__file__).resolve().parents[1] / "studies_for_tests" / "interview.py")
QUICK = Patience(first_wait_s=0.01, longest_wait_s=0.05, timeout_s=10.0)


class Far:
    """A server on virtual time: so many answers at once, each after its time, all alike for all servers."""

    def __init__(self, takes_s: float, *, at_once: int = 10**6, says: str = "m", dies_s: float = 1e9) -> None:
        self.takes_s = takes_s
        self.says = says
        self.dies_s = dies_s
        self.returns_s = 1e9
        self.status = 200
        self.fails_first: set[bytes] = set()
        self.seen: Counter[bytes] = Counter()
        self.answered = 0
        self._slots = asyncio.Semaphore(at_once)

    async def send(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        if request.method == "GET":
            self._alive(loop.time())
            return Response(200, {}, b"{}")
        self.seen[request.body] += 1
        self._alive(loop.time())
        async with self._slots:
            await asyncio.sleep(self.takes_s)
        self._alive(loop.time())
        if self.seen[request.body] == 1 and request.body in self.fails_first:
            return Response(500, {}, b"once")
        if self.status != 200:
            return Response(self.status, {}, b"no")
        self.answered += 1
        text = f"answer to {request.body.decode()}"
        body = {"model": self.says, "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def _alive(self, now: float) -> None:
        if self.dies_s <= now < self.returns_s:
            raise TransportError("refused", "cannot connect")


def pool_of(servers: Sequence[Far], patience: Patience | None = None, *, vouched: bool = False) -> Pool:
    def asked(body: bytes) -> Request:
        return Request("POST", "/chat", {}, body, 60.0)

    look = Request("GET", "/models", {}, b"", 10.0)
    patience = patience or Patience(concurrency=8)
    members = [
        Member(f"server {number}", Exchange(server, patience), asked, look)
        for number, server in enumerate(servers)
    ]
    return Pool(members, vouched=vouched)


def ask(pool: Pool, count: int, times: int = 1) -> tuple[list[list[Any]], list[float]]:
    """Put so many questions, once or several times; return what came of each, and the seconds of each time."""

    async def work() -> tuple[list[list[Any]], list[float]]:
        outcomes, seconds = [], []
        for _ in range(times):
            found: dict[int, Any] = {}
            began = asyncio.get_running_loop().time()

            def put(item: tuple[int, Any], found: dict[int, Any] = found) -> None:
                assert item[0] not in found, "a question has two outcomes"
                found[item[0]] = item[1]

            await pool.ask_all([f"question {number}".encode() for number in range(count)], read_reply, put)
            seconds.append(asyncio.get_running_loop().time() - began)
            outcomes.append([found[number] for number in range(count)])
        return outcomes, seconds

    return run_virtually(work())


def right(outcomes: Sequence[Any]) -> bool:
    return [one.text for one in outcomes] == [f"answer to question {n}" for n in range(len(outcomes))]


@pytest.mark.parametrize("takes_s", [(0.1, 0.4), (0.1, 0.2, 0.8)])
def test_the_share_of_the_work_follows_the_speed(takes_s: tuple[float, ...]):
    servers = [Far(one) for one in takes_s]
    (found,), (seconds,) = ask(pool_of(servers), 700)
    assert right(found)
    speeds = [1.0 / one for one in takes_s]
    for server, speed in zip(servers, speeds, strict=True):
        assert server.answered / 700 == pytest.approx(speed / sum(speeds), abs=0.03)
    assert seconds == pytest.approx(700 / (8 * sum(speeds)), rel=0.1)
    assert sum((server.seen for server in servers), Counter()).most_common(1)[0][1] == 1


def test_one_that_answers_one_at_a_time_gets_what_it_can_do():
    fast, serial = Far(0.1), Far(0.1, at_once=1)
    (found,), _ = ask(pool_of([fast, serial]), 450)
    assert right(found)
    assert serial.answered == pytest.approx(50, abs=10)


def test_what_is_left_at_the_end_goes_to_the_quicker_one():
    fast, slow = Far(0.1), Far(5.0)
    found, seconds = ask(pool_of([fast, slow]), 8, times=3)
    assert all(map(right, found))
    assert seconds[0] == pytest.approx(5.0, rel=0.1), "nothing is known of their speeds yet"
    assert seconds[1] == seconds[2] == pytest.approx(0.1)


def test_one_that_dies_gives_its_questions_back_and_returns():
    steady, mortal = Far(0.1), Far(0.1, dies_s=0.5)
    mortal.returns_s = 1.0
    pool = pool_of([steady, mortal])
    (found,), _ = ask(pool, 500)
    assert right(found)
    assert mortal.answered > 80, "it takes part again"
    tallies = [member.exchange.tally for member in pool.members]
    assert sum(tally.answered for tally in tallies) == 500 == sum(tally.questions for tally in tallies)
    assert sum(tally.requests for tally in tallies) - 500 == sum(tally.retries for tally in tallies)
    assert tallies[1].faults["refused"] <= 8 + 1
    assert tallies[0].faults == {}


def test_when_all_die_what_is_open_ends_as_faults_and_the_next_call_looks_again():
    servers = [Far(0.1, dies_s=1.0), Far(0.1, dies_s=2.0)]
    pool = pool_of(servers, Patience(concurrency=4, first_wait_s=0.1, longest_wait_s=1.0))
    (found,), (seconds,) = ask(pool, 500)
    faults = [one for one in found if isinstance(one, FaultError)]
    assert 0 < len(faults) < 500
    assert seconds < 60
    for server in servers:
        server.dies_s = 1e9
    again, _ = ask(pool, 20)
    assert right(again[0])


def test_nobody_there_at_first_contact_is_an_error_and_one_of_two_is_enough():
    gone = [Far(0.1, dies_s=0.0), Far(0.1, dies_s=0.0)]
    with pytest.raises(ExceptionGroup) as caught:
        ask(pool_of(gone), 50)
    assert {type(one) for one in caught.value.exceptions} == {FaultError}
    (found,), _ = ask(pool_of([Far(0.1), Far(0.1, dies_s=0.0)]), 200)
    assert right(found)


def test_one_that_rejects_gives_its_questions_to_the_other():
    open_handed, busy = Far(0.1), Far(0.0)
    busy.status = 429
    (found,), _ = ask(pool_of([open_handed, busy]), 150)
    assert right(found)
    assert open_handed.answered == 150


def test_a_question_that_the_fastest_fails_at_the_end_goes_to_the_slow_one():
    """The slow one would take no new question then, and the fast one leaves it what it has not tried."""
    fast, slow = Far(0.01), Far(20.0)
    pool = pool_of([fast, slow])
    (first,), _ = ask(pool, 200)
    assert right(first)
    fast.seen.clear()
    fast.fails_first = {b"question 0", b"question 199"}
    (found,), (seconds,) = ask(pool, 200)
    assert right(found)
    assert seconds < 60


def test_one_that_fails_quickly_does_not_swallow_the_questions():
    """A server that does not know the model says 404 at once, and would take everything."""
    sound, wrong = Far(0.2), Far(0.0)
    wrong.status = 404
    (found,), _ = ask(pool_of([sound, wrong]), 150)
    assert right(found)
    assert sum(wrong.seen.values()) < 40


def test_a_question_that_two_servers_call_wrong_is_wrong():
    servers = [Far(0.1), Far(0.1)]
    for server in servers:
        server.status = 400
    pool = pool_of(servers)
    (found,), (seconds,) = ask(pool, 100)
    assert {one.kind for one in found} == {"400"}
    assert sum((server.seen for server in servers), Counter()).most_common(1)[0][1] == 2
    assert seconds < 10


def test_one_that_refuses_the_key_is_left_out():
    sound, closed = Far(0.1), Far(0.0)
    closed.status = 401
    (found,), _ = ask(pool_of([sound, closed]), 100)
    assert right(found)
    assert sum(closed.seen.values()) <= 8


def test_keys_that_all_refuse_are_an_error_also_when_asked_again():
    servers = [Far(0.1), Far(0.1)]
    for server in servers:
        server.status = 401
    pool = pool_of(servers)
    with pytest.raises(ExceptionGroup):
        ask(pool, 5)
    with pytest.raises(FaultError, match="401"):
        ask(pool, 5)


def test_another_model_is_an_error_unless_somebody_vouches():
    with pytest.raises(ExceptionGroup, match="unhandled") as caught:
        ask(pool_of([Far(0.1), Far(0.1, says="other")]), 50)
    said = str(caught.value.exceptions[0])
    assert "server 0 answers as model 'm'" in said or "server 1 answers as model 'other'" in said
    assert "different models are different runs" in said
    (found,), _ = ask(pool_of([Far(0.1), Far(0.1, says="other")], vouched=True), 50)
    assert right(found)


def test_a_stamp_is_what_a_response_says():
    response = Response(200, {}, b'{"model": "m", "system_fingerprint": null}')
    assert Stamp.of(response) == Stamp("m", "")


def test_addresses_of_several_servers_are_one_subject():
    address = one_subject(["http://a/v1?price=3,15&connections=4#m", "vllm/m?price=1,20"])
    assert address is not None
    assert parse_address(address).text == "pool:http://a/v1#m http://localhost:8000/v1#m"
    assert price(address) == (3, 20)
    subject = open_subject(address)
    assert isinstance(subject, PoolSubject)
    assert subject.address == "pool:http://a/v1#m http://localhost:8000/v1#m"
    assert open_subject(subject.address).identity == subject.identity == identity(address)
    assert [server.exchange.patience.concurrency for server in subject.servers] == [4, 16]
    assert Capability.SCORE not in subject.capabilities
    assert one_subject(["organism:sound"]) == "organism:sound"
    assert one_subject([]) is None


def test_the_identity_is_the_model_s_and_not_the_addresses():
    same = {identity(f"pool:http://{a}/v1#m http://{b}/v1#m") for a, b in ("ab", "ba", "cd")}
    assert len(same) == 1
    others = {
        identity("pool:http://a/v1#n http://b/v1#n"),
        identity("pool:http://a/v1?revision=2#m http://b/v1?revision=2#m"),
        identity("http://a/v1#m"),
    }
    assert len(same | others) == 4


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["http://a/v1#m", "http://b/v1#n"], "different models are different runs"),
        (["http://a/v1?revision=1#m", "http://b/v1#m"], "different revisions"),
        (["http://a/v1#m", "http://a/v1/#m"], "given twice"),
        (["http://a/v1#m", "organism:sound"], "organism:sound is no server"),
        (["http://a/v1#m", "pool:http://b/v1#m http://c/v1#m"], "is no server"),
    ],
)
def test_what_is_no_pool_is_refused(addresses: list[str], said: str):
    with pytest.raises(InputError, match=said):
        one_subject(addresses)
    with pytest.raises(InputError, match=said):
        open_subject(f"pool:{' '.join(addresses)}")


def test_a_pool_of_one_is_refused():
    with pytest.raises(InputError, match="addresses of several servers"):
        open_subject("pool:http://a/v1#m")


def talks(count: int) -> list[Conversation]:
    return [(user(f"question {number}"),) for number in range(count)]


def answer(asked: Mapping[str, Any]) -> str:
    return f"said to {asked['messages'][-1]['content']}"


def open_pool(servers: Sequence[FaultServer], **options: Any) -> PoolSubject:
    return PoolSubject(
        [EndpointSubject.open(server.url, "m", patience=QUICK, **options) for server in servers]
    )


def test_a_pool_is_a_subject():
    planted = open_subject("planted:bayesian")
    with FaultServer(planted, faults=0.0) as one, FaultServer(planted, faults=0.0) as other:
        check_subject(open_pool([one, other]))


def test_three_servers_with_faults_answer_each_question_once_and_every_ledger_agrees():
    shares = ({"500": 0.2, "429": 0.1}, {"cut JSON": 0.2}, {})
    servers = [FaultServer(answer, faults=one, seed=seed) for seed, one in enumerate(shares)]
    with servers[0], servers[1], servers[2]:
        subject = open_pool(servers)
        replies = subject.reply(talks(400), sampling=Sampling(temperature=1.0))
        subject.close()
    assert replies == [Reply(f"said to question {n}", tokens_in=r.tokens_in, tokens_out=r.tokens_out)
                       for n, r in enumerate(replies)]  # fmt: skip
    for server, tally in zip(servers, subject.tallies.values(), strict=True):
        assert tally.faults == server.ledger.seen()
        assert (tally.tokens_in, tally.tokens_out) == server.ledger.tokens()
        assert tally.answered > 20
    total = subject.tally
    assert total.questions == total.answered == 400
    assert total.requests == sum(len(server.ledger.entries) for server in servers) == 400 + total.retries


def test_a_server_that_is_stopped_in_the_middle_loses_nothing():
    steady, mortal = FaultServer(answer, faults=0.0), FaultServer(answer, faults=0.0)
    with steady:
        mortal.__enter__()
        subject = open_pool([steady, mortal])
        found: dict[int, Reply] = {}
        stopped = False
        for batch in subject.reply_batches(talks(800), sampling=Sampling(temperature=1.0)):
            assert found.keys().isdisjoint(index for index, _ in batch)
            found.update(batch)
            if not stopped:
                mortal.__exit__(None, None, None)
                stopped = True
        subject.close()
    assert [found[n].text for n in range(800)] == [f"said to question {n}" for n in range(800)]
    tallies = list(subject.tallies.values())
    assert 0 < tallies[1].answered < tallies[0].answered
    assert sum(tallies[1].faults.values()) > 0


def test_options_are_scored_by_all_servers():
    def scored(asked: Mapping[str, Any]) -> dict[str, Any]:
        top = [{"token": "A", "logprob": -0.5}, {"token": "B", "logprob": -1.5}]
        choice = {"message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}
        choice["logprobs"] = {"content": [{"token": "A", "logprob": -0.5, "top_logprobs": top}]}
        return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}

    with FaultServer(scored, faults=0.0) as one, FaultServer(scored, faults=0.0) as other:
        subject = open_pool([one, other], scores=True)
        scores = subject.score([Query(talk, ("A", "B")) for talk in talks(60)])
        subject.close()
    assert {tuple(score.tolist()) for score in scores} == {(-0.5, -1.5)}
    assert subject.tally.tokens_in == 180
    assert all(tally.answered for tally in subject.tallies.values())


def test_servers_that_answer_as_different_models_end_the_run():
    def named(model: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        message = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "model": model}
        return lambda asked: message

    with FaultServer(named("m"), faults=0.0) as one, FaultServer(named("x"), faults=0.0) as other:
        subject = open_pool([one, other])
        with pytest.raises(SubjectError, match="different models are different runs"):
            subject.reply(talks(100), sampling=Sampling(temperature=1.0))
        subject.close()


def test_nobody_there_is_an_error_that_says_so():
    addresses = [f"http://127.0.0.1:{port}/v1" for port in (9, 10)]
    subject = PoolSubject([EndpointSubject.open(one, "m", patience=QUICK) for one in addresses])
    with pytest.raises(SubjectError, match="none of 2 servers answers"):
        subject.reply(talks(3), sampling=Sampling())


def test_a_run_on_two_servers_equals_any_other_and_says_what_each_took(tmp_path: Path):
    """Whichever server answers, the tables are equal; replaced servers find the answers in the cache."""
    tables, bytes_of = [], []
    with (
        FaultServer(answer, faults={"500": 0.2}) as one,
        FaultServer(answer, faults=0.0) as two,
        FaultServer(answer, faults=0.0) as three,
    ):
        address = one_subject([f"{one.url}#m", f"{two.url}#m"])
        expected = expect_missing(plan(INTERVIEW, overrides={"subject": address}), tmp_path)
        assert [found.calls for found in expected.subjects.values()] == [20]
        for out in ("a", "b"):
            result = run_study(
                INTERVIEW, overrides={"subject": address}, out=tmp_path / out, budget=Budget(calls=20)
            )
            tables.append(result.tables)
            bytes_of.append(sorted(p.read_bytes() for p in (tmp_path / out).glob("*/cells/*/*.parquet")))
        (spent,) = result.spending.values()
        assert set(spent.servers) == {f"{one.url}#m", f"{two.url}#m"}
        assert spent.asked == 20 == sum(each.asked for each in spent.servers.values())
        assert spent.requests == sum(each.requests for each in spent.servers.values())
        assert spent.servers[f"{two.url}#m"].requests > 0
        assert f"{two.url}#m: " in spending_text(spent)
        other = one_subject([f"{three.url}#m", f"{two.url}#m"])
        replaced = run_study(INTERVIEW, overrides={"subject": other}, out=tmp_path / "b")
        assert not three.ledger.entries, "the cache's key is the model's"
    assert bytes_of[0] == bytes_of[1] != []
    drop = ("subject",)
    for mine, theirs in zip(tables[0], replaced.tables, strict=True):
        assert mine.drop(drop).equals(theirs.drop(drop))
