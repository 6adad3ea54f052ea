"""Deep Markov models: hidden trajectories with uncertainty, where part of the dynamics may be known.

Names load their modules, and with them torch, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.dynamics.deep_markov.model import DeepMarkovModel
    from doxa.dynamics.deep_markov.models import DMM, PgDMM
    from doxa.dynamics.deep_markov.prior import Oscillator, PhysicsPrior, UnstablePriorWarning
    from doxa.dynamics.deep_markov.recovery import Recovery, latent_recovery
    from doxa.dynamics.deep_markov.results import Elbo, FitResult, Forecast, History, Posterior
    from doxa.dynamics.deep_markov.sequences import Sequences, ShapeWarning, pad_sequences
    from doxa.dynamics.deep_markov.stack import fit_stack
    from doxa.dynamics.deep_markov.training import DivergedError, FitPlan, TrainingStep

__all__ = [
    "DMM",
    "DeepMarkovModel",
    "DivergedError",
    "Elbo",
    "FitPlan",
    "FitResult",
    "Forecast",
    "History",
    "Oscillator",
    "PgDMM",
    "PhysicsPrior",
    "Posterior",
    "Recovery",
    "Sequences",
    "ShapeWarning",
    "TrainingStep",
    "UnstablePriorWarning",
    "fit_stack",
    "latent_recovery",
    "pad_sequences",
]

__getattr__ = loader(
    __name__,
    {
        "DMM": "models",
        "DeepMarkovModel": "model",
        "DivergedError": "training",
        "Elbo": "results",
        "FitPlan": "training",
        "FitResult": "results",
        "Forecast": "results",
        "History": "results",
        "Oscillator": "prior",
        "PgDMM": "models",
        "PhysicsPrior": "prior",
        "Posterior": "results",
        "Recovery": "recovery",
        "Sequences": "sequences",
        "ShapeWarning": "sequences",
        "TrainingStep": "training",
        "UnstablePriorWarning": "prior",
        "fit_stack": "stack",
        "latent_recovery": "recovery",
        "pad_sequences": "sequences",
    },
)
