"""The trust game in English: what is asked about groups of people, and what a person who plays is told.

Wording is ours; the published prompts are known by their content. A level is always written with its attribute, such as
"Openness: High", so that equal spellings of two attributes stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from doxa.errors import InputError, did_you_mean
from doxa.subjects.base import Conversation, user
from doxa.worlds.money_game import TRUST, MoneyGame, Trait
from doxa.worlds.trust_game import Round, TrustGame

Strategy: TypeAlias = Literal["NOCTX+TR", "CTX+TR", "CTX+$"]
"""How a belief is asked for: the trait (interpersonal trust) without and with the rules of the game, or dollars with
them."""
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Style: TypeAlias = Literal["bdi", "thought-action"]
"""``bdi`` asks for belief, desire and intention; ``thought-action`` for a thought and an action."""
STYLES: tuple[Style, ...] = get_args(Style)

GROUP_SIZE = 100
"""People that each group has when dollars are asked for."""

LABELS: dict[str, str] = {
    "age": "Age",
    "conscientiousness": "Conscientiousness",
    "openness": "Openness",
    "family_structure_at_16": "Family structure at 16",
    "highest_degree_received": "Highest degree",
    "political_views": "Political views",
    "same_residence_since_16": "Residence compared with age 16",
    "us_citizenship_status": "US citizenship",
    "work_status": "Work status",
}
"""How attributes are written, where not as they are."""

GIVE = "Finally, I will give "
"""What the last sentence of an answer begins with."""
BEFORE = {"bdi": GIVE, "thought-action": "Action: give "}
"""What stands before the number in each style."""


def label(attribute: str) -> str:
    """Return how an attribute is written.

    >>> label("openness"), label("marital_status")
    ('Openness', 'Marital status')
    """
    return LABELS.get(attribute, attribute.replace("_", " ").capitalize())


def phrase(attribute: str, level: str) -> str:
    """Return a level with its attribute.

    >>> phrase("age", "18-29")
    'Age: 18-29'
    """
    return f"{label(attribute)}: {level}"


def profile_text(persona: Mapping[str, object], attributes: Sequence[str]) -> str:
    """Return the profile of a persona; attributes it has no value for are left out."""
    lines = [phrase(name, str(persona[name])) for name in attributes if persona.get(name) is not None]
    return "You are the person described here.\n" + "\n".join(f"- {line}" for line in lines)


ASK_DOLLARS = (
    "How many dollars does each group give? Answer with one line for each group and nothing else, with the group "
    "spelled as above, then the mean and the standard deviation in dollars: 'GROUP = mean M, SD S'."
)
NOBODY = "You are a person who takes part in a study."
"""The profile of the persona-free baseline."""


def ask_trait(trait: Trait) -> str:
    """Return the question how groups differ in a trait."""
    return (
        f"How does their {trait.name} differ, that is, {trait.meaning}? Answer in two lines. The first is 'Ranking: ' "
        f"and all groups, spelled as above, from most to least {trait.adjective} with ' > ' between them. The second "
        f"is 'Effect size: ' and eta squared, the share of the differences in {trait.noun} that the attribute "
        "explains, as a number from 0 to 1, or small, medium or large."
    )


def conditioning_text(rankings: Mapping[str, Sequence[str]], trait: Trait = TRUST) -> str:
    """Return orderings as sentences, the group with most of a trait first, one for each level but the last.

    >>> conditioning_text({"openness": ("High", "Moderate", "Low")}).split(". ")[0]
    'People with "Openness: High" are more trusting than people with "Openness: Moderate" or "Openness: Low"'
    """
    told = [" ".join(_sentences(attribute, ranking, trait)) for attribute, ranking in rankings.items()]
    return "\n".join(told)


def _sentences(attribute: str, ranking: Sequence[str], trait: Trait) -> list[str]:
    if len(ranking) < 2:
        raise InputError(
            f"ranking of {attribute}: {list(ranking)} has fewer than two levels; nothing is ordered"
        )
    named = [f'"{phrase(attribute, level)}"' for level in ranking]
    return [
        f"People with {own} are more {trait.adjective} than people with {' or '.join(named[place + 1 :])}."
        for place, own in enumerate(named[:-1])
    ]


def ending(game: MoneyGame, style: Style | str) -> str:
    """Return how an answer is to be given."""
    whole = f"a whole number from 0 to {game.endowment}"
    if style == "bdi":
        return (
            f"State your belief about {game.opposite}, your desire and your intention, one sentence each. End with the "
            f"sentence '{GIVE}N dollars.', with {whole} for N."
        )
    if style == "thought-action":
        return (
            "Answer in two lines. The first begins with 'Thought:' and says in a sentence or two how you decide. The "
            f"second is 'Action: give N dollars', with {whole} for N."
        )
    raise InputError(f"style={style!r}: {did_you_mean(style, STYLES)}")


def play_prompt(
    profile: str, game: MoneyGame, *, conditioning: str = "", style: Style = "bdi"
) -> Conversation:
    """Return the prompt of a one-shot game.

    Args:
        profile: from :func:`profile_text`, or ``NOBODY``.
        game: the rules.
        conditioning: from :func:`conditioning_text`, "" for none.
        style: how the answer is to be given.
    """
    asked = "How many dollars do you give? " + ending(game, style)
    return (user("\n\n".join(part for part in (conditioning, profile, game.rules, asked) if part)),)


def belief_prompt(attribute: str, levels: Sequence[str], strategy: Strategy, game: MoneyGame) -> Conversation:
    """Return the prompt that asks how an attribute goes with what a game shows.

    Args:
        attribute: which.
        levels: its levels, in the order they are listed.
        strategy: how it is asked.
        game: the rules, shown where the strategy has them.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy={strategy!r}: {did_you_mean(strategy, STRATEGIES)}")
    listed = "\n".join(f"- {phrase(attribute, level)}" for level in levels)
    parts = [] if strategy == "NOCTX+TR" else [game.rules]
    if strategy == "CTX+$":
        parts += [
            f"{game.players} They are grouped by one attribute, {GROUP_SIZE} people in each group:\n{listed}",
            ASK_DOLLARS,
        ]
    else:
        parts += [
            f"People in the United States are grouped by one attribute:\n{listed}",
            ask_trait(game.trait),
        ]
    return (user("\n\n".join(parts)),)


def rounds_prompt(profile: str, game: TrustGame, told: str, rounds: int, asked: str) -> Conversation:
    """Return the prompt of a repeated game before a question.

    Args:
        profile: whose.
        game: the rules of a round.
        told: what is known of the other player.
        rounds: how many there are.
        asked: the question.
    """
    whole = f"You play {rounds} rounds with the same player and have {game.endowment} new dollars in each round. {told}"
    return (user("\n\n".join((profile, game.rules, whole.rstrip(), asked))),)


def forecast_question(round_number: int, game: TrustGame, style: Style) -> str:
    """Return the question before the game how much will be given in a round, counted from 1."""
    return f"The game has not begun. How many dollars will you give in round {round_number}? {ending(game, style)}"


def round_question(history: Sequence[Round], game: TrustGame, style: Style) -> str:
    """Return what happened so far and the question of the next round."""
    told = [
        f"Round {number}: you gave {one.sent} dollars and {one.returned} dollars were returned."
        for number, one in enumerate(history, 1)
    ]
    return "\n".join(
        [*told, f"Round {len(history) + 1} begins. How many dollars do you give? {ending(game, style)}"]
    )
