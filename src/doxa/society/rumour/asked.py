"""A model as the mind of every agent, in the record, and what its populations show.

A cell is one population: its days are kept one by one, its prompts and replies are in the transcripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, wilson
from doxa.lab.parts import Keep
from doxa.lab.record import Finding, Recorder, Tables
from doxa.lab.units import SHARE, Units, least
from doxa.society.minds import OpinionMind
from doxa.society.rumour.analysis import trait_effects
from doxa.society.rumour.course import Course
from doxa.society.rumour.numbers import Numbers, record_beliefs, record_curve
from doxa.society.rumour.outcome import Propagation
from doxa.society.rumour.report import units, with_extra
from doxa.society.rumour.spread import spread
from doxa.society.rumour.town import Population, Town

FULL, NO_SHORT = "full", "no short memory"
LOST = 0.5
"""With this share of opinions unread nothing is said of the population."""


def record_population(
    recorder: Recorder,
    mind: OpinionMind,
    subject: str,
    town: Town,
    item: str,
    announced: tuple[int, ...],
    *,
    keep: Keep,
    about: Mapping[str, str],
) -> None:
    """Simulate one population with a mind and record counts, beliefs, what was said, and what could not be read.

    Args:
        recorder: where it goes; its seed is the population's.
        mind: who answers.
        subject: its address.
        town: people and days.
        item: the news.
        announced: days of denials.
        keep: keeps each day.
        about: stands beside every number: topic, policy, memory.
    """
    course = Course(town, [Population(recorder.seed, item, announced)], mind)
    run = Propagation(course, spread(course, keep=keep))
    numbers = Numbers(recorder, subject, dict(about))
    record_curve(numbers, run)
    record_beliefs(recorder, run, subject)
    for trait, effect in trait_effects(run).items():
        numbers.add("trait-effect", effect, "share", more={"trait": trait})
    for n in (1, 2):
        asked = any(day.asked.any() for day in run.days)
        numbers.add(f"distinct-{n}", float(run.distinct(n)[0]) if asked else np.nan, "share")
    _record_losses(numbers, run)
    _record_said(recorder, run, subject)


def _record_losses(numbers: Numbers, run: Propagation) -> None:
    missing = [str(why) for day in run.days for why in day.missing[day.asked] if why]
    counts = {
        "opinions": sum(int(day.asked.sum()) for day in run.days),
        "opinions-missing": len(missing),
        "opinions-refused": sum(why.startswith("refusal") for why in missing),
        "asked-again": sum(int(day.again.sum()) for day in run.days),
        "memories-missing": sum(int(day.lost.sum()) for day in run.days),
    }
    for name, count in counts.items():
        numbers.add(name, float(count), "replies")


def _record_said(recorder: Recorder, run: Propagation, subject: str) -> None:
    """Record every prompt and reply in the order in which they came."""
    names = [person.name for person in run.course.persons[0]]
    for turn, said in enumerate(one for day in run.days for one in day.said):
        told: dict[str, Any] = dict(said)  # type: ignore[call-overload,arg-type]
        shared = {"asked": told["asked"], "attempt": told["attempt"]}
        conversation = f"day {told['time']} {names[told['agent']]}"
        for message in told["prompt"]:
            recorder.utterance(
                subject=subject, conversation=conversation, turn=turn, role=message["role"], text=message["content"],
                **shared,
            )  # fmt: skip
        recorder.utterance(
            subject=subject,
            conversation=conversation,
            turn=turn,
            role="assistant",
            text=told["reply"],
            tokens=told["tokens"],
            finish=told["finish"],
            missing=told["missing"],
            **shared,
        )


def asked_findings(tables: Tables, topics: Sequence[str], policies: Sequence[str]) -> list[Finding]:
    """Return what a subject's populations show, one population to a unit, and what of the paper they repeat.

    Args:
        tables: of all cells.
        topics: that were run, the first is the one of policies and memory.
        policies: of denials that were run.
    """
    measures = with_extra(tables.measures)
    lost = unread_share(measures)
    if lost.estimate >= LOST:
        measures = measures.clear()
    full = measures.filter(memory=FULL, policy="none")
    first = topics[0]
    found = [
        units(full, "final", topic=topic).finding(
            f"believes-{_slug(topic)}",
            f"most come to believe the item ({topic}), which is invented: final share",
            unit="share",
            above=0.5,
            possible=SHARE,
        )
        for topic in topics
    ]
    if len(topics) > 1 and "politics" in topics:
        fastest = [
            units(full, "area", topic="politics").minus(units(full, "area", topic=other))
            for other in topics
            if other != "politics"
        ]
        found.append(
            least(fastest).finding(
                "politics-first",
                "the politics item spreads fastest: smallest lead of its area under the believers",
                unit="agent-days",
                above=0.0,
            )
        )
    for trait, above in (("agreeableness", True), ("stability", False)):
        effect = _over_topics(full, trait)
        found.append(
            effect.finding(
                f"susceptible-{trait}",
                f"{'agreeable' if above else 'unstable'} people believe more often: high pole minus low pole",
                unit="difference of shares",
                above=0.0 if above else None,
                below=None if above else 0.0,
                possible=(-1.0, 1.0),
            )
        )
    for policy in policies:
        if policy != "none":
            rows = measures.filter(memory=FULL, topic=first)
            saved = units(rows, "area", policy="none").minus(units(rows, "area", policy=policy))
            found.append(
                saved.finding(
                    f"denied-{_slug(policy)}",
                    f"denials ({policy}) lower the area under the believers of the item ({first})",
                    unit="agent-days",
                    above=0.0,
                )
            )
    for n, paper in ((1, 0.017), (2, 0.034)):
        rows = measures.filter(policy="none", topic=first)
        fall = units(rows, f"distinct-{n}", memory=FULL).minus(units(rows, f"distinct-{n}", memory=NO_SHORT))
        if fall.values:
            claim = f"without short memory tweets are less varied: fall of Distinct-{n}"
            found.append(fall.finding(f"distinct-{n}", claim, unit="share", above=0.0, paper=paper))
    found.append(_unread(lost, with_extra(tables.measures)))
    return found


def unread_share(measures: pl.DataFrame) -> Interval:
    """Return the share of opinions that could not be read after all retries."""
    return wilson(int(_total(measures, "opinions-missing")), int(_total(measures, "opinions")))


def _unread(lost: Interval, measures: pl.DataFrame) -> Finding:
    names = ("opinions-refused", "asked-again", "memories-missing")
    note = ", ".join(f"{name} {_total(measures, name):g}" for name in names)
    return Finding.judged(
        "unread",
        "opinions can be read: share that is missing after all retries",
        lost.estimate,
        lost.ends,
        below=0.1,
        unit="share of opinions",
        control=True,
        n=lost.n,
        note=f"{note}; a missing opinion leaves the belief of the day before",
    )


def _over_topics(rows: pl.DataFrame, trait: str) -> Units:
    chosen = rows.filter(measure="trait-effect", trait=trait).drop_nulls("value")
    return Units(dict(chosen.group_by("seed", maintain_order=True).agg(pl.col("value").mean()).iter_rows()))


def _total(measures: pl.DataFrame, name: str) -> float:
    return float(measures.filter(measure=name)["value"].sum())


def _slug(text: str) -> str:
    return text.replace(" ", "-")
