"""MABWiser's side: ``MAB`` with ``LearningPolicy.LinUCB``, one prediction and one ``partial_fit`` a round.

Where actions share what is learnt, there is one arm, and the actions are the rows of its context. Where they do not,
each is an arm and the context is the number 1, which is how the library is meant to be used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from kit.side import Work, serve
from mabwiser.mab import MAB, LearningPolicy
from sides.bandit_table import Case, actions, noise, worth


def prepare(case: Case) -> Work:
    vectors, luck = actions(case), noise(case)[:, 0]
    values, sigma, rounds = vectors @ worth(case), case["sigma"], int(case["rounds"])
    shared = case["d"] != case["arms"]

    def run() -> Any:
        names = ["any"] if shared else list(range(len(vectors)))
        mab = MAB(names, LearningPolicy.LinUCB(alpha=case["alpha"], l2_lambda=1.0), seed=1)
        one = np.ones((1, 1))
        chosen: list[int] = []
        for t in range(rounds):
            if t == 0:
                arm = 0
            elif shared:
                bounds = mab.predict_expectations(vectors)
                arm = int(np.argmax([bound["any"] for bound in bounds]))
            else:
                arm = mab.predict(one)
            reward = values[arm] + sigma * luck[t]
            seen = ("any", vectors[arm : arm + 1]) if shared else (arm, one)
            (mab.fit if t == 0 else mab.partial_fit)([seen[0]], [reward], seen[1])
            chosen.append(arm)
        return chosen

    return run


if __name__ == "__main__":
    serve(prepare, packages=("mabwiser", "numpy"))
