"""The reference that asks about every agent by itself, and what either way of asking costs.

The mind of one agent knows all that clusters know of the day, and of the agent its own exposure and its own record: its
factor has a Gamma posterior of mean 1 before any data, (a + Σy) / (a + Σh) after events y where h were expected.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.society.clusters.one_step import hazards
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.realisation import Realisation, contacts_of
from doxa.society.clusters.scoring import NextStates, next_states

PRIOR = 5.0
"""Shape a of an agent's factor: a spread of 0.45 around 1."""


class Calls(NamedTuple):
    """Questions asked a day, on average.

    Attributes:
        clusters: one for each cluster and transition that anybody is at risk of.
        agents: one for each agent that can still move.
    """

    clusters: float
    agents: float


def calls(model: ClusterModel, days: Int[np.ndarray, " days"]) -> Calls:
    """Return the questions a day of either way, counted over some days."""
    asked = (model.history.at_risk[days] > 0).sum(axis=(1, 2))
    able = (~model.compartments.absorbing[model.states[days]]).sum(axis=1)
    return Calls(float(asked.mean()), float(able.mean()))


def per_agent(model: ClusterModel, days: Int[np.ndarray, " days"]) -> NextStates:
    """Return the score of asking about every agent, over days that follow each other up to the last.

    The factors learn from all days that both paths predict.
    """
    made, daily = model.compartments, model.daily
    cluster = hazards(model.history, daily.paths["fused"])
    happened = made.moved(model.states[:-1], model.states[1:])
    seen = np.zeros((model.states.shape[1], len(made.transitions)))
    expected = np.zeros_like(seen)
    driven = made.drivers >= 0
    contacts, wanted = contacts_of(model.graph), set(days.tolist())
    predicted: list[Float[np.ndarray, "agents transitions"]] = []
    for place, day in enumerate(daily.days):
        factor = np.where(driven, (PRIOR + seen) / (PRIOR + expected), 1.0)
        if int(day) in wanted:
            own = Realisation(made, model.labels, contacts, attributes=factor)
            predicted.append(own.moves(model.states[day], cluster[place]))
        at_risk = model.states[day][:, None] == made.sources
        expected += np.where(at_risk, model.realisation.moves(model.states[day], cluster[place]), 0.0)
        seen += happened[day][:, None] == np.arange(len(made.transitions))
    return next_states(made, model.states, days, iter(predicted))
