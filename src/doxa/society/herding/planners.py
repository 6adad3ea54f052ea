"""Planners: what precision to set at each public belief, solved exactly, short-sighted, fixed, or learnt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.society.herding.agents import BAYESIAN, Agents, ThresholdAgents
from doxa.society.herding.choices import Aim, Menu
from doxa.society.herding.grid import BESIDE, BeliefGrid
from doxa.society.herding.model import SLACK, SocialLearning, checked_precision, lowest_informative
from doxa.society.herding.solver import Solved, best_precision, solve

KINKS = 4
"""How often, at most, changes of the best choice are bisected and made nodes; once or twice mostly do."""


@runtime_checkable
class Planner(Protocol):
    """Who sets precisions by what the public believes."""

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """Return a precision in [1/2, 1] at each belief in [0, 1]."""
        ...


class Phase(NamedTuple):
    """An interval of beliefs over which the planner does the same.

    Attributes:
        label: ``stop`` (baseline, agents herd), ``baseline`` (baseline, agents reveal), ``lowest`` (just informative),
            ``raise`` or ``lower`` (another informative precision above or below the baseline), ``perfect`` (1), or
            ``obfuscate`` (below the baseline, agents herd).
        low: where it begins.
        high: where it ends.
    """

    label: str
    low: float
    high: float


@dataclass(frozen=True)
class FixedPrecision:
    """Always the same precision; the baseline is no control at all."""

    q: float

    def __post_init__(self) -> None:
        checked_precision(self.q)

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """See ``Planner``."""
        return np.full(np.shape(beliefs), self.q)


@dataclass(frozen=True, eq=False)
class PlannerSolution:
    """A solved planner.

    Attributes:
        menu: what it could choose.
        solved: the grid and its value.
        interpolation_gap: largest change of V where the grid is made twice as fine; NaN where that was not asked.
        notes: what the solver added.
    """

    menu: Menu
    solved: Solved
    interpolation_gap: float = float("nan")
    notes: tuple[str, ...] = field(default=())

    @property
    def beliefs(self) -> Float[np.ndarray, " nodes"]:
        """The nodes; at 1/2 and other breaks one on the break and one 1e-9 to either side."""
        return self.solved.grid.nodes

    @property
    def value(self) -> Float[np.ndarray, " nodes"]:
        """V at the nodes."""
        return self.solved.value

    @property
    def converged(self) -> bool:
        """Whether one more round would gain no more than the tolerance."""
        return self.solved.converged

    def value_at(self, b: float) -> float:
        """Return V at a belief."""
        return float(self.solved.grid.read(self.value, np.array([b]))[0])

    def value_left(self, b: float) -> float:
        """Return V just below a belief."""
        return self.value_at(b - BESIDE)

    def value_right(self, b: float) -> float:
        """Return V just above a belief."""
        return self.value_at(b + BESIDE)

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """Return the best precision at any beliefs, by looking one agent ahead (not interpolated)."""
        unique, back = np.unique(np.asarray(beliefs, dtype=np.float64), return_inverse=True)
        found = best_precision(self.menu, self.solved.grid, self.value, unique)
        return found[back].reshape(np.shape(beliefs))

    @property
    def phases(self) -> list[Phase]:
        """The intervals of beliefs with one label, from 0 to 1; single beliefs on a break are left out."""
        nodes = self.beliefs
        apart = np.diff(nodes) > 4.0 * BESIDE
        middle = 0.5 * (nodes[:-1] + nodes[1:])[apart]
        labels = self.labels(middle)
        low, high = nodes[:-1][apart], nodes[1:][apart]
        found: list[Phase] = []
        for label, start, end in zip(labels, low, high, strict=True):
            if found and found[-1].label == label:
                found[-1] = found[-1]._replace(high=float(end))
            else:
                found.append(Phase(label, float(start), float(end)))
        return found

    def labels(self, beliefs: Float[np.ndarray, " beliefs"]) -> list[str]:
        """Return what the planner does at each belief, see ``Phase``."""
        q, p = self.precision(beliefs), self.menu.model.baseline
        after = self.menu.agents.respond(beliefs, q)
        informs = after.after_good != after.after_bad
        herding = self.menu.agents.herding if isinstance(self.menu.agents, ThresholdAgents) else 1.0
        edge = np.abs(q - lowest_informative(beliefs, herding)) < 2.0 * BESIDE
        near = np.abs(q - p) < SLACK
        kinds = [
            (near & ~informs, "stop"),
            (near, "baseline"),
            (q > 1.0 - SLACK, "perfect"),
            (informs & edge, "lowest"),
            (~informs & (q < p), "obfuscate"),
            (q > p, "raise"),
        ]
        return [str(one) for one in np.select([k for k, _ in kinds], [n for _, n in kinds], "lower")]

    @property
    def convexity_violation(self) -> float:
        """How far the slope of V falls at its worst concave kink; 0 where V is convex."""
        wide = np.diff(self.beliefs) > 4.0 * BESIDE
        slope = (np.diff(self.value) / np.diff(self.beliefs))[wide]
        return float(max(0.0, np.max(-np.diff(slope), initial=0.0)))


@dataclass(frozen=True)
class _Solvable:
    """A planner that knows the world; see the two below."""

    model: SocialLearning
    agents: Agents = BAYESIAN

    def _solve(
        self, aim: Aim, least: float, grid: int, q_grid: int, levels: tuple[float, ...], tol: float, gap: bool
    ) -> PlannerSolution:
        if grid < 2 or q_grid < 0:
            raise InputError(f"grid={grid} must be >= 2 and q_grid={q_grid} >= 0")
        ties = (self.model.tie, getattr(self.agents, "tie", "own_signal"))
        if "coin" in ties:
            raise InputError(
                "tie='coin': planners are solved for agents that follow their own signal; use tie='own_signal'"
            )
        if levels and q_grid:
            raise InputError(f"levels and q_grid={q_grid}: give the allowed precisions or a grid, not both")
        allowed, notes = _levels(levels, self.model.baseline)
        switching = np.array([self.model.baseline]) if allowed is None else allowed
        breaks = self.agents.switches(switching)
        menu = Menu(self.model, self.agents, aim, least, breaks, q_grid, allowed)
        segments = breaks.size + 1
        per_segment = max(2, -(-4 * grid // segments))
        found = solve(menu, BeliefGrid.between(breaks, per_segment), tol=tol, kinks=KINKS)
        finer = (
            solve(menu, BeliefGrid.between(breaks, 2 * per_segment), tol=tol, kinks=KINKS) if gap else None
        )
        difference = (
            float("nan")
            if finer is None
            else float(np.max(np.abs(found.grid.read(found.value, finer.grid.nodes) - finer.value)))
        )
        return PlannerSolution(menu, found, difference, notes)


@dataclass(frozen=True)
class AltruisticPlanner(_Solvable):
    """Wants agents to be right; may raise the precision above the baseline, not lower it.

    Attributes:
        model: the world.
        agents: who acts.
    """

    def solve(
        self,
        grid: int = 1000,
        q_grid: int = 0,
        *,
        levels: tuple[float, ...] = (),
        tol: float = 1e-9,
        gap: bool = True,
    ) -> PlannerSolution:
        """Return V and the best precisions.

        Args:
            grid: nodes in each quarter of the beliefs, on average.
            q_grid: evenly spaced precisions to try beside the structural ones, 0 for none. With a concave cost and
                convex V the end points are enough.
            levels: the only precisions allowed; empty allows all. A missing baseline is added, and ``notes`` say so.
            tol: largest gain that one more round may bring.
            gap: whether to solve again on a grid twice as fine, for ``interpolation_gap``.

        Raises:
            InputError: a convex cost without a grid of precisions, or sizes out of range.
        """
        if not self.model.precision_cost.concave and not q_grid and not levels:
            raise InputError(
                "q_grid=0: with a convex cost a precision between the end points may be best; give q_grid=200"
            )
        return self._solve("right", self.model.baseline, grid, q_grid, levels, tol, gap)


@dataclass(frozen=True)
class BiasedPlanner(_Solvable):
    """Wants one action whatever the truth; may set any precision, also one below the baseline.

    Attributes:
        model: the world.
        agents: who acts.
        least: lowest precision it may set; the baseline forbids obfuscation.
    """

    least: float = 0.5

    def __post_init__(self) -> None:
        checked_precision(self.least)
        if self.least > self.model.baseline:
            raise InputError(f"least={self.least}: must be at most the baseline {self.model.baseline}")

    def solve(
        self,
        grid: int = 1000,
        q_grid: int = 200,
        *,
        levels: tuple[float, ...] = (),
        tol: float = 1e-9,
        gap: bool = True,
    ) -> PlannerSolution:
        """Return V and the best precisions for the target G; arguments as of ``AltruisticPlanner.solve``."""
        return self._solve("G", self.least, grid, 0 if levels else q_grid, levels, tol, gap)


@dataclass(frozen=True, eq=False)
class Mirrored:
    """A planner with the states' names exchanged: one that steers to G, made to steer to B.

    Attributes:
        planner: the one that steers to G.
    """

    planner: Planner

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """See ``Planner``."""
        return self.planner.precision(1.0 - np.asarray(beliefs))


def myopic(planner: AltruisticPlanner | BiasedPlanner) -> AltruisticPlanner | BiasedPlanner:
    """Return the same planner as if there were no agent after the next (δ = 0); solve it as any other."""
    return replace(planner, model=replace(planner.model, discount=0.0))


def _levels(
    levels: tuple[float, ...], baseline: float
) -> tuple[Float[np.ndarray, " levels"] | None, tuple[str, ...]]:
    if not levels:
        return None, ()
    given = np.unique([checked_precision(level) for level in levels])
    if np.any(np.abs(given - baseline) < SLACK):
        return given, ()
    return np.unique([*given, baseline]), (f"the baseline {baseline:g} was added to the levels",)
