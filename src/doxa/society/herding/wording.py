"""What a planner, an oracle, an agent and a blind reader are told, in our own words.

The state is whether a new car is good, action G is to buy it. A planner may choose how reliable the next buyer's tip
is, and nothing else; an oracle turns a reliability and a drawn verdict into words; an agent reads them and acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from doxa.society.herding.choices import Aim


class Seen(NamedTuple):
    """One earlier agent as all can see it: how reliable its tip was, and whether it bought."""

    precision: float
    bought: bool


FACTS = {
    True: (
        "in a test over 20,000 km nothing had to be repaired",
        "owners of the maker's previous model report few faults",
        "the braking distance is shorter than that of its class",
        "the price includes five years of service",
        "it used less fuel than stated in an independent test",
        "its resale value is forecast to be high",
    ),
    False: (
        "in a test over 20,000 km the gearbox had to be replaced",
        "owners of the maker's previous model report many faults",
        "the braking distance is longer than that of its class",
        "the warranty leaves out the electronics",
        "it used more fuel than stated in an independent test",
        "its resale value is forecast to be low",
    ),
}
"""What an oracle may build its tips of, for a good verdict and for a bad one; as likely true of some car as not."""

PERSONAS = (
    "You are a careful retired engineer who compares every figure before you spend money.",
    "You are a busy parent of three who needs a car soon and trusts what others chose.",
    "You are a young commuter with little money who dislikes risk.",
    "You are an enthusiast who reads every review and likes to make up your own mind.",
)

GOALS: dict[Aim, str] = {
    "right": "You want every buyer to decide rightly: to buy the car if it is good, and not to buy it if it is bad.",
    "G": "You want every buyer to buy the car, whether it is good or bad.",
}


def planner_brief(aim: Aim, baseline: float, k: float, discount: float) -> str:
    """Return what a planner is told of its task."""
    least = "It may not be below that." if aim == "right" else "It may be above or below that."
    return (
        "A new car has come to market. It is good or bad; nobody knows which, and you know no more than the public. "
        "Buyers decide one after another. Each sees what all earlier buyers did and how reliable their tips were, and "
        "gets one private tip about the car. You cannot see the tip, change it or choose what it says. You only set "
        "how reliable it is: the chance, from 0.5 (worthless) to 1 (certain), that it tells the truth. All buyers see "
        f"your choice. Without you it is {baseline:g}. {least} Each change costs {k:g} times its size; a decision "
        f"against your goal costs 1. Later buyers count {discount:g} times as much as the one before. {GOALS[aim]}"
    )


def planner_question(history: Sequence[Seen], belief: float | None) -> str:
    """Return the question how reliable the next tip is to be.

    Args:
        history: the earlier buyers.
        belief: the public belief that the car is good, told as a number; None leaves it to be worked out.
    """
    told = "" if belief is None else f" From what they did, the chance that the car is good is {belief:.3f}."
    return (
        f"{history_text(history)}{told}\n\nHow reliable is the next buyer's tip to be? Think briefly, then end with "
        "the number between tags, for example <number>0.70</number>."
    )


def precision_again(said: str) -> str:
    """Return the question to a planner whose number is no precision."""
    return (
        f"You answered {said}. A reliability is a number from 0.5 to 1. If you meant per cent, divide by 100. Give "
        "the number again between tags, for example <number>0.70</number>."
    )


ORACLE_BRIEF = (
    "You write short private tips about a new car. You are given a verdict and how reliable it is: the chance "
    "that the verdict is true. Write two or three sentences that give the verdict and sound exactly as sure as "
    "that. A reader who thought both equally likely before should think the verdict as likely as stated "
    "afterwards. At 0.5 a tip is worthless and must leave its reader where he was. Use at most two of the facts "
    "listed. Give no numbers or percentages and do not mention these instructions."
)


def oracle_question(precision: float, good: bool) -> str:
    """Return the task of writing one tip."""
    facts = "\n".join(f"- {fact}" for fact in FACTS[good])
    return (
        f"Verdict: the car is {'good' if good else 'bad'}.\nReliability: {precision:.2f}\nFacts you may use:\n"
        f"{facts}\n\nWrite the tip and nothing else."
    )


READER_BRIEF = (
    "You judge short tips about a new car that is good or bad. Before a tip both are equally likely. You know neither "
    "who wrote it nor why."
)


def reader_question(message: str) -> str:
    """Return the question of what a tip alone is worth."""
    return (
        f'The tip:\n"{message}"\n\nHow likely is it now, from 0 to 100, that the car is good? End with the number '
        "between tags, for example <number>50</number>."
    )


def agent_question(before: str, precision: float, message: str) -> str:
    """Return the question to an agent.

    Args:
        before: what it knows of those before it, see ``history_text`` and ``belief_text``.
        precision: the announced reliability of its tip.
        message: the tip.
    """
    return (
        "You are deciding whether to buy a new car that is either good or bad. Buying a bad one and not buying a good "
        f"one are equally costly mistakes.\n\n{before}\n\nYour own private tip tells the truth with a chance of "
        f'{precision:.2f}. It reads:\n"{message}"\n\nHow likely do you think it is, from 0 to 100, that the car is '
        'good, and do you buy it? Answer with one JSON object such as {"belief": 50, "buy": true}.'
    )


def belief_text(belief: float) -> str:
    """Return the public belief in words, in place of a history."""
    return (
        "Others have decided before you. Somebody who knows what all of them did, and how reliable their tips were, "
        f"puts the chance that the car is good at {100.0 * belief:.0f} per cent."
    )


def history_text(history: Sequence[Seen]) -> str:
    """Return what earlier buyers did."""
    if not history:
        return "Nobody has decided yet; at the outset good and bad are equally likely."
    lines = "\n".join(
        f"Buyer {number}: tip of reliability {one.precision:.2f}, {'bought' if one.bought else 'did not buy'}"
        for number, one in enumerate(history, 1)
    )
    return f"At the outset good and bad were equally likely. Those who decided so far:\n{lines}"
