"""State-space models: how a state is moved by what comes in."""

from doxa.dynamics.base import Dynamics

__all__ = ["Dynamics"]
