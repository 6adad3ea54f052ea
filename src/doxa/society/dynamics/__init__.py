"""Dynamics of populations: opinions, states and what spreads, in ``doxa.dynamics`` by name."""

from doxa.society.dynamics.algorithmic_bias import AlgorithmicBias, AlgorithmicBiasConfig
from doxa.society.dynamics.base import Info, State, Turn, WellMixed
from doxa.society.dynamics.bounded_confidence import BoundedConfidence, BoundedConfidenceConfig
from doxa.society.dynamics.compartments import Alone, Compartments, Contact
from doxa.society.dynamics.deffuant import Deffuant, DeffuantConfig
from doxa.society.dynamics.degroot import DeGroot, DeGrootConfig
from doxa.society.dynamics.friedkin_johnsen import FriedkinJohnsen, FriedkinJohnsenConfig
from doxa.society.dynamics.independent_cascade import IndependentCascade, IndependentCascadeConfig
from doxa.society.dynamics.linear_threshold import LinearThreshold, LinearThresholdConfig
from doxa.society.dynamics.markov_compartments import MarkovCompartments, MarkovCompartmentsConfig
from doxa.society.dynamics.seird import Seird, SeirdConfig
from doxa.society.dynamics.sir import Sir, SirConfig
from doxa.society.dynamics.sis import Sis, SisConfig
from doxa.society.dynamics.voter import Voter, VoterConfig

__all__ = [
    "AlgorithmicBias",
    "AlgorithmicBiasConfig",
    "Alone",
    "BoundedConfidence",
    "BoundedConfidenceConfig",
    "Compartments",
    "Contact",
    "DeGroot",
    "DeGrootConfig",
    "Deffuant",
    "DeffuantConfig",
    "FriedkinJohnsen",
    "FriedkinJohnsenConfig",
    "IndependentCascade",
    "IndependentCascadeConfig",
    "Info",
    "LinearThreshold",
    "LinearThresholdConfig",
    "MarkovCompartments",
    "MarkovCompartmentsConfig",
    "Seird",
    "SeirdConfig",
    "Sir",
    "SirConfig",
    "Sis",
    "SisConfig",
    "State",
    "Turn",
    "Voter",
    "VoterConfig",
    "WellMixed",
]
