"""Level 2: the same bonus given to learners with and without normalised advantages, and with more or less entropy."""

from __future__ import annotations

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from doxa.belief.information import expit
from doxa.lab.record import Recorder
from doxa.training.reward_policy.bandit_learner import NOT, Bandit, Learners, learn

BONUSES = (-0.1, -0.03, -0.01, -1e-3, -1e-4, 0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1)
ENTROPIES = (0.0, 0.1, 0.5)
NORMALISERS = {"verl": 1e-6, "TRL": 1e-4, "OpenRLHF": 1e-9}
"""What libraries add to the deviation; the first stands for all where they need not be told apart."""
STANDARD = "verl"
PLAIN = "none"


class Learner(NamedTuple):
    """One learner: bonus, entropy weight, and whose normaliser it uses."""

    bonus: float
    entropy: float
    normaliser: str


def grid() -> list[Learner]:
    """Return all learners: every entropy weight with and without normalising, each library's normaliser at 0.1."""
    kinds = [(entropy, name) for entropy in ENTROPIES for name in (PLAIN, STANDARD)]
    kinds += [(0.1, name) for name in NORMALISERS if name != STANDARD]
    return [Learner(bonus, entropy, name) for (entropy, name), bonus in product(kinds, BONUSES)]


def record_learners(recorder: Recorder, seed: int, bandit: Bandit) -> None:
    """Record how the learners of one seed share the two right arms."""
    learners = grid()
    learnt = learn(
        bandit,
        Learners(
            np.array([one.bonus for one in learners]),
            np.array([one.entropy for one in learners]),
            np.array([NORMALISERS.get(one.normaliser, NOT) for one in learners]),
        ),
        seed,
    )
    shares = learnt.second_of_right
    right = learnt.policy[:, : bandit.right].sum(1)
    for k, one in enumerate(learners):
        about: dict[str, Any] = one._asdict()
        known = None if one.entropy == 0.0 else float(expit(one.bonus / one.entropy))
        recorder.measure("second arm", float(shares[k]), subject="bandit learner", known=known, **about)
        recorder.measure("right", float(right[k]), subject="bandit learner", **about)
        for stretch, rate in enumerate(learnt.tie_rate[k]):
            ends = math.ceil((stretch + 1) * bandit.updates / learnt.tie_rate.shape[1])
            recorder.measure(
                "tie_rate", float(rate), subject="bandit learner", axis="step", time=ends, **about
            )
