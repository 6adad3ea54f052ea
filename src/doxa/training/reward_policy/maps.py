"""The map from rewards to policies along lines of rewards: how far the policy moves for each size of the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from doxa.belief.distances import total_variation
from doxa.errors import InputError
from doxa.training.reward_policy.perturbation import lipschitz_bound, stability_radius
from doxa.worlds.decision_process import TIE, FiniteMDP, Given, check_rewards


@dataclass(frozen=True)
class StabilityCurve:
    """How far a policy moves along directions of the reward.

    Attributes:
        eps: sizes of the change; ‖ΔR‖∞ is |eps| times the norm of the direction.
        tv: distance d_TV of the policy from that at eps = 0, by direction, size and state.
        bound: what it cannot exceed: d_R/(2 alpha (1 - γ)) for the regularised kinds; for the hard ones 0 within the
            stability radius of a state, 1 outside.
    """

    eps: Float[np.ndarray, " sizes"]
    tv: Float[np.ndarray, "directions sizes states"]
    bound: Float[np.ndarray, "directions sizes states"]

    @property
    def largest(self) -> Float[np.ndarray, " sizes"]:
        """The largest distance at each size, over directions and states."""
        return self.tv.max((0, 2))

    @property
    def violations(self) -> int:
        """How many distances exceed their bound by more than rounding."""
        return int(np.sum(self.tv > self.bound + 1e-9))


def reward_policy_map(
    mdp: FiniteMDP,
    directions: Sequence[Given] | Given,
    eps_grid: Sequence[float] | Given,
    kind: str = "greedy",
    *,
    alpha: float = 0.0,
    base: Given | None = None,
    tol: float = TIE,
) -> StabilityCurve:
    """Return how far the optimal policy of R + eps·direction is from that of R.

    Args:
        mdp: one process, without leading axes.
        directions: changes of the reward, each of the reward's shape.
        eps_grid: sizes, of either sign.
        kind: of the policy, as in :meth:`FiniteMDP.policy`.
        alpha: temperature of ``soft``, weight of the KL of ``kl``.
        base: policy of ``kl``.
        tol: of ties.

    Raises:
        InputError: shapes differ, a number is not finite, or alpha <= 0 where it is used.
    """
    if mdp.R.ndim != 2 or mdp.P.ndim != 3:
        raise InputError(
            f"R has shape {mdp.R.shape}: the map is drawn around one process; take them one by one"
        )
    ways = np.stack([check_rewards(f"directions[{k}]", one, mdp.R.shape) for k, one in enumerate(directions)])
    eps = np.asarray(eps_grid, dtype=np.float64)
    if eps.ndim != 1 or not np.all(np.isfinite(eps)):
        raise InputError(f"eps_grid={eps_grid}: must be a row of finite sizes")
    moved = replace(mdp, R=mdp.R + eps[None, :, None, None] * ways[:, None])
    before = mdp.policy(kind, alpha, base, tol=tol)
    tv = total_variation(moved.policy(kind, alpha, base, tol=tol), before)
    change = np.abs(eps) * np.abs(ways).max((-2, -1))[:, None]
    if kind in ("soft", "kl"):
        bound = np.broadcast_to(lipschitz_bound(alpha, mdp.gamma, change)[..., None], tv.shape)
    else:
        bound = (change[..., None] >= stability_radius(mdp, tol=tol)).astype(np.float64)
    return StabilityCurve(eps, tv, np.minimum(bound, 1.0))
