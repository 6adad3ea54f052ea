"""A server that misbehaves on purpose, alone or between a client and a real server.

It is a context manager, for tests; ``python -m doxa.testing.fault_command`` is the same for any other client.

What is done to a request hangs on the seed, on what is asked and on how often it was asked before, never on the order
of arrival. The ledger says what was done; ``GET /ledger`` returns it as JSON lines.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

import numpy as np

from doxa.canonical import digest
from doxa.errors import InputError, did_you_mean
from doxa.streams import stream
from doxa.testing.fault_answers import Answering, Answers, Upstream, answerer
from doxa.testing.fault_http import LONGEST_HEAD_BYTES, Received, receive, send
from doxa.testing.fault_kinds import FAULTS, Answer, Manner, completion, sound
from doxa.testing.fault_ledger import Entry, Ledger


class FaultServer:
    """An OpenAI-compatible server with faults.

    Args:
        answer: who answers: a subject, or a function from the parsed request to a text or to a whole response.
        upstream: address of a real server up to ``/v1``, in place of ``answer``.
        faults: share of requests that are spoiled, in [0, 1], spread evenly over all faults that can strike; or the
            share of each fault by its name in ``FAULTS``.
        seed: seed of the faults.
        manner: how the faults behave.
        port: where to listen on this machine; 0 takes a free one.

    Attributes:
        ledger: what was done to every POST request so far. Other requests are answered soundly and not counted.

    Raises:
        InputError: an unknown fault, shares that are none or exceed 1, not exactly one of answer and upstream.

    >>> import urllib.request
    >>> with FaultServer(lambda asked: "yes", faults={"500": 1.0}) as server:
    ...     request = urllib.request.Request(f"{server.url}/chat/completions", data=b"{}")
    ...     try:
    ...         _ = urllib.request.urlopen(request)
    ...     except urllib.error.HTTPError as error:
    ...         print(error.code, server.ledger.seen())
    500 Counter({'500': 1})
    """

    def __init__(
        self,
        answer: Answering | None = None,
        *,
        upstream: str = "",
        faults: float | Mapping[str, float] = 0.3,
        seed: int = 0,
        manner: Manner | None = None,
        port: int = 0,
    ) -> None:
        if (answer is None) == (not upstream):
            raise InputError("give a fault server an answer or an upstream, one of the two")
        self.ledger = Ledger()
        self._answers: Answers = Upstream(upstream) if answer is None else answerer(answer)
        self._shares = _shares(faults)
        self._seed = seed
        self._manner = manner or Manner()
        self._port = port
        self._seen: Counter[str] = Counter()
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="doxa-fault-server", daemon=True)

    @property
    def url(self) -> str:
        """The base address up to ``/v1``, for ``EndpointSubject.open`` or any other client."""
        return f"http://127.0.0.1:{self._port}{self._answers.base}"

    def __enter__(self) -> FaultServer:
        """Start the server in a thread of its own.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and break what is under way; raise what the answer raised, if nothing else went wrong."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if error is None and self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        under_way: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            under_way.add(task)
            task.add_done_callback(ended)

        def ended(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            if not task.cancelled():
                self._problem = self._problem or task.exception()

        try:
            server = await asyncio.start_server(
                accept, "127.0.0.1", self._port, limit=LONGEST_HEAD_BYTES, backlog=1024
            )
        except OSError as error:
            self._problem = error
            self._ready.set()
            return
        self._port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._answers.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await receive(reader, writer)) is not None:
                if not await self._handle(request, reader, writer):
                    return
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _handle(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request, soundly or not; return whether the connection can go on."""
        if request.method != "POST":
            ours = Answer(200, "application/jsonl", self.ledger.lines().encode())
            answer = ours if request.path == "/ledger" else await self._answers.answer(request)
            return await send(sound(answer), reader, writer)
        entry, rng = self._enter(request)
        name = self._drawn(rng, b'"logprobs"' in request.body)
        self.ledger.entries.append(entry)
        fault = FAULTS.get(name)
        answer = await self._answers.answer(request)
        if fault is not None and fault.twice:
            answer = await self._answers.answer(request)
        delivery = fault.deliver(answer, rng, self._manner) if fault is not None else None
        entry.fault = name if delivery is not None else ""
        if not entry.seen_as:
            entry.tokens_in, entry.tokens_out = _usage(answer)
        entry.gone = reader.at_eof()
        return await send(delivery or sound(answer), reader, writer)

    def _enter(self, request: Received) -> tuple[Entry, np.random.Generator]:
        """Return a line of the ledger for a request, and the chance that belongs to it."""
        name = digest({"path": request.path, "body": request.body.decode("utf-8", "replace")}, length=32)
        attempt = self._seen[name]
        self._seen[name] += 1
        return Entry(name, attempt), stream(self._seed, "fault server", name, attempt)

    def _drawn(self, rng: np.random.Generator, scores: bool) -> str:
        """Return the name of the fault that strikes, or an empty string."""
        names, edges = self._shares[scores]
        place = int(np.searchsorted(edges, rng.random(), side="right"))
        return names[place] if place < len(names) else ""


def _shares(faults: float | Mapping[str, float]) -> dict[bool, tuple[list[str], np.ndarray]]:
    """Return, without and with log-probabilities, the faults that can strike and where each ends on [0, 1]."""
    found: dict[bool, tuple[list[str], np.ndarray]] = {}
    for scores in (False, True):
        possible = [
            name for name, fault in FAULTS.items() if fault.of in ("all", "scores" if scores else "replies")
        ]
        if isinstance(faults, Mapping):
            for name in faults:
                if name not in FAULTS:
                    raise InputError(f"no fault called '{name}'; {did_you_mean(name, FAULTS)}")
            shares = {name: faults.get(name, 0.0) for name in possible}
        else:
            shares = dict.fromkeys(possible, faults / len(possible))
        edges = np.cumsum(list(shares.values()))
        if min(shares.values()) < 0.0 or edges[-1] > 1.0 + 1e-9:
            raise InputError(f"faults={faults}: shares must be >= 0 and at most 1 together")
        found[scores] = (possible, edges)
    return found


def _usage(answer: Answer) -> tuple[int, int]:
    usage = (completion(answer) or {}).get("usage") or {}
    return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
