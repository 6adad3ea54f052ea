"""What subjects behind the OpenAI chat format share: requests and their reading, whoever carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float

from doxa.errors import CapabilityError, InputError
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.subjects.endpoint_exchange import Costs, Tally
from doxa.subjects.endpoint_scorer import CannotScoreError, Scorer
from doxa.subjects.endpoint_scoring import Scores
from doxa.subjects.endpoint_transport import Response
from doxa.subjects.endpoint_wire import FaultError, read_reply, reply_body

SCHEMA = 1
"""Raised when requests or their reading change, so that older cached answers are not used."""

T = TypeVar("T")


class ChatSubject:
    """A model that is asked in the chat format; a subclass says where, by ``ask_all`` and ``ask_first``.

    Each question is answered once, or its reply has ``finish="fault"`` with the reason. With ``scores=True`` options
    are scored without generating where the server can, or else read from its likeliest first tokens, NaN where an
    option is not among them (see :mod:`doxa.subjects.endpoint_scoring`); where the server gives neither,
    CapabilityError is raised, and options are to be sampled as text.

    Args:
        model: the model's name on the server.
        address: opens the same subject again; it never holds a key.
        scores: whether to score options.
    """

    form: Literal["micro", "published"] = "published"
    framing = "chat"
    context_tokens: int | None = None
    batch_independent = True
    remote = True
    """Several threads may ask at once."""

    def __init__(self, model: str, address: str, *, scores: bool) -> None:
        self.model = model
        self._address = address
        self._scores = scores
        self._scorer = Scorer(model)

    @property
    def address(self) -> str:
        """The address that opens the same subject again; it never holds a key."""
        return self._address

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Reply, sample and tools; score where it was opened for it and the server gives log-probabilities."""
        known = {Capability.REPLY, Capability.SAMPLE, Capability.TOOLS}
        return frozenset(known | ({Capability.SCORE} if self._scores else set()))

    @property
    def tally(self) -> Tally:
        """What asking has cost so far."""
        raise NotImplementedError

    @property
    def scored(self) -> bool:
        """Whether it was opened for scoring options, and no answer has shown that it cannot."""
        return self._scores

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
            self.spend(reply for _, reply in out)
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

    def spend(self, answers: Iterable[Costs]) -> None:
        """Count what answers cost in tokens."""
        raise NotImplementedError

    def ask_all(
        self, bodies: Sequence[bytes], read: Callable[[Response], T]
    ) -> Iterator[list[tuple[int, T | FaultError]]]:
        """Ask every question; hand on (index, answer or fault) of each once, as they come.

        Raises:
            SubjectError: nobody can be reached at all, or the key is refused.
        """
        raise NotImplementedError

    def ask_first(self, body: bytes, read: Callable[[Response], T], attempts: int) -> T:
        """Ask one question so many times at most; raises as ``ask_all`` does, and FaultError for no answer."""
        raise NotImplementedError
