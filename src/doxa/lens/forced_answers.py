"""Forced answers: a question after a context, once answered Yes and once No, read at the answer's token.

The representation of a claim is the residual stream at the answer token while it is the input: h(c, q, a). What all
rows share (the context, the head of the template) is found by comparing token ids and computed once.

Who turns a context and a question into tokens is a ``Speech``: ``ChatSpeech`` for models that talk, and any object
with the same two methods for worlds of tokens.

Source: Lampinen et al., Linear representations in language models can change dramatically over a conversation
(arXiv:2601.20834).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError
from doxa.subjects.base import Conversation, user

if TYPE_CHECKING:
    from doxa.subjects.transformers_rendering import Renderer

Tokens = Int[np.ndarray, " _"]

Questions: TypeAlias = Sequence[Any] | Shaped[np.ndarray, " questions"]
"""Questions as a speech takes them."""

ANSWERS = ("Yes", "No")
"""The two forced answers, in the order of every axis of length two here."""


class AnswerTokenWarning(UserWarning):
    """The answer is not one token of its own; what is read instead is said."""


@runtime_checkable
class Speech(Protocol):
    """Turns a context and questions into token rows of one model."""

    @property
    def answer_ids(self) -> tuple[int, int]:
        """The tokens of Yes and of No that can follow ``unanswered``: two different ones."""
        ...

    def answered(self, context: Any, questions: Questions) -> tuple[Sequence[Tokens], Sequence[Tokens]]:
        """Return the rows that end in Yes, and those that end in No."""
        ...

    def unanswered(self, context: Any, questions: Questions) -> Sequence[Tokens]:
        """Return the rows that end before the answer: where Yes and No part."""
        ...


def forced_answer_activations(
    model: Any,
    context: Any,
    questions: Questions,
    layers: Sequence[int] | None = None,
    *,
    speech: Speech,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "questions 2 layers width"]:
    """Return the residual stream at the answer token of every question, for Yes and for No.

    Args:
        model: a causal model of transformers.
        context: what stands before each question, as the speech takes it.
        questions: questions, as the speech takes them.
        layers: layers to read, 0 after the first block; None reads all.
        speech: turns context and questions into tokens.
        batch_tokens: tokens of one forward pass, padding included.

    Raises:
        ContextError: a row is longer than the model's context.
        InputError: no questions, or activations that are not finite.
    """
    yes, no = speech.answered(context, questions)
    both = [row for pair in zip(yes, no, strict=True) for row in pair]
    found = _read(model, both, layers, batch_tokens)
    return found.reshape(len(yes), 2, *found.shape[1:])


def pre_answer_activations(
    model: Any,
    context: Any,
    questions: Questions,
    layers: Sequence[int] | None = None,
    *,
    speech: Speech,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "questions layers width"]:
    """Return the residual stream at the last token before the answer, where the model settles what to say.

    Arguments and errors are those of ``forced_answer_activations``.
    """
    return _read(model, list(speech.unanswered(context, questions)), layers, batch_tokens)


class ChatSpeech:
    """Puts questions through a tokenizer's chat template, and closes thinking where the template has it.

    A context that ends with the user is merged with the question, since templates force roles to alternate. The
    answer is appended as tokens of its own: never merged with what stands before it, never followed by anything.
    Variants with and without a leading space are tried for one whose Yes and No are single tokens; if there is none
    the last piece is read and ``AnswerTokenWarning`` says so. Pieces that both begin with (such as a space) belong to
    the question: a row without an answer ends with them.

    Raises:
        InputError: the tokenizer does not tell Yes from No, or has no such template.
    """

    def __init__(self, tokenizer: Any, *, template: str = "auto") -> None:
        from doxa.subjects.transformers_rendering import Renderer

        self._renderer = Renderer(tokenizer, template)
        self._opening = closed_thinking(tokenizer) if self._renderer.mode == "chat" else ""
        yes, no = answer_tokens(self._renderer, tokenizer)
        shared = common_prefix([yes, no])
        self._both, self._yes, self._no = yes[:shared], yes[shared:], no[shared:]

    @property
    def answer_ids(self) -> tuple[int, int]:
        """The first tokens in which Yes and No differ."""
        return int(self._yes[0]), int(self._no[0])

    def answered(self, context: Conversation, questions: Questions) -> tuple[list[Tokens], list[Tokens]]:
        """Return the rows of both answers; questions are texts as they are put."""
        asked = self.unanswered(context, questions)
        yes, no = ([np.concatenate([row, answer]) for row in asked] for answer in (self._yes, self._no))
        return yes, no

    def unanswered(self, context: Conversation, questions: Questions) -> Sequence[Tokens]:
        """Return the rows that end where Yes and No would part."""
        texts = [
            self._renderer.text(with_question(context, str(question)), opening=self._opening)
            for question in questions
        ]
        return [np.concatenate([row, self._both]) for row in self._renderer.prompts(texts)]


def with_question(context: Conversation, question: str) -> Conversation:
    """Return a context with a question as the user's next message.

    After a message of the user's the pending one and the question become one, for roles must alternate.
    """
    if context and context[-1].role == "user":
        return (*context[:-1], user(f"{context[-1].content}\n\n{question}"))
    return (*context, user(question))


def answer_tokens(renderer: Renderer, tokenizer: Any) -> tuple[Tokens, Tokens]:
    """Return the token ids of Yes and No: single tokens if some variant has them, else all their pieces.

    Raises:
        InputError: they end in one token or in a special one, or one of them is the beginning of the other.
    """
    spaced = tuple(f" {answer}" for answer in ANSWERS)
    variants = (ANSWERS, spaced) if renderer.mode == "chat" else (spaced, ANSWERS)
    found = [tuple(renderer.option(answer) for answer in variant) for variant in variants]
    yes, no = next((pair for pair in found if all(len(ids) == 1 for ids in pair)), found[0])
    if len(yes) > 1 or len(no) > 1:
        warnings.warn(
            f"Yes is {len(yes)} tokens and No {len(no)} in this tokenizer; the last piece of each is read",
            AnswerTokenWarning,
            stacklevel=3,
        )
    special = set(tokenizer.all_special_ids)
    if yes[-1] in special or no[-1] in special or yes[-1] == no[-1]:
        raise InputError(
            f"Yes and No end in tokens {yes[-1]} and {no[-1]}: must be two different ordinary tokens; "
            "this tokenizer does not know the words"
        )
    shorter = min(len(yes), len(no))
    if np.array_equal(yes[:shorter], no[:shorter]):
        raise InputError(
            f"Yes is {yes.tolist()} and No {no.tolist()}: one begins like the other, so no token tells them apart; "
            "use another tokenizer"
        )
    return yes, no


def closed_thinking(tokenizer: Any) -> str:
    """Return the text that a reply begins with so that a thinking template does not think; "" for others.

    Templates that know ``enable_thinking`` write an empty thinking block when it is off. Where they change anything
    else, what they write is not a beginning of the reply, and a warning says that thinking stays open.
    """
    if "enable_thinking" not in str(getattr(tokenizer, "chat_template", "") or ""):
        return ""
    message = [{"role": "user", "content": "a"}]
    plain, closed = (
        str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, **chosen))
        for chosen in ({}, {"enable_thinking": False})
    )
    if not closed.startswith(plain):
        warnings.warn(
            "this chat template turns thinking off elsewhere than at the reply's beginning; it is read as it stands",
            AnswerTokenWarning,
            stacklevel=2,
        )
        return ""
    return closed[len(plain) :]


def common_prefix(rows: Sequence[Tokens]) -> int:
    """Return how many token ids all rows begin with, at most all but the last of the shortest."""
    if not rows:
        return 0
    most = min(len(row) for row in rows) - 1
    first = rows[0][:most]
    for row in rows[1:]:
        differ = np.flatnonzero(row[: len(first)] != first)
        first = first[: differ[0]] if differ.size else first
    return len(first)


def _read(
    model: Any, rows: list[Tokens], layers: Sequence[int] | None, batch_tokens: int | None
) -> Float[np.ndarray, "rows layers width"]:
    """Read the last token of every row; what all rows share is computed once."""
    from doxa.lens.capture import Wanted, activations

    if not rows:
        raise InputError("questions=[]: give at least one question")
    shared = common_prefix(rows)
    wanted = Wanted(layers=None if layers is None else tuple(layers), places=-1)
    tails = [row[shared:] for row in rows]
    prefix = rows[0][:shared] if shared else None
    return activations(model, tails, wanted, prefix=prefix, batch_tokens=batch_tokens)[:, 0]
