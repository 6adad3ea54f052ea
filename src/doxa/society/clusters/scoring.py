"""How good predictions of agents' moves were: next states, event times and bands of counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.calibration import Bin, expected_calibration_error, reliability_curve
from doxa.belief.scoring_rules import categorical_brier, categorical_log_score
from doxa.society.clusters.realisation import Realisation
from doxa.society.dynamics.compartments import Compartments


class NextStates(NamedTuple):
    """Predicted distributions of next states and what came, of agents on days, absorbed ones left out.

    Attributes:
        day: place of the day of each row.
        probability: distribution of the next state.
        outcome: the next state.
        move: probability of the first transition, NaN for those not at risk of it.
        moved: whether it was made.
    """

    day: Int[np.ndarray, " rows"]
    probability: Float[np.ndarray, "rows states"]
    outcome: Int[np.ndarray, " rows"]
    move: Float[np.ndarray, " rows"]
    moved: np.ndarray

    @property
    def nll(self) -> float:
        """Mean -ln p of the next state in nats."""
        return categorical_log_score(self.probability, self.outcome)

    @property
    def brier(self) -> float:
        """Mean Σ(p - y)² over states."""
        return categorical_brier(self.probability, self.outcome)

    @property
    def brier_of_move(self) -> float:
        """Mean (p - y)² of the first transition, over those at risk of it."""
        risk = ~np.isnan(self.move)
        return float(np.mean((self.move[risk] - self.moved[risk]) ** 2))

    @property
    def ece(self) -> float:
        """Expected calibration error of the first transition, ten bins of equally many."""
        risk = ~np.isnan(self.move)
        return expected_calibration_error(self.move[risk], self.moved[risk], edges="count")

    @property
    def reliability(self) -> list[Bin]:
        """Reliability curve of the first transition, ten bins of equally many."""
        risk = ~np.isnan(self.move)
        return reliability_curve(self.move[risk], self.moved[risk], edges="count")

    def on(self, places: np.ndarray) -> NextStates:
        """Return the rows of some days, by a mask over the places of days."""
        return NextStates(*(part[places[self.day]] for part in self))


def next_states(
    compartments: Compartments,
    states: Int[np.ndarray, "all_days agents"],
    days: Int[np.ndarray, " days"],
    moves: Iterator[Float[np.ndarray, "agents transitions"]],
) -> NextStates:
    """Return what was predicted and what came.

    Args:
        compartments: states and transitions.
        states: of all days.
        days: days whose moves were predicted.
        moves: for each of these days, probability of each agent's transitions.
    """
    parts: list[NextStates] = []
    for place, (day, predicted) in enumerate(zip(days, moves, strict=True)):
        now, after = states[day], states[day + 1]
        open_ = ~compartments.absorbing[now]
        table = compartments.table(now, predicted)
        risk = now == compartments.sources[0]
        parts.append(
            NextStates(
                np.full(int(open_.sum()), place),
                table[open_],
                after[open_],
                np.where(risk, np.minimum(1.0, predicted[:, 0]), np.nan)[open_],
                (risk & (after == compartments.targets[0]))[open_],
            )
        )
    return NextStates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def realised(
    realisation: Realisation,
    states: Int[np.ndarray, "all_days agents"],
    days: Int[np.ndarray, " days"],
    cluster: Float[np.ndarray, "days clusters transitions"],
) -> Iterator[Float[np.ndarray, "agents transitions"]]:
    """Yield the agents' probabilities of each day from those of their clusters."""
    for place, day in enumerate(days):
        yield realisation.moves(states[day], cluster[place])
