"""How a battery is asked, and the columns an answer fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from doxa.canonical import canonical_json
from doxa.elicit.answers import Answer
from doxa.elicit.asking import Ways
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.tool_loop import MAX_STEPS
from doxa.streams import stream
from doxa.subjects.base import Capability, Conversation, Sampling, Subject, require

Contexts: TypeAlias = Mapping[str, Conversation]
"""Messages in front of the probes, by item id."""

Columns: TypeAlias = dict[str, Any]
"""value, log_odds, refusal, missing and raw of one answer, see ``MEASURED``."""

Found: TypeAlias = dict[tuple[str, str], Columns]
"""The answers by item id and probe."""


@dataclass(frozen=True)
class MeasureOptions:
    """How a battery is asked.

    Attributes:
        way: ``log-probabilities`` scores options in both orders, ``text`` reads replies; ``auto`` prefers scores.
        sampling: how replies are drawn; temperature 1 and 400 tokens if None.
        seed: seed of the option orders, and of the replies if ``sampling`` is None.
        judge: who reads free responses, and cross-checks the tool tasks.
        max_steps: calls allowed in a tool task.
        plan: whether tools are called as JSON objects; None means if the subject cannot call tools.
    """

    way: Ways = "auto"
    sampling: Sampling | None = None
    seed: int = 0
    judge: Subject | None = None
    max_steps: int = MAX_STEPS
    plan: bool | None = None

    def scores(self, model: Subject) -> bool:
        """Return whether log-probabilities are read; raise CapabilityError if what is asked for is missing."""
        if self.way == "text" or (self.way == "auto" and Capability.SCORE not in model.capabilities):
            require(model, Capability.REPLY)
            return False
        require(model, Capability.SCORE)
        return True

    def drawn(self, sample: int) -> Sampling:
        """Return the sampling of one pass."""
        base = self.sampling or Sampling(temperature=1.0, max_tokens=400, seed=self.seed)
        return base.at(sample=sample)

    def flipped(self, item: BeliefItem, sample: int) -> bool:
        """Return whether an item's options are shown in reverse in one pass of replies: a fair coin of its own."""
        return bool(stream(self.seed, "context-drift", "order", item.id, sample).integers(2))


def columns(
    value: float | None,
    *,
    log_odds: float | None = None,
    refusal: bool = False,
    missing: str = "",
    raw: str = "",
) -> Columns:
    """Return the columns of one answer."""
    return {"value": value, "log_odds": log_odds, "refusal": refusal, "missing": missing, "raw": raw}


def answered(answer: Answer) -> Columns:
    """Return the columns of an elicited answer: +1 or -1 for a side, the number for an agreement."""
    scored = answer.method == "log-probabilities"
    raw = canonical_json(dict(answer.probabilities)) if scored else "\n---\n".join(answer.raw)
    if answer.value is None:
        refusal = answer.kind == "refusal"
        missing = "refusal" if refusal else answer.reason
        # a tie takes no side, and is still a belief of one half
        return columns(
            None, log_odds=answer.log_odds if scored else None, refusal=refusal, missing=missing, raw=raw
        )
    if isinstance(answer.value, str):
        side = 1.0 if answer.value == "support" else -1.0
        return columns(side, log_odds=answer.log_odds if scored else None, raw=raw)
    return columns(float(answer.value), raw=raw)  # pyright: ignore[reportArgumentType] (an agreement is a number)
