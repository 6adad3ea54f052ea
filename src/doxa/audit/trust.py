"""Saying and doing in plain English: what a model says people of a kind would send, and what it sends as one of them.

Personas have five traits, each high, moderate or low by a fair draw, so that traits do not go together. The model says
how many dollars each level would send in the trust game; then it plays every persona. What is said of a level is
compared with what was sent by the personas that have it, both as shares of the endowment and about their trait's mean.
The rows are those of the micro form, so that one assessment reads both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doxa.audit.protocol import Step, record_text_check
from doxa.elicit.micro import TextCheck
from doxa.elicit.refusals import is_refusal
from doxa.lab.record import Recorder
from doxa.subjects.base import Subject

if TYPE_CHECKING:
    import polars as pl

    from doxa.protocols.trust.believing import Belief

PERSONAS_PER_SIZE = 12
REPEATS = 3


def ask_trust(
    subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step
) -> None:
    """Ask what people of each level would send, let every persona play, and record both for each persona and trait."""
    from doxa.protocols.trust.believing import elicit_beliefs
    from doxa.protocols.trust.playing import play_population
    from doxa.worlds.personas import BIG_FIVE, BIG_FIVE_LEVELS
    from doxa.worlds.trust_game import TrustGame

    game, seed = TrustGame(), int(rng.integers(2**31))
    people = _people(PERSONAS_PER_SIZE * size, BIG_FIVE, BIG_FIVE_LEVELS, rng)
    levels: dict[str, Sequence[str]] = dict.fromkeys(BIG_FIVE, BIG_FIVE_LEVELS)
    beliefs = elicit_beliefs(subject, levels, ("CTX+$",), REPEATS, game=game, seed=seed)
    step(1, 2, "beliefs asked")
    played = play_population(subject, people, game=game, attributes=BIG_FIVE, seed=seed)
    step(2, 2, "played")
    for belief in beliefs:
        _record(recorder, subject, belief, people, played, game.endowment)
    replies = [statement.reply.text for belief in beliefs for statement in belief.raw]
    unread = [statement.scores is None for belief in beliefs for statement in belief.raw]
    replies += played["text"].to_list()
    unread += played["sent"].is_null().to_list()
    refused = sum(lost and is_refusal(text) for lost, text in zip(unread, replies, strict=True))
    asked, lost = len(replies), sum(unread)
    record_text_check(recorder, subject, TextCheck(asked, refused, lost - refused, asked - lost))


def _people(
    n: int, traits: tuple[str, ...], levels: tuple[str, ...], rng: np.random.Generator
) -> pl.DataFrame:
    import polars as pl

    drawn = np.array(levels)[rng.integers(len(levels), size=(n, len(traits)))]
    columns: dict[str, Any] = {trait: drawn[:, place].tolist() for place, trait in enumerate(traits)}
    return pl.DataFrame({"agent_id": [f"persona {number}" for number in range(n)], **columns})


def _record(
    recorder: Recorder,
    subject: Subject,
    belief: Belief,
    people: pl.DataFrame,
    played: pl.DataFrame,
    endowment: int,
) -> None:
    """Record what is said of each persona's level and what it sent, what is said moved to a mean of one half."""
    means = None if belief.level_means is None else np.array(belief.level_means) / endowment
    sent = dict(zip(played["agent_id"], played["sent"], strict=True))
    top, bottom = (None, None) if means is None else (int(means.argmax()), int(means.argmin()))
    for agent, level in people.select("agent_id", belief.attribute).iter_rows():
        place = belief.levels.index(level)
        said = None if means is None else float(np.clip(0.5 + means[place] - means.mean(), 0.0, 1.0))
        done = None if sent[agent] is None else sent[agent] / endowment
        side = 0 if means is None or top == bottom else int(place == top) - int(place == bottom)
        for readout, value in (("stated", said), ("behavioural", done)):
            absent: dict[str, Any] = {"missing": "could not be read"} if value is None else {}
            recorder.belief(
                subject=subject.address,
                proposition=f"{belief.attribute} {level}",
                readout=readout,  # pyright: ignore[reportArgumentType] (one of the two)
                credence=value,
                context=f"{agent} {belief.attribute}",
                topic=belief.attribute,
                side=side,
                unit=agent,
                **absent,
            )
