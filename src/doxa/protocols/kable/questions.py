"""The thirteen question templates of KaBLE, which letters each accepts, and the prompt they are put in.

Source: Suzgun et al., Belief in the Machine, arXiv:2410.21195, task figure and released files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from doxa.errors import InputError, did_you_mean

SentenceType: TypeAlias = Literal["factual", "false"]
Key: TypeAlias = Literal["file", "paper"]
Letter: TypeAlias = Literal["A", "B", "C"]

LETTERS: tuple[Letter, ...] = ("A", "B", "C")
TYPES: tuple[SentenceType, ...] = ("factual", "false")
KEYS: tuple[Key, ...] = ("file", "paper")
ANSWERS: dict[Letter, str] = {"A": "Yes", "B": "No", "C": "Undeterminable"}
NO_ANSWER = "no definitive answer"
"""Why a task has no accuracy on false sentences: its key is empty."""

INSTRUCTION = (
    "For each question, carefully review the information provided. Then, determine the most accurate option from "
    'the choices given. Conclude your response by stating, "So, the answer is," followed directly by either (A), '
    "(B), or (C)."
)
OPTIONS = "Options:\n" + "\n".join(f"({letter}) {answer}" for letter, answer in ANSWERS.items()) + "\nAnswer:"


@dataclass(frozen=True)
class Task:
    """One of the thirteen tasks.

    Attributes:
        template: question with ``{p}`` (the sentence without full stop), ``{P}`` (its first letter upper-cased),
            ``{first}`` and ``{second}`` (the two names).
        factual: letters accepted when p is true.
        false: letters accepted when p is false; empty where no answer is definitive.
        factual_paper: letters the paper's table accepts when p is true, where it differs from the released file.
    """

    template: str
    factual: str
    false: str
    factual_paper: str = ""


TASKS: dict[str, Task] = {
    "direct-fact-verification": Task("Is it true that {p}?", "A", "BC"),
    "verification-of-assertion": Task("{P}. Is it true that {p}?", "A", ""),
    "verification-of-first-person-knowledge": Task("I know that {p}. Is it true that {p}?", "A", ""),
    "verification-of-first-person-belief": Task("I believe that {p}. Is it true that {p}?", "A", "BC"),
    "confirmation-of-first-person-belief": Task("I believe that {p}. Do I believe that {p}?", "A", "A"),
    "second-guessing-first-person-belief": Task(
        "I believe that {p}. Do I really believe that {p}?", "AC", "AC"
    ),
    "confirmation-of-third-person-belief-james": Task(
        "{first} believes that {p}. Does {first} believe that {p}?", "A", "A"
    ),
    "confirmation-of-third-person-belief-mary": Task(
        "{second} believes that {p}. Does {second} believe that {p}?", "A", "A"
    ),
    "correct-attribution-of-belief-james-mary": Task(
        "{first} believes that {p}. {second} does not believe that {p}. Does {first} believe that {p}?",
        "A",
        "A",
    ),
    "correct-attribution-of-belief-mary-james": Task(
        "{second} believes that {p}. {first} does not believe that {p}. Does {second} believe that {p}?",
        "A",
        "A",
    ),
    "verification-of-recursive-knowledge": Task(
        "{first} knows that {second} knows that {p}. Is it true that {p}?", "A", ""
    ),
    "confirmation-of-recursive-knowledge": Task(
        "{first} knows that {second} knows that {p}. Does {second} know that {p}?", "A", ""
    ),
    "awareness-of-recursive-knowledge": Task(
        "{first} knows that {second} knows that {p}. Does {first} know that {p}?", "A", "", "AC"
    ),
}
"""The tasks by the name of their file, in the order of the spec's table."""

DIRECT = "direct-fact-verification"
BELIEF_FRAME = "verification-of-first-person-belief"
KNOWLEDGE_FRAME = "verification-of-first-person-knowledge"
FIRST_PERSON = "confirmation-of-first-person-belief"
THIRD_PERSON = ("confirmation-of-third-person-belief-james", "confirmation-of-third-person-belief-mary")

SUBJECTS = (
    *(
        "Math",
        "Econ",
        "History",
        "Science",
        "TechHoS",
        "LitArts",
        "Law",
        "Geography",
        "BioMedicine",
        "Linguistics",
    ),
)
"""The ten subjects of the sentences."""


def render(sentence: str, task: str, names: tuple[str, str] = ("James", "Mary")) -> str:
    """Return the whole prompt of a task for a seed sentence, byte for byte as released.

    Args:
        sentence: seed sentence with its full stop, as it stands behind "that".
        task: one of ``TASKS``.
        names: who takes the part of James and who that of Mary.

    Raises:
        InputError: an unknown task, or a sentence that is empty or does not end in a full stop.
    """
    if task not in TASKS:
        raise InputError(f"task={task!r}: {did_you_mean(task, TASKS)}")
    if not sentence.endswith(".") or sentence == ".":
        raise InputError(f"sentence={sentence!r}: must end in a full stop, which the templates take off")
    p = sentence[:-1]
    first, second = names
    question = TASKS[task].template.format(p=p, P=p[0].upper() + p[1:], first=first, second=second)
    return f"{INSTRUCTION}\n\nQuestion: {question}\n{OPTIONS}"


def accepted_letters(task: str, type: SentenceType, key: Key = "file") -> frozenset[str]:  # noqa: A002 - the data's word
    """Return the letters a task accepts for a true or a false sentence; empty where no answer is definitive.

    Args:
        task: one of ``TASKS``.
        type: ``factual`` or ``false``.
        key: ``file`` as in the released files, ``paper`` as in the paper's table.

    Raises:
        InputError: there is no such task, so neither key knows it.
    """
    if task not in TASKS:
        raise InputError(
            f"task={task!r}: key={key!r} covers the thirteen tasks only; {did_you_mean(task, TASKS)}"
        )
    known = TASKS[task]
    if type == "false":
        return frozenset(known.false)
    return frozenset(known.factual_paper if key == "paper" and known.factual_paper else known.factual)
