"""A server that answers chat requests at once, or after a delay: bare asyncio, so that it is never the slower side.

``python client_server.py`` prints its port and serves until stdin ends. A question that ends in ``question N`` is
answered ``answer N``. With ``--delay MS --jitter MS`` the answer to question N comes after a time that hangs on N, and
``prompt_tokens`` holds the microseconds for which it was really held back. With ``--limits 50,5 --hold 120`` it takes
50 requests a second for 120 seconds after the first, then 5, and rejects the others, with ``--retry-after`` if given.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import zlib
from collections.abc import Callable, Sequence

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


class Limits:
    """A hidden limit that changes: so many requests a second, saved up for one second at most.

    Args:
        limits: requests per second, one after another.
        hold_s: for how long each holds, from the first request on; the last one stays.
    """

    def __init__(self, limits: Sequence[float], hold_s: float) -> None:
        self.limits = limits
        self.hold_s = hold_s
        self.start: float | None = None
        self._at = self._saved = 0.0

    def taken(self, now: float) -> bool:
        """Return whether a request that comes now is taken."""
        if self.start is None:
            self.start = self._at = now
        limit = self.limits[min(int((now - self.start) // self.hold_s), len(self.limits) - 1)]
        self._saved = min(max(1.0, limit), self._saved + (now - self._at) * limit)
        self._at = now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def limited(limits: Limits, retry_after: int, answer: Answer) -> Answer:
    """Answer what the limits take, and reject the rest."""
    head = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n%s\r\n"
    rejection = head % (b"Retry-After: %d\r\n" % retry_after if retry_after else b"")

    def limited_answer(body: bytes, write: Callable[[bytes], None]) -> None:
        if limits.taken(asyncio.get_running_loop().time()):
            answer(body, write)
        else:
            write(rejection)

    return limited_answer


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
    parser.add_argument("--limits", default="")
    parser.add_argument("--hold", type=float, default=60.0)
    parser.add_argument("--retry-after", type=int, default=0)
    options = parser.parse_args()
    chosen = delayed(options.delay / 1e3, options.jitter / 1e3) if options.delay else at_once
    if options.limits:
        hidden = Limits([float(limit) for limit in options.limits.split(",")], options.hold)
        chosen = limited(hidden, options.retry_after, chosen)
    asyncio.run(serve(chosen))
