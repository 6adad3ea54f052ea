"""What the findings of all levels share: bounds of the spec, numbers without chance, names."""

from __future__ import annotations

import re

LARGE, SMALL = 1e-2, 1e-4
"""Bonuses whose jumps are compared."""
HIGH = 0.95
RATIO = 0.1
"""How far a ratio of jumps may be from the expected one, as a share of it."""
ROUNDING = 1e-9
SOFT_ENOUGH = 0.1


def slug(name: str) -> str:
    """Return a name as a part of a finding's id.

    >>> slug("noise 0.01"), slug("rm/A v2")
    ('noise-0-01', 'rm-a-v2')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "reward"
