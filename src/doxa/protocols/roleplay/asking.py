"""The plain yes/no question: the word itself is scored or read, with and without a space before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from doxa.elicit.asking import Asking, Wording, cut, mapped
from doxa.elicit.labels import read_choice
from doxa.elicit.questions import Question

FORMS = (("Yes", " Yes"), ("No", " No"))
_NAMES = {"Yes": "yes", "No": "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class YesOrNo(Asking):
    """Puts a question as it stands and takes Yes or No.

    Attributes:
        opening: how the scored reply begins, for templates that must be told not to think.
    """

    name: ClassVar[str] = "yes-or-no"

    opening: str = ""

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the question as it stands."""
        return (
            Wording(
                question.text,
                lambda reply: mapped(read_choice(reply.text, ("Yes", "No"), cut=cut(reply)), dict(_NAMES)),
                question.options,
                question.shares,
                FORMS,
                self.opening,
            ),
        )
