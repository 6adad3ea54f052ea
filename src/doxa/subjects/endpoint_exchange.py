"""Asking a server that may fail: bounded concurrency, its pace, backoff, one retry budget, every fault counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar, runtime_checkable

from doxa.streams import stream
from doxa.subjects.endpoint_pace import Pace
from doxa.subjects.endpoint_transport import Request, Response, Transport, TransportError
from doxa.subjects.endpoint_wire import FaultError

TOO_MANY = {429, 529}
"""Status of a server that rejects because there were too many requests."""

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a server is borne with.

    Attributes:
        concurrency: requests under way at once.
        attempts: most requests for one question.
        first_attempts: connections tried before a server that never answered is given up.
        timeout_s: longest wait for one response.
        first_wait_s: wait before the second attempt; it doubles each time, plus or minus half by chance.
        longest_wait_s: longest wait before an attempt, also where the server asks for more.
        retry_share: retries allowed, as a share of the questions asked so far ...
        retry_floor: ... plus this many.
    """

    concurrency: int = 16
    attempts: int = 6
    first_attempts: int = 3
    timeout_s: float = 120.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    retry_share: float = 0.6
    retry_floor: int = 10


@dataclass
class Tally:
    """What asking cost: questions, requests sent, retries, faults by kind (those survived included), tokens."""

    questions: int = 0
    requests: int = 0
    retries: int = 0
    answered: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what else asking cost."""
        self.questions += other.questions
        self.requests += other.requests
        self.retries += other.retries
        self.answered += other.answered
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.faults.update(other.faults)


@runtime_checkable
class Costs(Protocol):
    """An answer that says what it cost in tokens."""

    @property
    def tokens_in(self) -> int:
        """Tokens of the prompt."""
        ...

    @property
    def tokens_out(self) -> int:
        """Tokens of the reply."""
        ...


class Exchange:
    """Sends requests until each is answered or given up.

    Args:
        transport: how requests travel.
        patience: limits.
        pace: how fast; shared by all who ask the same server with the same key.
    """

    def __init__(self, transport: Transport, patience: Patience, pace: Pace | None = None) -> None:
        self.transport = transport
        self.patience = patience
        self.pace = pace or Pace()
        self.tally = Tally()
        self._spending = threading.Lock()
        self.dead: FaultError | None = None
        self._gates: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    async def ask(self, request: Request, read: Callable[[Response], T], attempts: int | None = None) -> T:
        """Return what ``read`` makes of the first response that holds an answer.

        Args:
            request: what to send, as often as needed.
            read: turns a response into an answer, or raises FaultError.
            attempts: most requests for it, those of ``patience`` by default.

        Raises:
            FaultError: no answer came; a fault of the first contact ends all later questions too.
        """
        self.tally.questions += 1
        most = attempts or self.patience.attempts
        async with self.gate():
            for attempt in range(most):
                sent = await self.pace.turn()
                if self.dead is not None:
                    raise self.dead
                fault, after_s = await self.attempt(request, read, sent)
                if not isinstance(fault, FaultError):
                    self.tally.answered += 1
                    return fault
                self.tally.faults[fault.kind] += 1
                if not self._again(fault, attempt, most):
                    raise fault
                self.tally.retries += 1
                await asyncio.sleep(self.wait_s(attempt, after_s, request))
        raise AssertionError("the last attempt returns or raises")

    def spend(self, answers: Iterable[Costs]) -> None:
        """Count what answers cost; any thread may say so."""
        with self._spending:
            for one in answers:
                self.tally.tokens_in += one.tokens_in
                self.tally.tokens_out += one.tokens_out

    async def attempt(
        self, request: Request, read: Callable[[Response], T], sent: float
    ) -> tuple[T | FaultError, float | None]:
        """Send once; return the answer or the fault, and for how long the server asked to be left alone.

        Args:
            request: what to send.
            read: turns a response into an answer, or raises FaultError.
            sent: what the pace's ``turn`` returned for it.
        """
        self.tally.requests += 1
        try:
            response = await self.transport.send(request)
        except TransportError as error:
            return FaultError(error.kind, str(error), again=True, status=0), None
        try:
            return read(response), None
        except FaultError as fault:
            after_s = retry_after_s(response)
            if after_s is not None:
                after_s = min(after_s, self.patience.longest_wait_s)
            if fault.again and (fault.status in TOO_MANY or (fault.status == 503 and after_s)):
                self.pace.rejected(sent, after_s)
            return fault, after_s

    def _again(self, fault: FaultError, attempt: int, most: int) -> bool:
        """Decide whether to ask again; a key that is refused, or nobody there at first contact, ends it for all."""
        allowed = self.patience.retry_floor + self.patience.retry_share * self.tally.questions
        nobody = (
            fault.kind == "refused"
            and self.tally.answered == 0
            and attempt + 1 >= self.patience.first_attempts
        )
        if fault.status in (401, 403) or nobody:
            self.dead = fault
            return False
        return fault.again and attempt + 1 < most and self.tally.retries < allowed

    def wait_s(self, attempt: int, after_s: float | None, request: Request) -> float:
        """Return how long to wait before a request is sent once more, in seconds."""
        chance = float(stream(0, "endpoint", "wait", request.body.hex(), attempt).random())
        wait_s = self.patience.first_wait_s * 2.0**attempt * (0.5 + chance)
        return min(max(wait_s, after_s or 0.0), self.patience.longest_wait_s)

    def gate(self) -> asyncio.Semaphore:
        """Return what bounds the requests under way on the running event loop."""
        loop = asyncio.get_running_loop()
        if self._gates is None or self._gates[0] is not loop:
            self._gates = (loop, asyncio.Semaphore(self.patience.concurrency))
        return self._gates[1]


def retry_after_s(response: Response) -> float | None:
    """Return how long a response asks to wait, in seconds, from ``Retry-After`` as number or date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, wait_s) if wait_s == wait_s else None
