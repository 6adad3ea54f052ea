"""doxa's side: LinUCB on a system without memory, through ``simulate``, with noise and regret."""

from __future__ import annotations

from typing import Any

import numpy as np
from kit.side import Work, serve
from sides.bandit_table import Case, actions, worth

from doxa.worlds.linear_bandits import Bounds, DiscountedLinUCB, DynamicalLinearBandit, LinUCB, simulate


def static(case: Case) -> DynamicalLinearBandit:
    d = int(case["d"])
    nothing = np.zeros((1, 1))
    return DynamicalLinearBandit(nothing, np.zeros((1, d)), [0.0], worth(case), case["sigma"], actions(case))


def prepare(case: Case) -> Work:
    bandit, rounds = static(case), int(case["rounds"])
    if "discount" in case:
        agent: Any = DiscountedLinUCB(
            bandit.actions, case["sigma"], rounds, 1.0, Bounds.of(bandit), discount=case["discount"]
        )
    else:
        agent = LinUCB(bandit.actions, case["sigma"], rounds, 1.0, width=case["alpha"])
    simulate(bandit, [agent], min(rounds, 100), seed=int(case["seed"]))
    keep = "alpha" in case  # then choices are compared

    def run() -> Any:
        found = simulate(bandit, [agent], rounds, seed=int(case["seed"]), keep_rounds=keep)
        if keep:
            return found.actions[0, 0].tolist  # type: ignore[index]
        held = (found.boards[0], found.estimates[0], found.pseudo_regret)
        return bool(all(np.isfinite(values).all() for values in held))

    return run


if __name__ == "__main__":
    serve(prepare, packages=("numpy", "numba"))
