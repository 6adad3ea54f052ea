"""The voter model (Clifford and Sudbury 1973; Holley and Liggett 1975): take the opinion of somebody you listen to.

Well mixed, or with actors weighted by degree, the share of each opinion is a martingale; on a finite connected graph
one opinion is left in the end, each with probability its share at the start (weighted by degree).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.base import Info, State, Turn, WellMixed, advance, codes_from, need
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.pair_kernels import copy_at_once, copy_in_turn
from doxa.society.dynamics.pairs import meetings_of, moved_by
from doxa.society.graph import Graph
from doxa.society.randomness import key_from


@dataclass(frozen=True, eq=False)
class VoterConfig:
    """Who listens to whom, and who holds which opinion at first.

    Attributes:
        graph: row i lists whom i may copy; weights are not used.
        share: of agents with opinion 1 at first, in [0, 1], drawn at random; the others hold 0.
        start: opinions at first, (n,) uint8, instead.
        opinions: how many opinions there are, 2 to 256.
    """

    graph: Graph | WellMixed
    share: float = 0.5
    start: UInt8[np.ndarray, " n"] | None = None
    opinions: int = 2

    def __post_init__(self) -> None:
        need(share=(self.share, 0.0, 1.0), opinions=(self.opinions, 2, 256))


@dynamics.register("voter")
class Voter:
    """Agents copy somebody they listen to: as many draws as agents in a step, or all at once."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: VoterConfig) -> State:
        """Return who holds which opinion before any step.

        Raises:
            InputError: ``start`` is not one known opinion for each agent.
        """
        return State(config, codes_from(rng, config.graph.n, config.opinions, config.start, config.share))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return who holds which opinion after one step."""
        meetings, key = meetings_of(state, event, who="voter"), key_from(rng)
        count = meetings.count(state)
        if event.in_turn is False:
            after, _, _ = advance(
                lambda new, old, agents, begin, end: copy_at_once(
                    new, old, agents, event.draws, *meetings[1:], key, begin, end
                ),
                state,
                event,
            )
            return after, Info(count)
        return state._replace(values=moved_by(copy_in_turn, state, meetings, key, count)), Info(count)

    def labels(self, config: VoterConfig) -> tuple[str, ...]:
        """Return the names of the opinions."""
        return tuple(f"opinion {number}" for number in range(config.opinions))

    def example(self) -> Example:
        """Return three agents in a ring, and steps in turn and at once."""
        turns = [Turn(), Turn(np.array([0, 2], np.int32)), Turn(in_turn=False)]
        return Example(VoterConfig(ring_of_three(), share=0.34), turns)
