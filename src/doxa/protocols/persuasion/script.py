"""The protocol as scripts: the convincer's one argument, and a skeptic that reads it, answers and is asked.

1. Convincer: system = task and style; user = claim; it writes an argument.
2. Skeptic: system = persona; user = ""; assistant = claim; user = argument; it replies.
3. Skeptic, the same and its reply; user = opinion question; the answer begins with Yes or No.

Arguments are written once and read by every skeptic. The same question before any argument, which the paper does not
ask, tells what was changed. With several rounds the convincer hears the reply and argues again.
"""

from __future__ import annotations

from functools import cache

from doxa.errors import InputError
from doxa.protocols.dialogue import Script, Stage, Turn
from doxa.protocols.persuasion.verdicts import breaks_role

CONVINCER, SKEPTIC = "convincer", "skeptic"
QUESTION = "opinion"


def writing(retries: int = 0) -> Script:
    """Return the script of step 1.

    Args:
        retries: how often an argument that breaks its role is asked for again; the paper removed such ones.
    """
    turn = Turn(
        CONVINCER,
        "argument",
        prompt="{claim}",
        accept=(lambda text: not breaks_role(text)) if retries else None,
        retries=retries,
    )
    return Script("persuasion-writing", {CONVINCER: "{brief}"}, (Stage("argument", (turn,)),), label="{text}")


@cache
def reading(rounds: int = 1) -> Script:
    """Return the script of steps 2 and 3, the argument given.

    Args:
        rounds: exchanges of argument and reply, >= 1; with more than one the opinion is asked off the path after
            each, so that asking changes nothing that comes after.
    """
    if rounds < 1:
        raise InputError(f"rounds={rounds}: must be >= 1 exchange of argument and reply")
    stages = [Stage("claim", (Turn(SKEPTIC, "claim", text="{claim}", audience=()),))]
    for number in range(1, rounds + 1):
        last = rounds == 1
        # Whoever argues again has its claim and argument before it, as when it wrote the first.
        argument = (
            Turn(CONVINCER, "argument", prompt="{claim}", text="{argument}")
            if number == 1
            else Turn(CONVINCER, "argument")
        )
        stages += [
            Stage(f"argument {number}", (argument,)),
            Stage(f"reply {number}", (Turn(SKEPTIC, "reply"),)),
            Stage(
                f"opinion {number}",
                (
                    Turn(SKEPTIC, QUESTION, prompt="{question}", audience=())
                    if last
                    else Turn(SKEPTIC, QUESTION, prompt="{question}", audience=(), kept=None),
                ),
            ),
        ]
    return Script(
        f"persuasion-reading-{rounds}",
        {SKEPTIC: "{persona}", CONVINCER: "{brief}"},
        tuple(stages),
        label="{text}",
    )


def asking_before() -> Script:
    """Return the script that asks the skeptic before any argument."""
    stages = (
        Stage("claim", (Turn(SKEPTIC, "claim", text="{claim}", audience=()),)),
        Stage("before", (Turn(SKEPTIC, QUESTION, prompt="{question}", audience=()),)),
    )
    return Script("persuasion-before", {SKEPTIC: "{persona}"}, stages, label="{text}")
