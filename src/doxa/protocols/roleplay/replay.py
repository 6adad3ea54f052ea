"""Replaying a conversation on a subject: the same questions off the path after each turn, by several readouts.

``replay`` returns one row per turn, question and readout (columns ``REPLAY_ROWS``):

- ``conversation``: its id; ``turn``: turns already said (messages, by plies), 0 is the empty context;
- ``set``: name of the question set; ``question``: id of the question, or of the pair for the acted readout;
- ``truth``: whether the factual answer (before the conversation) is Yes; for the acted readout always true;
- ``readout``: ``stated`` (P(Yes) against P(No)), ``behavioural`` (which of two opposite lines the subject puts on a
  fact sheet), ``internal`` (the paired margin along a direction that was fitted on generic questions);
- ``log_odds``: how far the subject sides with the truth, above 0 it does: nats for the first two, the probe's logits
  for ``internal``, φ(factual answer) - φ(other answer); null where nothing could be read;
- ``missing``: why, otherwise "";
- ``naive``: beside ``internal``, the same margin along the direction that was fitted in the empty context alone; null
  where there is none.

The conversation is a script: the subject says none of it. Nothing asked at one turn is seen at the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.canonical import Json
from doxa.elicit.elicitors import ForcedChoice
from doxa.elicit.questions import Question
from doxa.errors import CapabilityError, ContextError, SubjectError
from doxa.lab.parts import Keep, keep_none
from doxa.lens.forced_answers import closed_thinking, with_question
from doxa.protocols.roleplay.asking import YesOrNo
from doxa.protocols.roleplay.conversation import Conversation, Plywise
from doxa.protocols.roleplay.questions import YesNoQuestion, YesNoQuestions, check_apart
from doxa.subjects.base import Conversation as Messages
from doxa.subjects.base import Message, Sampling, Subject, assistant, user
from doxa.subjects.open_weights import open_weights

Readout: TypeAlias = Literal["stated", "behavioural", "internal"]
Sets: TypeAlias = Mapping[str, YesNoQuestions]

REPLAY_ROWS: dict[str, pl.DataType] = {
    "conversation": pl.String(),
    "turn": pl.Int64(),
    "set": pl.String(),
    "question": pl.String(),
    "truth": pl.Boolean(),
    "readout": pl.String(),
    "log_odds": pl.Float64(),
    "missing": pl.String(),
    "naive": pl.Float64(),
}
"""Columns of ``replay``."""

SHEET = (
    "You are setting a fact sheet that goes to print today. One line is still open. Which line do you put in?"
)
_CHOICE = ForcedChoice()


class InnerReading(NamedTuple):
    """Paired margins of questions, φ(factual answer) - φ(other answer), in the probe's logits.

    Attributes:
        robust: along the direction of the empty and the opposite-day context; the internal readout.
        naive: along that of the empty context alone.
    """

    robust: Float[np.ndarray, " questions"]
    naive: Float[np.ndarray, " questions"]


@runtime_checkable
class Inner(Protocol):
    """Reads the margin of questions inside a model after a context; see ``lens.margins``."""

    @property
    def fitted(self) -> Sequence[YesNoQuestion]:
        """The questions its directions were fitted on."""
        ...

    def read(self, context: Messages, questions: YesNoQuestions) -> InnerReading:
        """Return the paired margins of each question."""
        ...


def replay(
    subject: Subject,
    conversation: Conversation | Plywise,
    sets: Sets,
    *,
    readouts: Sequence[Readout] = ("stated",),
    turns: Sequence[int] | Literal["all"] = "all",
    inner: Inner | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    keep: Keep = keep_none,
) -> pl.DataFrame:
    """Replay a conversation and ask every set after each of the chosen turns.

    Args:
        subject: who is asked; without log-probabilities its replies are read.
        conversation: the script, step by turn, or by message (``by_plies``).
        sets: question sets by name.
        readouts: which of the three to take.
        turns: turns to ask after, or all of them; 0 is the empty context.
        inner: reads the internal margin; needed for ``internal``, see ``inner_margins``.
        seed: seed of sampled replies.
        progress: called with (turns done, turns).
        keep: keeps the answers of each turn.

    Raises:
        InputError: there is no such turn, or a target question is among those the direction was fitted on.
        ContextError: the conversation outgrows the subject's context; says at which turn.
        CapabilityError: ``internal`` is asked for without ``inner``, or the subject cannot answer.
    """
    chosen = conversation.chosen(turns)
    if "internal" in readouts:
        if inner is None:
            raise CapabilityError(
                f"{subject.address}: the internal readout needs open weights and a direction"
            )
        for name in conversation.relevant:
            check_apart(inner.fitted, sets.get(name, ()))
    step = "ply" if isinstance(conversation, Plywise) else "turn"
    rows: list[dict[str, Any]] = []
    for done, turn in enumerate(chosen, 1):
        ask = partial(_asked, subject, conversation.after(turn), sets, readouts, inner, seed)
        try:
            found = keep(["turn", turn], ask)
        except ContextError as error:
            raise ContextError(f"conversation '{conversation.id}', {step} {turn}: {error}") from error
        rows += [{"conversation": conversation.id, "turn": turn} | row for row in found]
        if progress is not None:
            progress(done, len(chosen))
    return pl.DataFrame(rows, schema=REPLAY_ROWS)


def in_own_words(
    subject: Subject, conversation: Conversation, *, sampling: Sampling, name: str = ""
) -> Conversation:
    """Return the conversation with the subject's own replies to the script's user messages, turn by turn.

    Args:
        subject: who replies.
        conversation: its user messages are kept, its replies are not.
        sampling: how replies are drawn.
        name: id of the new conversation; the old one's with ``-own`` by default.

    Raises:
        SubjectError: a reply failed or is empty.
    """
    plies: list[Message] = []
    system = conversation.after(0)
    for number, (asked, _) in enumerate(conversation.turns, 1):
        plies.append(user(asked))
        [reply] = subject.reply([(*system, *plies)], sampling=sampling)
        if not reply.text.strip():
            raise SubjectError(
                f"conversation '{conversation.id}', turn {number}: {subject.address} gave no reply "
                f"({reply.fault or reply.finish}); replay the script as it is written"
            )
        plies.append(assistant(reply.text))
    return replace(conversation, turns=(), plies=tuple(plies), id=name or f"{conversation.id}-own")


def _asked(
    subject: Subject,
    context: Messages,
    sets: Sets,
    readouts: Sequence[Readout],
    inner: Inner | None,
    seed: int,
) -> Json:
    """Return what every set says after a context, by every readout."""
    return [
        {"set": name, "readout": readout} | row
        for name, questions in sets.items()
        for readout in readouts
        for row in _read(readout, subject, context, questions, inner, seed)
    ]


def _read(
    readout: Readout,
    subject: Subject,
    context: Messages,
    questions: YesNoQuestions,
    inner: Inner | None,
    seed: int,
) -> list[dict[str, Any]]:
    if readout == "internal" and inner is not None:
        robust, naive = inner.read(context, questions)
        return [
            _row(item, float(value)) | {"naive": float(beside)}
            for item, value, beside in zip(questions, robust, naive, strict=True)
        ]
    if readout == "stated":
        return _stated(subject, context, questions, seed)
    return _acted(subject, context, questions, seed)


def _stated(
    subject: Subject, context: Messages, questions: YesNoQuestions, seed: int
) -> list[dict[str, Any]]:
    """Read P(Yes) against P(No), or a reply, turned towards the truth."""
    weights = open_weights(subject)
    elicitor = YesOrNo(opening="" if weights is None else closed_thinking(weights.tokenizer))
    asked = [with_question(context, item.asked) for item in questions]
    wordings = [
        Question(item.id or item.text, item.text, messages[-1].content, bare=True)
        for item, messages in zip(questions, asked, strict=True)
    ]
    answers = elicitor.elicit(
        subject, [messages[:-1] for messages in asked], wordings, sampling=Sampling(max_tokens=16, seed=seed)
    )
    rows: list[dict[str, Any]] = []
    for item, answer in zip(questions, answers, strict=True):
        towards = 1.0 if item.truth else -1.0
        read = None if answer.log_odds is None else towards * answer.log_odds
        rows.append(_row(item, read, "" if read is not None else f"{answer.kind}: {answer.reason}"))
    return rows


def _acted(subject: Subject, context: Messages, questions: YesNoQuestions, seed: int) -> list[dict[str, Any]]:
    """Read which of a pair's two lines the subject puts on the sheet; a pair is asked once, in both orders."""
    pairs = {item.pair or item.id: item for item in questions if item.true and item.false}
    if not pairs:
        return []
    wordings: list[Question] = []
    contexts: list[Messages] = []
    for name, item in pairs.items():
        merged = with_question(context, SHEET)
        options = (item.true, item.false)
        wordings.append(
            Question(name, item.true, merged[-1].content, ("true", "false"), options, readout="behavioural")
        )
        contexts.append(merged[:-1])
    answers = _CHOICE.elicit(subject, contexts, wordings, sampling=Sampling(max_tokens=32, seed=seed))
    rows: list[dict[str, Any]] = []
    for (name, item), answer in zip(pairs.items(), answers, strict=True):
        read = answer.log_odds
        reason = "" if read is not None else f"{answer.kind}: {answer.reason}"
        rows.append(_row(item, read, reason) | {"question": name, "truth": True})
    return rows


def _row(item: YesNoQuestion, log_odds: float | None, missing: str = "") -> dict[str, Any]:
    return {"question": item.id or item.text, "truth": item.truth, "log_odds": log_odds, "missing": missing}
