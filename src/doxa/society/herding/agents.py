"""Agents of social learning: how often each takes action G, by public belief, precision and signal.

Bayesian agents weigh public and private evidence alike. Non-Bayesian ones think in scaled log-odds

    λ̃ = α·λ + γ·(±L(q)),  γ = γ_c where the signal agrees with the sign of λ, γ_i where it contradicts,

so γ_c < 1 < γ_i under-reacts to agreement, over-reacts to contradiction, and herds late: only where α|λ| > γ_i·L(q).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.information import expit, logit
from doxa.errors import InputError
from doxa.society.herding.model import SLACK, Tie, lowest_informative


class Response(NamedTuple):
    """P(action G) after either signal, elementwise; equal ones are a cascade."""

    after_good: Float[np.ndarray, "*shape"]
    after_bad: Float[np.ndarray, "*shape"]


@runtime_checkable
class Agents(Protocol):
    """Those who act; everybody knows how they respond."""

    def respond(self, b: Float[np.ndarray, "*shape"], q: Float[np.ndarray, "*shape"]) -> Response:
        """Return how they respond at public beliefs and precisions of equal shape."""
        ...

    def switches(self, precisions: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " points"]:
        """Return the beliefs in (0, 1) at which the response to one of these precisions jumps."""
        ...


@runtime_checkable
class RememberingAgents(Protocol):
    """Agents whose response hangs on what was done before them, not on the public belief alone."""

    def respond_after(
        self,
        precisions: Float[np.ndarray, "runs agents"],
        actions: Bool[np.ndarray, "runs agents"],
        q: Float[np.ndarray, " runs"],
    ) -> Response:
        """Return how the next agent of each run responds after these precisions and actions (True for G)."""
        ...


@dataclass(frozen=True)
class ThresholdAgents:
    """Agents whose action reveals their signal while α|λ| <= γ_i·L(q), and is that of the herd beyond.

    With the defaults they are Bayesian.

    Attributes:
        alpha: weight of the public log-odds, > 0.
        gamma_consistent: weight of a signal that agrees with them, >= 0.
        gamma_inconsistent: weight of one that contradicts them, > 0.
        tie: what an indifferent agent does.

    Raises:
        InputError: a weight out of range.
    """

    alpha: float = 1.0
    gamma_consistent: float = 1.0
    gamma_inconsistent: float = 1.0
    tie: Tie = "own_signal"

    def __post_init__(self) -> None:
        for name in ("alpha", "gamma_inconsistent"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise InputError(f"{name}={getattr(self, name)}: must be finite and > 0")
        if not (np.isfinite(self.gamma_consistent) and self.gamma_consistent >= 0.0):
            raise InputError(f"gamma_consistent={self.gamma_consistent}: must be finite and >= 0")

    @property
    def herding(self) -> float:
        """α/γ_i, the weight of the herd against a contradicting signal; 1 is Bayesian, below 1 herds late."""
        return self.alpha / self.gamma_inconsistent

    def thought(
        self,
        log_odds: Float[np.ndarray, "*shape"],
        q: Float[np.ndarray, "*shape"],
        good: Bool[np.ndarray, "*shape"],
    ) -> Float[np.ndarray, "*shape"]:
        """Return λ̃, what an agent thinks after its signal, in nats; at λ = 0 a signal contradicts nothing."""
        sign = np.where(good, 1.0, -1.0)
        agrees = sign * log_odds >= 0.0
        weight = np.where(agrees, self.gamma_consistent, self.gamma_inconsistent)
        with np.errstate(invalid="ignore"):
            moved = self.alpha * log_odds + weight * sign * logit(q)
        return np.where(np.isnan(moved), sign * np.inf, moved)

    def respond(self, b: Float[np.ndarray, "*shape"], q: Float[np.ndarray, "*shape"]) -> Response:
        """See ``Agents``."""
        edge = lowest_informative(b, self.herding)
        informative = q + SLACK >= edge
        herd = np.where(b > 0.5, 1.0, 0.0)
        good, bad = np.where(informative, 1.0, herd), np.where(informative, 0.0, herd)
        if self.tie == "coin":
            torn = (np.abs(q - edge) <= SLACK) & (edge > 0.5 + SLACK)
            bad = np.where(torn & (b > 0.5), 0.5, bad)
            good = np.where(torn & (b < 0.5), 0.5, good)
        return Response(good, bad)

    def switches(self, precisions: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " points"]:
        """See ``Agents``."""
        inner = precisions[(precisions > 0.5) & (precisions < 1.0)]
        points = inner if self.herding == 1.0 else np.asarray(expit(logit(inner) / self.herding))
        return np.unique(np.concatenate([1.0 - points, [0.5], points]))


BAYESIAN = ThresholdAgents()


@dataclass(frozen=True, eq=False)
class TableAgents:
    """Agents known by a table of measured shares, such as those of a language model.

    Between the table's beliefs and precisions shares are interpolated linearly, beyond them the nearest holds.

    Attributes:
        beliefs: increasing, in [0, 1].
        precisions: increasing, in [1/2, 1].
        after_good: share of actions G after signal G, one row per belief, one column per precision.
        after_bad: the same after signal B.

    Raises:
        InputError: shapes differ, or a share is outside [0, 1].
    """

    beliefs: Float[np.ndarray, " beliefs"]
    precisions: Float[np.ndarray, " precisions"]
    after_good: Float[np.ndarray, "beliefs precisions"]
    after_bad: Float[np.ndarray, "beliefs precisions"]

    def __post_init__(self) -> None:
        size = (self.beliefs.size, self.precisions.size)
        for name, axis in (("beliefs", self.beliefs), ("precisions", self.precisions)):
            if axis.size < 2 or np.any(np.diff(axis) <= 0):
                raise InputError(f"{name}={axis.tolist()}: give two or more, increasing")
        for name, table in (("after_good", self.after_good), ("after_bad", self.after_bad)):
            if table.shape != size or not np.all((table >= 0.0) & (table <= 1.0)):
                raise InputError(
                    f"{name}: must be shares in [0, 1], {size[0]} beliefs by {size[1]} precisions"
                )

    def respond(self, b: Float[np.ndarray, "*shape"], q: Float[np.ndarray, "*shape"]) -> Response:
        """See ``Agents``."""
        row, down = _place(self.beliefs, b)
        column, right = _place(self.precisions, q)

        def read(table: Float[np.ndarray, "beliefs precisions"]) -> Float[np.ndarray, "*shape"]:
            near = (1.0 - right) * table[row, column] + right * table[row, column + 1]
            far = (1.0 - right) * table[row + 1, column] + right * table[row + 1, column + 1]
            return (1.0 - down) * near + down * far

        return Response(read(self.after_good), read(self.after_bad))

    def switches(self, precisions: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " points"]:
        """See ``Agents``; a table that is interpolated jumps nowhere."""
        del precisions
        return np.array([0.5])


def _place(
    axis: Float[np.ndarray, " points"], at: Float[np.ndarray, "*shape"]
) -> tuple[np.ndarray, Float[np.ndarray, "*shape"]]:
    """Return the point to the left of each place, and how far the place is towards the next."""
    left = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, axis.size - 2)
    share = (at - axis[left]) / (axis[left + 1] - axis[left])
    return left, np.clip(share, 0.0, 1.0)
