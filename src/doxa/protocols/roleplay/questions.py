"""Yes/no questions with known truth, in pairs: a question, and the same rewritten so that its answer turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool

from doxa.errors import InputError
from doxa.lens.question_sets import warn_of_questions

Split: TypeAlias = Literal["", "train", "test", "target"]
"""Where a question may be used: to fit a probe, to test it, in a conversation alone, or (empty) wherever its set is."""

SPLITS: tuple[Split, ...] = ("", "train", "test", "target")
INSTRUCTION = "Answer with Yes or No."


@dataclass(frozen=True, slots=True)
class YesNoQuestion:
    """One question.

    Attributes:
        text: the question itself.
        truth: whether the factual answer, before any conversation, is Yes.
        id: unique within its set.
        set: name of its set.
        split: see ``Split``.
        pair: questions that are each other's opposite share it; they never straddle a split.
        true: a statement of what is so, for the acted readout; "" if there is none.
        false: its counterpart.
    """

    text: str
    truth: bool
    id: str = ""
    set: str = ""
    split: Split = ""
    pair: str = ""
    true: str = ""
    false: str = ""

    @property
    def asked(self) -> str:
        """The question as it is put."""
        return f"{self.text} {INSTRUCTION}"


class YesNoQuestions(Sequence[YesNoQuestion]):
    """A list of questions, checked once.

    Warns (``QuestionsWarning``) if more than 60 % share an answer, or there are fewer than 10.

    Raises:
        InputError: there are no questions, one is empty, or one text stands there with both answers.
    """

    def __init__(self, items: Iterable[YesNoQuestion], *, name: str = "") -> None:
        self._items = tuple(items)
        self.name = name or (self._items[0].set if self._items else "")
        if not self._items:
            raise InputError(f"question set '{self.name}' is empty; give at least one question")
        known: dict[str, bool] = {}
        for number, item in enumerate(self._items, 1):
            if not item.text.strip():
                raise InputError(f"question set '{self.name}': question {number} has no text")
            if known.setdefault(item.text.strip().lower(), item.truth) != item.truth:
                raise InputError(f"question set '{self.name}': '{item.text}' stands there with both answers")
        warn_of_questions(f"question set '{self.name}'", self.truth)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[YesNoQuestion]:
        return iter(self._items)

    def __getitem__(self, index: int) -> YesNoQuestion:  # pyright: ignore[reportIncompatibleMethodOverride] (no slices)
        return self._items[index]

    @property
    def truth(self) -> Bool[np.ndarray, " questions"]:
        """Whether the factual answer of each is Yes."""
        return np.array([item.truth for item in self._items])

    @property
    def groups(self) -> tuple[str, ...]:
        """What must stay on one side of a split: the pair, or equal texts."""
        return tuple(item.pair or item.text.strip().lower() for item in self._items)


def check_apart(training: Iterable[YesNoQuestion], target: Iterable[YesNoQuestion]) -> None:
    """Raise InputError naming the first target question that a probe is also fitted on."""
    fitted = {item.text.strip().lower() for item in training}
    for item in target:
        if item.text.strip().lower() in fitted:
            raise InputError(
                f"question '{item.text}' of set '{item.set}' is also in the probe's training set; "
                "a target must be new to the probe"
            )
