"""The limit: bare asyncio streams that send one prepared request and look for the answer's text, without JSON."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from kit.side import Work, serve
from sides.client_work import Ask, ask_all

BODY = '{"model":"m","messages":[{"role":"user","content":"%s"}],"temperature":0.0,"max_tokens":1}'
HEAD = b"POST %s/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"


async def streams(case: dict[str, Any]) -> Ask:
    parts = urlsplit(case["url"])
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(text: str) -> tuple[str, int]:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(parts.hostname, parts.port)
        body = (BODY % text).encode()
        writer.write(HEAD % (parts.path.encode(), parts.netloc.encode(), len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(int(head.rsplit(b"Content-Length: ", 1)[1].split(b"\r\n", 1)[0]))
        idle.append((reader, writer))
        return answer.split(b'"content":"', 1)[1].split(b'"', 1)[0].decode(), 0

    return ask


def prepare(case: dict[str, Any]) -> Work:
    return ask_all(case, streams)


if __name__ == "__main__":
    serve(prepare)
