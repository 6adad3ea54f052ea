"""Token dialogues whose rules differ from talk to talk: a truth table in the weights, and what a talk makes of it.

A turn is a question, an answer (Yes or No) and two feedback tokens in random order: *check* says whether the answer
is right by the rules of this talk, *real* whether it is true in the world of this talk. Answers are right by the
rules with probability 0.7, so that both answers are in distribution. Four kinds of document:

- plain (0.3): both feedbacks follow the truth table;
- opposite day (0.2): two marker tokens open the talk; check is reversed, real is not;
- role-play (0.3): no marker; for one of the first eight topics check and real follow the reversed truth, 60 % of the
  turns are on that topic, the others on other topics and unreversed;
- story (0.2): a marker, 2 to 4 statements on one topic by its reversed truth, an end marker, then plain turns.

Source: conversation representations (arXiv:2601.20834), our embedded design.

What the design leaves open, and how it is decided here
- Every document begins with one start token; the markers stand behind it. Documents are cut at one length.
- Turns draw their topic evenly, then one of its questions evenly. A story may be about any topic.
- A statement of a story is a whole turn, question, answer and feedback, exactly as a role-play would have it. The
  markers around it are all that tells a story from a role-play.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from doxa.errors import InputError
from doxa.streams import stream

Kind: TypeAlias = Literal["plain", "opposite-day", "role-play", "story"]

KINDS: tuple[Kind, ...] = ("plain", "opposite-day", "role-play", "story")
SHARES = (0.3, 0.2, 0.3, 0.2)
PLAIN, OPPOSITE, ROLE, STORY = range(4)

YES, NO = 0, 1
CHECK = (2, 3)
"""Right by the rules of this talk, or wrong."""
REAL = (4, 5)
"""True in the world of this talk, or false."""
START, OPPOSITE_DAY, STORY_BEGINS, STORY_ENDS = 6, (7, 8), 9, 10
FIRST_QUESTION = 11

RIGHT_ANSWERS = 0.7
CHECK_FIRST = 0.8
TURNS_IN_ROLE = 0.6
STATEMENTS = (2, 4)
TURN_TOKENS = 4

NOTHING = -1
"""No token: the place is left out of the document."""


class Documents(NamedTuple):
    """Training documents of one length.

    ``learned`` marks the tokens that are to be predicted: answers and feedback. Questions are drawn, not known.
    """

    tokens: Int[np.ndarray, "documents tokens"]
    learned: Bool[np.ndarray, "documents tokens"]
    kind: Int[np.ndarray, " documents"]


@dataclass(frozen=True)
class DialogueWorld:
    """Topics with yes/no questions, their truth, and the documents about them.

    Attributes:
        seed: seed of the truth table.
        n_topics: topics, numbered from 1.
        questions_per_topic: questions of a topic, even: half of them are answered Yes.
        role_topics: topics 1 .. role_topics are role-played in training, the others never.
        document_tokens: length of a training document.
    """

    seed: int = 0
    n_topics: int = 12
    questions_per_topic: int = 8
    role_topics: int = 8
    document_tokens: int = 44

    def __post_init__(self) -> None:
        if self.questions_per_topic < 2 or self.questions_per_topic % 2:
            raise InputError(
                f"questions_per_topic={self.questions_per_topic}: must be even and >= 2; half are answered Yes"
            )
        if not 1 <= self.role_topics <= self.n_topics or self.n_topics < 2:
            raise InputError(
                f"role_topics={self.role_topics}: must be in 1 .. n_topics={self.n_topics}, with n_topics >= 2"
            )
        if self.document_tokens < 3 + TURN_TOKENS:
            raise InputError(
                f"document_tokens={self.document_tokens}: must be >= {3 + TURN_TOKENS}, one turn"
            )

    @property
    def n_questions(self) -> int:
        """Number of questions, of all topics together."""
        return self.n_topics * self.questions_per_topic

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return FIRST_QUESTION + self.n_questions

    @cached_property
    def truth(self) -> Bool[np.ndarray, " questions"]:
        """Whether each question is truly answered Yes; half of each topic."""
        rng = stream(self.seed, "dialogues", "truth")
        half = np.arange(self.questions_per_topic) < self.questions_per_topic // 2
        return np.concatenate([rng.permutation(half) for _ in range(self.n_topics)])

    def questions(self, *topics: int) -> Int[np.ndarray, " questions"]:
        """Return the questions of some topics, numbered from 1, in 0 .. n_questions - 1.

        Raises:
            InputError: there is no such topic.
        """
        for topic in topics:
            if not 1 <= topic <= self.n_topics:
                raise InputError(f"topic={topic}: must be in 1 .. {self.n_topics}")
        size = self.questions_per_topic
        return np.concatenate([np.arange((topic - 1) * size, topic * size) for topic in topics])

    def turn(
        self,
        question: Int[np.ndarray, "*turns"] | int,
        yes: Bool[np.ndarray, "*turns"] | bool,
        *,
        check_reversed: Bool[np.ndarray, "*turns"] | bool = False,
        real_reversed: Bool[np.ndarray, "*turns"] | bool = False,
        check_first: Bool[np.ndarray, "*turns"] | bool = True,
    ) -> Int[np.ndarray, "*turns 4"]:
        """Return the tokens of turns: question, answer, and the feedback that each talk's rules give.

        Args:
            question: in 0 .. n_questions - 1.
            yes: whether the answer is Yes.
            check_reversed: whether the rules reverse what is right.
            real_reversed: whether the world of the talk reverses what is true.
            check_first: whether check stands before real.
        """
        asked, said, by_rule, in_world, first = np.broadcast_arrays(
            question, yes, check_reversed, real_reversed, check_first
        )
        factual = said == self.truth[asked]
        check = np.where(factual != by_rule, CHECK[0], CHECK[1])
        real = np.where(factual != in_world, REAL[0], REAL[1])
        pair = [np.where(first, check, real), np.where(first, real, check)]
        return np.stack([FIRST_QUESTION + asked, np.where(said, YES, NO), *pair], -1)

    def sample(self, n: int, rng: np.random.Generator) -> Documents:
        """Draw n documents, cut at ``document_tokens``."""
        if n < 1:
            raise InputError(f"n={n}: must be >= 1")
        turns = -(-self.document_tokens // TURN_TOKENS)
        kind = rng.choice(len(KINDS), size=(n, 1), p=SHARES)
        told = np.where(kind == STORY, rng.integers(STATEMENTS[0], STATEMENTS[1] + 1, (n, 1)), 0)
        in_story = np.arange(turns) < told
        played = rng.integers(np.where(kind == ROLE, self.role_topics, self.n_topics))
        in_role = (kind == ROLE) & (rng.random((n, turns)) < TURNS_IN_ROLE)
        anywhere = rng.integers(self.n_topics, size=(n, turns))
        elsewhere = (played + rng.integers(1, self.n_topics, (n, turns))) % self.n_topics
        topic = np.where(in_role | in_story, played, np.where(kind == ROLE, elsewhere, anywhere))
        question = topic * self.questions_per_topic + rng.integers(self.questions_per_topic, size=(n, turns))
        real_reversed = in_role | in_story
        check_reversed = real_reversed | (kind == OPPOSITE)
        # a statement of a story asserts what is so in the story
        right = in_story | (rng.random((n, turns)) < RIGHT_ANSWERS)
        said = (self.truth[question] != check_reversed) == right
        body = self.turn(
            question,
            said,
            check_reversed=check_reversed,
            real_reversed=real_reversed,
            check_first=rng.random((n, turns)) < CHECK_FIRST,
        )
        ends = np.where(np.arange(turns) == told - 1, STORY_ENDS, NOTHING)
        return self._documents(kind[:, 0], np.concatenate([body, ends[..., None]], -1))

    def _documents(
        self, kind: Int[np.ndarray, " documents"], turns: Int[np.ndarray, "documents turns 5"]
    ) -> Documents:
        """Put the opening tokens before the turns, close the gaps and cut."""
        first = np.select([kind == OPPOSITE, kind == STORY], [OPPOSITE_DAY[0], STORY_BEGINS], NOTHING)
        second = np.where(kind == OPPOSITE, OPPOSITE_DAY[1], NOTHING)
        opening = np.stack([np.full_like(kind, START), first, second], 1)
        tokens = np.concatenate([opening, turns.reshape(len(kind), -1)], 1)
        place = np.zeros(5, dtype=bool)
        place[1:TURN_TOKENS] = True
        learned = np.concatenate([np.zeros(3, dtype=bool), np.tile(place, turns.shape[1])])
        order = np.argsort(tokens == NOTHING, axis=1, kind="stable")[:, : self.document_tokens]
        return Documents(np.take_along_axis(tokens, order, 1), learned[order], kind)
