from __future__ import annotations

import numpy as np

from doxa.worlds.linear_bandits import Bounds, DynamicalLinearBandit, budgeted_actions

MIXES = budgeted_actions(3, 1.5)


def synthetic(sigma=0.01, **changes):
    """The system of the paper's synthetic experiment."""
    fields = {
        "A": np.diag([0.2, 0.0, 0.1]),
        "B": np.diag([0.45, 0.0, 0.1]),
        "omega": [1.0, 0.0, 0.1],
        "theta": [0.0, 0.5, 0.1],
        "sigma": sigma,
        "actions": MIXES,
        **changes,
    }
    return DynamicalLinearBandit(**fields)


def drawn(seed, n=3, d=2, radius=0.7):
    """A random stable system."""
    rng = np.random.default_rng(seed)
    transition = rng.standard_normal((n, n))
    transition *= radius / np.abs(np.linalg.eigvals(transition)).max()
    return DynamicalLinearBandit(
        transition,
        rng.standard_normal((n, d)),
        rng.standard_normal(n),
        rng.standard_normal(d),
        0.1,
        rng.standard_normal((5, d)),
    )


def bounds(bandit):
    return Bounds.of(bandit)
