"""Whom agents meet on a graph, and the waves in which agents who are visited one by one can be asked together.

An agent that is visited later on a day hears what was said earlier that day, and of those who come after it what they
said last. Those who hear nobody visited before them do not hang on each other: they form a wave and are asked in one
call. Asking wave by wave gives what asking one by one in the order drawn gives.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from doxa.lab.compiled import compiled
from doxa.society.graph import Graph


def neighbours_met(
    rng: np.random.Generator, graph: Graph, contacts: int
) -> Int[np.ndarray, "agents contacts"]:
    """Return for each agent that many different ones of its row; -1 where the row is shorter."""
    drawn = rng.random((graph.n, contacts))
    return _drawn_of_rows(graph.offsets, graph.targets, drawn)


@compiled
def _drawn_of_rows(offsets: np.ndarray, targets: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    agents, contacts = drawn.shape
    chosen = np.full((agents, contacts), -1, dtype=np.int64)
    for agent in range(agents):
        row = targets[offsets[agent] : offsets[agent + 1]].copy()
        for place in range(min(contacts, len(row))):
            other = place + int(drawn[agent, place] * (len(row) - place))
            row[place], row[other] = row[other], row[place]
            chosen[agent, place] = row[place]
    return chosen


@compiled
def waves(
    order: Int[np.ndarray, "populations agents"], contacts: Int[np.ndarray, "populations agents contacts"]
) -> Int[np.ndarray, "populations agents"]:
    """Return in which wave each agent is asked: one after the last of those it meets that are visited before it.

    Args:
        order: agents in the order in which they are visited.
        contacts: whom each agent hears, -1 for nobody.
    """
    populations, agents = order.shape
    wave = np.empty((populations, agents), dtype=np.int64)
    for population in range(populations):
        done = np.full(agents, -1, dtype=np.int64)
        for agent in order[population]:
            latest = -1
            for other in contacts[population, agent]:
                if other >= 0:
                    latest = max(latest, done[other])
            done[agent] = latest + 1
        wave[population] = done
    return wave
