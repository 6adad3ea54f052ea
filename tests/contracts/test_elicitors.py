"""Every registered elicitor keeps its contract, and the one that needs a task too."""

from __future__ import annotations

import pytest

from doxa.elicit.elicitors import ForcedChoice, Likert, elicitors
from doxa.elicit.questions import Question, micro_question
from doxa.errors import InputError
from doxa.protocols.context_drift import load_items
from doxa.protocols.context_drift.elicitors import (
    ReasonedAgreement,
    ReasonedChoice,
    TerminalChoice,
    agreement_question,
    choice_question,
    terminal_question,
)
from doxa.subjects.base import Sampling
from doxa.subjects.planted import PlantedSubject
from doxa.testing import check_elicitor
from doxa.worlds.micro import Fact as MicroFact
from doxa.worlds.micro import IsTrue, Supports

OWN_PROMPT = Question(
    "own",
    "the tax is good",
    "do you support the tax ?\nOptions:\n(A) Yes\n(B) No\nAnswer:",
    options=("A", "B"),
    labels=("Yes", "No"),
)


@pytest.mark.parametrize("name", elicitors.names())
def test_registered(name: str) -> None:
    elicitor = elicitors.get(name)()
    assert elicitor.name == name
    if name == "letter":
        check_elicitor(elicitor, OWN_PROMPT)
    else:
        check_elicitor(elicitor)


@pytest.mark.parametrize(
    "elicitor",
    [Likert(low=1, high=7), Likert(counterbalanced=True), Likert(low=0, high=9), ForcedChoice(way="text")],
)
def test_settings(elicitor: Likert | ForcedChoice) -> None:
    steps = elicitor.high - elicitor.low if isinstance(elicitor, Likert) else 100
    check_elicitor(elicitor, tolerance=0.5 / steps + 0.011)


@pytest.mark.parametrize("question", [Supports("tax"), IsTrue(MicroFact("peru", "red"))])
def test_micro_questions(question: Supports | IsTrue) -> None:
    check_elicitor(ForcedChoice(), micro_question(question))


ITEM = next(item for item in load_items() if item.id == "congestion-charge")


@pytest.mark.parametrize(
    ("elicitor", "question"),
    [
        (ReasonedChoice(), choice_question(ITEM)),
        (ReasonedAgreement(), agreement_question(ITEM)),
        (TerminalChoice(tasks={ITEM.id: ITEM.tools}), terminal_question(ITEM)),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_battery(elicitor: ReasonedChoice | ReasonedAgreement | TerminalChoice, question: Question) -> None:
    check_elicitor(elicitor, question)


def test_a_question_without_its_task_is_refused() -> None:
    with pytest.raises(InputError, match="'congestion-charge' has no task; give it one"):
        TerminalChoice().elicit(
            PlantedSubject.open("noise", {}), [()], [terminal_question(ITEM)], sampling=Sampling()
        )
    with pytest.raises(InputError, match="3 options; reasoned-choice takes two"):
        ReasonedChoice().wordings(Question("q", "p", "Which?", ("a", "b", "c")))
