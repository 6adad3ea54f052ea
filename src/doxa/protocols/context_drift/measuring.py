"""Measuring a battery: stated label, Likert agreement and behaviour, each on its own copy of the context.

Where a subject gives log-probabilities they are read (graded, without sampling noise, both orders of the options
averaged); otherwise replies are read, in an option order drawn anew for each item and pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from doxa.elicit.asking import Asking, Ways
from doxa.elicit.questions import Question
from doxa.errors import InputError, did_you_mean
from doxa.protocols.context_drift.asking import Contexts, Found, MeasureOptions, answered, columns
from doxa.protocols.context_drift.behaviour import free_behaviour, scored_behaviour, tool_behaviour
from doxa.protocols.context_drift.elicitors import (
    ReasonedAgreement,
    ReasonedChoice,
    agreement_question,
    choice_question,
)
from doxa.protocols.context_drift.items import BeliefItem, check_unique
from doxa.protocols.context_drift.shifts import MEASURED, PROBES
from doxa.subjects.base import Conversation, Message, Subject

NO_CONTEXT = "no context"


def measure(
    model: Subject,
    items: Sequence[BeliefItem],
    context: Sequence[Message] | Contexts | None = None,
    probes: Sequence[str] = PROBES,
    *,
    passes: int = 1,
    first_pass: int = 0,
    options: MeasureOptions | None = None,
) -> pl.DataFrame:
    """Return what a subject says and does about each item.

    Args:
        model: who is asked.
        items: the battery, ids all different.
        context: messages in front of every probe, the same for all items or by item id; an item without any in
            a mapping is missing. Nothing asked stays in it.
        probes: which of label, likert and behavior to ask.
        passes: independent passes; two baseline passes give the noise floor.
        first_pass: number of the first pass; passes with different numbers draw anew.
        options: how to ask.

    Returns:
        One row per item, probe and pass with the columns ``MEASURED``; with a judge, tool tasks get a further row
        with probe ``judge``.

    Raises:
        InputError: unknown probe, two items with one id, no items.
        CapabilityError: the subject can do neither of what the readout needs.
    """
    if not items:
        raise InputError("no items to measure; load a battery with load_items()")
    check_unique(items, "battery")
    for probe in probes:
        if probe not in PROBES:
            raise InputError(f"probe={probe!r}: {did_you_mean(probe, PROBES)}")
    options = options or MeasureOptions()
    options.scores(model)
    contexts = _contexts(items, context)
    asked = [item for item in items if item.id in contexts]
    rows: list[dict[str, Any]] = []
    for sample in range(first_pass, first_pass + passes):
        found = _asked(model, asked, contexts, probes, options, sample)
        for item in items:
            for probe in (*probes, "judge"):
                answer = (
                    found.get((item.id, probe)) if item.id in contexts else columns(None, missing=NO_CONTEXT)
                )
                if answer is not None and not (probe == "judge" and item.id not in contexts):
                    rows.append({"item": item.id, "probe": probe, "sample": sample, **answer})
    return pl.DataFrame(rows, schema=MEASURED)


def judge_agreement(frame: pl.DataFrame) -> tuple[int, int]:
    """Return how many tool tasks a judge read as their option's side, and how many both could be compared."""
    read = frame.filter(pl.col("value").is_not_null())
    both = read.filter(pl.col("probe") == "behavior").join(
        read.filter(pl.col("probe") == "judge"), on=["item", "sample"], suffix="_judge"
    )
    return both.filter(pl.col("value") == pl.col("value_judge")).height, both.height


def _contexts(
    items: Sequence[BeliefItem], context: Sequence[Message] | Contexts | None
) -> dict[str, Conversation]:
    if isinstance(context, Mapping):
        return {item.id: tuple(context[item.id]) for item in items if item.id in context}
    return {item.id: tuple(context or ()) for item in items}


def _asked(
    model: Subject,
    items: Sequence[BeliefItem],
    contexts: Contexts,
    probes: Sequence[str],
    options: MeasureOptions,
    sample: int,
) -> Found:
    """Ask one pass: labels and agreements through their elicitors, behaviour by scores or by acting."""
    scored = options.scores(model)
    way: Ways = "log-probabilities" if scored else "text"
    flipped = frozenset(item.id for item in items if options.flipped(item, sample))
    found: Found = {}
    elicitors: dict[str, tuple[Asking, Callable[[BeliefItem], Question]]] = {
        "label": (ReasonedChoice(way=way, counterbalanced=scored, flipped=flipped), choice_question),
        "likert": (ReasonedAgreement(way=way), agreement_question),
    }
    for probe, (elicitor, question) in elicitors.items():
        if probe in probes:
            answers = elicitor.elicit(
                model,
                [contexts[item.id] for item in items],
                [question(item) for item in items],
                sampling=options.drawn(sample),
            )
            found |= {(item.id, probe): answered(answer) for item, answer in zip(items, answers, strict=True)}
    if "behavior" in probes:
        acting = scored_behaviour if scored else tool_behaviour
        found |= acting(model, items, contexts, options, sample)
        found |= free_behaviour(model, items, contexts, options, sample)
    return found
