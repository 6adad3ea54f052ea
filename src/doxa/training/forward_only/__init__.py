"""Forward-only entropic learning (Structured Knowledge Accumulation): the rule, its closed forms, and a monitor.

Bouarfa Mahi, arXiv:2503.13942 and arXiv:2504.03214. Each layer of a sigmoid network lowers its own entropy by what it
sees in two consecutive forward passes; no labels, no backpropagation. ``SKAMonitor`` reads the same quantities from
any network while something else trains it. Names load their modules, and with them torch, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.belief.sigmoid_entropy import Sign, entropy_between, tensor_net_between
from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.training.forward_only.by_class import entropy_by_class
    from doxa.training.forward_only.clock import (
        ForwardOnlyWarning,
        largest_eigenvalue,
        linear_growth_rate,
        linear_knowledge,
        suggested_dt,
    )
    from doxa.training.forward_only.history import Event, SKAHistory, StepRecord
    from doxa.training.forward_only.images import Images, load_images
    from doxa.training.forward_only.invariance import (
        PUBLISHED_PAIRS,
        TimeInvarianceResult,
        overlay,
        time_invariance,
    )
    from doxa.training.forward_only.monitor import SKAMonitor
    from doxa.training.forward_only.network import Convergence, SKANetwork

__all__ = [
    "PUBLISHED_PAIRS",
    "Convergence",
    "Event",
    "ForwardOnlyWarning",
    "Images",
    "SKAHistory",
    "SKAMonitor",
    "SKANetwork",
    "Sign",
    "StepRecord",
    "TimeInvarianceResult",
    "entropy_between",
    "entropy_by_class",
    "largest_eigenvalue",
    "linear_growth_rate",
    "linear_knowledge",
    "load_images",
    "overlay",
    "suggested_dt",
    "tensor_net_between",
    "time_invariance",
]

__getattr__ = loader(
    __name__,
    {
        "PUBLISHED_PAIRS": "invariance",
        "Convergence": "network",
        "Event": "history",
        "ForwardOnlyWarning": "clock",
        "Images": "images",
        "SKAHistory": "history",
        "SKAMonitor": "monitor",
        "SKANetwork": "network",
        "StepRecord": "history",
        "TimeInvarianceResult": "invariance",
        "entropy_by_class": "by_class",
        "largest_eigenvalue": "clock",
        "linear_growth_rate": "clock",
        "linear_knowledge": "clock",
        "load_images": "images",
        "overlay": "invariance",
        "suggested_dt": "clock",
        "time_invariance": "invariance",
    },
)
