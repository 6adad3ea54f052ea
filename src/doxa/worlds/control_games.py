"""Games that share a part of the trust game, so that a difference to them shows what the other part does.

In the dictator game with the same multiplier nothing comes back: what is sent above it is trust rather than generosity
(Cox 2004, How to identify trust and reciprocity). In the lottery chance decides in place of a person (after the
investment task of Gneezy and Potters 1997; its odds are ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from doxa.errors import InputError, did_you_mean
from doxa.worlds.money_game import MoneyGame, Multiplied, Trait, check_amount
from doxa.worlds.trust_game import TrustGame

GENEROSITY = Trait(
    "generosity", "how much do they give to others at a cost to themselves", "generosity", "generous"
)
RISK = Trait(
    "willingness to take risks",
    "how far do they take risks with their money",
    "willingness to take risks",
    "willing to take risks",
)


class Shares(NamedTuple):
    """What both have in the end, in dollars."""

    giver: int
    receiver: int


class Outcomes(NamedTuple):
    """What is left after a lottery, in dollars."""

    won: int
    lost: int


@dataclass(frozen=True)
class DictatorGame(Multiplied):
    """A gift that is multiplied on its way and kept.

    Attributes:
        endowment: what the giver has, in whole dollars, >= 1.
        multiplier: what a given dollar becomes, >= 1; 3 is that of the trust game, 1 the usual dictator game.
    """

    name = "dictator"
    players = "Many people play it as the one who gives."
    opposite = "the other player"
    trait = GENEROSITY

    @property
    def rules(self) -> str:
        """The rules."""
        way = f" What you give is multiplied by {self.multiplier} on its way." if self.multiplier > 1 else ""
        return (
            f"The dictator game is played by two people who do not know each other. You have {self.endowment} dollars. "
            f"You give the other player a whole number of dollars from 0 to {self.endowment}.{way} The other player "
            "keeps it and can return nothing. You keep what you did not give."
        )

    def payoffs(self, sent: float) -> Shares:
        """Return what both have after a gift.

        Raises:
            InputError: the amount cannot be given.

        >>> DictatorGame().payoffs(4)
        Shares(giver=6, receiver=12)
        """
        own = check_amount(sent, self.endowment)
        return Shares(self.endowment - own, self.multiplier * own)


@dataclass(frozen=True)
class LotteryGame(Multiplied):
    """A stake that comes back multiplied by a chance, and otherwise is lost.

    Attributes:
        endowment: what the player has, in whole dollars, >= 1.
        multiplier: what a staked dollar becomes when the lottery pays, >= 1.
        percent: the chance that it pays, in percent, between 0 and 100.
    """

    name = "lottery"
    players = "Many people play it."
    opposite = "the lottery"
    trait = RISK
    percent: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.percent < 100:
            raise InputError(
                f"percent={self.percent}: must be between 0 and 100, else nothing is left to chance"
            )

    @property
    def rules(self) -> str:
        """The rules."""
        return (
            f"In the lottery game nobody else takes part. You have {self.endowment} dollars. You give the lottery a "
            f"whole number of dollars from 0 to {self.endowment}. With a chance of {self.percent} percent it pays back "
            f"{self.multiplier} times what you gave, otherwise nothing. You keep what you did not give."
        )

    def outcomes(self, sent: float) -> Outcomes:
        """Return what is left if the lottery pays and if it does not.

        Raises:
            InputError: the amount cannot be given.

        >>> LotteryGame().outcomes(4)
        Outcomes(won=18, lost=6)
        """
        own = check_amount(sent, self.endowment)
        return Outcomes(self.endowment - own + self.multiplier * own, self.endowment - own)


CONTROL_GAMES = ("dictator", "lottery")
"""Games that can be played beside the trust game."""


def game_named(name: str, endowment: int) -> MoneyGame:
    """Return a game by its name with the usual multiplier and odds.

    Raises:
        InputError: an unknown name.
    """
    if name == "trust":
        return TrustGame(endowment)
    if name == "dictator":
        return DictatorGame(endowment)
    if name == "lottery":
        return LotteryGame(endowment)
    raise InputError(f"game={name!r}: {did_you_mean(name, ('trust', *CONTROL_GAMES))}")
