"""Kernels of linear systems: loops over steps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.lab.compiled import compiled


@compiled
def run_states(
    A: Float[np.ndarray, "n n"],
    drive: Float[np.ndarray, "batch steps n"],
    states: Float[np.ndarray, "batch later n"],
) -> None:
    """Fill ``states[:, t + 1] = A states[:, t] + drive[:, t]``; ``states[:, 0]`` is given."""
    n = A.shape[0]
    for sequence in range(drive.shape[0]):
        for t in range(drive.shape[1]):
            for i in range(n):
                total = drive[sequence, t, i]
                for j in range(n):
                    total += A[i, j] * states[sequence, t, j]
                states[sequence, t + 1, i] = total
