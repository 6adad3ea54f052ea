"""Just enough of HTTP/1.1 on a bare connection to misbehave in it: a library would send nothing but sound responses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from doxa.testing.fault_kinds import Delivery

LONGEST_HEAD_BYTES = 2**20


class Received(NamedTuple):
    """A request; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received | None:
    """Return the next request of a connection, or None when there is none that can be read."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    return Received(method, path, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return b"".join(parts)


async def send(delivery: Delivery, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send a delivery; return whether the connection can carry another request."""
    try:
        for number, piece in enumerate(delivery.pieces):
            if number and delivery.pause_s:
                await asyncio.sleep(delivery.pause_s)
            writer.write(piece)
            await writer.drain()
        if delivery.end == "hang":
            await reader.read()
        while delivery.end == "trickle" and not reader.at_eof() and not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(delivery.pause_s)
    except ConnectionError:
        return False
    if delivery.end == "reset":
        writer.transport.abort()
    return delivery.end == "keep"
