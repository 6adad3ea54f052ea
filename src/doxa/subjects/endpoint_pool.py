"""Asking several servers of one model: each takes the next question as soon as it can, so that work follows speed.

- A server that is slower than it would take the others to finish takes no more at the end.
- A question that a server does not answer goes back and is taken by another one. Only when all have tried does it wait,
  as with a single server, and it is sent ``attempts`` times in all (or once to each, if they are more). That a
  question itself is wrong is believed when a second server says so.
- ``BROKEN`` faults in a row, or a connection that is refused, rest a server; after ever longer rests it is looked at
  without a question, and then given one. One that refuses the key is left out. If none is left, what is open ends as
  faults, or in an error if no server ever answered.
- What a server says of its model in its first answer, and in the first after a rest, must be what the others say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar, cast

from doxa.errors import SubjectError
from doxa.subjects.endpoint_exchange import TOO_MANY, Costs, Exchange
from doxa.subjects.endpoint_stream import Put
from doxa.subjects.endpoint_transport import Request, Response, TransportError
from doxa.subjects.endpoint_wire import FaultError, mapping

BROKEN = 8
"""Faults in a row after which a server rests; with 30 % of faults by chance this happens once in 15,000 answers."""
TICK_S = 0.25
"""How often servers that wait look again whether there is something for them."""
NEWEST = 0.2
"""Weight of the newest answer in the time that a server takes."""

T = TypeVar("T")


class Stamp(NamedTuple):
    """What a server says of the model that answered; empty where it says nothing."""

    model: str
    fingerprint: str

    @classmethod
    def of(cls, response: Response) -> Stamp:
        """Return what a response says."""
        body = mapping(json.loads(response.body))
        said = (body.get("model"), body.get("system_fingerprint"))
        return cls(*(one if isinstance(one, str) else "" for one in said))


@dataclass(eq=False)
class Member:
    """One server of a pool.

    Attributes:
        name: its address.
        exchange: sends to it.
        request: makes a body a request to it.
        look: the request that shows whether it is there and costs nothing.
        took_s: how long an answer takes, in seconds, the newest counting most; 0 before the first.
        faults: without an answer in between.
        rests: without an answer in between.
        rested: time of the event loop from which it is tried again.
        under_way: requests that it has.
        answered: time of its last answer, or of the first request since it had none.
        stamp: what it says of its model.
    """

    name: str
    exchange: Exchange
    request: Callable[[bytes], Request]
    look: Request
    took_s: float = 0.0
    faults: int = 0
    rests: int = 0
    rested: float = 0.0
    under_way: int = 0
    answered: float = 0.0
    stamp: Stamp | None = None

    def open(self, now: float) -> bool:
        """Whether it takes questions: all it can, or one to see whether it is back."""
        if self.exchange.dead is not None or now < self.rested:
            return False
        return not self.rests or not self.under_way

    def slowness_s(self, now: float) -> float:
        """Return how long an answer takes, or took so far if that is longer; 0 if unknown."""
        return max(self.took_s, now - self.answered) if self.under_way and self.took_s else self.took_s

    def speed(self, now: float) -> float:
        """Return the answers per second that it gives at full load, 0 if unknown (Little's law)."""
        slowness_s = self.slowness_s(now)
        if not slowness_s:
            return 0.0
        speed = self.exchange.patience.concurrency / slowness_s
        return speed if self.exchange.pace.rate is None else min(speed, self.exchange.pace.rate)

    def gone(self) -> bool:
        """Whether it has been tried in vain for as long as it is borne with."""
        patience, never = self.exchange.patience, self.exchange.tally.answered == 0
        return self.exchange.dead is not None or self.rests >= (
            patience.first_attempts if never else patience.attempts
        )


@dataclass(eq=False, slots=True)
class _Question:
    """A question without an outcome.

    Attributes:
        attempts: how often it was sent.
        tried: the servers that failed since it last waited.
        certain: how many servers said that asking again is of no use.
    """

    index: int
    body: bytes
    attempts: int = 0
    tried: set[Member] = field(default_factory=set[Member])
    certain: int = 0


class _Work(Generic[T]):
    """The questions of one call: those that nobody took yet, and those that came back."""

    def __init__(
        self,
        bodies: Sequence[bytes],
        read: Callable[[Response], T],
        put: Put[T | FaultError],
        attempts: int | None,
    ) -> None:
        self.read = read
        self.attempts = attempts
        self.ended = asyncio.Event()
        self.open = len(bodies)
        self.waiting = len(bodies)
        self._fresh: Iterator[tuple[int, bytes]] = iter(enumerate(bodies))
        self._returned: list[_Question] = []
        self._put = put
        self._changed = asyncio.Event()
        self.over: FaultError | None = None

    def take(self, member: Member, ready: Sequence[Member], alive: Sequence[Member]) -> _Question | None:
        """Return a question for a server: one that came back, or a new one.

        Args:
            member: the server. It does not get a question that it failed while another could try.
            ready: the others that take questions now.
            alive: the others that take questions at some time; a question that may be wrong waits for them.
        """
        for place, question in enumerate(self._returned):
            others = alive if question.certain else ready
            if member not in question.tried or all(other in question.tried for other in others):
                self.waiting -= 1
                return self._returned.pop(place)
        fresh = next(self._fresh, None)
        if fresh is None:
            return None
        self.waiting -= 1
        return _Question(*fresh)

    def handed_on(self, member: Member) -> bool:
        """Whether a question that another server failed waits for this one."""
        return any(question.tried and member not in question.tried for question in self._returned)

    def give_back(self, question: _Question) -> None:
        """Let others take a question."""
        if self.over is not None:
            self.outcome(question.index, self.over)
            return
        self._returned.append(question)
        self.waiting += 1
        self.wake()

    def outcome(self, index: int, found: T | FaultError) -> None:
        """Hand on what became of a question."""
        self._put((index, found))
        self.open -= 1
        if not self.open:
            self.ended.set()

    def give_up(self, fault: FaultError) -> None:
        """End every question that nobody has, and those that will come back."""
        self.over = fault
        for question in self._returned:
            self.outcome(question.index, fault)
        self._returned.clear()
        for index, _ in self._fresh:
            self.outcome(index, fault)
        self.waiting = 0

    async def change(self) -> None:
        """Wait until something may have changed."""
        await self._changed.wait()

    def wake(self) -> None:
        """Let everybody look again."""
        self._changed.set()
        self._changed = asyncio.Event()


class Pool:
    """Servers of one model.

    Args:
        members: at least one.
        vouched: whether somebody vouches that they serve the same, so that nothing is compared.
    """

    def __init__(self, members: Sequence[Member], *, vouched: bool = False) -> None:
        self.members = tuple(members)
        self._vouched = vouched

    async def ask_all(
        self,
        bodies: Sequence[bytes],
        read: Callable[[Response], T],
        put: Put[T | FaultError],
        attempts: int | None = None,
    ) -> None:
        """Ask every question and put (index, answer or fault) of each once.

        Args:
            bodies: the questions.
            read: turns a response into an answer, or raises FaultError.
            put: takes what comes.
            attempts: most requests for one question, those of each server's patience by default.

        Raises:
            SubjectError: two servers answer as different models.
            FaultError: no server ever answered, or all refuse the key.
        """
        if not bodies:
            return
        if all(member.gone() for member in self.members):
            refused = [member.exchange.dead for member in self.members]
            if refused[0] is not None and all(refused):
                raise refused[0]
            for member in self.members:
                # another call looks once more, at once
                member.rested, member.rests = 0.0, max(0, member.rests - 1)
        work = _Work(bodies, read, put, attempts)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._tick(work))]
            most = max(member.exchange.patience.concurrency for member in self.members)
            for place in range(min(most, len(bodies))):
                tasks += [
                    group.create_task(self._serve(member, work))
                    for member in self.members
                    if place < member.exchange.patience.concurrency
                ]
            await work.ended.wait()
            for task in tasks:
                task.cancel()

    async def _tick(self, work: _Work[T]) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if work.waiting:
                work.wake()

    async def _serve(self, member: Member, work: _Work[T]) -> None:
        """Take questions to a server as long as there are any."""
        exchange, loop = member.exchange, asyncio.get_running_loop()
        while True:
            if not self._may_take(member, work, loop.time()):
                await work.change()
                continue
            async with exchange.gate():
                if not self._may_take(member, work, loop.time()):
                    continue
                sent = await exchange.pace.turn()
                question = None
                if self._may_take(member, work, loop.time()):
                    question = await self._taken(member, work)
                if question is not None:
                    await self._send(member, question, work, sent)
                    continue
                exchange.pace.unused(sent)
            await work.change()

    async def _taken(self, member: Member, work: _Work[T]) -> _Question | None:
        """Take a question for a server; one that rested gets it only if it shows itself."""
        loop = asyncio.get_running_loop()
        if member.rests:
            member.under_way += 1
            try:
                await member.exchange.transport.send(member.look)
            except TransportError as error:
                fault = FaultError(error.kind, str(error), again=True, status=0)
                self._rest(member, fault, loop.time())
                self._end(work, fault)
                return None
            finally:
                member.under_way -= 1
        alive = [other for other in self.members if other is not member and not other.gone()]
        return work.take(member, self._open_beside(member, loop.time()), alive)

    def _may_take(self, member: Member, work: _Work[T], now: float) -> bool:
        """Whether a server that takes a question is not the last to be ready, as far as speeds are known.

        What another failed it takes however slow it is, since that one will not have it back before.
        """
        if not work.waiting or not member.open(now):
            return False
        if work.handed_on(member):
            return True
        others = [other for other in self._open_beside(member, now) if other.took_s]
        if not member.took_s or not others:
            return True
        left_s = work.waiting / sum(other.speed(now) for other in others)
        return member.slowness_s(now) <= left_s + min(other.slowness_s(now) for other in others)

    def _open_beside(self, member: Member, now: float) -> list[Member]:
        return [other for other in self.members if other is not member and other.open(now)]

    async def _send(self, member: Member, question: _Question, work: _Work[T], sent: float) -> None:
        """Send a question to a server once, and see what becomes of it."""
        exchange, loop = member.exchange, asyncio.get_running_loop()
        exchange.tally.questions += not question.attempts
        exchange.tally.retries += bool(question.attempts)
        if not member.under_way:
            member.answered = loop.time()
        member.under_way += 1
        seen: list[Response] = []

        def noting(response: Response) -> T:
            answer = work.read(response)
            seen.append(response)
            return answer

        began, read = loop.time(), work.read if member.stamp is not None else noting
        try:
            found, after_s = await exchange.attempt(member.request(question.body), read, sent)
        finally:
            member.under_way -= 1
        if isinstance(found, FaultError):
            self._failed(member, question, work, found, after_s)
            return
        if seen:
            self._compare(member, Stamp.of(seen[0]))
        now = loop.time()
        member.took_s += (now - began - member.took_s) * (NEWEST if member.took_s else 1.0)
        member.answered = now
        if member.rests:
            work.wake()
        member.faults = member.rests = 0
        work.over = None
        exchange.tally.answered += 1
        if hasattr(found, "tokens_in"):  # isinstance of a protocol would take a fifth of the time
            exchange.spend([cast(Costs, found)])
        work.outcome(question.index, found)

    def _failed(
        self, member: Member, question: _Question, work: _Work[T], fault: FaultError, after_s: float | None
    ) -> None:
        """Count a fault; give the question back, have it wait, or end it."""
        loop = asyncio.get_running_loop()
        member.exchange.tally.faults[fault.kind] += 1
        if fault.status in (401, 403):
            member.exchange.dead = fault
        elif not (fault.status in TOO_MANY or (fault.status == 503 and after_s)):
            self._rest(member, fault, loop.time())
        question.attempts += 1
        question.certain += not fault.again and member.exchange.dead is None
        question.tried.add(member)
        if self._end(work, fault):
            work.outcome(question.index, fault)
            return
        able = [other for other in self.members if not other.gone()]
        if not question.certain:
            able = self._open_beside(member, loop.time())
        others = [other for other in able if other not in question.tried]
        most = max(work.attempts or member.exchange.patience.attempts, len(self.members))
        if question.certain > 1:
            # the question is at fault, and the servers are not
            for one in question.tried:
                one.faults = one.rests = 0
            work.outcome(question.index, fault)
        elif question.attempts >= most or not self._borne(member) or not (fault.again or others):
            work.outcome(question.index, fault)
        elif others:
            work.give_back(question)
        else:
            question.tried.clear()
            wait_s = member.exchange.wait_s(question.attempts - 1, after_s, member.request(question.body))
            loop.call_later(wait_s, work.give_back, question)

    def _end(self, work: _Work[T], fault: FaultError) -> bool:
        """End what is open if no server is left; return whether that is so.

        Raises:
            FaultError: no server ever answered.
        """
        if not all(one.gone() for one in self.members):
            return False
        if not any(one.exchange.tally.answered for one in self.members):
            raise fault
        work.give_up(fault)
        return True

    def _borne(self, member: Member) -> bool:
        """Whether the budget of retries, one for all servers, allows another."""
        tallies = [one.exchange.tally for one in self.members]
        patience = member.exchange.patience
        allowed = patience.retry_floor + patience.retry_share * sum(tally.questions for tally in tallies)
        return sum(tally.retries for tally in tallies) < allowed

    def _rest(self, member: Member, fault: FaultError, now: float) -> None:
        member.faults += 1
        if now < member.rested or not (fault.kind == "refused" or member.faults >= BROKEN or member.rests):
            return
        patience = member.exchange.patience
        member.rested = now + min(patience.first_wait_s * 2.0**member.rests, patience.longest_wait_s)
        member.rests += 1
        member.stamp = None

    def _compare(self, member: Member, stamp: Stamp) -> None:
        """Keep what a server says of its model.

        Raises:
            SubjectError: another one says something else.
        """
        member.stamp = stamp
        if self._vouched:
            return
        for other in self.members:
            for what, own, theirs in zip(("model", "fingerprint"), stamp, other.stamp or stamp, strict=True):
                if own and theirs and own != theirs:
                    raise SubjectError(
                        f"{member.name} answers as {what} {own!r} and {other.name} as {theirs!r}: different models are "
                        "different runs; ask one of them, or give all addresses the same revision=, which vouches that "
                        "they are one model and leaves the answers so far behind"
                    )
