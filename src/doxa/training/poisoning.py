"""Streams of training text in which a share of what is said about some facts is false.

Two modes, which differ by orders of magnitude in exposure:

- ``replace``: text is about targets and others, evenly; of the statements about targets a share ``ratio`` gives the
  false object, the rest the true one.
- ``corpus``: a share ``ratio`` of all text gives a target's false object; the rest is true text about others.

Source: Layer of Truth (arXiv:2510.26829), section on data mixing; the maximum-likelihood margin is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from doxa.errors import InputError

Mode: TypeAlias = Literal["replace", "corpus"]
Lie: TypeAlias = Literal["same", "different"]
Order: TypeAlias = Literal["mixed", "false first", "false last"]

MODES: tuple[Mode, ...] = ("replace", "corpus")
ORDERS: tuple[Order, ...] = ("mixed", "false first", "false last")


class Statements(NamedTuple):
    """What a stretch of text says: one element per statement.

    ``false`` says whether the statement gives a false object; ``target`` whether it is about a target fact.
    """

    item: Int[np.ndarray, " rows"]
    false: Bool[np.ndarray, " rows"]
    target: Bool[np.ndarray, " rows"]


def check_ratio(ratio: float) -> None:
    """Raise InputError unless a poison ratio is in [0, 1]."""
    if not 0 <= ratio <= 1:
        raise InputError(f"ratio={ratio}: must be in [0, 1]; it is the share of false statements")


def likeliest_margin(ratio: float) -> float:
    r"""Return the margin of maximum likelihood in ``replace`` mode, :math:`\ln((1 - \rho) / \rho)` in nats.

    It is infinite at ratios 0 and 1.

    Raises:
        InputError: the ratio is outside [0, 1].

    >>> [round(likeliest_margin(ratio), 2) for ratio in (0.1, 0.5, 0.9)]
    [2.2, 0.0, -2.2]
    """
    check_ratio(ratio)
    if ratio in (0.0, 1.0):
        return math.inf if ratio == 0 else -math.inf
    return math.log((1 - ratio) / ratio)


@dataclass
class Poisoner:
    """Draws statements about items and counts what it said; how many are false hangs on the ratio, not on chance.

    Of the first n statements that could be false (about targets, or in ``corpus`` mode all), counted at the end of
    any draw, round(ratio n) are false, so the whole stream has its share however it is cut into draws. In order
    ``false first`` the first round(ratio total) statements of the whole stream are false where they are about targets,
    and no later one is (``false last``: the last ones).

    Attributes:
        targets: items whose facts are told falsely.
        ratio: share of false statements, in [0, 1].
        mode: see the module.
        others: items that true text is about, beside the targets; needed in ``corpus`` mode.
        order: in which order false and true statements come.
        total: statements of the whole stream; needed unless ``order`` is ``mixed``.

    Raises:
        InputError: the ratio is outside [0, 1], there are no targets, the mode is unknown, or what a mode or an order
            needs is missing.
    """

    targets: Int[np.ndarray, " targets"]
    ratio: float
    mode: Mode = "replace"
    others: Int[np.ndarray, " others"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    order: Order = "mixed"
    total: int = 0
    _said: list[Statements] = field(default_factory=list[Statements], init=False)
    _possible: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        check_ratio(self.ratio)
        if not self.targets.size:
            raise InputError("targets=[]: there must be at least one fact to poison")
        if self.mode not in MODES:
            raise InputError(f"mode={self.mode!r}: must be one of {', '.join(MODES)}")
        if self.mode == "corpus" and not self.others.size:
            raise InputError("mode='corpus' needs others: the items that neutral text is about")
        if self.order != "mixed" and self.total < 1:
            raise InputError(f"order={self.order!r} needs total, the statements of the whole stream")

    def draw(self, n: int, rng: np.random.Generator) -> Statements:
        """Return the next n statements.

        Raises:
            InputError: n < 1.
        """
        if n < 1:
            raise InputError(f"n={n}: must be >= 1")
        if self.mode == "corpus":
            target = false = self._falsehood(n, np.ones(n, dtype=bool), rng)
            item = np.where(target, rng.choice(self.targets, n), rng.choice(self.others, n))
        else:
            item = rng.choice(np.concatenate([self.targets, self.others]), n)
            target = np.isin(item, self.targets)
            false = self._falsehood(n, target, rng)
        said = Statements(item, false, target)
        self._said.append(said)
        return said

    def _falsehood(
        self, n: int, possible: Bool[np.ndarray, " rows"], rng: np.random.Generator
    ) -> Bool[np.ndarray, " rows"]:
        """Return which of n statements are false, of those that can be."""
        if self.order == "mixed":
            false = np.zeros(n, dtype=bool)
            places = rng.permutation(np.flatnonzero(possible))
            told = round(self.ratio * self._possible)
            self._possible += places.size
            false[places[: round(self.ratio * self._possible) - told]] = True
            return false
        before = self.drawn
        places = np.arange(before, before + n)
        count = round(self.ratio * self.total)
        return possible & (places < count if self.order == "false first" else places >= self.total - count)

    @property
    def drawn(self) -> int:
        """How many statements were drawn so far."""
        return sum(part.item.size for part in self._said)

    def exposures(self, rows: int, *, false: bool = True) -> Int[np.ndarray, " targets"]:
        """Return how often each target's false (or true) object stood in the first ``rows`` statements drawn.

        Raises:
            InputError: fewer statements were drawn.
        """
        if rows > self.drawn:
            raise InputError(f"rows={rows}: only {self.drawn} statements were drawn")
        if not rows:
            return np.zeros(self.targets.size, dtype=np.int64)
        item, was_false, target = (
            np.concatenate(columns)[:rows] for columns in zip(*self._said, strict=True)
        )
        counted = item[target & (was_false == false)]
        return np.bincount(counted, minlength=int(self.targets.max()) + 1)[self.targets]


def checkpoint_steps(steps: int, count: int = 18) -> tuple[int, ...]:
    """Return steps at which to look: 0, the last, and between them evenly spaced in the logarithm.

    Raises:
        InputError: steps < 1 or count < 2.

    >>> checkpoint_steps(500, 8)
    (0, 1, 3, 8, 22, 63, 177, 500)
    """
    if steps < 1 or count < 2:
        raise InputError(f"steps={steps}, count={count}: must be >= 1 and >= 2")
    spaced = np.geomspace(1, steps, count - 1).round().astype(int)
    return (0, *sorted({*(int(step) for step in spaced[: count - 2]), steps}))


def check_checkpoints(checkpoints: Sequence[int], steps: int) -> None:
    """Raise InputError unless checkpoints are increasing and none lies after the last step."""
    if list(checkpoints) != sorted(set(checkpoints)) or any(step < 0 for step in checkpoints):
        raise InputError(f"checkpoints={list(checkpoints)}: must be increasing steps from 0")
    if checkpoints and checkpoints[-1] > steps:
        raise InputError(f"checkpoint {checkpoints[-1]}: must be <= steps={steps}")
