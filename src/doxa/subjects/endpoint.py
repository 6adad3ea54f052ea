"""The ``http://host:port/v1#model`` subject: any server that speaks the OpenAI chat format."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from doxa.canonical import digest
from doxa.errors import InputError, SubjectError
from doxa.secret import Secret, from_environment
from doxa.subjects.endpoint_chat import SCHEMA, ChatSubject
from doxa.subjects.endpoint_exchange import Costs, Exchange, Patience, Tally
from doxa.subjects.endpoint_pace import pace_towards
from doxa.subjects.endpoint_stream import answers
from doxa.subjects.endpoint_transport import LOOP, AiohttpTransport, Request, Response, Transport
from doxa.subjects.endpoint_wire import FaultError

HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}

_KEY_VARIABLES = {"api.openai.com": "OPENAI_API_KEY", "openrouter.ai": "OPENROUTER_API_KEY"}

T = TypeVar("T")


class EndpointSubject(ChatSubject):
    """A model behind an OpenAI-compatible server.

    Only a server that cannot be reached at all, or refuses the key, raises SubjectError.

    The identity is that of address, model and revision: whoever puts other weights behind the same name must name
    another revision.

    Attributes:
        tally: questions, requests, retries, faults by kind, tokens.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        transport: Transport,
        patience: Patience,
        key: Secret | None = None,
        revision: str = "",
        scores: bool = False,
    ) -> None:
        options = {"scores": "true"} if scores else {}
        query = urlencode(options | ({"revision": revision} if revision else {}))
        super().__init__(model, f"{url}{'?' * bool(query)}{query}#{model}", scores=scores)
        self.url = url
        self.revision = revision
        self.exchange = Exchange(transport, patience, pace_towards(url, key))
        self._key = key
        self._finalizer = weakref.finalize(self, _close, transport)

    @classmethod
    def open(
        cls,
        url: str,
        model: str,
        *,
        revision: str = "",
        scores: bool = False,
        patience: Patience | None = None,
        transport: Transport | None = None,
        key: Secret | None = None,
    ) -> EndpointSubject:
        """Open a server's model. Nothing is sent before the first question.

        Args:
            url: base address up to ``/v1``.
            model: the model's name on the server.
            revision: what tells these weights from others of the same name; part of the identity.
            scores: whether to read options from top log-probabilities; few servers give them.
            patience: concurrency, attempts and waits.
            transport: how requests travel; HTTP by default.
            key: sent as bearer token; by default ``DOXA_API_KEY``, and for the hosts they belong to
                ``OPENAI_API_KEY`` and ``OPENROUTER_API_KEY``.

        Raises:
            InputError: the address is not that of a server, or holds a user, a key or a query.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("a server's address begins with http:// or https:// and a host, up to /v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise InputError(
                "a server's address must not hold a user, key or query; set DOXA_API_KEY instead"
            )
        if not model:
            raise InputError(f"{url}: name the model behind '#'")
        patience = patience or Patience()
        return cls(
            url.rstrip("/"),
            model,
            transport=transport or AiohttpTransport(),
            patience=patience,
            key=key or from_environment(*_key_variables(parts.hostname)),
            revision=revision,
            scores=scores,
        )

    @property
    def identity(self) -> str:
        """SHA-256 of address, model, revision and schema."""
        return digest(
            {
                "kind": "endpoint",
                "schema": SCHEMA,
                "url": self.url,
                "model": self.model,
                "revision": self.revision,
            }
        )

    @property
    def tally(self) -> Tally:
        """What asking has cost so far."""
        return self.exchange.tally

    def spend(self, answers: Iterable[Costs]) -> None:
        """Count what answers cost in tokens."""
        self.exchange.spend(answers)

    def check(self) -> None:
        """See whether anybody answers, with one request that costs nothing.

        Raises:
            SubjectError: the server cannot be reached, or refuses the key.
        """
        try:
            self._one(self.request("GET", "/models"), _anything)
        except FaultError as fault:
            raise self.failed(fault) from fault

    def close(self) -> None:
        """Close the connections; the next question opens them again."""
        self._finalizer()
        self._finalizer = weakref.finalize(self, _close, self.exchange.transport)

    def ask_all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Ask every question; hand on answers and faults as they come, and stop where nobody is there."""
        for batch in answers(self.exchange, [self.chat(body) for body in bodies], read):
            dead = self.exchange.dead
            alive = [(index, found) for index, found in batch if found is not dead]
            if alive:
                yield alive
            if dead is not None:
                raise self.failed(dead)

    def _one(self, request: Request, read: Callable[[Response], T], attempts: int | None = None) -> T:
        """Ask one question.

        Raises:
            SubjectError: the server cannot be reached at all, or refuses the key.
            FaultError: no answer came.
        """
        try:
            return LOOP.submit(self.exchange.ask(request, read, attempts)).result()
        except FaultError as fault:
            if fault is self.exchange.dead:
                raise self.failed(fault) from fault
            raise

    def ask_first(self, body: bytes, read: Callable[[Response], T], attempts: int) -> T:
        """Ask one question so many times at most; raises as ``ask_all`` does, and FaultError for no answer."""
        return self._one(self.chat(body), read, attempts)

    def chat(self, body: bytes) -> Request:
        """Return the request that puts a question."""
        return self.request("POST", "/chat/completions", body)

    def request(self, method: str, path: str, body: bytes = b"") -> Request:
        """Return a request to this server, with its key."""
        return Request(method, self.url + path, HEADERS, body, self.exchange.patience.timeout_s, self._key)

    def failed(self, fault: FaultError) -> SubjectError:
        """Return the error that ends all asking, for a fault that does."""
        todo = self._about_key() if fault.status in (401, 403) else "start the server or check the address"
        return SubjectError(f"{self.address}: {fault}; {todo}")

    def _about_key(self) -> str:
        """Return what to do about a key that the server refuses, or about there being none."""
        names = _key_variables(urlsplit(self.url).hostname or "")
        given = [name for name in names if os.environ.get(name, "").strip()]
        if given:
            return f"the server refuses the key in {given[0]}; put the right one there"
        if self._key is not None:
            return "the server refuses the key that was passed; pass the right one"
        return f"the server wants a key and none is set; set {' or '.join(names)}"


def _key_variables(host: str) -> tuple[str, ...]:
    """Return the environment variables that may hold the key of a server, first choice first."""
    own = _KEY_VARIABLES.get(host)
    return ("DOXA_API_KEY", *([own] if own else []))


def _anything(response: Response) -> int:
    """Take any status for a sign of life, except a refused key."""
    if response.status in (401, 403):
        raise FaultError(
            str(response.status), f"status {response.status}", again=False, status=response.status
        )
    return response.status


def _close(transport: Transport) -> None:
    close = getattr(transport, "close", None)
    if close is None or not LOOP.running():
        return
    done = LOOP.submit(close())
    if not LOOP.inside():
        with contextlib.suppress(TimeoutError):
            done.result(timeout=5.0)
