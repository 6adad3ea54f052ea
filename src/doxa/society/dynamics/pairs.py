"""What the dynamics of meetings share: in a step as many meetings as agents, or one for each agent that acts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt32, UInt64

from doxa.errors import InputError
from doxa.society.dynamics.base import State, Turn, checked_agents, mixed, rows_of


class Meetings(NamedTuple):
    """Who acts and whom it may meet, as the kernels of meetings take it.

    Attributes:
        agents: who acts, or None for anyone.
        offsets: where rows begin, or None where everybody may meet everybody.
        targets: the rows, or None likewise.
    """

    agents: UInt32[np.ndarray, " acting"] | None
    offsets: UInt64[np.ndarray, " rows"] | None
    targets: UInt32[np.ndarray, " entries"] | None

    def count(self, state: State) -> int:
        """Return how many meetings a step has."""
        return len(state.values) if self.agents is None else len(self.agents)


def meetings_of(state: State, turn: Turn, *, who: str) -> Meetings:
    """Return who acts and whom it may meet in this step.

    Raises:
        InputError: an agent or a graph that does not fit the population.
    """
    agents = checked_agents(turn, len(state.values))
    if mixed(state, turn):
        return Meetings(agents, None, None)
    rows = rows_of(state, turn, who=who)
    return Meetings(agents, rows.offsets, rows.targets)


def refuse_at_once(turn: Turn, *, who: str) -> None:
    """Check that meetings may come one after another.

    Raises:
        InputError: all shall act at once, though both of a pair change.
    """
    if turn.in_turn is False:
        raise InputError(f"{who}: both of a pair change, so meetings come in turn; leave in_turn out")


def moved_by(kernel: Any, state: State, meetings: Meetings, *settings: Any) -> Shaped[np.ndarray, " n"]:
    """Return the values after a kernel has held the meetings on a copy of them."""
    new = state.values.copy()
    kernel(new, *meetings, *settings)
    return new
