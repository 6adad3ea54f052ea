"""State-space models: how a state is moved by what comes in, and what is known of it from what comes out.

Names load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.dynamics.base import Dynamics, Example, RegisteredDynamics, dynamics
from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.dynamics.discretisation import discretise, to_continuous
    from doxa.dynamics.identification import Identified, ho_kalman, markov_parameters
    from doxa.dynamics.kalman import Filtered, GaussianSystem, Smoothed, kalman_filter, rts_smoother
    from doxa.dynamics.linear import LinearSystem, Trajectory

__all__ = [
    "Dynamics",
    "Example",
    "Filtered",
    "GaussianSystem",
    "Identified",
    "LinearSystem",
    "RegisteredDynamics",
    "Smoothed",
    "Trajectory",
    "discretise",
    "dynamics",
    "ho_kalman",
    "kalman_filter",
    "markov_parameters",
    "rts_smoother",
    "to_continuous",
]

__getattr__ = loader(
    __name__,
    {
        "Filtered": "kalman",
        "GaussianSystem": "kalman",
        "Identified": "identification",
        "LinearSystem": "linear",
        "Smoothed": "kalman",
        "Trajectory": "linear",
        "discretise": "discretisation",
        "ho_kalman": "identification",
        "kalman_filter": "kalman",
        "markov_parameters": "identification",
        "rts_smoother": "kalman",
        "to_continuous": "discretisation",
    },
)
