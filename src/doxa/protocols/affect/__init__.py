"""A mood around a model: estimators read what is said, a rule moves the state, injectors tell it, and all is measured.

``AffectSubject`` puts a mood on any subject, as a pure function of the conversation; ``AffectAgent`` holds a dialogue
turn by turn; ``run_protocol`` holds a script with many agents. The rules are in ``doxa.dynamics.affect``.
"""

from __future__ import annotations

from doxa.protocols.affect.agent import AffectAgent, Pending, Speaker
from doxa.protocols.affect.embedding import ANCHORS, Anchors, EmbeddingEstimator
from doxa.protocols.affect.estimators import (
    CallableEstimator,
    Estimator,
    EstimatorWarning,
    LexiconEstimator,
    NoiseEstimator,
    VaderVAD,
)
from doxa.protocols.affect.holding import run_protocol
from doxa.protocols.affect.injectors import (
    BINS,
    Bins,
    FixedState,
    Injector,
    NoInjector,
    PromptInjector,
    leakage,
)
from doxa.protocols.affect.mood import MoodOf, Source
from doxa.protocols.affect.runs import DialogueRun, DialogueRuns
from doxa.protocols.affect.script import PHASES, DialogueScript, Line, Phase, scripts
from doxa.protocols.affect.stance import ScoredEstimator
from doxa.protocols.affect.steering import SteeringInjector, mood_vector
from doxa.protocols.affect.subject import AffectSubject
from doxa.protocols.affect.turn import Turn

__all__ = [
    "ANCHORS",
    "BINS",
    "PHASES",
    "AffectAgent",
    "AffectSubject",
    "Anchors",
    "Bins",
    "CallableEstimator",
    "DialogueRun",
    "DialogueRuns",
    "DialogueScript",
    "EmbeddingEstimator",
    "Estimator",
    "EstimatorWarning",
    "FixedState",
    "Injector",
    "LexiconEstimator",
    "Line",
    "MoodOf",
    "NoInjector",
    "NoiseEstimator",
    "Pending",
    "Phase",
    "PromptInjector",
    "ScoredEstimator",
    "Source",
    "Speaker",
    "SteeringInjector",
    "Turn",
    "VaderVAD",
    "leakage",
    "mood_vector",
    "run_protocol",
    "scripts",
]
