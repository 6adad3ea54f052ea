"""An estimator of a stance: how likely a subject finds yes, asked about a text, from its log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.dynamics.affect import VALENCE, MoodSpace
from doxa.errors import InputError, SubjectError
from doxa.subjects.base import Capability, Query, Subject, require, user


@dataclass(frozen=True)
class ScoredEstimator:
    """Asks a subject a question with two answers about each text: 2 P(first) / (P(first) + P(second)) - 1.

    With a question such as "{text} Does this agree that taxes should fall?" the state is a stance; with one about
    trust or worry it is trust or worry. The subject may be the one that talks, or a judge.

    Attributes:
        subject: who is asked; it must give log-probabilities.
        question: with ``{text}`` where the text is to stand.
        answers: what is 1 and what is -1.
        against: a text that says nothing of it: readings are then by how much more likely the first answer is after the
            text than after this one, so that the subject's own leaning is neutral. Without it a text that says nothing
            has that leaning as its reading.
        space: one dimension, from -1 to 1; a mood of one's own name, as in MoodSpace(("trust",), (-1.0,), (1.0,)).

    Raises:
        InputError: the question has no place for the text, or the space is no dimension from -1 to 1.
        CapabilityError: the subject gives no log-probabilities.
    """

    subject: Subject
    question: str
    answers: tuple[str, str] = ("yes", "no")
    against: str = ""
    space: MoodSpace = VALENCE

    def __post_init__(self) -> None:
        require(self.subject, Capability.SCORE)
        if "{text}" not in self.question:
            raise InputError(f"question={self.question!r}: must have {{text}} where the text is to stand")
        if (self.space.low, self.space.high) != ((-1.0,), (1.0,)):
            raise InputError(f"space={self.space.names}: must be one dimension from -1 to 1")

    def estimate(self, texts: Sequence[str]) -> Float[np.ndarray, "texts 1"]:
        """Return the reading of each text; an empty one is neutral.

        Raises:
            SubjectError: the subject gave no answer; nothing is read into that.
        """
        there = [place for place, text in enumerate(texts) if text.strip()]
        asked = [texts[place] for place in there] + ([self.against] if self.against else [])
        if not there:
            return np.zeros((len(texts), 1))
        queries = [Query((user(self.question.replace("{text}", text)),), self.answers) for text in asked]
        log_odds = np.array([float(scores[0]) - float(scores[1]) for scores in self.subject.score(queries)])
        out = np.zeros((len(texts), 1))
        out[there, 0] = np.tanh((log_odds[: len(there)] - (log_odds[-1] if self.against else 0.0)) / 2.0)
        unread = np.flatnonzero(np.isnan(log_odds))
        if len(unread):
            raise SubjectError(
                f"{self.subject.address} gave no log-probabilities of {' and '.join(self.answers)} for "
                f"{asked[int(unread[0])][:60]!r}; a mood cannot be read without them: ask again, or another subject"
            )
        return out

    def as_json(self) -> dict[str, Json]:
        """Return the subject's identity, the question and its answers."""
        asked: dict[str, Json] = {
            "question": self.question,
            "answers": list(self.answers),
            "against": self.against,
        }
        return {
            "estimator": "scored",
            "subject": self.subject.identity,
            **asked,
            "space": self.space.as_json(),
        }
