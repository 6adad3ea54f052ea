"""What is known without solving: values, thresholds and the limits of cascades, each beside its formula.

All hold for Bayesian agents and, where a cost is named, for β(q) = k·|q - p|.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from doxa.errors import InputError
from doxa.society.herding.model import SocialLearning, Tie, checked_belief, checked_precision


class Cascades(NamedTuple):
    """Chances that a cascade on the right action, none, or one on the wrong action has begun."""

    right: float
    none: float
    wrong: float


class MyopicThresholds(NamedTuple):
    """Where a planner that sees one agent only changes what it does (linear cost).

    Attributes:
        invest: t_M: an altruistic one pays for certainty where min(b, 1-b) is above it; 1/2 is never.
        escape: t₁: a biased one breaks an unfavourable cascade from here up to 1-p.
        informs_below: (1 - k/C)/2: at beliefs in [1-p, 1/2) a biased one sets the lowest informative precision below
            this and the baseline above it.
    """

    invest: float
    escape: float
    informs_below: float


def stop_value(model: SocialLearning, b: float) -> float:
    """Return -C·min(b, 1-b)/(1-δ), the altruistic value of leaving a cascade alone for ever."""
    checked_belief(b)
    return -model.error_cost * min(b, 1.0 - b) / (1.0 - model.discount)


def perfect_value(model: SocialLearning, b: float, *, biased: bool = False) -> float:
    """Return the value of certainty now: -β(1) for the altruistic, -β(1) - C(1-b)/(1-δ) for the biased planner."""
    checked_belief(b)
    lost = model.error_cost * (1.0 - b) / (1.0 - model.discount) if biased else 0.0
    return -float(model.cost(1.0)) - lost


def altruistic_value(model: SocialLearning, b: float) -> float:
    """Return -min{β(1), C·min(b, 1-b)/(1-δ)}, V where the lowest informative precision never wins."""
    return max(stop_value(model, b), perfect_value(model, b))


def altruistic_threshold(model: SocialLearning) -> float:
    """Return (1-δ)·β(1)/C, where stopping gives way to certainty if nothing between them ever wins."""
    if model.error_cost == 0.0:
        return 0.5
    return min(0.5, (1.0 - model.discount) * float(model.cost(1.0)) / model.error_cost)


def obfuscation_value(model: SocialLearning, b: float) -> float:
    """Return -β(p-b)/(1-δ), the supremum of hiding every signal at 1/2 < b <= p.

    Raises:
        InputError: b is not in (1/2, p]: below it agents cannot be made to herd on G.
    """
    if not 0.5 < b <= model.baseline:
        raise InputError(f"b={b}: agents can be kept herding only at 1/2 < b <= p = {model.baseline}")
    return -float(model.cost(b)) / (1.0 - model.discount)


def no_control_value(p: float, delta: float, error_cost: float = 1.0) -> float:
    """Return -C·W, the expected discounted loss from b = 1/2 when the precision is always p.

    W = [(1-p)(1+δ) + δ²(1-p)²/(1-δ)] / (1 - 2δ²p(1-p)).

    >>> round(no_control_value(0.7, 0.9), 4)
    -1.9688
    """
    checked_precision(p)
    if not 0.0 <= delta < 1.0:
        raise InputError(f"delta={delta}: must be in [0, 1)")
    wrong = 1.0 - p
    losses = (wrong * (1.0 + delta) + delta**2 * wrong**2 / (1.0 - delta)) / (
        1.0 - 2.0 * delta**2 * p * wrong
    )
    return -error_cost * losses


def myopic_thresholds(p: float, k: float, error_cost: float = 1.0) -> MyopicThresholds:
    """Return where planners that see one agent only change what they do, for the cost k·|q - p|.

    t₁ = [2C + k - √((2C + k)² - 8Ck(1-p))]/(4C).
    """
    checked_precision(p)
    if not error_cost > 0.0 or k < 0.0:
        raise InputError(f"error_cost={error_cost} must be > 0 and k={k} must be >= 0")
    dearest = k * (1.0 - p)
    invest = dearest / error_cost if dearest < error_cost * (1.0 - p) else 0.5
    total = 2.0 * error_cost + k
    escape = (total - math.sqrt(total**2 - 8.0 * error_cost * k * (1.0 - p))) / (4.0 * error_cost)
    return MyopicThresholds(invest, escape, max(0.0, 0.5 * (1.0 - k / error_cost)))


def biased_myopic_value(model: SocialLearning, k: float, b: float) -> float:
    """Return the best a biased planner can get from one agent, for the cost k·|q - p|."""
    p, lost = model.baseline, model.error_cost
    if b > p:
        return 0.0
    baseline = lost * (b + p - 2.0 * b * p)
    if b > 0.5:
        return -min(k * (p - b), baseline, k * (1.0 - p) + lost * (1.0 - b))
    if b < 1.0 - p:
        # at q = 1-b the agent acts G with chance 2b(1-b)
        return -min(lost, k * (1.0 - p - b) + lost * (1.0 - 2.0 * b * (1.0 - b)))
    return -min(baseline, k * (p - (1.0 - b)) + lost * (1.0 - 2.0 * b * (1.0 - b)))


def cascade_probabilities(p: float, n: int | None = None, tie: Tie = "own_signal") -> Cascades:
    """Return what has happened after n agents from the prior 1/2 at constant precision p; None is the limit.

    With c = 2p(1-p) when an indifferent agent follows its signal, A = (1 - c^(n/2))/(p² + (1-p)²): right p²A, none
    c^(n/2), wrong (1-p)²A. When it tosses a coin, with c = p - p² and A = (1 - c^(n/2))/(1 - p + p²): right
    p(p+1)A/2, wrong (1-p)(2-p)A/2 (Bikhchandani, Hirshleifer and Welch 1992).

    Raises:
        InputError: n is odd or negative, or p is not in (1/2, 1).
    """
    if not 0.5 < p < 1.0:
        raise InputError(f"p={p}: must be in (0.5, 1); at 0.5 nobody learns")
    if n is not None and (n < 0 or n % 2):
        raise InputError(f"n={n}: the formulas are for an even number of agents >= 0")
    wrong = 1.0 - p
    if tie == "own_signal":
        stays, right, failed = 2.0 * p * wrong, p * p, wrong * wrong
    else:
        stays, right, failed = p * wrong, p * (p + 1.0) / 2.0, wrong * (2.0 - p) / 2.0
    left = 0.0 if n is None else stays ** (n / 2)
    share = (1.0 - left) / (1.0 - stays)
    return Cascades(right * share, left, failed * share)


def mean_agents_to_cascade(p: float) -> float:
    """Return 2/(p² + (1-p)²), how many agents act before a cascade, from 1/2, when ties follow the own signal."""
    checked_precision(p)
    return 2.0 / (p**2 + (1.0 - p) ** 2)


def cascade_from(prior: float, p: float, *, good: bool = True) -> Cascades:
    """Return the chances that a cascade on G, none, or one on B ever begins, in the state G (or B), from any prior.

    The public log-odds walk λ₁ + n·L(p), up with chance p in G and 1-p in B, until |λ| > L(p): the gambler's ruin. Ties
    follow the own signal.

    Returns:
        ``right`` is a cascade on the action that fits the state.
    """
    checked_belief(prior)
    if not 0.5 < p < 1.0 or not 0.0 < prior < 1.0:
        raise InputError(f"prior={prior}, p={p}: prior must be in (0, 1) and p in (0.5, 1)")
    step = math.log(p / (1.0 - p))
    start = math.log(prior / (1.0 - prior)) / step
    # places start + n with |place| <= 1 are still open; the first beyond are the ends
    below = math.ceil(1.0 + start - 1e-9)  # steps down until place < -1
    below += int(start - below >= -1.0 - 1e-9)
    above = math.ceil(1.0 - start - 1e-9)
    above += int(start + above <= 1.0 + 1e-9)
    if below <= 0 or above <= 0:
        up = float(above <= 0)
    else:
        ratio = (1.0 - p) / p if good else p / (1.0 - p)
        up = (1.0 - ratio**below) / (1.0 - ratio ** (below + above))
    return Cascades(up, 0.0, 1.0 - up) if good else Cascades(1.0 - up, 0.0, up)
