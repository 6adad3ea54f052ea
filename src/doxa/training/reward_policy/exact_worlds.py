"""Level 1 in worlds one can picture: incomplete rewards, a bandit, two routes, helpful against safe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.reward_policy.maps import reward_policy_map
from doxa.training.reward_policy.perturbation import incomplete_reward_gap, lipschitz_bound
from doxa.worlds.decision_examples import (
    DOWN,
    HELPFUL_ACTIONS,
    HELPFUL_STATES,
    RIGHT,
    helpful_and_safe,
    self_loop_bandit,
    tied_mdp,
    two_routes,
)
from doxa.worlds.decision_process import FiniteMDP

SIGNED = (-0.1, -0.05, -0.02, -0.01, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.01, 0.02, 0.05, 0.1)


def record_slack(recorder: Recorder, seed: int, many: int) -> None:
    """Record whether a policy loses under the whole reward just where a tied action would have done better."""
    rng = stream(seed, "incomplete rewards")
    wrong = 0
    lost: list[float] = []
    start = np.full(4, 0.25)
    tied = tied_mdp(rng, 4, 3, 0.9, 2, (many,)).mdp
    radius = (tied.gap() * (1.0 - tied.gamma) / 2.0).min(-1)
    for k in range(many):
        missing = rng.uniform(-1.0, 1.0, size=(4, 3)) * min(0.5 * float(radius[k]), 0.1)
        gap = incomplete_reward_gap(
            FiniteMDP(tied.P[k], tied.R[k], tied.gamma), tied.R[k], missing, start, tol=1e-11
        )
        wrong += (gap.slack > 1e-11) != bool(gap.improving.any())
        lost.append(gap.slack / float(np.abs(missing).max()))
    told: dict[str, Any] = {"subject": "incomplete rewards", "tried": many}
    recorder.measure("slack mismatch", float(wrong), **told)
    recorder.measure("slack", float(np.mean(lost)), unit="size of the missing reward", **told)
    recorder.measure("losing", float(np.mean(np.array(lost) > 0.0)), **told)


def record_step(recorder: Recorder) -> None:
    """Record P(second arm | right) of the exact optimum of the bandit that level 2 learns."""
    for eps in SIGNED:
        bandit = self_loop_bandit(np.array([1.0, 1.0 + eps, 0.0, 0.0, 0.0, 0.0]))
        for kind, alpha in (("greedy", 0.0), ("uniform", 0.0), ("soft", 0.1), ("soft", 0.5)):
            policy = bandit.policy(kind, alpha)[0]
            share = float(policy[1] / (policy[0] + policy[1]))
            recorder.measure("step", share, subject="bandit", axis="sweep", time=eps, kind=kind, alpha=alpha)

    delta, alpha = 1e-5, 0.1
    flat = self_loop_bandit(np.zeros(2))
    curve = reward_policy_map(flat, [np.array([[-1.0, 1.0]])], [delta], "soft", alpha=alpha)
    reached = float(curve.tv[0, 0, 0] / lipschitz_bound(alpha, 0.0, delta))
    recorder.measure("tightness", reached, subject="bandit")


def record_routes(recorder: Recorder) -> None:
    """Record which of two equally short routes is taken when one has a toll."""
    grid = two_routes(4)
    for eps in SIGNED:
        tolled = replace(grid.mdp, R=grid.mdp.R + eps * grid.toll)
        for kind, alpha in (("greedy", 0.0), ("uniform", 0.0), ("soft", 0.1), ("soft", 0.01)):
            policy = tolled.policy(kind, alpha)[grid.start]
            share = float(policy[RIGHT] / (policy[RIGHT] + policy[DOWN]))
            recorder.measure(
                "route", share, subject="two routes", axis="sweep", time=eps, kind=kind, alpha=alpha
            )


def record_weights(recorder: Recorder, side: int = 41) -> None:
    """Record what is optimal under every pair of weights of being helpful, in two states."""
    world = helpful_and_safe()
    grid = np.linspace(0.0, 1.0, side)
    first, second = (part.ravel() for part in np.meshgrid(grid, grid, indexing="ij"))
    helpful = np.stack([first, second, np.zeros_like(first)], -1)
    mixed = helpful[..., None] * world.rewards[0] + (1.0 - helpful[..., None]) * world.rewards[1]
    mdp = replace(world.mdp, R=mixed)
    best, gap = mdp.policy("greedy").argmax(-1), mdp.gap()
    for k in range(first.size):
        names = [HELPFUL_ACTIONS[int(action)] for action in best[k, :2]]
        recorder.measure(
            "gap",
            float(gap[k, :2].min()),
            subject="helpful and safe",
            w1=float(first[k]),
            w2=float(second[k]),
            optimum=", ".join(names),
        )
    line = np.linspace(0.0, 1.0, 201)
    along = replace(
        world.mdp, R=line[:, None, None] * world.rewards[0] + (1 - line[:, None, None]) * world.rewards[1]
    )
    for kind, alpha in (("greedy", 0.0), ("soft", 0.1)):
        policy = along.policy(kind, alpha)
        for s in (0, 1):
            for k, w in enumerate(line):
                recorder.measure(
                    "comply",
                    float(policy[k, s, 0]),
                    subject="helpful and safe",
                    axis="sweep",
                    time=float(w),
                    state=HELPFUL_STATES[s],
                    kind=kind,
                    alpha=alpha,
                )
