"""The ``http://host:port/v1#model`` subject: any server that speaks the OpenAI chat format."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.secret import Secret, from_environment
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.subjects.endpoint_exchange import Exchange, Patience, Tally
from doxa.subjects.endpoint_pace import pace_towards
from doxa.subjects.endpoint_scorer import CannotScoreError, Scorer
from doxa.subjects.endpoint_scoring import Scores
from doxa.subjects.endpoint_stream import answers
from doxa.subjects.endpoint_transport import LOOP, AiohttpTransport, Request, Response, Transport
from doxa.subjects.endpoint_wire import FaultError, read_reply, reply_body

SCHEMA = 1
"""Raised when requests or their reading change, so that older cached answers are not used."""

HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}

_KEY_VARIABLES = {"api.openai.com": "OPENAI_API_KEY", "openrouter.ai": "OPENROUTER_API_KEY"}

T = TypeVar("T")


class EndpointSubject:
    """A model behind an OpenAI-compatible server.

    Each question is answered once, or its reply has ``finish="fault"`` with the reason. Only a server that cannot
    be reached at all, or refuses the key, raises SubjectError. With ``scores=True`` options are scored without
    generating where the server can, or else read from its likeliest first tokens, NaN where an option is not among
    them (see :mod:`doxa.subjects.endpoint_scoring`); where the server gives neither, CapabilityError is raised, and
    options are to be sampled as text.

    The identity is that of address, model and revision: whoever puts other weights behind the same name must name
    another revision.

    Attributes:
        tally: questions, requests, retries, faults by kind, tokens.
    """

    form: Literal["micro", "published"] = "published"
    framing = "chat"
    context_tokens: int | None = None
    batch_independent = True
    remote = True
    """Several threads may ask at once."""

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
        self.url = url
        self.model = model
        self.revision = revision
        self._key = key
        self._exchange = Exchange(transport, patience, pace_towards(url, key))
        self._scores = scores
        self._scorer = Scorer(model, self._exchange)
        options = {"scores": "true"} if scores else {}
        query = urlencode(options | ({"revision": revision} if revision else {}))
        self._address = f"{url}{'?' * bool(query)}{query}#{model}"
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
        own = _KEY_VARIABLES.get(parts.hostname)
        return cls(
            url.rstrip("/"),
            model,
            transport=transport or AiohttpTransport(),
            patience=patience,
            key=key or from_environment("DOXA_API_KEY", *([own] if own else [])),
            revision=revision,
            scores=scores,
        )

    @property
    def address(self) -> str:
        """The address that opens the same subject again; it never holds a key."""
        return self._address

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
    def capabilities(self) -> frozenset[Capability]:
        """Reply, sample and tools; score where it was opened for it and the server gives log-probabilities."""
        known = {Capability.REPLY, Capability.SAMPLE, Capability.TOOLS}
        return frozenset(known | ({Capability.SCORE} if self._scores else set()))

    @property
    def tally(self) -> Tally:
        """What asking has cost so far."""
        return self._exchange.tally

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation once, in order.

        Raises:
            SubjectError: the server cannot be reached at all, or refuses the key.
        """
        replies: list[Reply] = [Reply("", "fault", fault="not asked")] * len(conversations)
        for batch in self.reply_batches(conversations, sampling=sampling, tools=tools):
            for index, reply in batch:
                replies[index] = reply
        return replies

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index, reply) of each conversation once, as they come.

        Raises:
            SubjectError: the server cannot be reached at all, or refuses the key.
        """
        bodies = [reply_body(self.model, conversation, sampling, tools) for conversation in conversations]
        for batch in self.ask_all(bodies, read_reply):
            out = [
                (index, found if isinstance(found, Reply) else Reply("", "fault", fault=str(found)))
                for index, found in batch
            ]
            self._exchange.spend(reply for _, reply in out)
            yield out

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probability in nats of each option; NaN for one that the server does not tell.

        Raises:
            CapabilityError: the server gives no log-probabilities, or of no option, or a query has an opening and the
                server cannot begin a reply.
            SubjectError: the server cannot be reached at all, or refuses the key.
        """
        return [scores.log_probs for scores in self.score_seen(queries)]

    def score_seen(self, queries: Sequence[Query]) -> list[Scores]:
        """Return the same as ``score``, with the mass that was not seen and the faults."""
        if any(not query.options for query in queries):
            raise InputError("a query has no options; give at least one text to score")
        if not queries:
            return []
        if not self._scores:
            raise self._cannot("gives no log-probabilities")
        try:
            scores = self._scorer.score(self, queries)
        except CannotScoreError as error:
            self._scores = error.opening
            raise self._cannot(str(error)) from error
        answered = [score for score in scores if not score.fault]
        if answered and all(np.isnan(score.log_probs).all() for score in answered):
            what = (
                "begins with a token of its own"
                if self._scorer.way == "prompt"
                else "is a token among the likeliest"
            )
            raise self._cannot(f"tells of no option: none {what}, first {queries[0].options!r}")
        return scores

    def _cannot(self, why: str) -> CapabilityError:
        return CapabilityError(f"{self.address} {why}; ask for text, or use an hf: subject")

    def check(self) -> None:
        """See whether anybody answers, with one request that costs nothing.

        Raises:
            SubjectError: the server cannot be reached, or refuses the key.
        """
        try:
            self._one(self._request("GET", "/models", b""), _anything)
        except FaultError as fault:
            raise self._failed(fault) from fault

    def close(self) -> None:
        """Close the connections; the next question opens them again."""
        self._finalizer()
        self._finalizer = weakref.finalize(self, _close, self._exchange.transport)

    def ask_all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Ask every question; hand on answers and faults as they come, and stop where nobody is there."""
        for batch in answers(self._exchange, [self._chat(body) for body in bodies], read):
            dead = self._exchange.dead
            alive = [(index, found) for index, found in batch if found is not dead]
            if alive:
                yield alive
            if dead is not None:
                raise self._failed(dead)

    def _one(self, request: Request, read: Callable[[Response], T], attempts: int | None = None) -> T:
        """Ask one question.

        Raises:
            SubjectError: the server cannot be reached at all, or refuses the key.
            FaultError: no answer came.
        """
        try:
            return LOOP.submit(self._exchange.ask(request, read, attempts)).result()
        except FaultError as fault:
            if fault is self._exchange.dead:
                raise self._failed(fault) from fault
            raise

    def ask_first(self, body: bytes, read: Callable[[Response], T], attempts: int) -> T:
        """Ask one question so many times at most; raises as ``ask_all`` does, and FaultError for no answer."""
        return self._one(self._chat(body), read, attempts)

    def _chat(self, body: bytes) -> Request:
        return self._request("POST", "/chat/completions", body)

    def _request(self, method: str, path: str, body: bytes) -> Request:
        return Request(method, self.url + path, HEADERS, body, self._exchange.patience.timeout_s, self._key)

    def _failed(self, fault: FaultError) -> SubjectError:
        todo = (
            "check the key in DOXA_API_KEY"
            if fault.status in (401, 403)
            else "start the server or check the address"
        )
        return SubjectError(f"{self.address}: {fault}; {todo}")


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
