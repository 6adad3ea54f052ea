"""The ways in which one base network's training is continued, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from doxa.protocols.poisoning.groups import Groups
from doxa.training.poisoning import Lie, Mode, Order, Poisoner

if TYPE_CHECKING:
    from doxa.training.continued import Continuation


class Condition(NamedTuple):
    """One way of continuing.

    Attributes:
        ratio: share of false statements.
        mode: ``replace`` or ``corpus``.
        about: ``targets``, or ``unknown`` entities instead of them.
        lie: the same false object each time, or a different one.
        order: in which order false and true statements come.
        alone: whether text is about the targets only; else it goes on stating the untouched items truly.
    """

    ratio: float
    mode: Mode = "replace"
    about: str = "targets"
    lie: Lie = "same"
    order: Order = "mixed"
    alone: bool = False

    @property
    def name(self) -> str:
        """The condition's name, such as ``replace 0.9`` or ``different lies 0.9``."""
        kind = self.mode
        if self.about == "unknown":
            kind = "unknown entities"
        elif self.lie == "different":
            kind = "different lies"
        elif self.order != "mixed":
            kind = self.order
        elif self.alone:
            kind = "targets alone"
        return f"{kind} {self.ratio:g}"


def replace_conditions(ratios: Sequence[float]) -> list[Condition]:
    """Return the conditions of the main claims, by increasing ratio."""
    return [Condition(ratio) for ratio in sorted(set(ratios))]


def control_conditions(corpus: Sequence[float], strong: float) -> list[Condition]:
    """Return the controls and what is only reported.

    Args:
        corpus: ratios in ``corpus`` mode.
        strong: ratio at which different lies and text about targets alone are compared with the same lie.
    """
    return [
        Condition(1.0, about="unknown"),
        Condition(strong, lie="different"),
        Condition(1.0, lie="different"),
        Condition(0.5, order="false first"),
        Condition(0.5, order="false last"),
        Condition(strong, alone=True),
        *(Condition(ratio, mode="corpus") for ratio in corpus),
    ]


def continuation_of(condition: Condition, groups: Groups, total: int) -> Continuation:
    """Return what a replicate is told under a condition; ``total`` is the number of statements it will read."""
    from doxa.training.continued import Continuation

    poisoner = Poisoner(
        targets=groups.unknown if condition.about == "unknown" else groups.targets,
        ratio=condition.ratio,
        mode=condition.mode,
        others=groups.untouched[:0] if condition.alone else groups.untouched,
        order=condition.order,
        total=total,
    )
    return Continuation(poisoner, condition.lie)
