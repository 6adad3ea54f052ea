"""Who debates whom about what: every pair of models meets on both sides, every condition has as many debates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from doxa.errors import InputError
from doxa.protocols.debate.bets import MULTI_STAGES
from doxa.protocols.debate.debate import Rules
from doxa.protocols.debate.wording import MOTIONS

CONDITION_RULES: dict[str, Rules] = {
    "cross_model": Rules(),
    "self_debate": Rules(note="self"),
    "informed_self": Rules(note="informed"),
    "public_bets": Rules(note="self", visibility="public"),
    "self_redteam": Rules(note="redteam"),
    "multi_round": Rules(note="self", stages=MULTI_STAGES),
}
"""The rules of each condition."""


@dataclass(frozen=True)
class Match:
    """One debate to be held.

    Attributes:
        number: its place in its condition, from 0.
        proposition, opposition: addresses of the two debaters.
        motion: what they debate.
        replicate: tells it from debates in which a model speaks on the same side of the same motion: its opening is
            then another draw. Debates of one replicate are asked in one batch.
    """

    number: int
    proposition: str
    opposition: str
    motion: str
    replicate: int = 0


def matches(
    condition: str, models: Sequence[str], motions: Sequence[str], n_debates: int, rng: np.random.Generator
) -> list[Match]:
    """Return the debates of a condition.

    Cross-model debates come in twos: the same pair and motion with the sides exchanged. Which side a model begins on,
    and the order of pairs and motions, are drawn; the first debates are the same however many there are. In all other
    conditions a model meets itself, models and motions in turn.

    Args:
        condition: one of the conditions.
        models: addresses, each once; at least two for ``cross_model``.
        motions: at least one.
        n_debates: how many, >= 1.
        rng: source of the order.

    Raises:
        InputError: too few models for the condition, one of them twice, or no motions.
    """
    if len(set(models)) < len(models):
        raise InputError("a model is named twice; give each address once")
    if not motions:
        raise InputError("no motions: give at least one")
    if condition != "cross_model":
        order: list[int] = rng.permutation(len(motions)).tolist()
        rounds = (
            (models[k % len(models)], motions[order[(k // len(models)) % len(motions)]])
            for k in range(n_debates)
        )
        return _told_apart([(model, model, motion) for model, motion in rounds])
    if len(models) < 2:
        raise InputError("cross_model: needs two models; give opponents=ADDRESS")
    found: list[tuple[str, str, str]] = []
    pairs = list(combinations(models, 2))
    for turn in range(-(-n_debates // (2 * len(pairs)))):
        places: list[int] = rng.permutation(len(pairs)).tolist()
        for place in places:
            one, other = pairs[place]
            first, second = (one, other) if rng.random() < 0.5 else (other, one)
            motion = motions[(turn + place) % len(motions)]
            found += [(first, second, motion), (second, first, motion)]
    return _told_apart(found[:n_debates])


def _told_apart(planned: Sequence[tuple[str, str, str]]) -> list[Match]:
    """Return the debates with the smallest replicates at which no model speaks twice on one side of a motion."""
    taken: dict[tuple[str, str, str], set[int]] = {}
    found: list[Match] = []
    for number, (first, second, motion) in enumerate(planned):
        seats = (("proposition", first, motion), ("opposition", second, motion))
        used = set[int]().union(*(taken.get(seat, set()) for seat in seats))
        replicate = next(free for free in range(len(used) + 1) if free not in used)
        for seat in seats:
            taken.setdefault(seat, set()).add(replicate)
        found.append(Match(number, first, second, motion, replicate))
    return found


def read_motions(path: str) -> tuple[str, ...]:
    """Return the motions of a text file, one to a line; "" gives the shipped ones.

    Raises:
        InputError: the file cannot be read or has no motion.
    """
    if not path:
        return MOTIONS
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"motions={path}: cannot be read ({error}); give a text file, one motion to a line"
        ) from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise InputError(f"motions={path}: has no motion; write one to a line")
    return found
