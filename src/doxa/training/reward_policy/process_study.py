"""A user's own decision process: where its optimum is not unique, how far its reward may move, and what then flips."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from doxa.belief.distances import total_variation
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.reward_policy.files import REWARD, ProcessFile
from doxa.training.reward_policy.maps import reward_policy_map
from doxa.training.reward_policy.perturbation import cliff_perturbation, potential_shaping, stability_radius
from doxa.worlds.decision_process import FiniteMDP, TieWarning

SMALLEST = 1e-6
SIZES = tuple(float(10.0**power) for power in np.arange(-6.0, 0.01, 0.5))
DIRECTIONS = 32
SUBJECT = "process"


def record_process(recorder: Recorder, held: ProcessFile, alpha: float, tol: float, seed: int) -> None:
    """Record the tie set, gaps and radii of a process, its map along random directions, and its controls.

    Args:
        recorder: where it goes.
        held: the process.
        alpha: temperature of its soft policies.
        tol: of ties.
        seed: of directions and controls.
    """
    held.mdp.optimal_actions(tol)  # warns once where the tolerance is too large
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)
        _record_all(recorder, held, alpha, tol, stream(seed, "process"))


def _record_all(
    recorder: Recorder, held: ProcessFile, alpha: float, tol: float, rng: np.random.Generator
) -> None:
    scale = max(1.0, float(np.abs(held.mdp.R).max()))
    record_states(recorder, held, tol)
    record_jumps(recorder, held, SMALLEST * scale, tol)
    record_map(recorder, held.mdp, alpha, scale, tol, rng)
    record_unmoved(recorder, held.mdp, tol, scale, rng)
    for name, reward in held.rewards.items():
        record_other(recorder, held, name, replace(held.mdp, R=reward), tol)


def record_states(recorder: Recorder, held: ProcessFile, tol: float) -> None:
    """Record value, optimal actions, gap and radius of each state."""
    mdp = held.mdp
    best, gap, radius = mdp.optimal_actions(tol), mdp.gap(tol), stability_radius(mdp, tol=tol)
    reached = mdp.visits(mdp.policy("uniform", tol=tol), held.start) > tol
    over = ends(mdp)
    for s, name in enumerate(held.states):
        recorder.measure(
            "optimal actions",
            float(best[s].sum()),
            subject=SUBJECT,
            state=name,
            actions=[held.actions[int(a)] for a in np.flatnonzero(best[s])],
            worth=float(mdp.q_star().max(-1)[s]),
            gap=float(gap[s]) if np.isfinite(gap[s]) else None,
            radius=float(radius[s]) if np.isfinite(radius[s]) else None,
            reached=bool(reached[s]),
            end=bool(over[s]),
        )


def ends(mdp: FiniteMDP) -> Bool[np.ndarray, " states"]:
    """Return where every action stays and pays nothing: there is nothing to decide."""
    stays = np.diagonal(mdp.P, axis1=0, axis2=2) == 1.0
    return np.asarray(stays.all(0) & (mdp.R == 0.0).all(-1))


def record_jumps(recorder: Recorder, held: ProcessFile, eps: float, tol: float) -> None:
    """Record, for each tied state, how far its policy jumps when the last of its tied actions is made the only best."""
    mdp = held.mdp
    best = mdp.optimal_actions(tol)
    before = {kind: mdp.policy(kind, tol=tol) for kind in ("greedy", "uniform")}
    for s in np.flatnonzero((best.sum(-1) > 1) & ~ends(mdp)):
        action = int(np.flatnonzero(best[s])[-1])
        # a tie within tol is closed by a lift of more than tol
        after = replace(mdp, R=cliff_perturbation(mdp, int(s), action, eps + 2.0 * tol, tol=tol))
        for kind, policy in before.items():
            moved = total_variation(policy, after.policy(kind, tol=tol))
            recorder.measure(
                "jump",
                float(moved[s]),
                subject=SUBJECT,
                kind=kind,
                state=held.states[int(s)],
                to=held.actions[action],
                change=float(np.abs(after.R - mdp.R).max()),
                ways=int(best[s].sum()),
            )


def record_map(
    recorder: Recorder, mdp: FiniteMDP, alpha: float, scale: float, tol: float, rng: np.random.Generator
) -> None:
    """Record how far policies move along random directions of norm 1, for each size of the change."""
    ways = rng.uniform(-1.0, 1.0, size=(DIRECTIONS, *mdp.R.shape))
    ways /= np.abs(ways).max((-2, -1), keepdims=True)
    sizes = scale * np.array(SIZES)
    for kind in ("greedy", "uniform", "soft"):
        curve = reward_policy_map(mdp, ways, sizes, kind, alpha=alpha, tol=tol)
        for at, eps in enumerate(curve.eps):
            recorder.measure(
                "distance",
                float(curve.largest[at]),
                subject=SUBJECT,
                axis="sweep",
                time=float(eps),
                kind=kind,
                alpha=alpha if kind == "soft" else 0.0,
                bound=float(curve.bound[:, at].max()),
            )
        recorder.measure(
            "violations", float(curve.violations), subject=SUBJECT, kind=kind, tried=curve.tv.size
        )


def record_unmoved(
    recorder: Recorder, mdp: FiniteMDP, tol: float, scale: float, rng: np.random.Generator, tries: int = 64
) -> None:
    """Record how many optimal policies change where none may."""
    best = mdp.optimal_actions(tol)
    radius = stability_radius(mdp, tol=tol)
    unique = np.flatnonzero((radius > 0.0) & np.isfinite(radius))
    signs = rng.choice([-1.0, 1.0], size=(tries, *mdp.R.shape))
    signs[0] = np.where(best, -1.0, 1.0)
    changed = 0
    for s in unique:
        after = replace(mdp, R=mdp.R + 0.99 * float(radius[s]) * signs)
        changed += int(np.sum((after.optimal_actions(tol) != best).any(-1)[:, s]))
    told: dict[str, Any] = {"subject": SUBJECT}
    recorder.measure(
        "changed", float(changed), kind="inside the radius", tried=int(unique.size * tries), **told
    )
    shaped = potential_shaping(mdp, scale * rng.standard_normal((tries, mdp.states)))
    constant = replace(mdp, R=mdp.R + scale * rng.standard_normal((tries, 1, 1)))
    for kind, after in (("shaping", shaped), ("constant", constant)):
        changed = int(np.sum((after.optimal_actions(tol) != best).any((-2, -1))))
        recorder.measure("changed", float(changed), kind=kind, tried=tries, **told)


def record_other(recorder: Recorder, held: ProcessFile, name: str, other: FiniteMDP, tol: float) -> None:
    """Record what another reward makes optimal, and where the mixture of the two flips."""
    mdp = held.mdp
    moved = total_variation(mdp.policy("uniform", tol=tol), other.policy("uniform", tol=tol))
    weights = np.linspace(0.0, 1.0, 101)
    mixed = replace(mdp, R=mdp.R + weights[:, None, None] * (other.R - mdp.R))
    best = mixed.policy("greedy", tol=tol).argmax(-1)
    for s, state in enumerate(held.states):
        flips = np.flatnonzero(best[1:, s] != best[:-1, s])
        recorder.measure(
            "moved",
            float(moved[s]),
            subject=SUBJECT,
            state=state,
            reward=name,
            against=REWARD,
            change=float(np.abs(other.R - mdp.R).max()),
            flips=[float(weights[at + 1]) for at in flips],
        )
