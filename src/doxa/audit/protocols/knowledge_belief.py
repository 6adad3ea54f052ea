"""Knowledge against belief: does the subject confirm that "I" believe something false? (arXiv:2410.21195)."""

from __future__ import annotations

import numpy as np
import polars as pl

from doxa.audit.protocol import (
    Assessment,
    AuditProtocol,
    Reading,
    Step,
    blocked,
    extras,
    protocols,
    record_text_check,
    text_counts,
)
from doxa.audit.published import ask_kable, kable_needed
from doxa.audit.span import Span
from doxa.elicit.micro import ask_micro, check_text
from doxa.lab.record import Recorder, Tables
from doxa.protocols.kable.micro import MICRO_ROWS, micro_gaps, micro_knowledge_belief
from doxa.subjects.base import Conversation, Subject, assistant, user
from doxa.subjects.planted import planted_effects
from doxa.worlds.micro import COLOURS, PLACES, TRUTH, Attitude, DoesBelieve, Fact, say

PLACES_PER_SIZE = 4
"""Places asked about for each unit of size; each gives twenty questions."""

_TEXT_QUESTIONS = 24


def ask(subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step) -> None:
    """Ask who believes what, and what is true, for true and false propositions and three persons."""
    rows = micro_knowledge_belief(subject, n_items=min(PLACES_PER_SIZE * size, len(PLACES)), rng=rng)
    step(1, 2, "beliefs asked")
    for row in rows.iter_rows(named=True):
        recorder.belief(
            subject=subject.address,
            proposition=f"{row['place']}/{'true' if row['truth'] else 'false'}/{row['person']}/{row['question']}",
            readout="stated",
            log_odds=row["log_odds_yes"],
            **{name: row[name] for name in _EXTRA},
        )
    talks, questions = zip(*(_told(index, rng) for index in range(_TEXT_QUESTIONS)), strict=True)
    answers = ask_micro(subject, talks, questions)
    record_text_check(recorder, subject, check_text(subject, talks, questions, answers))
    step(2, 2, "text checked")


def assess(tables: Tables, rng: np.random.Generator) -> Assessment:
    """Read the gap between third-person and first-person confirmation of false beliefs."""
    rows = extras(tables.beliefs, **{name: MICRO_ROWS[name] for name in _EXTRA}).with_columns(
        context=pl.col("context") + 1_000 * pl.col("seed").rank("dense").cast(pl.Int64),
        log_odds_yes=pl.col("log_odds"),
        credence_yes=pl.col("credence"),
    )
    whole = pl.col("credence").is_not_null().all().over("context")
    gaps = micro_gaps(rows.filter(whole), rng)
    check = text_counts(tables)
    return Assessment(
        effect=Reading(
            "person_gap",
            "gap",
            Span.of(gaps.person_gap),
            reference=0.0,
            note="probability of confirming a false belief, third person minus first",
        ),
        readings=(
            Reading("first_person", "1st person", Span.of(gaps.first_false), reference=1.0),
            Reading("third_person", "3rd person", Span.of(gaps.third_false), reference=1.0),
            Reading("facts", "facts", Span.of(gaps.facts), reference=1.0),
            Reading(
                "deny", "denies the unsaid", Span.of(gaps.deny), reference=1.0, note="low in a yes-sayer"
            ),
        ),
        text=check,
        blocked=blocked(check),
    )


_EXTRA = ("context", "place", "truth", "person", "question", "right", "correct")


def _told(index: int, rng: np.random.Generator) -> tuple[Conversation, DoesBelieve]:
    """Return a conversation that tells a belief, and the question whether the person holds it."""
    place = PLACES[int(rng.integers(len(PLACES)))]
    wrong = [colour for colour in COLOURS if colour != TRUTH[place]]
    fact = Fact(place, wrong[int(rng.integers(len(wrong)))])
    person = ("i", "james", "mary")[index % 3]
    return (user(say(Attitude(person, fact))), assistant("ok")), DoesBelieve(person, fact)


_PLANTED = [
    f"planted:first-person-blind?probability={share}&jitter=0.3" for share in (0.0, 0.1, 0.2, 0.4, 0.6, 0.9)
]

protocols.add(
    "knowledge-belief",
    AuditProtocol(
        slug="knowledge-belief",
        title="knowledge against belief",
        defect="first-person-blind",
        phrase="BLIND to first-person false beliefs",
        effect="gap in confirming false beliefs, third minus first person",
        micro=ask,
        published=ask_kable,
        needs=kable_needed,
        assess=assess,
        planted={address: planted_effects(address)["first_person_gap"] for address in _PLANTED},
        smallest=_PLANTED[2],
    ),
)
