"""Sequences of agents, many at once: the public belief, what was set, seen and done, and what it was worth.

Every draw hangs on the seed, the agent's place and the run, not on the planner, so that planners are compared on the
same luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.society.herding.agents import Agents, RememberingAgents
from doxa.society.herding.choices import Aim
from doxa.society.herding.grid import BeliefGrid
from doxa.society.herding.model import SocialLearning, outcome
from doxa.society.herding.planners import Planner
from doxa.society.herding.solver import linear_value
from doxa.streams import stream


class Welfare(NamedTuple):
    """Discounted sums of each run, all >= 0; what a run is worth is minus their sum.

    Attributes:
        errors: C for each wrong action.
        costs: β for each change of precision.
        missed: C for each action that is not G, what a biased planner loses.
    """

    errors: Float[np.ndarray, " runs"]
    costs: Float[np.ndarray, " runs"]
    missed: Float[np.ndarray, " runs"]

    @property
    def total(self) -> Float[np.ndarray, " runs"]:
        """What a run is worth to everybody together: minus errors and costs."""
        return -self.errors - self.costs


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Simulated sequences.

    Attributes:
        state_good: whether the state is G, by run.
        belief: public belief before each agent, and after the last.
        precision: what the planner set.
        signal: True for G.
        action: True for G.
        cascade_start: number of the first agent, from 0, whose action could reveal nothing; -1 if none. At
            precision 1/2 a signal says nothing and nothing is hidden, so that is no cascade.
        welfare: discounted sums.
    """

    state_good: Bool[np.ndarray, " runs"]
    belief: Float[np.ndarray, "runs steps"]
    precision: Float[np.ndarray, "runs agents"]
    signal: Bool[np.ndarray, "runs agents"]
    action: Bool[np.ndarray, "runs agents"]
    cascade_start: Int[np.ndarray, " runs"]
    welfare: Welfare

    @property
    def martingale_gap(self) -> tuple[float, float]:
        """Mean change of the public belief from first to last, and its standard error.

        It is 0 on average only where states were drawn from the prior.
        """
        change = self.belief[:, -1] - self.belief[:, 0]
        return float(change.mean()), float(change.std(ddof=1) / np.sqrt(change.size))


def simulate(
    model: SocialLearning,
    planner: Planner,
    agents: Agents | RememberingAgents,
    *,
    state: str = "prior",
    n_agents: int = 100,
    n_runs: int = 1000,
    seed: int = 0,
) -> Trajectories:
    """Let agents act one after another.

    Args:
        model: the world.
        planner: who sets precisions, by the public belief.
        agents: who acts.
        state: "G", "B", or "prior" to draw it anew for each run.
        n_agents: length of a sequence, >= 1.
        n_runs: sequences, >= 1.
        seed: of states, signals and the agents' own chance.

    Raises:
        InputError: an unknown state, or a size below 1.
    """
    if state not in ("G", "B", "prior"):
        raise InputError(f"state={state!r}: must be 'G', 'B' or 'prior'")
    if n_agents < 1 or n_runs < 1:
        raise InputError(f"n_agents={n_agents} and n_runs={n_runs}: both must be >= 1")
    drawn = stream(seed, "herding", "state").random(n_runs) < model.prior
    good = drawn if state == "prior" else np.full(n_runs, state == "G")
    belief = np.empty((n_runs, n_agents + 1))
    precision = np.empty((n_runs, n_agents))
    signal, action = (np.empty((n_runs, n_agents), dtype=bool) for _ in range(2))
    cascade = np.full(n_runs, -1)
    belief[:, 0] = model.prior
    for place in range(n_agents):
        now = belief[:, place]
        q = np.asarray(planner.precision(now), dtype=np.float64)
        luck = stream(seed, "herding", "agent", place).random((2, n_runs))
        signal[:, place] = (luck[0] < q) == good
        response = (
            agents.respond_after(precision[:, :place], action[:, :place], q)
            if isinstance(agents, RememberingAgents)
            else agents.respond(now, q)
        )
        chance = np.where(signal[:, place], response.after_good, response.after_bad)
        action[:, place] = luck[1] < chance
        after = outcome(now, q, *response)
        belief[:, place + 1] = np.where(action[:, place], after.up, after.down)
        precision[:, place] = q
        silent = (response.after_good == response.after_bad) & (cascade < 0)
        cascade[silent] = place
    return Trajectories(
        good, belief, precision, signal, action, cascade, _welfare(model, good, precision, action)
    )


def _welfare(
    model: SocialLearning,
    good: Bool[np.ndarray, " runs"],
    precision: Float[np.ndarray, "runs agents"],
    action: Bool[np.ndarray, "runs agents"],
) -> Welfare:
    weight = model.discount ** np.arange(precision.shape[1])
    wrong = action != good[:, None]
    return Welfare(
        model.error_cost * wrong @ weight, model.cost(precision) @ weight, model.error_cost * ~action @ weight
    )


def policy_value(
    model: SocialLearning, planner: Planner, agents: Agents, aim: Aim, *, grid: int = 1000
) -> tuple[BeliefGrid, Float[np.ndarray, " nodes"]]:
    """Return the value of always following a planner, on a grid of beliefs.

    Args:
        model: the world.
        planner: who sets precisions; what it was solved for does not matter.
        agents: who really acts.
        aim: what counts: right actions, or actions G.
        grid: nodes in each quarter of the beliefs, on average.
    """
    breaks = agents.switches(np.array([model.baseline]))
    lattice = BeliefGrid.between(breaks, max(2, -(-4 * grid // (breaks.size + 1))))
    own = getattr(planner, "beliefs", None)
    if own is not None:  # where the planner changes its mind its value jumps
        lattice = lattice.with_nodes(np.asarray(own))
    nodes = lattice.nodes
    q = np.asarray(planner.precision(nodes), dtype=np.float64)
    after = outcome(nodes, q, *agents.respond(nodes, q))
    lost = after.wrong if aim == "right" else 1.0 - after.good
    reward = -model.cost(q) - model.error_cost * lost
    up, down = lattice.place(after.up), lattice.place(after.down)
    value = linear_value(
        reward,
        model.discount,
        [(after.good, up.left, up.right_weight), (1.0 - after.good, down.left, down.right_weight)],
    )
    return lattice, value


def value_from(found: tuple[BeliefGrid, Float[np.ndarray, " nodes"]], b: float) -> float:
    """Return a value at a belief; see ``policy_value``."""
    lattice, value = found
    return float(lattice.read(value, np.array([b]))[0])
