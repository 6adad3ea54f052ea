"""What a planner may choose at each belief, and what becomes of it: precisions worth trying, with reward and outcome.

Linear interpolation and a grid of precisions alone would miss what matters, so the list holds the precisions at which
something happens: the baseline, certainty, the lowest informative one, one just too low to inform (obfuscation), and
those that land the public belief on or beside a break.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.information import expit, logit
from doxa.society.herding.agents import Agents, ThresholdAgents
from doxa.society.herding.grid import BESIDE
from doxa.society.herding.model import SLACK, SocialLearning, lowest_informative, outcome

Aim: TypeAlias = Literal["right", "G"]
"""What the planner wants of an action: that it is right, or that it is G."""


class Choices(NamedTuple):
    """Precisions by belief (rows) and way of choosing (columns); forbidden ones have reward -inf.

    Attributes:
        precision: in [1/2, 1].
        reward: expected reward of this one agent.
        good: P(action G).
        up: public belief after G.
        down: public belief after B.
    """

    precision: Float[np.ndarray, "beliefs ways"]
    reward: Float[np.ndarray, "beliefs ways"]
    good: Float[np.ndarray, "beliefs ways"]
    up: Float[np.ndarray, "beliefs ways"]
    down: Float[np.ndarray, "beliefs ways"]


@dataclass(frozen=True, eq=False)
class Menu:
    """How the choices at any belief are listed.

    Attributes:
        model: the world.
        agents: who acts.
        aim: what the planner wants.
        least: lowest precision it may set.
        breaks: beliefs it may land on.
        q_grid: evenly spaced precisions between the lowest informative one and 1.
        levels: the only precisions allowed; None allows all.
    """

    model: SocialLearning
    agents: Agents
    aim: Aim
    least: float
    breaks: Float[np.ndarray, " breaks"]
    q_grid: int = 0
    levels: Float[np.ndarray, " levels"] | None = None

    def at(self, beliefs: Float[np.ndarray, " beliefs"]) -> Choices:
        """Return the choices at some beliefs in [0, 1]."""
        precision, allowed = self._precisions(beliefs)
        b = np.broadcast_to(beliefs[:, None], precision.shape)
        found = outcome(b, precision, *self.agents.respond(b, precision))
        lost = found.wrong if self.aim == "right" else 1.0 - found.good
        reward = -self.model.cost(precision) - self.model.error_cost * lost
        return Choices(precision, np.where(allowed, reward, -np.inf), found.good, found.up, found.down)

    def _precisions(
        self, b: Float[np.ndarray, " beliefs"]
    ) -> tuple[Float[np.ndarray, "beliefs ways"], Bool[np.ndarray, "beliefs ways"]]:
        if self.levels is not None:
            levels = np.broadcast_to(self.levels, (b.size, self.levels.size))
            return levels, levels >= self.least - SLACK
        rows = [np.full(b.size, self.model.baseline), np.ones(b.size)]
        rows += self._at_the_edge(b)
        rows += self._landing(b)
        if self.q_grid:
            start = np.maximum(self._edge(b), self.least)
            shares = np.linspace(0.0, 1.0, self.q_grid + 2)[1:-1]
            rows += [start + share * (1.0 - start) for share in shares]
        wished = np.stack(rows, axis=1)
        allowed = (wished >= self.least - SLACK) & (wished <= 1.0)
        return np.where(allowed, wished, self.model.baseline), allowed

    def _edge(self, b: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        herding = self.agents.herding if isinstance(self.agents, ThresholdAgents) else 1.0
        return lowest_informative(b, herding)

    def _at_the_edge(self, b: Float[np.ndarray, " beliefs"]) -> list[np.ndarray]:
        """Return the lowest informative precision, and one just below it, which hides the signal."""
        edge = self._edge(b)
        return [edge, edge - np.minimum(BESIDE / 2.0, (edge - 0.5) / 2.0)]

    def _landing(self, b: Float[np.ndarray, " beliefs"]) -> list[np.ndarray]:
        """Return precisions after which one action puts the belief on a break, or on either side of it; else NaN."""
        inside = np.clip(b, 1e-300, 1.0 - 1e-16)
        rows: list[np.ndarray] = []
        for place in (self.breaks[:, None] + np.array([-2.0, 0.0, 2.0]) * BESIDE).ravel():
            q = np.asarray(expit(np.abs(logit(place) - logit(inside))))
            rows.append(np.where(q + SLACK >= self._edge(b), q, np.nan))
        return rows
