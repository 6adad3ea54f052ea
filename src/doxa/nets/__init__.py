"""Small networks and one fast CPU trainer: many replicates of one network train as one stack.

``plan`` is light (numpy only); ``transformer``, ``trainer`` and ``checkpoint`` load torch, so import them
inside the function that trains.
"""

from __future__ import annotations

from doxa.nets.plan import NetShape, Precision, Sampler, Schedule, TokenBatch, TrainingPlan

__all__ = ["NetShape", "Precision", "Sampler", "Schedule", "TokenBatch", "TrainingPlan"]
