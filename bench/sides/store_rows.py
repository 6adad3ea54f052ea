"""The beliefs that every store holds, by number: row k is of one step, holder and proposition; needs numpy alone."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """Step, holder and proposition by number, and credence, of each row in the order of the record."""

    step: np.ndarray
    holder: np.ndarray
    proposition: np.ndarray
    credence: np.ndarray


def rows(case: dict[str, object]) -> Rows:
    """Return rows in which every holder says at every step what it believes; ``shuffled`` ones in any order."""
    holders, propositions, count = (int(str(case[name])) for name in ("holders", "propositions", "rows"))
    number = np.arange(count)
    rng = np.random.default_rng(0)
    credence = rng.random(count)
    if case.get("shuffled"):
        number = rng.permutation(number)
    at = number % (holders * propositions)
    return Rows(number // (holders * propositions), at // propositions, at % propositions, credence)


def asked_steps(case: dict[str, object]) -> list[int]:
    """Return the steps asked for, spread over the last half; one of them is the last."""
    steps = int(str(case["rows"])) // (int(str(case["holders"])) * int(str(case["propositions"])))
    asks = int(str(case["asks"]))
    return [steps - 1 - steps * number // (2 * asks) for number in range(asks)]


ASKED = 3
"""The proposition asked for."""


def in_order(credence: np.ndarray) -> str:
    """Return a digest of credences in their order."""
    return hashlib.sha256(np.ascontiguousarray(credence, dtype="<f8").tobytes()).hexdigest()


def in_any_order(credence: np.ndarray) -> str:
    """Return a digest of credences in any order; no two of them are equal."""
    return in_order(np.sort(np.asarray(credence, dtype="<f8")))
