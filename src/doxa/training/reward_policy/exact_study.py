"""Level 1: bounds over random pairs of rewards, cliffs at constructed ties, and what must not show one; all exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.distances import total_variation
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.reward_policy.exact_worlds import record_routes, record_slack, record_step, record_weights
from doxa.training.reward_policy.perturbation import (
    cliff_perturbation,
    effective_reward,
    lipschitz_bound,
    potential_shaping,
    stability_radius,
)
from doxa.worlds.decision_examples import (
    inverse_bellman,
    random_mdp,
    tied_mdp,
)
from doxa.worlds.decision_process import FiniteMDP

Progress = Callable[[float, str], None]
DISCOUNTS = (0.0, 0.5, 0.9, 0.99)
SHAPES = ((2, 2), (4, 3), (6, 4), (8, 5))
ALPHAS = (0.01, 0.1, 1.0)
MODELS = 3
SLACK = 1e-9
"""What rounding may add to a distance."""
SIZES = tuple(float(10.0**power) for power in np.arange(-6.0, 0.01, 0.5))
SOFT = (0.01, 0.1, 0.5, 1.0)


def record_exact(recorder: Recorder, seed: int, pairs: int, cliffs: int, progress: Progress) -> None:
    """Record everything of level 1.

    Args:
        recorder: where it goes.
        seed: of all processes and changes.
        pairs: pairs of rewards whose bounds are checked, and processes of each control.
        cliffs: tied processes of each width.
        progress: told how far it is.
    """
    progress(0.0, "bounds")
    record_bounds(recorder, seed, pairs)
    progress(0.3, "cliffs")
    record_cliffs(recorder, seed, cliffs)
    progress(0.5, "controls")
    record_controls(recorder, seed, pairs)
    progress(0.8, "worlds")
    record_slack(recorder, seed, pairs)
    record_step(recorder)
    record_routes(recorder)
    record_weights(recorder)


def record_bounds(recorder: Recorder, seed: int, pairs: int) -> None:
    """Record, over pairs of rewards, how often a bound is exceeded and how near it is come to.

    A reward is the mixture of three models with weights that hang on the state. Half of the first rewards have a tie.
    """
    rng = stream(seed, "reward pairs")
    groups = [(gamma, shape, tied) for gamma in DISCOUNTS for shape in SHAPES for tied in (False, True)]
    for at, (gamma, (states, actions), tied) in enumerate(groups):
        many = (pairs * (at + 1) // len(groups) - pairs * at // len(groups),)
        world = (
            tied_mdp(rng, states, actions, gamma, 2, many).mdp
            if tied
            else random_mdp(rng, states, actions, gamma, many)
        )
        weights = rng.dirichlet(np.ones(MODELS), size=(*many, states))
        noise = rng.standard_normal((MODELS, *many, states, actions))
        models = world.R + noise - effective_reward(noise, weights)
        change = 10.0 ** rng.uniform(-6.0, 0.5, size=(*many, 1, 1)) * rng.uniform(-1.0, 1.0, noise.shape)
        base = rng.dirichlet(np.ones(actions), size=(*many, states))
        before = replace(world, R=effective_reward(models, weights))
        after = replace(world, R=effective_reward(models + change, weights))
        moved = np.abs(change).max((0, -2, -1))
        for name, off, bound in _bounds(before, after, moved, base):
            recorder.measure(
                "violations",
                float(np.sum(off > bound + SLACK * np.maximum(1.0, bound))),
                subject="random pairs",
                bound=name,
                gamma=gamma,
                pairs=many[0],
                nearest=float(np.max(off / bound, initial=0.0)),
            )
    recorder.measure("round trip", round_trip(seed), subject="random pairs")


def _bounds(
    before: FiniteMDP, after: FiniteMDP, moved: Float[np.ndarray, " pairs"], base: Float[np.ndarray, ...]
) -> list[tuple[str, Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]]:
    """Return the name of each bound, what it bounds, and the bound, for each pair."""
    gamma, best = before.gamma, before.q_star().max(-1)
    found = [
        ("values", np.abs(after.q_star() - before.q_star()).max((-2, -1)), moved / (1.0 - gamma)),
        ("effective reward", np.abs(after.R - before.R).max((-2, -1)), moved),
    ]
    for alpha in ALPHAS:
        bound = lipschitz_bound(alpha, gamma, moved)
        soft = before.policy("soft", alpha)
        found += [
            ("soft policy", total_variation(soft, after.policy("soft", alpha)).max(-1), bound),
            (
                "policy near a base",
                total_variation(before.policy("kl", alpha, base), after.policy("kl", alpha, base)).max(-1),
                bound,
            ),
            (
                "price of softness",
                (best - before.values(soft)).max(-1),
                np.full(moved.shape, alpha * np.log(before.actions) / (1.0 - gamma)),
            ),
        ]
    return found


def record_cliffs(recorder: Recorder, seed: int, cliffs: int, gamma: float = 0.9) -> None:
    """Record how far the policy at a tie moves for each size of the change that makes one tied action the best."""
    rng = stream(seed, "cliffs")
    for ways in (2, 3, 4):
        found = tied_mdp(rng, 5, 4, gamma, ways, (cliffs,))
        base = rng.dirichlet(np.ones(4), size=5)
        moved = np.stack(
            [
                [
                    cliff_perturbation(
                        FiniteMDP(found.mdp.P[k], found.mdp.R[k], gamma),
                        int(found.state[k]),
                        int(found.tied[k, -1]),
                        eps / (1.0 + gamma),
                    )
                    for k in range(cliffs)
                ]
                for eps in SIZES
            ]
        )
        after = replace(found.mdp, R=moved)
        change = np.abs(moved - found.mdp.R).max((-2, -1))
        kinds = [("greedy", 0.0), ("uniform", 0.0), *(("soft", alpha) for alpha in SOFT), ("kl", 0.1)]
        for kind, alpha in kinds:
            at = total_variation(found.mdp.policy(kind, alpha, base), after.policy(kind, alpha, base))
            distance = np.take_along_axis(at, found.state[None, :, None], -1)[..., 0]
            for eps, row, sizes in zip(SIZES, distance, change, strict=True):
                recorder.measure(
                    "distance",
                    float(row.mean()),
                    subject="tied processes",
                    axis="sweep",
                    time=eps,
                    kind=kind,
                    alpha=alpha,
                    ways=ways,
                    least=float(row.min()),
                    most=float(row.max()),
                    change=float(sizes.max()),
                    bound=float(lipschitz_bound(alpha, gamma, sizes.max())) if alpha else None,
                )


def record_controls(recorder: Recorder, seed: int, many: int) -> None:
    """Record how many optimal policies change where none may: inside the radius, by shaping, by a constant."""
    rng = stream(seed, "controls")
    for gamma in DISCOUNTS:
        mdp = random_mdp(rng, 5, 4, gamma, (many // len(DISCOUNTS),))
        each = np.arange(mdp.R.shape[0])
        state = stability_radius(mdp).argmin(-1)
        best = mdp.optimal_actions()
        adverse = np.where(best, -1.0, 1.0)
        radius = stability_radius(mdp)[each, state][:, None, None]
        changes = [("inside the radius", 0.99 * adverse)]
        changes.append(("inside the radius", 0.99 * rng.choice([-1.0, 1.0], size=mdp.R.shape)))
        if (
            gamma == 0.0
        ):  # with a future the radius is sufficient only, and this change need not flip anything
            changes.append(("beyond the radius", 1.01 * adverse))
        for kind, change in changes:
            after = replace(mdp, R=mdp.R + radius * change).optimal_actions()
            _changed(recorder, kind, (after != best).any(-1)[each, state], gamma)
        tied = tied_mdp(rng, 5, 4, gamma, 2, (many // len(DISCOUNTS),)).mdp
        shaped = potential_shaping(tied, 10.0 * rng.standard_normal((*each.shape, 5)))
        constant = replace(tied, R=tied.R + 10.0 * rng.standard_normal((*each.shape, 1, 1)))
        for kind, after in (("shaping", shaped), ("constant", constant)):
            changed = (after.optimal_actions() != tied.optimal_actions()).any((-2, -1))
            _changed(recorder, kind, changed, gamma)


def _changed(recorder: Recorder, kind: str, changed: Bool[np.ndarray, " processes"], gamma: float) -> None:
    recorder.measure(
        "changed",
        float(changed.sum()),
        subject="random processes",
        kind=kind,
        gamma=gamma,
        tried=int(changed.size),
    )


def round_trip(seed: int) -> float:
    """Return the largest error of Q* of the inverse Bellman reward of random action values."""
    rng = stream(seed, "round trip")
    P = random_mdp(rng, 5, 4, 0.9, (50,)).P
    Q = rng.standard_normal((50, 5, 4))
    return float(np.abs(FiniteMDP(P, inverse_bellman(Q, P, 0.9), 0.9).q_star() - Q).max())
