"""The kernel of all dynamics of compartments: one look at each tie of those who can catch something."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8, UInt32, UInt64

from doxa.lab.compiled import compiled
from doxa.society.randomness import uniform


@compiled
def change_compartments(
    new: UInt8[np.ndarray, " n"],
    old: UInt8[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    draws: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"] | None,
    alone: Float64[np.ndarray, "k k"],
    meeting: Float64[np.ndarray, "k k k"],
    leave: Float64[np.ndarray, " k"],
    exposure: Float64[np.ndarray, "k k"],
    catches: Bool[np.ndarray, " k"],
    susceptibility: Float32[np.ndarray, " n"] | None,
    key: np.uint64,
    begin: int,
    end: int,
) -> Int64[np.ndarray, "k k"]:
    """Write each agent's next compartment; return how many went from row to column.

    Args:
        new: written for the agents from ``begin`` to ``end``.
        old: compartments before; may be ``new``, then each sees what came before it.
        agents: who acts, or None for all.
        draws: the number under which each draws, or None for its place.
        offsets: where rows begin.
        targets: the rows.
        weights: contacts that each tie counts for, or None for one.
        alone: hazards from row to column without any contact.
        meeting: hazards from the first to the third by one contact with somebody in the second.
        leave: sums of ``alone`` over columns.
        exposure: sums of ``meeting`` over the third.
        catches: whether contacts matter to those in a compartment.
        susceptibility: of each agent, a factor on hazards of contacts; None for one.
        key: of the draws: 0 whether an agent leaves, 1 where to.
        begin: first place.
        end: place after the last.
    """
    kinds = len(leave)
    moves = np.zeros((kinds, kinds), dtype=np.int64)
    met = np.zeros(kinds, dtype=np.float64)
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        own = k if draws is None else np.uint64(draws[k])
        here = old[i]
        hazard = 0.0
        if catches[here]:
            for e in range(offsets[i], offsets[i + np.uint64(1)]):
                risk = exposure[here, old[targets[e]]]
                hazard += risk if weights is None else risk * np.float64(weights[e])
            if susceptibility is not None:
                hazard *= susceptibility[i]
        hazard += leave[here]
        goes = here
        if hazard > 0.0 and uniform(key, own, 0) < 1.0 - np.exp(-hazard):
            met[:] = 0.0
            if catches[here]:
                factor = 1.0 if susceptibility is None else np.float64(susceptibility[i])
                for e in range(offsets[i], offsets[i + np.uint64(1)]):
                    met[old[targets[e]]] += factor if weights is None else factor * np.float64(weights[e])
            mark = uniform(key, own, 1) * hazard
            for there in range(kinds):
                part = alone[here, there]
                for other in range(kinds):
                    part += met[other] * meeting[here, other, there]
                if part > 0.0:
                    goes = np.uint8(there)
                    mark -= part
                    if mark < 0.0:
                        break
        moves[here, goes] += 1
        new[i] = goes
    return moves
