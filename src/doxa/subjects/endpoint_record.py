"""Recording and replay: transports that keep every exchange with a server in a file, and answer from it.

A record is a file of JSON lines, one for each response or failure, in the order in which they came. No key is ever in
it: keys are no part of what is kept of a request, and known secrets are masked in bodies.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from doxa.canonical import Json, digest
from doxa.errors import DoxaError, StoreError
from doxa.secret import scrub
from doxa.subjects.cache_explain import leaves
from doxa.subjects.endpoint_transport import Request, Response, Transport, TransportError

SCHEMA = 1
_HEADERS = ("content-type", "retry-after")
"""Headers of a response that can change how it is read."""


class ReplayDesyncError(DoxaError):
    """A request departs from the record that is replayed; the message names the first field that differs."""


class RecordingTransport:
    """Sends through another transport and keeps what came back; a file that is there is added to."""

    def __init__(self, inner: Transport, path: Path) -> None:
        """Open the file.

        Raises:
            StoreError: it cannot be written, or is no record.
        """
        self.inner = inner
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size:
                # a last line that was cut off must not become the beginning of the next
                os.truncate(path, sum(len(line) for line, _ in _lines(path)))
            else:
                self._add(_line({"doxa": "endpoint record", "schema": SCHEMA}))
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror}); name another file") from error

    async def send(self, request: Request) -> Response:
        """Return the inner transport's response.

        Raises:
            TransportError: the inner transport got none; that is kept too.
        """
        try:
            response = await self.inner.send(request)
        except TransportError as error:
            self._keep(request, {"failed": error.kind, "reason": scrub(str(error))})
            raise
        headers = {name: scrub(response.headers[name]) for name in _HEADERS if name in response.headers}
        self._keep(request, {"status": response.status, "headers": headers, **_written(response.body)})
        return response

    async def close(self) -> None:
        """Close the inner transport."""
        close = getattr(self.inner, "close", None)
        if close is not None:
            await close()

    def _keep(self, request: Request, answer: Mapping[str, Json]) -> None:
        self._add(_line({"request": _asked(request), "answer": answer}))

    def _add(self, line: bytes) -> None:
        # one write to a file opened for appending, so that several processes can keep one record
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)


class _Kept(NamedTuple):
    request: dict[str, Json]
    answer: dict[str, Any]


class ReplayTransport:
    """Answers from a record and sends nothing: equal requests get their answers in the order recorded."""

    def __init__(self, path: Path) -> None:
        """Read the record.

        Raises:
            StoreError: the file is missing, or is no record.
        """
        self.path = path
        self._kept = [
            _Kept(entry["request"], entry["answer"]) for _, entry in _lines(path) if "answer" in entry
        ]
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, kept in reversed(list(enumerate(self._kept))):
            self._places[digest(kept.request)].append(place)
        self._asked = 0

    async def send(self, request: Request) -> Response:
        """Return the next recorded response to the request.

        Raises:
            TransportError: a failure was recorded.
            ReplayDesyncError: no answer to the request is left in the record.
        """
        asked = _asked(request)
        self._asked += 1
        places = self._places.get(digest(asked))
        if not places:
            raise ReplayDesyncError(f"{self.path}: request {self._asked} {self._departure(asked)}")
        await asyncio.sleep(0)
        answer = self._kept[places.pop()].answer
        if "failed" in answer:
            raise TransportError(answer["failed"], answer["reason"])
        return Response(answer["status"], answer["headers"], _read(answer))

    def _departure(self, asked: dict[str, Json]) -> str:
        """Say how a request departs from the one recorded that is most like it."""
        if not self._kept:
            return "is not in the record, which holds none; record again"
        here = leaves(asked)
        best: tuple[int, int, str] | None = None
        for place, kept in enumerate(self._kept):
            there = leaves(kept.request)
            differ = [name for name in here | there if here.get(name) != there.get(name)]
            if not differ:
                return f"was recorded fewer times than it is asked now, last as request {place + 1}"
            if best is None or len(differ) < best[0]:
                best = (len(differ), place, differ[0])
        assert best is not None, "the record is not empty"  # noqa: S101 - for the type checker
        _, place, name = best
        mine, its = here.get(name), leaves(self._kept[place].request).get(name)
        return f"departs from the record at {name}: {_departs(mine, its)} (recorded request {place + 1})"


def _departs(mine: Json, its: Json) -> str:
    if isinstance(mine, str) and isinstance(its, str):
        same = next((i for i, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b), None)
        at = min(len(mine), len(its)) if same is None else same
        start = max(0, at - 10)
        return f"{mine[start : at + 30]!r} here, {its[start : at + 30]!r} there, from character {at} on"
    return f"{mine!r} here, {its!r} there"


def _asked(request: Request) -> dict[str, Json]:
    """Return what is kept of a request: enough to know it again, and no key."""
    try:
        body: Json = json.loads(request.body) if request.body else None
    except ValueError:
        body = request.body.hex()
    return json.loads(scrub(json.dumps({"method": request.method, "url": request.url, "body": body})))


def _written(body: bytes) -> dict[str, Json]:
    try:
        return {"body": scrub(body.decode())}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(scrub(body.decode("latin-1")).encode("latin-1")).decode()}


def _read(answer: Mapping[str, Any]) -> bytes:
    return answer["body"].encode() if "body" in answer else base64.b64decode(answer["base64"])


def _line(value: Mapping[str, Json]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield each whole line and what it says; a last line that was cut off when its writer ended is left out.

    Raises:
        StoreError: the file is missing, or a line of it is no entry of a record.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read ({error.strerror}); record it first with ?record="
        ) from error
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            entry: object = json.loads(line)
        except ValueError:
            entry = None
        known = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
        heads = known.get("doxa") == "endpoint record" and known.get("schema") == SCHEMA
        if not (heads if number == 1 else {"request", "answer"} <= set(known)):
            raise StoreError(
                f"{path}, line {number}: is no entry of a record of schema {SCHEMA}; record again"
            )
        yield line, known
