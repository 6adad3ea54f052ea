"""State-space models: how a state is moved by what comes in."""

from doxa.dynamics.base import Dynamics, Example, RegisteredDynamics, dynamics

__all__ = ["Dynamics", "Example", "RegisteredDynamics", "dynamics"]
