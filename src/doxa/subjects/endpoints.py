"""The ``pool:`` subject: one model served at several addresses, which share the work by their speed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from doxa.canonical import digest
from doxa.errors import InputError, SubjectError
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_chat import SCHEMA, ChatSubject
from doxa.subjects.endpoint_exchange import Costs, Tally
from doxa.subjects.endpoint_pool import Member, Pool
from doxa.subjects.endpoint_stream import Put, as_they_come
from doxa.subjects.endpoint_transport import Response
from doxa.subjects.endpoint_wire import FaultError

LOOK_S = 10.0
"""Longest wait for a sign of life of a server that rested."""

T = TypeVar("T")


class PoolSubject(ChatSubject):
    """One model behind several OpenAI-compatible servers; see :mod:`doxa.subjects.endpoint_pool`.

    The identity is that of model and revision, whatever the addresses are, so that answers are kept when a server is
    added or replaced: whoever puts other weights behind the same name must name another revision.

    Args:
        servers: at least two, each with its own key, pace and patience, with one model and revision.

    Raises:
        InputError: they are not servers of one model.
    """

    def __init__(self, servers: Sequence[EndpointSubject]) -> None:
        one_model([(server.address, server.model, server.revision) for server in servers])
        address = " ".join(server.address for server in servers)
        scores = all(server.scored for server in servers)
        super().__init__(servers[0].model, f"pool:{address}", scores=scores)
        self.revision = servers[0].revision
        self.servers = tuple(servers)
        members = [
            Member(
                server.address,
                server.exchange,
                server.chat,
                server.request("GET", "/models")._replace(timeout_s=LOOK_S),
            )
            for server in servers
        ]
        self._pool = Pool(members, vouched=bool(self.revision))

    @property
    def identity(self) -> str:
        """SHA-256 of model, revision and schema."""
        return pool_identity(self.model, self.revision)

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What asking has cost so far, by address."""
        return {server.address: server.tally for server in self.servers}

    @property
    def tally(self) -> Tally:
        """What asking has cost so far, all servers together."""
        total = Tally()
        for tally in self.tallies.values():
            total.add(tally)
        return total

    def spend(self, answers: Iterable[Costs]) -> None:
        """Do nothing: each server counts its own answers when they come."""

    def ask_all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Ask every question; hand on answers and faults as they come.

        Raises:
            SubjectError: no server can be reached or takes its key, or two answer as different models.
        """
        return self._ask(bodies, read)

    def ask_first(self, body: bytes, read: Callable[[Response], T], attempts: int) -> T:
        """Ask one question so many times at most; raises as ``ask_all`` does, and FaultError for no answer."""
        ((_, found),) = [one for batch in self._ask([body], read, attempts) for one in batch]
        if isinstance(found, FaultError):
            raise found
        return found

    def check(self) -> None:
        """See whether every server answers, with requests that cost nothing.

        Raises:
            SubjectError: one cannot be reached, or refuses the key.
        """
        for server in self.servers:
            server.check()

    def close(self) -> None:
        """Close the connections; the next question opens them again."""
        for server in self.servers:
            server.close()

    def _ask(
        self, bodies: Sequence[bytes], read: Callable[[Response], T], attempts: int | None = None
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        def ask(put: Put[T | FaultError]) -> Coroutine[Any, Any, None]:
            return self._pool.ask_all(bodies, read, put, attempts)

        try:
            yield from as_they_come(ask)
        except FaultError as fault:
            raise self._failed(fault) from fault

    def _failed(self, fault: FaultError) -> SubjectError:
        said = self.servers[0].failed(fault)
        return SubjectError(f"none of {len(self.servers)} servers answers; {said}")


def pool_identity(model: str, revision: str) -> str:
    """Return the identity of a model that several servers have."""
    return digest({"kind": "pool", "schema": SCHEMA, "model": model, "revision": revision})


def one_model(servers: Sequence[tuple[str, str, str]]) -> None:
    """See that servers can be asked as one.

    Args:
        servers: address, model and revision of each.

    Raises:
        InputError: there are fewer than two, two are the same, or they name different models or revisions.
    """
    first, model, revision = servers[0] if servers else ("", "", "")
    places = [address.partition("?")[0].partition("#")[0] for address, _, _ in servers]
    if len(servers) < 2:
        raise InputError(f"pool:{first}: give the addresses of several servers, with a space between")
    for address, other_model, other_revision in servers:
        if other_model != model:
            raise InputError(
                f"{first} and {address} name different models: different models are different runs; give the same "
                "#model to ask them as one, or run each by itself"
            )
        if other_revision != revision:
            raise InputError(f"{first} and {address} name different revisions; give both the same revision=")
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"{place} is given twice; connections= asks one server more at once")
