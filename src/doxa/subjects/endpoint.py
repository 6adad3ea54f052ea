"""The ``http://host:port/v1#model`` subject: any server that speaks the OpenAI chat format."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.secret import Secret, from_environment
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.subjects.endpoint_exchange import Exchange, Patience, Tally
from doxa.subjects.endpoint_pace import pace_towards
from doxa.subjects.endpoint_stream import answers
from doxa.subjects.endpoint_transport import LOOP, AiohttpTransport, Request, Response, Transport
from doxa.subjects.endpoint_wire import (
    FaultError,
    TopTokens,
    read_reply,
    read_top_tokens,
    reply_body,
    score_body,
)

SCHEMA = 1
"""Raised when requests or their reading change, so that older cached answers are not used."""

HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}

_KEY_VARIABLES = {"api.openai.com": "OPENAI_API_KEY", "openrouter.ai": "OPENROUTER_API_KEY"}

T = TypeVar("T")


class Scores(NamedTuple):
    """What a server's top tokens say of a query's options.

    Attributes:
        log_probs: nats; NaN for an option that is not among the tokens listed.
        unseen: probability mass on tokens not listed: the most that any NaN option can have; 1 after a fault.
        fault: why nothing was read, empty otherwise.
    """

    log_probs: Float[np.ndarray, " options"]
    unseen: float
    fault: str = ""


class EndpointSubject:
    """A model behind an OpenAI-compatible server.

    Each question is answered once, or its reply has ``finish="fault"`` with the reason. Only a server that cannot
    be reached at all, or refuses the key, raises SubjectError. With ``scores=True`` options of one token are read from
    the server's likeliest first tokens, NaN where an option is not among them; where the server gives none,
    CapabilityError is raised, and options are to be sampled as text.

    The identity is that of address, model and revision: whoever puts other weights behind the same name must name
    another revision.

    Attributes:
        tally: questions, requests, retries, faults by kind, tokens.
    """

    form: Literal["micro", "published"] = "published"
    framing = "chat"
    context_tokens: int | None = None
    batch_independent = True

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
        for batch in self._all(bodies, read_reply):
            out = [
                (index, found if isinstance(found, Reply) else Reply("", "fault", fault=str(found)))
                for index, found in batch
            ]
            for _, reply in out:
                self.tally.tokens_in += reply.tokens_in
                self.tally.tokens_out += reply.tokens_out
            yield out

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probability in nats of each option that is one token among the likeliest; NaN for others.

        Raises:
            CapabilityError: the server gives no log-probabilities, no option is one token, or a query has an opening.
            SubjectError: the server cannot be reached at all, or refuses the key.
        """
        return [scores.log_probs for scores in self.score_seen(queries)]

    def score_seen(self, queries: Sequence[Query]) -> list[Scores]:
        """Return the same as ``score``, with the mass that was not seen and the faults."""
        if any(not query.options for query in queries):
            raise InputError("a query has no options; give at least one text to score")
        if not self._scores:
            raise CapabilityError(
                f"{self.address} gives no log-probabilities; ask for text, or use an hf: subject"
            )
        if any(query.opening for query in queries):
            raise CapabilityError(
                f"{self.address} cannot begin a reply (opening); ask for text, or use an hf: subject"
            )
        found: list[TopTokens | FaultError | None] = [None] * len(queries)
        bodies = [score_body(self.model, query.conversation) for query in queries]
        for batch in self._all(bodies, read_top_tokens):
            for index, tokens in batch:
                found[index] = tokens
        answered = [tokens for tokens in found if not isinstance(tokens, FaultError)]
        if answered and all(tokens is None for tokens in answered):
            self._scores = False
            raise CapabilityError(
                f"{self.address} gives no log-probabilities; ask for text, or use an hf: subject"
            )
        scores = [_scores(query, tokens) for query, tokens in zip(queries, found, strict=True)]
        if answered and all(np.isnan(score.log_probs).all() for score in scores):
            raise CapabilityError(
                f"{self.address}: no option is a single token among the likeliest, first {queries[0].options!r}; "
                "ask for text, or use an hf: subject"
            )
        return scores

    def check(self) -> None:
        """See whether anybody answers, with one request that costs nothing.

        Raises:
            SubjectError: the server cannot be reached, or refuses the key.
        """
        try:
            LOOP.submit(self._exchange.ask(self._request("GET", "/models", b""), _anything)).result()
        except FaultError as fault:
            raise self._failed(fault) from fault

    def close(self) -> None:
        """Close the connections; the next question opens them again."""
        self._finalizer()
        self._finalizer = weakref.finalize(self, _close, self._exchange.transport)

    def _all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Ask every question; hand on answers and faults as they come, and stop where nobody is there."""
        requests = [self._request("POST", "/chat/completions", body) for body in bodies]
        for batch in answers(self._exchange, requests, read):
            dead = self._exchange.dead
            alive = [(index, found) for index, found in batch if found is not dead]
            if alive:
                yield alive
            if dead is not None:
                raise self._failed(dead)

    def _request(self, method: str, path: str, body: bytes) -> Request:
        return Request(method, self.url + path, HEADERS, body, self._exchange.patience.timeout_s, self._key)

    def _failed(self, fault: FaultError) -> SubjectError:
        todo = (
            "check the key in DOXA_API_KEY"
            if fault.status in (401, 403)
            else "start the server or check the address"
        )
        return SubjectError(f"{self.address}: {fault}; {todo}")


def _scores(query: Query, found: TopTokens | FaultError | None) -> Scores:
    if not isinstance(found, TopTokens):
        reason = "no log-probabilities" if found is None else str(found)
        return Scores(np.full(len(query.options), math.nan), 1.0, reason)
    log_probs = np.array(
        [found.log_probs.get(option, math.nan) for option in query.options], dtype=np.float64
    )
    return Scores(log_probs, found.unseen())


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
