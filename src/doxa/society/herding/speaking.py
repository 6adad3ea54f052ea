"""Subjects as planner, oracle, agent and blind reader: questions out, numbers back, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from doxa.belief.information import logit
from doxa.elicit.numbers import read_number
from doxa.elicit.reading import Found
from doxa.elicit.structured import Field, read_json
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.dialogue import Scene, Script, Seat, Situation, Stage, Transcript, Turn, play
from doxa.society.herding import wording
from doxa.subjects.base import Sampling, Subject

ROLE = "asked"
CLIP_BELIEF = 0.99
"""Stated beliefs of 0 and 100 have infinite log-odds; all are clipped to 1 and 99 per cent."""


class Question(NamedTuple):
    """One question to a subject.

    Attributes:
        id: unique among those asked together.
        brief: the system message.
        text: what is asked.
        replicate: which of several equal questions it is; each is another draw.
    """

    id: str
    brief: str
    text: str
    replicate: int = 0


class Chosen(NamedTuple):
    """A precision that a planner chose, or why there is none.

    Attributes:
        precision: in [1/2, 1], None if it could not be read.
        clipped: whether it lay outside and was moved to the nearer end.
        asked_again: whether a number such as 70 had to be asked about.
        missing: why there is none.
    """

    precision: float | None
    clipped: bool = False
    asked_again: bool = False
    missing: str = ""


class Answer(NamedTuple):
    """What an agent stated and did, or why that is not known.

    Attributes:
        belief: that the car is good, in [0, 1].
        bought: whether it bought.
        missing: why nothing could be read.
    """

    belief: float | None
    bought: bool | None
    missing: str = ""

    @property
    def log_odds(self) -> float | None:
        """The stated log-odds, clipped, in nats."""
        if self.belief is None:
            return None
        return float(logit(min(max(self.belief, 1.0 - CLIP_BELIEF), CLIP_BELIEF)))


def ask(
    subject: Subject,
    name: str,
    questions: Sequence[Question],
    sampling: Sampling,
    *,
    again: Callable[[str], str] | None = None,
    keep: Keep = keep_none,
) -> list[Transcript]:
    """Ask many questions at once.

    Args:
        subject: who is asked.
        name: of the script.
        questions: any number.
        sampling: how replies are drawn.
        again: returns what to ask after a reply, "" for nothing; None never asks again.
        keep: keeps the replies of subjects on this machine.

    Returns:
        One transcript per question, in order.
    """
    stages = [Stage("ask", (Turn(ROLE, "answer", "{question}"),))]
    if again is not None:
        follow_up = again

        def prompt(now: Situation) -> str:
            return follow_up(now.said[-1].text)

        def needed(talk: Transcript) -> bool:
            return bool(follow_up(talk.said[-1].text))

        stages.append(Stage("again", (Turn(ROLE, "answer", prompt),), when=needed))
    script = Script(f"herding-{name}", {ROLE: "{brief}"}, tuple(stages))
    seat = Seat(subject, sampling=sampling)
    scenes = [
        Scene(one.id, {ROLE: seat}, {"brief": one.brief, "question": one.text}, replicate=one.replicate)
        for one in questions
    ]
    return play(script, scenes, keep=keep)


def read_chosen(talk: Transcript) -> Chosen:
    """Return the precision of a planner's last answer; one outside [1/2, 1] but within [0, 1] is clipped."""
    again = len(talk.said) > 1
    if talk.stopped:
        return Chosen(None, asked_again=again, missing=talk.stopped)
    found = read_number(talk.said[-1].text, 0.0, 1.0)
    if not isinstance(found, Found):
        return Chosen(None, asked_again=again, missing=getattr(found, "reason", "refusal"))
    q = float(found.value)
    return Chosen(max(q, 0.5), clipped=q < 0.5, asked_again=again)


def ask_what_was_meant(text: str) -> str:
    """Return the question about a number above 1, such as 70 for 0.7; "" where there is none."""
    if isinstance(read_number(text, 0.0, 1.0), Found):
        return ""
    found = read_number(text, 1.0, 100.0)
    return wording.precision_again(f"{float(found.value):g}") if isinstance(found, Found) else ""


def read_answer(talk: Transcript) -> Answer:
    """Return what an agent stated and did."""
    if talk.stopped:
        return Answer(None, None, talk.stopped)
    found = read_json(talk.said[-1].text, {"belief": Field("number", 0, 100), "buy": Field("boolean")})
    if not isinstance(found, Found):
        return Answer(None, None, getattr(found, "reason", "refusal"))
    return Answer(float(found.value["belief"]) / 100.0, bool(found.value["buy"]))


def read_belief(talk: Transcript) -> Answer:
    """Return what a blind reader believes."""
    if talk.stopped:
        return Answer(None, None, talk.stopped)
    found = read_number(talk.said[-1].text, 0.0, 100.0)
    if not isinstance(found, Found):
        return Answer(None, None, getattr(found, "reason", "refusal"))
    return Answer(float(found.value) / 100.0, None)
