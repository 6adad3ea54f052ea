"""A monitor of policy entropy for any training loop: what is spent, what is left to gain, and when to look.

>>> monitor = EntropyMonitor()
>>> for step in range(60):
...     entropy = 1.6 * 0.94**step
...     told = monitor.update(step, entropy, 0.9 - 0.1 * 2.718281828**entropy)
...     for warning in told:
...         print(warning.step, warning.kind)
36.0 ceiling
49.0 spent
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from doxa.belief.inference import Interval
from doxa.errors import InputError
from doxa.training.batch_covariance import Covariance, batch_of, covariance_of
from doxa.training.entropy_law import MOST_NATS, EntropyLaw
from doxa.training.entropy_readings import expected_change, sampled_change, tied_share
from doxa.training.entropy_warnings import BELOW, MEANING, EntropyWarning, Kind, Limits


class Reading(NamedTuple):
    """What is known at one step.

    Attributes:
        step: of the loop.
        entropy: of the policy, in nats.
        score: None where none was given.
        spent: share of the first entropy that is used; below 0 where entropy grew.
        covariance: of the batch, None where none was given.
        change: mean entropy change to first order, in nats: of the logits' change where that was given, else of a unit
            step on each sampled token; None without logits.
        tied: share of groups whose rewards differ by less than ``Limits.spread``, and not by nothing.
    """

    step: float
    entropy: float
    score: float | None
    spent: float
    covariance: Covariance | None
    change: float | None
    tied: float | None


@dataclass
class EntropyMonitor:
    """Follows a run and warns, each kind once until it is over.

    Attributes:
        target: score the run is to reach, None for none; a forecast ceiling below it is a warning.
        limits: when to warn.
        readings: what was seen, step by step.
        warnings: all that was told.
    """

    target: float | None = None
    limits: Limits = field(default_factory=Limits)
    readings: list[Reading] = field(default_factory=list[Reading], init=False)
    warnings: list[EntropyWarning] = field(default_factory=list[EntropyWarning], init=False)
    _scored: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]], init=False)
    _on: set[Kind] = field(default_factory=set[Kind], init=False)

    def update(
        self,
        step: float,
        entropy: float,
        score: float | None = None,
        *,
        logp: Any = None,
        adv: Any = None,
        mask: Any = None,
        rewards: Any = None,
        group: Any = None,
        logits: Any = None,
        dlogits: Any = None,
        tokens: Any = None,
    ) -> list[EntropyWarning]:
        """Add what a step showed and return what is newly to be looked at.

        Args:
            step: of the loop, rising.
            entropy: mean token entropy of the policy, in nats.
            score: of the policy; a held-out one, if any.
            logp: log-probabilities of the sampled tokens, (B, T); with ``adv`` gives the batch's covariance.
            adv: advantages, (B, T) or (B,).
            mask: 1 for tokens of the response.
            rewards: one per response; with ``group`` finds groups of rewards that differ by next to nothing.
            group: which prompt each response answers.
            logits: before an update, (..., V); with ``dlogits`` gives the entropy change by the covariance theorem.
            dlogits: what the update adds to them.
            tokens: those sampled from the logits, (B, T).

        Raises:
            InputError: a step does not rise, an entropy is negative or not finite, shapes differ, or only one of two
                that belong together is given.
        """
        self._check(step, entropy)
        _check_given(
            logp=logp, adv=adv, rewards=rewards, group=group, logits=logits, dlogits=dlogits, tokens=tokens
        )
        known = score is not None and math.isfinite(score)
        start = self.readings[0].entropy if self.readings else entropy
        reading = Reading(
            float(step),
            float(entropy),
            float(score) if score is not None and known else None,
            1.0 - entropy / start if start > 0.0 else 0.0,
            None if logp is None else covariance_of(batch_of(logp, adv, mask)),
            _change(logits, dlogits, tokens, adv, mask),
            None if rewards is None else tied_share(rewards, group, self.limits.spread),
        )
        self.readings.append(reading)
        if reading.score is not None:
            self._scored.append((reading.entropy, reading.score))
        return self._told(reading)

    def law(self) -> EntropyLaw | None:
        """Return the law of all scores so far, None while there are too few or the entropy has not moved."""
        if len(self._scored) < self.limits.scores:
            return None
        entropy, score = np.array(self._scored).T
        return EntropyLaw.fit(entropy, score) if np.ptp(np.exp(entropy)) > 1e-9 else None

    def ceiling(self) -> Interval | None:
        """Return the forecast score at entropy 0 with its interval, None while the law does not hold well enough."""
        law = self._holding_law()
        return None if law is None else law.ceiling_interval(n_resamples=400)

    def _holding_law(self) -> EntropyLaw | None:
        law = self.law()
        return law if law is not None and law.a > 0.0 and law.r2 >= self.limits.r2 else None

    def _check(self, step: float, entropy: float) -> None:
        if not math.isfinite(entropy) or not 0.0 <= entropy <= MOST_NATS:
            raise InputError(
                f"entropy={entropy} at step {step}: must be in [0, {MOST_NATS:g}] nats, a mean over tokens"
            )
        if self.readings and step <= self.readings[-1].step:
            raise InputError(
                f"step={step}: must be after {self.readings[-1].step:g}, the last one; steps rise"
            )

    def _told(self, now: Reading) -> list[EntropyWarning]:
        told: list[EntropyWarning] = []
        for seen in self._seen(now):
            over = seen.value < seen.limit if seen.kind in BELOW else seen.value >= seen.limit
            if over and seen.kind not in self._on:
                text = MEANING[seen.kind].format(value=seen.value, limit=seen.limit, more=seen.more)
                told.append(EntropyWarning(seen.kind, now.step, seen.value, seen.limit, text))
            (self._on.add if over else self._on.discard)(seen.kind)
        self.warnings += told
        return told

    def _seen(self, now: Reading) -> Iterator[_Seen]:
        """Yield what was measured of each kind, where it could be."""
        limits, first = self.limits, self.readings[0].entropy
        yield _Seen("spent", now.spent, limits.spent)
        recent = [one.entropy for one in self.readings[-limits.window - 1 : -1]]
        if recent and min(recent) > 0.0:
            yield _Seen("collapse", 1.0 - now.entropy / max(recent), limits.collapse, len(recent))
            yield _Seen("surge", now.entropy / min(recent), limits.surge, len(recent))
        law = self._holding_law() if now.score is not None and first > 0.0 else None
        if law is not None:
            yield _Seen("ceiling", math.expm1(now.entropy) / math.expm1(first), limits.left, law.ceiling)
            # an interval costs as much as all scores so far: of many, not every one is worth it
            if self.target is not None and law.points % max(1, law.points // 20) == 0:
                yield _Seen("target", law.ceiling_interval(n_resamples=400).high, self.target, law.ceiling)
        if now.covariance is not None:
            yield _Seen("covariance", now.covariance.mean, limits.covariance, now.covariance.share_of_top)
        if now.tied is not None:
            yield _Seen("tied-groups", now.tied, limits.tied, limits.spread)


class _Seen(NamedTuple):
    """What was measured, the limit of it, and another number that its warning tells."""

    kind: Kind
    value: float
    limit: float
    more: float = 0.0


def _check_given(**given: Any) -> None:
    """Raise InputError if something is given without what belongs to it."""
    there = {name for name, value in given.items() if value is not None}
    if ("rewards" in there) != ("group" in there):
        raise InputError("rewards and group belong together; give both or neither")
    if "logp" in there and "adv" not in there:
        raise InputError("logp and adv belong together; give both or neither")
    if "adv" in there and not there & {"logp", "tokens"}:
        raise InputError("adv says nothing alone; give logp, or logits and tokens, too")
    if "logits" in there and not (("dlogits" in there) ^ ({"tokens", "adv"} <= there)):
        raise InputError("logits: give either dlogits, what the update adds to them, or tokens and adv")
    if "logits" not in there and there & {"dlogits", "tokens"}:
        raise InputError("dlogits and tokens need the logits before the update")


def _change(logits: Any, dlogits: Any, tokens: Any, adv: Any, mask: Any) -> float | None:
    if logits is None:
        return None
    return (
        sampled_change(logits, tokens, adv, mask)
        if dlogits is None
        else expected_change(logits, dlogits, mask)
    )
