"""Scoring options on a server: finds out with the first question how it can, and asks the others so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from doxa.subjects.base import Query
from doxa.subjects.endpoint_exchange import Costs
from doxa.subjects.endpoint_scoring import (
    PromptTokens,
    Scores,
    ScoringWay,
    TopTokens,
    from_prompts,
    from_top,
    option_body,
    read_first,
    read_prompt_tokens,
    read_top_tokens,
    score_body,
)
from doxa.subjects.endpoint_transport import Response
from doxa.subjects.endpoint_wire import FaultError

FIRST_ATTEMPTS = 3
"""How often a server is asked for log-probabilities until it is held to give none."""

T = TypeVar("T")


class CannotScoreError(Exception):
    """A server cannot score; ``opening`` where it could if no query had an opening."""

    def __init__(self, why: str, *, opening: bool = False) -> None:
        super().__init__(why)
        self.opening = opening


@runtime_checkable
class Asks(Protocol):
    """Puts questions to a server's chat."""

    def ask_all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Yield (index, answer or fault) of each question once, as they come."""
        ...

    def ask_first(self, body: bytes, read: Callable[[Response], T], attempts: int) -> T:
        """Ask one question so many times at most; raises FaultError for no answer."""
        ...

    def spend(self, answers: Iterable[Costs]) -> None:
        """Count what answers cost in tokens."""
        ...


class Scorer:
    """Scores queries on one server.

    Attributes:
        way: how the server can, None until the first question was answered.
    """

    def __init__(self, model: str) -> None:
        self.way: ScoringWay | None = None
        self._model = model

    def score(self, server: Asks, queries: Sequence[Query]) -> list[Scores]:
        """Return the scores of at least one query, asked through ``server``.

        Raises:
            CannotScoreError: the server gives no log-probabilities, or cannot begin a reply.
        """
        first = None if self.way else self._find_way(server, queries[0])
        if self.way == "prompt":
            return self._by_prompts(server, queries)
        if any(query.opening for query in queries):
            raise CannotScoreError("cannot begin a reply (opening)", opening=True)
        return [*([first] if first else []), *self._by_tops(server, queries[1:] if first else queries)]

    def _find_way(self, server: Asks, query: Query) -> Scores | None:
        """Ask the first question so that the answer shows what the server can; return its scores if it has them."""
        body = score_body(self._model, query.conversation, of_prompt=True)
        try:
            found = server.ask_first(body, read_first, FIRST_ATTEMPTS)
        except FaultError as fault:
            if fault.kind == "log-probabilities":
                raise CannotScoreError("gives no log-probabilities") from fault
            return from_top(query, fault)
        self.way = "prompt" if found is None else "top"
        if found is None or not found.log_probs:
            return None
        server.spend([found])
        return from_top(query, found)

    def _by_tops(self, server: Asks, queries: Sequence[Query]) -> list[Scores]:
        found: dict[int, TopTokens | FaultError] = {}
        bodies = [score_body(self._model, query.conversation) for query in queries]
        for batch in server.ask_all(bodies, read_top_tokens):
            server.spend(tokens for _, tokens in batch if isinstance(tokens, TopTokens))
            found.update(batch)
        return [from_top(query, found[index]) for index, query in enumerate(queries)]

    def _by_prompts(self, server: Asks, queries: Sequence[Query]) -> list[Scores]:
        found: dict[int, PromptTokens | FaultError] = {}
        bodies = [
            option_body(self._model, query.conversation, query.opening + option)
            for query in queries
            for option in query.options
        ]
        for batch in server.ask_all(bodies, read_prompt_tokens):
            server.spend(tokens for _, tokens in batch if isinstance(tokens, PromptTokens))
            found.update(batch)
        ends = np.cumsum([len(query.options) for query in queries]).tolist()
        return [
            from_prompts(query, [found[index] for index in range(end - len(query.options), end)])
            for query, end in zip(queries, ends, strict=True)
        ]
