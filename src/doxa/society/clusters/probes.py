"""Diagnostic mini-simulations: scenarios that show how an agent reasons, and an embedded reasoner that answers them.

The embedded reasoner chooses a stance by its type's hidden utility and noise of its own, and says why through a
grammar: several wordings for a stance, and words of the scenario around it. A subject answers the same scenarios in its
own words (:mod:`doxa.society.clusters.asking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from doxa.belief.information import log_softmax
from doxa.errors import InputError
from doxa.streams import stream


class Scenario(NamedTuple):
    """A situation: what happens, as a clause, and which axes of reasoning it speaks to."""

    text: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Reasoner:
    """How types of agents reason.

    Attributes:
        wordings: three ways to say each stance, by ``axis: stance``.
        actions: what is done out of each stance.
        scenarios: the probes.
        utilities: of each type, utility of its stances in nats; those left out have 0.
    """

    wordings: Mapping[str, tuple[str, str, str]]
    actions: Mapping[str, str]
    scenarios: tuple[Scenario, ...]
    utilities: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class Trace:
    """What one agent did in one scenario, and why.

    Attributes:
        agent: its number.
        scenario: its number.
        action: what it did.
        reason: in its own words.
    """

    agent: int
    scenario: int
    action: str
    reason: str


def embedded_traces(
    reasoner: Reasoner, types: Int[np.ndarray, " agents"], seed: int, *, noise: float = 0.8
) -> list[Trace]:
    """Return what the embedded reasoner answers to every scenario.

    Args:
        reasoner: how types reason.
        types: hidden type of each agent.
        seed: of the stream.
        noise: spread of each agent's own utilities around its type's, in nats.

    Raises:
        InputError: there is a type that the reasoner does not know.
    """
    if int(types.max()) >= len(reasoner.utilities):
        raise InputError(f"type {types.max()}: the reasoner knows {len(reasoner.utilities)}")
    rng, stances = stream(seed, "cluster world", "probes"), tuple(reasoner.wordings)
    utility = np.array([[own.get(stance, 0.0) for stance in stances] for own in reasoner.utilities])
    own = utility[types] + noise * rng.normal(size=(len(types), len(stances)))
    traces: list[Trace] = []
    for number, scenario in enumerate(reasoner.scenarios):
        spoken = np.array([stance.split(":")[0] in scenario.axes for stance in stances])
        logits = log_softmax(np.where(spoken, own, -np.inf), axis=1)
        chosen = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        picks = rng.integers(3, size=(len(types), 2))
        for agent, stance in enumerate(stances[place] for place in chosen):
            why = reasoner.wordings[stance][picks[agent, 0]]
            reason = _said(scenario.text, why, int(picks[agent, 1]))
            traces.append(Trace(agent, number, reasoner.actions[stance], reason))
    return traces


def _said(scene: str, why: str, form: int) -> str:
    forms = (f"When {scene}: {why}.", f"{why[0].upper()}{why[1:]}, also when {scene}.", f"Because {why}.")
    return forms[form]
