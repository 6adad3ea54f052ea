"""Budgets: how many calls and tokens may still be spent, counted in one file for all processes of an invocation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from doxa.errors import BudgetError, InputError, StoreError
from doxa.lab.files import exclusive
from doxa.subjects.base import Conversation, Query, Reply, Sampling, Subject, Tool


class Budget(NamedTuple):
    """The most that one invocation may spend; None is no limit.

    Attributes:
        calls: questions put to subjects; answers from the cache and retries of a failed request are none.
        tokens: prompt and reply tokens, as the subject counts them.
    """

    calls: int | None = None
    tokens: int | None = None

    @classmethod
    def of(cls, calls: int | None, tokens: int | None) -> Budget | None:
        """Return the budget, None where there is no limit.

        Raises:
            InputError: a limit is below 1.
        """
        for name, value in (("max-calls", calls), ("max-tokens", tokens)):
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: must be >= 1; leave it out for no limit")
        return None if calls is None and tokens is None else cls(calls, tokens)

    def __str__(self) -> str:
        parts = {"--max-calls": self.calls, "--max-tokens": self.tokens}
        return " ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


class Ledger:
    """What was spent of a budget, in a small file under a lock.

    It need not survive the machine: another invocation begins another ledger.

    Args:
        path: the file; made when first written.
        budget: the limits.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self.budget = budget

    def reserve(self, calls: int, *, parts: bool = True) -> int:
        """Take up to ``calls`` calls out of the budget and return how many; without ``parts`` all of them or none."""

        def take(spent: dict[str, int]) -> int:
            if self.budget.tokens is not None and spent["tokens"] >= self.budget.tokens:
                return 0
            most = calls if self.budget.calls is None else self.budget.calls - spent["calls"]
            granted = max(0, min(calls, most)) if parts or most >= calls else 0
            spent["calls"] += granted
            return granted

        return self._change(take)

    def spend(self, tokens: int) -> bool:
        """Count tokens that were used; return whether any are left."""

        def take(spent: dict[str, int]) -> int:
            spent["tokens"] += tokens
            return self.budget.tokens is None or spent["tokens"] < self.budget.tokens

        return bool(self._change(take))

    def spent(self) -> tuple[int, int]:
        """Return the calls and the tokens spent so far."""
        with exclusive(self._lock):
            spent = self._read()
        return spent["calls"], spent["tokens"]

    @property
    def _lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def _change(self, change: Callable[[dict[str, int]], int]) -> int:
        with exclusive(self._lock):
            spent = self._read()
            result = change(spent)
            try:
                self.path.write_text(json.dumps(spent), "utf-8")
            except OSError as error:
                raise StoreError(f"{self.path}: cannot be written ({error.strerror or error})") from error
            return result

    def _read(self) -> dict[str, int]:
        if not self.path.exists():
            return {"calls": 0, "tokens": 0}
        return cast(dict[str, int], json.loads(self.path.read_text("utf-8")))


class BudgetedSubject:
    """Asks ``subject`` while the budget lasts, then raises BudgetError; everything else is the subject's own.

    Where answers come one by one, those of the calls that were left are handed on before the error, so that a cache
    keeps them. A subject that answers a call as a whole is not asked a part of it, because its answers may depend in
    their last bits on what else is in the call.
    """

    def __init__(self, subject: Subject, ledger: Ledger) -> None:
        self.subject = subject
        self.ledger = ledger

    def __getattr__(self, name: str) -> Any:
        if name == "subject":
            raise AttributeError(name)
        return getattr(self.subject, name)

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer all conversations.

        Raises:
            BudgetError: the budget does not last for all of them.
        """
        found: dict[int, Reply] = {}
        for batch in self.reply_batches(conversations, sampling=sampling, tools=tools):
            found.update(batch)
        return [found[i] for i in range(len(conversations))]

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index, reply) while the budget lasts.

        Raises:
            BudgetError: it did not last for all of them.
        """
        left = len(conversations)
        stream = getattr(self.subject, "reply_batches", None) or self._whole
        granted = self.ledger.reserve(left, parts=stream != self._whole)
        for batch in stream(conversations[:granted], sampling=sampling, tools=tools) if granted else ():
            yield batch
            left -= len(batch)
            if not self.ledger.spend(sum(reply.tokens_in + reply.tokens_out for _, reply in batch)):
                break
        if left:
            raise self._error()

    def _whole(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        yield list(enumerate(self.subject.reply(conversations, sampling=sampling, tools=tools)))

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Score all queries.

        Raises:
            BudgetError: the budget does not last for all of them.
        """
        found: dict[int, Float[np.ndarray, " _"]] = {}
        for batch in self.score_batches(queries):
            found.update(batch)
        return [found[i] for i in range(len(queries))]

    def score_batches(self, queries: Sequence[Query]) -> Iterator[list[tuple[int, Float[np.ndarray, " _"]]]]:
        """Yield (index, log-probabilities) while the budget lasts.

        Raises:
            BudgetError: it did not last for all of them.
        """
        granted = self.ledger.reserve(len(queries), parts=getattr(self.subject, "batch_independent", False))
        if granted:
            before = self._tallied()
            yield list(enumerate(self.subject.score(queries[:granted])))
            self.ledger.spend(self._tallied() - before)
        if granted < len(queries):
            raise self._error()

    def _tallied(self) -> int:
        tally = getattr(self.subject, "tally", None)
        return 0 if tally is None else int(tally.tokens_in + tally.tokens_out)

    def _error(self) -> BudgetError:
        calls, tokens = self.ledger.spent()
        return BudgetError(f"the budget is spent: {calls:,} calls, {tokens:,} tokens ({self.ledger.budget})")
