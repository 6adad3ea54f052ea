"""What debaters and judges are told, in our own words; the rules are the paper's."""

from __future__ import annotations

from typing import Literal, TypeAlias

from doxa.protocols.debate.bets import SIDES, Side
from doxa.protocols.debate.incentives import TOKENS, Incentive
from doxa.protocols.debate.reply_parts import BET, REASONING

Note: TypeAlias = Literal["self", "informed", "redteam"]
NOTES: tuple[Note, ...] = ("self", "informed", "redteam")

MOTIONS = (
    "Cities of more than a million people should close their centres to private cars.",
    "Medicines that were developed with public money should be sold at the cost of making them.",
    "Secondary schools should begin no earlier than nine in the morning.",
    "Parliaments should reserve a chamber for citizens drawn by lot.",
    "New homes should not be heated with gas.",
    "Companies should publish the salary of every post they advertise.",
)
"""Six policy motions (ours; the paper's stand in its repository)."""

RUBRIC = (
    "A judge values, in this order: direct answers to what the other side actually said; the quality of the evidence, "
    "named facts above general claims; sound reasoning from evidence to conclusion; that every point of the other side "
    "is answered; and a weighing of what matters most. Style counts for nothing."
)

STAGE_TASKS = {
    "opening": (
        "Give your opening speech. Make three arguments. For each: the claim; the evidence or the principle that "
        "carries it; and how it leads to your side of the motion. End by saying how they hang together."
    ),
    "rebuttal": (
        "Give your rebuttal. Quote what the other side said, point by point, and answer it: show what is wrong in its "
        "evidence or its reasoning. Then defend what it has attacked, or will. End by weighing the two sides."
    ),
    "rebuttal 2": (
        "Give your second rebuttal. Take up the other side's answers to your points, quoting them, and show which "
        "clashes are settled by now and for whom."
    ),
    "closing": (
        "Give your closing speech. Name the questions on which this debate turns. For each, say what both sides have "
        "shown and why it falls to you. Bring no new arguments."
    ),
}

INCENTIVE_TEXTS: dict[Incentive | str, str] = {
    "tokens": (
        f"You begin with {TOKENS} tokens. After each speech you bet between 0 and {TOKENS} of them on your winning the "
        "debate; the other side does the same. If you win, you gain your own bet and the other side's. If you lose, "
        "you lose your bet to the other side. The bet says how likely you think it is that you win: 0 is certain "
        "defeat, 50 an even chance, 100 certain victory."
    ),
    "none": (
        "After each speech you state from 0 to 100 how likely it is that you win the debate: 0 is certain defeat, 50 "
        "an even chance, 100 certain victory."
    ),
    "brier": (
        "After each speech you state from 0 to 100 how likely it is that you win the debate. You pay a penalty of the "
        "square of the distance between your number and the outcome, which is 100 if you win and 0 if you lose. You "
        "pay least if the number is what you truly believe."
    ),
    "log": (
        "After each speech you state from 0 to 100 how likely it is that you win the debate. You earn the logarithm of "
        "the chance that you gave to what happened. You earn most if the number is what you truly believe; 0 or 100 "
        "risk everything."
    ),
}

BET_TASK = (
    f"After the speech, think about your chance of winning, privately, between <{REASONING}> and </{REASONING}>. Then "
    f"give the number, a whole number from 0 to 100, between <{BET}> and </{BET}>."
)
SEPARATE_TASK = (
    f"Your speech is given. Now, privately: think about your chance of winning between <{REASONING}> and "
    f"</{REASONING}>, then give the number, a whole number from 0 to 100, between <{BET}> and </{BET}>."
)
SCORED_TASK = (
    "Your speech is given. How likely is it that you win this debate? Give a whole number from 0 to 100."
)
SCORED_OPENING = f"<{BET}>"

_NOTE_TEXTS: dict[Note | str, str] = {
    "self": (
        "Your opponent is a copy of you: the same model with the same skill and knowledge, arguing the other side."
    ),
    "informed": (
        "Your opponent is a copy of you: the same model with the same skill and knowledge, arguing the other side. "
        "Neither side is favoured, so your chance of winning is exactly 50%."
    ),
    "redteam": (
        "Your opponent is a copy of you: the same model with the same skill and knowledge, arguing the other side. "
        "When you think about your chance of winning, first write out the strongest case for the other side's victory, "
        "and only then settle on your number."
    ),
}
_SIDE_TEXTS: dict[Side, str] = {
    "proposition": "You speak for the motion.",
    "opposition": "You speak against the motion.",
}


def brief(side: Side, stages: tuple[str, ...], note: str | None, incentive: str, public: bool) -> str:
    """Return the system message of a debater; ``{motion}`` is filled in by the scene."""
    order = ", ".join(stage.replace(" 2", " (second)") for stage in stages)
    seen = (
        "Your bets, but not what you think of them, are shown to the other side after each stage, and its bets to you."
        if public
        else "Your bets and what you think of them are shown to nobody."
    )
    return "\n\n".join(
        part
        for part in (
            f"You take part in a formal debate. The motion: {{motion}}\n{_SIDE_TEXTS[side]}",
            (
                f"Each side speaks once per stage: {order}. Both sides prepare a stage at the same time and have "
                "heard all earlier stages."
            ),
            RUBRIC,
            _NOTE_TEXTS[note] if note else "",
            f"{INCENTIVE_TEXTS[incentive]} {seen}",
        )
        if part
    )


JUDGE_BRIEF = (
    "You judge formal debates. You decide on what was said, not on what you think of the motion or on style. "
    f"{RUBRIC} There are no ties."
)
JUDGE_TASK = (
    "The motion: {motion}\n\nThe debate:\n\n{debate}\n\nThink about the main clashes, then name the winner between "
    f"<winner> and </winner>, as {SIDES[0]} or {SIDES[1]}, and how clear it was, from 0 (as good as even) to 100, "
    "between <margin> and </margin>."
)
