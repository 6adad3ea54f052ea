"""Steering a herd: agents who learn from one another's actions, and planners who set how precise their signals are."""

from __future__ import annotations

from doxa.society.herding.agents import BAYESIAN, TableAgents, ThresholdAgents
from doxa.society.herding.closed_forms import (
    cascade_from,
    cascade_probabilities,
    mean_agents_to_cascade,
    myopic_thresholds,
    no_control_value,
)
from doxa.society.herding.exact import exact_value
from doxa.society.herding.fitting import Responses, fit_nonbayesian
from doxa.society.herding.learning import LearnedPlanner, Simulator, learn
from doxa.society.herding.model import CurvedCost, LinearCost, SocialLearning
from doxa.society.herding.persuasion import persuade
from doxa.society.herding.planners import (
    AltruisticPlanner,
    BiasedPlanner,
    FixedPrecision,
    Mirrored,
    Phase,
    PlannerSolution,
    myopic,
)
from doxa.society.herding.simulate import Trajectories, Welfare, policy_value, simulate

__all__ = [
    "BAYESIAN",
    "AltruisticPlanner",
    "BiasedPlanner",
    "CurvedCost",
    "FixedPrecision",
    "LearnedPlanner",
    "LinearCost",
    "Mirrored",
    "Phase",
    "PlannerSolution",
    "Responses",
    "Simulator",
    "SocialLearning",
    "TableAgents",
    "ThresholdAgents",
    "Trajectories",
    "Welfare",
    "cascade_from",
    "cascade_probabilities",
    "exact_value",
    "fit_nonbayesian",
    "learn",
    "mean_agents_to_cascade",
    "myopic",
    "myopic_thresholds",
    "no_control_value",
    "persuade",
    "policy_value",
    "simulate",
]
