"""Role-play in plain English, for models that do not speak micro-English: the shipped script, and its questions.

The rows are those of the micro form, so that one assessment reads both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from doxa.audit.inner import CONTROLS, record_inner, record_no_inner
from doxa.audit.protocol import Step, record_text_check
from doxa.elicit.micro import TextCheck
from doxa.elicit.questions import Question
from doxa.lab.record import Recorder
from doxa.subjects.base import Sampling, Subject
from doxa.subjects.open_weights import no_weights, open_weights

if TYPE_CHECKING:
    from doxa.protocols.roleplay import Conversation, InnerMargins, YesNoQuestions

CONVERSATION = "river"
"""The shipped role-play: twelve turns, at the end of which the model is a river god."""

FITTED_ON, GENERIC = "facts", "identity"
"""The direction of truth is fitted on the first set; the second is asked as control."""

TURNS_ASKED = (0, 1, 2, 4, 8, 12)
QUESTIONS_PER_SIZE = 6
TEXT_QUESTIONS = 24


def ask_role_play(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Replay the shipped role-play and ask about its topic, and about the model itself, after some of its turns."""
    from doxa.protocols.roleplay import load_questions, replay, shipped_conversation

    sets, talk = load_questions(), shipped_conversation(CONVERSATION)
    asked = {name: _some(sets[name], QUESTIONS_PER_SIZE * size, rng) for name in (*talk.relevant, GENERIC)}
    seed = int(rng.integers(2**31))
    inner = _inner(subject, recorder, sets[FITTED_ON], talk, seed)
    found = replay(
        subject,
        talk,
        asked,
        readouts=("stated", "behavioural") if inner is None else ("stated", "behavioural", "internal"),
        turns=TURNS_ASKED,
        inner=inner,
        seed=seed,
        progress=lambda done, turns: step(done, turns + 1, f"turn {TURNS_ASKED[done - 1]} of {talk.n_turns}"),
    )
    record_replay(recorder, subject, found, _kinds(talk), pairs=_pairs(asked))
    if inner is not None:
        aimless = replace(inner, probe=inner.probe.random_direction(rng))
        ends = replay(
            subject, talk, asked, readouts=("internal",), turns=(0, talk.n_turns), inner=aimless, seed=seed
        )
        record_replay(recorder, subject, ends, _kinds(talk), pairs=_pairs(asked), control=CONTROLS[1])
    record_text_check(recorder, subject, _check_text(subject, talk, asked, found, seed))
    step(1, 1, "text checked")


def record_replay(
    recorder: Recorder,
    subject: Subject,
    rows: pl.DataFrame,
    kind: Callable[[str, str], str],
    *,
    pairs: Mapping[str, str] | None = None,
    control: str = "",
) -> None:
    """Record rows of a replay; ``log_odds`` are those of the truth before the talk.

    Args:
        recorder: of the cell.
        subject: who was asked.
        rows: columns of ``protocols.roleplay.REPLAY_ROWS``.
        kind: what a set is to a conversation: relevant, generic, or another control.
        pairs: what is resampled together, by question; by default all that was asked in one conversation.
        control: name of the control that read them, "" for none.
    """
    for row in rows.iter_rows(named=True):
        extra: dict[str, Any] = {"control": control} if control else {}
        if row["log_odds"] is None:
            extra["missing"] = row["missing"] or "unread"
        group = row["conversation"] if pairs is None else pairs.get(row["question"], row["question"])
        recorder.belief(
            subject=subject.address,
            proposition=f"{row['set']}/{row['question']}",
            readout=row["readout"],
            time=row["turn"],
            log_odds=row["log_odds"],
            conversation=row["conversation"],
            kind=kind(row["conversation"], row["set"]),
            question=row["question"],
            truth=row["truth"],
            group=group,
            **extra,
        )


def _inner(
    subject: Subject, recorder: Recorder, generic: YesNoQuestions, talk: Conversation, seed: int
) -> InnerMargins | None:
    """Fit the direction of truth where the weights are open, and record how it does."""
    model = open_weights(subject)
    if model is None:
        record_no_inner(recorder, subject.address, no_weights(subject))
        return None
    from doxa.protocols.roleplay import inner_margins

    found = inner_margins(model, generic, targets={talk.id: talk.after(talk.n_turns)}, seed=seed)
    accuracy = {**found.accuracy, CONTROLS[0]: found.permuted}
    record_inner(recorder, subject.address, layer=found.layer, place="at the answer", accuracy=accuracy)
    return found


def _some(questions: YesNoQuestions, most: int, rng: np.random.Generator) -> YesNoQuestions:
    """Return at most so many questions, pairs kept together."""
    from doxa.protocols.roleplay import YesNoQuestions

    pairs = list(dict.fromkeys(item.pair or item.id for item in questions))
    chosen: list[str] = [pairs[int(pick)] for pick in rng.permutation(len(pairs))[: max(5, most // 2)]]
    kept = [item for item in questions if (item.pair or item.id) in chosen]
    return YesNoQuestions(kept, name=questions.name)


def _kinds(talk: Conversation) -> Callable[[str, str], str]:
    return lambda _, name: "relevant" if name in talk.relevant else "generic"


def _pairs(asked: Mapping[str, YesNoQuestions]) -> dict[str, str]:
    """Return the pair of each question; the acted readout is asked once for a pair, under its name."""
    return {
        item.id or item.text: f"{name}/{item.pair or item.id}"
        for name, questions in asked.items()
        for item in questions
    } | {
        item.pair: f"{name}/{item.pair}"
        for name, questions in asked.items()
        for item in questions
        if item.pair
    }


def _check_text(
    subject: Subject,
    talk: Conversation,
    asked: Mapping[str, YesNoQuestions],
    found: pl.DataFrame,
    seed: int,
) -> TextCheck:
    """Ask some questions at the end of the talk in plain text, and compare with what the scores say."""
    from doxa.protocols.roleplay import with_question
    from doxa.protocols.roleplay.asking import YesOrNo

    items = [item for questions in asked.values() for item in questions][:TEXT_QUESTIONS]
    forks = [with_question(talk.after(talk.n_turns), item.asked) for item in items]
    questions = [
        Question(item.id or item.text, item.text, fork[-1].content, bare=True)
        for item, fork in zip(items, forks, strict=True)
    ]
    said = YesOrNo(way="text").elicit(
        subject, [fork[:-1] for fork in forks], questions, sampling=Sampling(max_tokens=16, seed=seed)
    )
    last = found.filter(pl.col("readout") == "stated", pl.col("turn") == found["turn"].max())
    scored = cast(dict[str, float | None], dict(last.select("question", "log_odds").iter_rows()))
    agree = 0
    for item, answer in zip(items, said, strict=True):
        towards = scored.get(item.id or item.text)
        if answer.kind == "answer" and towards is not None:
            agree += (answer.value == "yes") == ((towards > 0.0) == item.truth)
    kinds = [answer.kind for answer in said]
    return TextCheck(len(kinds), kinds.count("refusal"), kinds.count("missing"), agree)
