"""A server that answers chat requests at once, or after a delay: bare asyncio, so that it is never the slower side.

``python client_server.py`` prints its port and serves until stdin ends. A question that ends in ``question N`` is
answered ``answer N``. With ``--delay MS --jitter MS`` the answer to question N comes after a time that hangs on N, and
``prompt_tokens`` holds the microseconds for which it was really held back.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import zlib
from collections.abc import Callable

NUMBER = re.compile(rb"question (\d+)")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"answer %d"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":%d,"completion_tokens":2,"total_tokens":%d}}'
)
Answer = Callable[[bytes, Callable[[bytes], None]], None]


class Connection(asyncio.Protocol):
    """Takes requests apart, whole bodies only, and hands each to ``answer`` with the means to reply."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + length:
                return
            body, self._held = self._held[end + 4 : end + 4 + length], self._held[end + 4 + length :]
            self._answer(body, self._transport.write)


def reply(number: int, held_us: int = 12) -> bytes:
    """Return the whole response to a question."""
    body = BODY % (number, held_us, held_us + 2)
    return HEAD % len(body) + body


def number_of(body: bytes) -> int:
    """Return the number of the last question in a request."""
    found = NUMBER.findall(body)
    return int(found[-1]) if found else 0


def at_once(body: bytes, write: Callable[[bytes], None]) -> None:
    """Answer without delay."""
    write(reply(number_of(body)))


def delayed(delay_s: float, jitter_s: float) -> Answer:
    """Answer after ``delay_s`` give or take ``jitter_s``, the same for the same question."""

    def answer(body: bytes, write: Callable[[bytes], None]) -> None:
        loop, number = asyncio.get_running_loop(), number_of(body)
        share = zlib.crc32(str(number).encode()) / 2**31 - 1.0
        came = loop.time()

        def send() -> None:
            write(reply(number, round((loop.time() - came) * 1e6)))

        loop.call_later(delay_s + share * jitter_s, send)

    return answer


async def serve(answer: Answer) -> None:
    """Serve on a free port until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    options = parser.parse_args()
    chosen = delayed(options.delay / 1e3, options.jitter / 1e3) if options.delay else at_once
    asyncio.run(serve(chosen))
