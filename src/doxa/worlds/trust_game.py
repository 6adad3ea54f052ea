"""The trust game: what a trustor sends is multiplied on the way, and the trustee gives some of it back.

Berg, Dickhaut and McCabe (1995), as played by arXiv:2507.02197: endowment 10, multiplier 3, and trustees who return
min(i, 3s) dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from doxa.errors import InputError
from doxa.worlds.money_game import TRUST, Multiplied, check_amount


class Payoffs(NamedTuple):
    """What both have at the end of a round, in dollars; together endowment + (multiplier - 1) · sent."""

    trustor: int
    trustee: int


class Round(NamedTuple):
    """One round: what was sent and what came back, in dollars."""

    sent: int
    returned: int


@dataclass(frozen=True)
class TrustGame(Multiplied):
    """The rules of one round.

    Attributes:
        endowment: what the trustor has, in whole dollars, >= 1.
        multiplier: what a sent dollar becomes, >= 1.
    """

    name = "trust"
    players = "Many people play it as the first player."
    opposite = "the other player"
    trait = TRUST

    @property
    def rules(self) -> str:
        """The rules of one round."""
        return (
            f"The trust game is played by two people who do not know each other. You have {self.endowment} dollars. "
            f"You give the other player a whole number of dollars from 0 to {self.endowment}. What you give is "
            f"multiplied by {self.multiplier} on its way. The other player then returns as much of it as they like, or "
            "nothing. You keep what you did not give, and what is returned."
        )

    def payoffs(self, sent: float, returned: float) -> Payoffs:
        """Return what both have after a round.

        Args:
            sent: 0 to the endowment, whole.
            returned: 0 to multiplier · sent, whole.

        Raises:
            InputError: an amount the rules do not allow.

        >>> TrustGame().payoffs(4, 5)
        Payoffs(trustor=11, trustee=7)
        """
        own, most = check_amount(sent, self.endowment), self.multiplier * int(sent)
        if returned != int(returned) or not 0 <= returned <= most:
            raise InputError(
                f"returned={returned}: must be whole dollars from 0 to {self.multiplier} · {own} = {most}"
            )
        return Payoffs(self.endowment - own + int(returned), most - int(returned))

    def play(self, trustee: Trustee, sent: float, history: Sequence[Round] = ()) -> Round:
        """Return the round in which the trustee answers an amount.

        Raises:
            InputError: the amount cannot be sent, or the trustee returns more than it got.
        """
        own = check_amount(sent, self.endowment)
        returned = trustee.returns(own, history, self)
        self.payoffs(own, returned)
        return Round(own, int(returned))

    def best_replies(self, trustee: Trustee, history: Sequence[Round] = ()) -> tuple[int, ...]:
        """Return every amount that leaves a selfish trustor most in one round, smallest first.

        >>> [TrustGame().best_replies(FixedReturn(limit)) for limit in (0, 1, 3, 5)]
        [(0,), (0, 1), (1,), (2,)]
        """
        own = [self.payoffs(*self.play(trustee, sent, history)).trustor for sent in range(self.endowment + 1)]
        return tuple(sent for sent, left in enumerate(own) if left == max(own))


@runtime_checkable
class Trustee(Protocol):
    """Who gives back; any object with these two members plays."""

    @property
    def told(self) -> str:
        """What the trustor is told of the trustee before the game, one sentence; "" tells nothing."""
        ...

    def returns(self, sent: int, history: Sequence[Round], game: TrustGame) -> int:
        """Return what comes back, 0 to multiplier · sent, given earlier rounds."""
        ...


@dataclass(frozen=True)
class FixedReturn:
    """Returns min(limit, multiplier · sent): the paper's M1, M3 and M5; limit 0 is purely selfish."""

    limit: int

    def __post_init__(self) -> None:
        if self.limit < 0 or self.limit != int(self.limit):
            raise InputError(f"limit={self.limit}: must be a whole number of dollars >= 0")

    @property
    def told(self) -> str:
        """The rule."""
        limit = f"The other player returns at most {self.limit} dollars in each round"
        return f"{limit}, and less only if they receive less."

    def returns(self, sent: int, history: Sequence[Round], game: TrustGame) -> int:
        """Return min(limit, multiplier · sent)."""
        del history
        return min(self.limit, game.multiplier * sent)


@dataclass(frozen=True)
class TitForTat:
    """Returns half of what it got; nothing after a round in which less was sent than in the one before."""

    @property
    def told(self) -> str:
        """The rule."""
        half = "The other player returns half of what they receive"
        return f"{half}, but nothing in a round in which you give less than before."

    def returns(self, sent: int, history: Sequence[Round], game: TrustGame) -> int:
        """Return half of the multiplied amount, rounded down, or nothing."""
        return 0 if history and sent < history[-1].sent else game.multiplier * sent // 2


ARCHETYPES: dict[str, FixedReturn] = {f"M{limit}": FixedReturn(limit) for limit in (1, 3, 5)}
"""The trustees of the paper's individual games."""
