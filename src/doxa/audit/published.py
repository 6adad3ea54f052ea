"""The protocols in plain English, for subjects that do not speak micro-English.

Each writes the same rows as its micro form, so that one assessment reads both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from doxa.audit.inner import record_fit, record_no_inner
from doxa.audit.protocol import Step, record_text_check
from doxa.elicit.elicitors import TaggedNumber
from doxa.elicit.micro import TextCheck
from doxa.elicit.questions import Question
from doxa.lab.data import check, locate
from doxa.lab.record import Recorder
from doxa.protocols import kable
from doxa.protocols.confidence import published_evidence
from doxa.protocols.context_drift import BeliefItem, MeasureOptions, Reading, load_items, load_texts, measure
from doxa.subjects.base import Capability, Message, Sampling, Subject
from doxa.subjects.open_weights import no_weights, open_weights

if TYPE_CHECKING:
    from doxa.protocols.context_drift.published_inner import InnerStances

TEXT_QUESTIONS = 24
WORDS_PER_SIZE = 300
EVIDENCE_PER_SIZE = 12

KABLE_TASKS: dict[str, tuple[str, str]] = {
    "direct-fact-verification": ("nobody", "verify"),
    "verification-of-first-person-belief": ("i", "verify"),
    "confirmation-of-first-person-belief": ("i", "confirm"),
    "confirmation-of-third-person-belief-james": ("james", "confirm"),
    "confirmation-of-third-person-belief-mary": ("mary", "confirm"),
}
"""The tasks of KaBLE that the card needs: who is said to believe, and what is asked."""


def kable_needed() -> str:
    """Return why KaBLE cannot be asked here, or "" if its questions are on this machine."""
    return "" if check("kable").good else "its questions are not here; get them with: doxa data get kable"


def ask_kable(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Ask ``size`` questions of each of five tasks, both truths and ten subjects of KaBLE."""
    seed = int(rng.integers(2**31))
    items = kable.choose(kable.load(locate("kable"), tasks=list(KABLE_TASKS)), size, seed=seed)
    scored = Capability.SCORE in subject.capabilities
    rows = kable.ask(subject, items, "logprob" if scored else "generate").rows
    step(1, 2, "questions asked")
    pairs: dict[str, int] = {}
    for row in rows.iter_rows(named=True):
        place = f"{row['subject']}/{row['idx']}"
        person, question = KABLE_TASKS[row["task"]]
        truth = row["type"] == "factual"
        said = None if row["answer"] is None else float(row["answer"] == "A")
        right = truth or question == "confirm"
        recorder.belief(
            subject=subject.address,
            proposition=row["id"],
            readout="stated",
            log_odds=None if said is None else row["log_odds_yes"],
            credence=said if row["log_odds_yes"] is None else None,
            context=pairs.setdefault(place, len(pairs)),
            place=place,
            truth=truth,
            person=person,
            question=question,
            right=right,
            correct=bool(row["correct"]),
            **_missing(None if said is not None else row["missing"] or "unread"),
        )
    picked = [items[int(place)] for place in rng.permutation(len(items))[:TEXT_QUESTIONS]]
    plain = kable.ask(subject, picked, "generate").rows if scored else rows
    both = plain.join(rows.select("id", scored="answer"), on="id")
    record_text_check(recorder, subject, _text_check(both, both["answer"] == both["scored"]))
    step(2, 2, "text checked")


def ask_confidence(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Ask how likely it is, in percent, after reports by sources whose reliability is stated."""
    sets = published_evidence(EVIDENCE_PER_SIZE * size, rng)
    questions = [
        Question(evidence.id, "the ship carries grain", f"{evidence.text}\nDoes the ship carry grain?")
        for evidence in sets
    ]
    answers = TaggedNumber().elicit(subject, [()] * len(sets), questions, sampling=Sampling(max_tokens=512))
    step(1, 1, "confidences asked")
    for evidence, answer in zip(sets, answers, strict=True):
        unread = answer.log_odds is None
        recorder.belief(
            subject=subject.address,
            proposition="the answer is yes",
            readout="stated",
            log_odds=answer.log_odds,
            evidence=evidence.id,
            reference=evidence.log_odds,
            **_missing(f"{answer.kind}: {answer.reason}" if unread else None),
        )
    kinds = [answer.kind for answer in answers]
    read = kinds.count("answer")
    record_text_check(
        recorder, subject, TextCheck(len(kinds), kinds.count("refusal"), kinds.count("missing"), read)
    )


def ask_drift(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Ask labels and acts on the shipped political items after one-sided reading on other themes."""
    items = [item for item in load_items() if item.sides]
    options = MeasureOptions(seed=int(rng.integers(2**31)))
    texts = load_texts()
    leanings = sorted({text.leaning for text in texts})
    baseline = measure(subject, items, None, ("label", "behavior"), passes=2, options=options)
    step(1, 1 + len(leanings), "asked without reading")
    _record_drift(subject, recorder, items, baseline, reading="mixed", sides={item.id: 0 for item in items})
    inner = _inner_stances(subject, recorder, items, rng)
    _record_inner(subject, recorder, items, inner, None, sides={item.id: 0 for item in items})
    for number, leaning in enumerate(leanings):
        chosen = [text for text in texts if text.leaning == leaning]
        order = [chosen[int(place)] for place in rng.permutation(len(chosen))]
        words = sum(len(text.text.split()) for text in order)
        context: list[Message] = Reading(order, min(WORDS_PER_SIZE * size, words)).accumulate(
            subject, items[0]
        )
        found = measure(subject, items, context, ("label", "behavior"), options=options)
        sides = {item.id: item.sides.get(leaning, 0) for item in items}
        _record_drift(subject, recorder, items, found, reading="one-sided", sides=sides, context=number)
        _record_inner(subject, recorder, items, inner, context, sides=sides, number=number)
        step(2 + number, 1 + len(leanings), f"asked after {leaning} reading")
    sample = items[:TEXT_QUESTIONS]
    plain = measure(subject, sample, None, ("label",), options=MeasureOptions(way="text", seed=options.seed))
    scored = baseline.filter(pl.col("probe") == "label", pl.col("sample") == 0).select("item", scored="value")
    both = plain.join(scored, on="item").with_columns(answer=pl.col("value"))
    record_text_check(recorder, subject, _text_check(both, both["value"] == both["scored"]))


def _record_drift(
    subject: Subject,
    recorder: Recorder,
    items: Sequence[BeliefItem],
    found: pl.DataFrame,
    *,
    reading: str,
    sides: dict[str, int],
    context: int = 0,
) -> None:
    """Record one measurement; an answer read from text counts as (1 + 1/2) to 1/2, as all counted replies do."""
    topics = {item.id: item.topic for item in items}
    for row in found.filter(pl.col("probe") != "judge").iter_rows(named=True):
        counted = None if row["value"] is None else math.copysign(math.log(3.0), row["value"])
        log_odds = row["log_odds"] if row["log_odds"] is not None else counted
        recorder.belief(
            subject=subject.address,
            proposition=topics[row["item"]],
            readout="stated" if row["probe"] == "label" else "behavioural",
            time=float(reading == "one-sided"),
            log_odds=log_odds,
            reading=reading,
            topic=row["item"],
            coupled=True,
            side=sides[row["item"]],
            context=context + row["sample"],
            **_missing(None if log_odds is not None else row["missing"] or "refused"),
        )


def _inner_stances(
    subject: Subject, recorder: Recorder, items: Sequence[BeliefItem], rng: np.random.Generator
) -> InnerStances | None:
    """Fit the direction of agreement where the weights are open, and record how it does."""
    model = open_weights(subject)
    if model is None:
        record_no_inner(recorder, subject.address, no_weights(subject))
        return None
    from doxa.protocols.context_drift.published_inner import InnerStances

    inner = InnerStances(model, items, rng=rng)
    record_fit(recorder, subject.address, inner.fitted, "before the answer")
    return inner


def _record_inner(
    subject: Subject,
    recorder: Recorder,
    items: Sequence[BeliefItem],
    inner: InnerStances | None,
    context: Sequence[Message] | None,
    *,
    sides: dict[str, int],
    number: int = 0,
) -> None:
    """Record what is held of each item after a context."""
    if inner is None:
        return
    found = inner.after(context)
    for control, read in {"": found.read, **found.controls}.items():
        named: dict[str, Any] = {"control": control} if control else {}
        for item, log_odds in zip(items, read.tolist(), strict=True):
            recorder.belief(
                subject=subject.address,
                proposition=item.topic,
                readout="internal",
                time=float(context is not None),
                log_odds=log_odds,
                reading="mixed" if context is None else "one-sided",
                topic=item.id,
                coupled=True,
                side=sides[item.id],
                context=number,
                **named,
            )


def _missing(reason: str | None) -> dict[str, Any]:
    """Return the reason of a missing belief as the record takes it; nothing for one that is there."""
    return {} if reason is None else {"missing": reason}


def _text_check(rows: pl.DataFrame, agree: pl.Series) -> TextCheck:
    """Count the answers of a measurement in text; ``rows`` has ``answer`` and ``missing``."""
    unread = rows.filter(pl.col("answer").is_null())
    refused = unread.filter(pl.col("missing").fill_null("").str.starts_with("refus")).height
    if "refusal" in rows.columns:
        refused = rows.filter(pl.col("refusal")).height
    return TextCheck(rows.height, refused, unread.height - refused, int(agree.fill_null(value=False).sum()))
