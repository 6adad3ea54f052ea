"""What prompts, readers and measures need of a game in which a player gives a whole amount out of an endowment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from doxa.errors import InputError


class Trait(NamedTuple):
    """What an amount is taken to show of a person, in the words of questions about groups.

    Attributes:
        name: such as "interpersonal trust".
        meaning: what is asked of it, such as "how far do they trust other people".
        noun: its short name.
        adjective: what those with more of it are more of.
    """

    name: str
    meaning: str
    noun: str
    adjective: str


TRUST = Trait("interpersonal trust", "how far do they trust other people", "trust", "trusting")


@runtime_checkable
class MoneyGame(Protocol):
    """The rules of one decision; any object with these members can be asked about and played."""

    @property
    def name(self) -> str:
        """One word."""
        ...

    @property
    def endowment(self) -> int:
        """What the player has, in whole dollars."""
        ...

    @property
    def rules(self) -> str:
        """The rules in English, told to the one who plays; what is done with an amount is to "give" it."""
        ...

    @property
    def players(self) -> str:
        """A sentence that says who plays, before groups of players are listed."""
        ...

    @property
    def opposite(self) -> str:
        """What the outcome hangs on, such as "the other player"."""
        ...

    @property
    def trait(self) -> Trait:
        """What the amount is taken to show."""
        ...


@dataclass(frozen=True)
class Multiplied:
    """What games have whose amounts are multiplied.

    Attributes:
        endowment: what the player has, in whole dollars, >= 1.
        multiplier: what a given dollar becomes, >= 1.
    """

    endowment: int = 10
    multiplier: int = 3

    def __post_init__(self) -> None:
        check_whole("endowment", self.endowment)
        check_whole("multiplier", self.multiplier)


def check_whole(name: str, value: float) -> None:
    """Raise InputError unless a number of the rules is whole and at least 1."""
    if isinstance(value, bool) or value != int(value) or value < 1:
        raise InputError(f"{name}={value}: must be a whole number >= 1")


def check_amount(sent: float, endowment: int) -> int:
    """Return an amount as whole dollars that can be given.

    Raises:
        InputError: it is negative, above the endowment or not whole.
    """
    if sent != int(sent):
        raise InputError(f"sent={sent}: must be whole dollars; whole numbers are asked for")
    if not 0 <= sent <= endowment:
        raise InputError(f"sent={sent}: must be 0 to {endowment}, the endowment in dollars")
    return int(sent)
