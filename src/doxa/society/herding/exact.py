"""Values without a grid: the beliefs that a policy can reach from one start are finitely many, so V is solved on them.

Under the altruistic policy a belief's log-odds go to 0, 2λ or λ ± L(p), to certainty, or stay: few distinct numbers
until so many agents have gone by that the rest is below the tolerance. That is an oracle for the solver, which shares
no line with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from doxa.errors import InputError
from doxa.society.herding.model import SLACK, SocialLearning, checked_belief

_SAME = 1e-9
MOST_STATES = 20_000


def exact_value(model: SocialLearning, b: float, *, tol: float = 1e-10) -> float:
    """Return the altruistic V at one belief, from the candidates q in {max(ℓ(b), p), 1} and stopping.

    Args:
        model: the world; its cost is concave, or an interior precision could be better.
        b: a belief.
        tol: largest error, > 0.

    Raises:
        InputError: the reachable beliefs are too many.
    """
    checked_belief(b)
    if not tol > 0.0:
        raise InputError(f"tol={tol}: must be > 0")
    if b in (0.0, 1.0) or model.error_cost == 0.0:
        return 0.0
    start = abs(math.log(b / (1.0 - b)))  # V is the same at b and 1-b
    far = math.log(model.error_cost / ((1.0 - model.discount) * tol)) + 1.0
    moves = _reachable(model, start, max(far, 1.0))
    value = dict.fromkeys(moves, 0.0)
    for _ in range(100_000):
        change = 0.0
        for state, options in moves.items():
            new = max(
                reward + model.discount * sum(chance * value[to] for chance, to in legs)
                for reward, legs in options
            )
            change = max(change, abs(new - value[state]))
            value[state] = new
        if change * model.discount <= tol * (1.0 - model.discount):
            break
    return value[_key(start)]


Option = tuple[float, list[tuple[float, int]]]


def _key(log_odds: float) -> int:
    return round(abs(log_odds) / _SAME)


def _reachable(model: SocialLearning, start: float, far: float) -> dict[int, list[Option]]:
    """Return the options of every |λ| that can be reached; beyond ``far`` stopping costs less than the tolerance."""
    found: dict[int, list[Option]] = {}
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if _key(place) in found:
            continue
        if len(found) >= MOST_STATES:
            raise InputError(f"more than {MOST_STATES} beliefs can be reached; use the grid, or a larger tol")
        reach: list[float] = []
        found[_key(place)] = _options(model, place, far, reach.append)
        waiting += reach
    return found


def _options(model: SocialLearning, place: float, far: float, reach: Callable[[float], None]) -> list[Option]:
    """Return (reward, [(chance, next)]) of what may be chosen at |λ|."""
    p, lost = model.baseline, model.error_cost
    b = 1.0 / (1.0 + math.exp(-place))
    options: list[Option] = []
    if p < b - SLACK or place > far:
        options.append((-lost * (1.0 - b) / (1.0 - model.discount), []))
    options.append((-float(model.cost(1.0)), []))
    if place <= far:
        q = max(b, p)
        up = b * q + (1.0 - b) * (1.0 - q)
        moved = place if q > p + SLACK or abs(b - p) <= SLACK else math.log(p / (1.0 - p))
        legs = [(up, abs(place + moved)), (1.0 - up, abs(place - moved))]
        for _, to in legs:
            reach(to)
        options.append(
            (-float(model.cost(q)) - lost * (1.0 - q), [(chance, _key(to)) for chance, to in legs])
        )
    return options
