"""doxa's side: ``EndpointSubject``, from conversations to replies, or its transport alone."""

from __future__ import annotations

import time
from typing import Any

from kit.side import Work, serve
from sides.client_work import Ask, ask_all, question, summary

from doxa.subjects.base import Sampling, user
from doxa.subjects.endpoint import HEADERS, EndpointSubject
from doxa.subjects.endpoint_chat import ChatSubject
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.endpoint_transport import AiohttpTransport, Request, Transport, new_loop
from doxa.subjects.endpoint_wire import read_reply, reply_body
from doxa.subjects.endpoints import PoolSubject

SAMPLING = Sampling(max_tokens=1)


def subject_work(case: dict[str, Any]) -> Work:
    """Ask through the subject, as a study does: conversations in, replies out, tallies kept."""
    patience = Patience(concurrency=case["connections"])
    server = EndpointSubject.open(case["url"], "m", patience=patience)
    subject: ChatSubject = server
    if case.get("several"):
        subject = PoolSubject([server, EndpointSubject.open(case["more"], "m", patience=patience)])
    added_ms: list[float] = []
    if case["timed"]:
        _time_each(server, added_ms)
    talks = [(user(question(number)),) for number in range(case["requests"])]

    def work() -> dict[str, Any]:
        added_ms.clear()
        before = subject.tally.answered
        replies = subject.reply(talks, sampling=SAMPLING)
        assert subject.tally.answered - before == len(replies)
        return summary([(reply.text, reply.tokens_in) for reply in replies], added_ms)

    return work


def _time_each(subject: EndpointSubject, added_ms: list[float]) -> None:
    """Note for each question the time from its turn to its reply, less what the server held it back."""
    exchange = subject.exchange
    ask = exchange.ask

    async def timed(request: Request, read: Any) -> Any:
        before = time.perf_counter()
        reply = await ask(request, read)
        added_ms.append((time.perf_counter() - before) * 1e3 - reply.tokens_in / 1e3)
        return reply

    exchange.ask = timed


async def transport_alone(case: dict[str, Any]) -> Ask:
    """Send and read through the transport, without pace, retries and tallies."""
    transport: Transport = AiohttpTransport()

    async def ask(text: str) -> tuple[str, int]:
        body = reply_body("m", (user(text),), SAMPLING)
        url = f"{case['url']}/chat/completions"
        reply = read_reply(await transport.send(Request("POST", url, HEADERS, body, 120.0)))
        return reply.text, reply.tokens_in

    return ask


def prepare(case: dict[str, Any]) -> Work:
    return ask_all(case, transport_alone, new_loop()) if case.get("transport") else subject_work(case)


if __name__ == "__main__":
    serve(prepare, packages=("aiohttp", "uvloop"))
