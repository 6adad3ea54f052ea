"""How bytes travel: one request, one response. Replay, recording and fault injection are other transports."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import aiohttp
from aiohttp.client_proto import ResponseHandler

from doxa.secret import Secret

LONGEST_BODY_BYTES = 64 * 2**20
"""A response longer than this is not read to its end."""

T = TypeVar("T")


class Request(NamedTuple):
    """What is sent. The key becomes a bearer token in the transport, at the moment it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float
    key: Secret | None = None


class Response(NamedTuple):
    """What came back; headers are looked up by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No response came. ``kind`` is ``refused``, ``reset`` or ``timeout``."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@runtime_checkable
class Transport(Protocol):
    """Sends one request. Many are under way at once, all on one event loop."""

    async def send(self, request: Request) -> Response:
        """Return the response, whatever its status.

        Raises:
            TransportError: no complete response came.
        """
        ...


class AiohttpTransport:
    """The transport over HTTP. It follows no redirect, because that could carry a key elsewhere."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadlines = _Deadlines()

    async def send(self, request: Request) -> Response:
        """Return the response to one request.

        Raises:
            TransportError: the connection was refused or cut, or the time was up.
        """
        headers = request.headers
        if request.key is not None:
            headers = {**headers, "Authorization": f"Bearer {request.key.reveal()}"}
        session = self._open()
        task = self._deadlines.begin(request.timeout_s)
        try:
            response = await session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=headers,
                allow_redirects=False,
            )
            return Response(response.status, response.headers, await _body(response))
        except asyncio.CancelledError as error:
            if not self._deadlines.passed(task):
                raise
            raise TransportError("timeout", f"no answer within {request.timeout_s:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise TransportError(
                "refused", f"cannot connect ({error.os_error.strerror or error.os_error})"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError("reset", f"the connection broke ({type(error).__name__})") from error
        finally:
            self._deadlines.end(task)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None and self._loop is asyncio.get_running_loop():
            await self._session.close()
        self._session = None

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            # who asks bounds the number of connections; a second bound here would cost a fifth of the time
            connector = aiohttp.TCPConnector(limit=0)
            connector._factory = functools.partial(_Connection, loop=loop)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
            self._loop = loop
        return self._session


class _Deadlines:
    """Ends tasks whose time is up: one timer for all, because one for each request costs a tenth of the time."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[Any], float] = {}
        self._passed: set[asyncio.Task[Any]] = set()
        self._look: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, timeout_s: float) -> asyncio.Task[Any]:
        """Give the running task so many seconds, a quarter of it or one second more at most."""
        loop = asyncio.get_running_loop()
        task = cast(asyncio.Task[Any], asyncio.current_task())
        self._due[task] = loop.time() + timeout_s
        if self._look is None or self._loop is not loop:
            self._loop = loop
            self._look = loop.call_later(min(1.0, timeout_s / 4), self._end_overdue, loop, timeout_s)
        return task

    def passed(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a task was ended because its time was up; it then goes on as if it had not been."""
        if task not in self._passed:
            return False
        task.uncancel()
        return True

    def end(self, task: asyncio.Task[Any]) -> None:
        """Forget a task."""
        self._due.pop(task, None)
        self._passed.discard(task)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        now = loop.time()
        for task, due in list(self._due.items()):
            if due <= now and task not in self._passed:
                self._passed.add(task)
                task.cancel()
        again_s = min(1.0, timeout_s / 4)
        self._look = loop.call_later(again_s, self._end_overdue, loop, timeout_s) if self._due else None


class _Connection(ResponseHandler):
    """A connection that is not used again once bytes came that nobody asked for.

    aiohttp looks for them when a response ends, but not when an idle connection is taken up again: what a server
    sent meanwhile would be read as the answer to the next question.
    """

    def is_connected(self) -> bool:
        return super().is_connected() and not self._buffer and not self._tail


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, read in one go where it is known to be short."""
    try:
        short = response.content_length is not None and response.content_length <= LONGEST_BODY_BYTES
        if short and "Content-Encoding" not in response.headers:
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LONGEST_BODY_BYTES:
                raise TransportError("reset", f"more than {LONGEST_BODY_BYTES} bytes came")
        return bytes(body)
    except BaseException:
        response.close()
        raise


class LoopThread:
    """An event loop in a thread of its own, so that plain functions can wait for it from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._owner = 0

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start work on the loop; a process that came through a fork gets a loop of its own."""
        # Outside the lock: a subject that is collected meanwhile submits its own end from this very thread.
        return asyncio.run_coroutine_threadsafe(work, self._started())

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._owner != os.getpid():
                self._loop = new_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="doxa-endpoint", daemon=True
                )
                self._thread.start()
                self._owner = os.getpid()
            return self._loop

    def running(self) -> bool:
        """Return whether this process has started the loop."""
        return self._loop is not None and self._owner == os.getpid()

    def inside(self) -> bool:
        """Return whether this is the loop's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where there is one: it costs two thirds of the time of asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


LOOP = LoopThread()
"""The loop that all endpoint subjects of a process share."""
