"""A mood with memory: what is heard moves a state over turns, by rules with known poles.

The room of the protocols that put the state back into words is ``doxa.protocols.affect``; recovery, loops and lags of
any series are measured in ``doxa.belief.recovery``.
"""

from doxa.dynamics.affect.addresses import affect_rule
from doxa.dynamics.affect.base import AffectDynamics, Analysis, Mood
from doxa.dynamics.affect.registered import Affect, AffectState, Heard
from doxa.dynamics.affect.rules import FirstOrder, SecondOrder, Stateless
from doxa.dynamics.affect.space import VAD, VALENCE, MoodSpace

__all__ = [
    "VAD",
    "VALENCE",
    "Affect",
    "AffectDynamics",
    "AffectState",
    "Analysis",
    "FirstOrder",
    "Heard",
    "Mood",
    "MoodSpace",
    "SecondOrder",
    "Stateless",
    "affect_rule",
]
