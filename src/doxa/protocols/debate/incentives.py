"""What a debater is told to play for, and what a risk-neutral player should then bet.

The paper's rule: the winner of the debate wins its own bet and the opponent's, the loser loses its own. At chance p
and opponent's bet y a bet x is worth p(x + y) - (1 - p)x = p·y + (2p - 1)x, linear in x. It is no proper scoring rule:
the best bet is 0 or 100 whatever p, so that a bet is a rating. Under a proper rule the best bet is 100p.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.belief.scoring_rules import Rule, earned
from doxa.errors import InputError, did_you_mean

Incentive: TypeAlias = Literal["tokens", "none", "brier", "log"]
INCENTIVES: tuple[Incentive, ...] = ("tokens", "none", "brier", "log")
TOKENS = 100


def expected_gain(
    bet: Float[np.ndarray, " bets"] | float,
    chance: float,
    *,
    incentive: Incentive | str = "tokens",
    opponent_bet: float = 50.0,
) -> Float[np.ndarray, " bets"]:
    """Return the expected gain of each bet.

    Args:
        bet: in [0, 100].
        chance: true chance of winning, in [0, 1].
        incentive: ``tokens`` in tokens, ``brier`` in squared credence, ``log`` in nats; ``none`` is 0 for all.
        opponent_bet: y, matters for ``tokens`` only.

    Raises:
        InputError: a bet or chance is outside its range, or the incentive is unknown.
    """
    bets = np.atleast_1d(np.asarray(bet, dtype=np.float64))
    if incentive not in INCENTIVES:
        raise InputError(f"incentive={incentive!r}: {did_you_mean(str(incentive), INCENTIVES)}")
    for name, value in (("bet", bets), ("opponent_bet", np.array([opponent_bet]))):
        if not np.all((value >= 0.0) & (value <= 100.0)):
            raise InputError(f"{name}: must be from 0 to 100")
    if not 0.0 <= chance <= 1.0:
        raise InputError(f"chance={chance}: must be in [0, 1]")
    if incentive == "none":
        return np.zeros_like(bets)
    if incentive == "tokens":
        return chance * opponent_bet + (2.0 * chance - 1.0) * bets
    rule: Rule = "brier" if incentive == "brier" else "log"
    wins, loses = (earned(bets / 100.0, np.full(bets.shape, outcome), rule) for outcome in (1.0, 0.0))
    # being certain of what cannot fail costs nothing, though its score would be infinite
    gain = np.zeros_like(bets)
    if chance > 0.0:
        gain = gain + chance * wins
    if chance < 1.0:
        gain = gain + (1.0 - chance) * loses
    return gain


def best_bets(chance: float, *, incentive: Incentive | str = "tokens") -> tuple[float, ...]:
    """Return the bets of a risk-neutral player, of whole numbers from 0 to 100; several where all gain the same.

    >>> best_bets(0.6), best_bets(0.6, incentive="brier")
    ((100.0,), (60.0,))
    """
    bets = np.arange(101.0)
    gains = expected_gain(bets, chance, incentive=incentive)
    return tuple(float(bet) for bet in bets[gains >= gains.max() - 1e-12])
