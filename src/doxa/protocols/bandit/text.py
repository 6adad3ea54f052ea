"""Bandits in English: one task in two wordings, and how the arm is read from an answer.

Task, feedback and parser are ours; the published wording is known from its description only. A player is told of arms
with unknown and noisy payoffs, is to collect as many points as it can over a known number of rounds, is asked to try
every arm before it settles, and answers with a thought and then one action.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from doxa.belief.action_entropy import INVALID
from doxa.subjects.base import Conversation, assistant, user

Wording: TypeAlias = Literal["buttons", "machines"]

LABELS = ("red", "blue", "green", "yellow", "purple", "orange")
"""Names of the arms in their order; an answer may give the number instead, counted from 1."""


class Words(NamedTuple):
    """What a wording calls things."""

    thing: str
    things: str
    act: str
    acted: str


WORDINGS: dict[Wording, Words] = {
    "buttons": Words("button", "buttons", "press", "pressed"),
    "machines": Words("slot machine", "slot machines", "play", "played"),
}

TASK = (
    "In front of you are {count} {things}: {names}. Each time you {act} one of them it pays you a number of points. "
    "Each {thing} has its own average payoff, which you do not know, and every single payoff varies at random around "
    "that average. You {act} a {thing} once in each of {horizon} rounds. Your goal is to collect as many points in "
    "total as you can. Try every {thing} before you settle on one.\n\n"
    "In each round answer in exactly two lines. The first line begins with 'Thought:' and says in a few sentences how "
    "you decide. The second line begins with 'Action:' and names one {thing} and nothing else, for example "
    "'Action: {example}'."
)


def parse_action(text: str, arms: int) -> int:
    r"""Return the arm that a text names in its last "Action:" line, counted from 0; ``INVALID`` where there is none.

    An arm is named by its label or its number, in any case, once or more. Two different arms are no answer.

    >>> parse_action("Thought: even.\nAction: the Blue button", 2), parse_action("Action: red or blue", 2)
    (1, -1)
    >>> parse_action("action: 2", 2), parse_action("I press red.", 2)
    (1, -1)
    """
    lines = re.findall(r"(?im)\baction\W*:([^\n]*)", text)
    if not lines:
        return INVALID
    named = {
        arm
        for arm in range(arms)
        if re.search(rf"(?i)(?<![\w.]){LABELS[arm]}(?!\w)|(?<![\w.,-]){arm + 1}(?![\w]|[.,]\d)", lines[-1])
    }
    return named.pop() if len(named) == 1 else INVALID


def action_written(text: str) -> bool:
    """Return whether a text has an "Action:" line that is over, so that more of it cannot change the answer."""
    return re.search(r"(?i)\baction\W*:[^\S\n]*\S[^\n]*\n", text) is not None


def task_text(wording: Wording, arms: int, horizon: int) -> str:
    """Return the task."""
    names = ", ".join(f"{arm + 1} ({LABELS[arm]})" for arm in range(arms))
    words = WORDINGS[wording]._asdict()
    return TASK.format(**words, count=arms, names=names, horizon=horizon, example=LABELS[0])


def question(wording: Wording, horizon: int, played: int) -> str:
    """Return what is asked after so many rounds."""
    words = WORDINGS[wording]
    return f"Round {played + 1} of {horizon}. Which {words.thing} do you {words.act}?"


def dialogue(
    wording: Wording,
    arms: int,
    horizon: int,
    pulled: Sequence[int],
    rewards: Sequence[float],
    said: Sequence[str],
) -> Conversation:
    """Return the task followed by every earlier answer and what it paid.

    Args:
        wording: ``buttons`` or ``machines``.
        arms: how many there are.
        horizon: rounds.
        pulled: arm of each round played.
        rewards: what each paid.
        said: the answer given in each.
    """
    first = f"{task_text(wording, arms, horizon)}\n\n{question(wording, horizon, 0)}"
    messages = [user(first)]
    for place, (arm, reward, text) in enumerate(zip(pulled, rewards, said, strict=True)):
        paid = f"You {WORDINGS[wording].acted} {LABELS[arm]} and received {reward:.1f} points."
        messages += [assistant(text.strip()), user(f"{paid}\n\n{question(wording, horizon, place + 1)}")]
    return tuple(messages)


def summary(
    wording: Wording, arms: int, horizon: int, pulled: Sequence[int], rewards: Sequence[float]
) -> Conversation:
    """Return the task followed by how often each arm was pulled and what it paid on average."""
    lines: list[str] = []
    for arm in range(arms):
        own = [reward for one, reward in zip(pulled, rewards, strict=True) if one == arm]
        paid = f"{sum(own) / len(own):.1f} points on average" if own else "nothing yet"
        lines.append(f"{arm + 1} ({LABELS[arm]}): {WORDINGS[wording].acted} {len(own)} times, {paid}")
    told = "\n".join(lines)
    asked = question(wording, horizon, len(pulled))
    return (user(f"{task_text(wording, arms, horizon)}\n\nSo far:\n{told}\n\n{asked}"),)


def conversation_text(conversation: Conversation) -> str:
    """Return a conversation as one text, for a record."""
    return "\n\n".join(f"{message.role}: {message.content}" for message in conversation)
