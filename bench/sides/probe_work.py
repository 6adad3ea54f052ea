"""The activations of the probe benchmark; numpy alone, because the peer makes them too."""

from __future__ import annotations

from typing import Any

import numpy as np

LAYERS, POSITIONS = 32, 8


def truth_of(case: dict[str, Any]) -> np.ndarray:
    """Both answers of each question stand side by side; one of them is true."""
    first = np.random.default_rng(case["seed"]).permutation(case["examples"] // 2) % 2 == 0
    return np.stack([first, ~first], axis=1).ravel()


def site_of(case: dict[str, Any], site: int) -> np.ndarray:
    """Activations of one of the 256 sites.

    A common offset, one coordinate far larger than the others, variances that fall as a power of their rank in a
    random basis, and a direction of truth that is faint in the first layer and plain in the last.
    """
    count, width = case["examples"], case["width"]
    rng = np.random.default_rng([case["seed"], site])
    basis = np.linalg.qr(rng.standard_normal((width, width)))[0]
    spread = np.arange(1.0, width + 1.0) ** (-0.5 * case["falls"])
    rows = (rng.standard_normal((count, width)) * spread) @ basis + rng.standard_normal(width)
    if case["outlier"]:
        rows[:, 7] = 30.0 * (1.0 + 0.1 * rng.standard_normal(count))
    direction = rng.standard_normal(width)
    strength = 0.2 + 1.3 * (site // POSITIONS) / (LAYERS - 1)
    sign = np.where(truth_of(case), 1.0, -1.0)[:, None]
    return (rows + strength * sign * direction / np.linalg.norm(direction)).astype(np.float32)


def sites_of(case: dict[str, Any]) -> np.ndarray:
    """Activations by example, site and coordinate."""
    rows = np.empty((case["examples"], len(case["sites"]), case["width"]), dtype=np.float32)
    for place, site in enumerate(case["sites"]):
        rows[:, place] = site_of(case, site)
    return rows
