"""What a subject that speaks micro-English holds of facts: read at its forced answers, or before it answers.

A direction of truth is fitted on facts asked with nothing in front and after a talk about another region. Regions are
held out in turn, so that facts of the region a script is about are read by a direction that never saw that region.
Labels are the truth of the world, whatever was played.

Two places are tried: the answer's token, where the margin between yes and no is read, and the token before it. The one
whose held-out log-odds lose least is taken: a model that has nothing to do with its answer once it is given need not
carry its truth there (in ``organism:sound`` two thirds of forced answers are told right, and all before the answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.lens.calibrated import Calibrated, CalibratedReading, calibrated
from doxa.lens.capture import activations
from doxa.protocols.roleplay.micro import (
    TURNS,
    Script,
    a_fact,
    asked_after,
    draw_scripts,
    replay_row,
)
from doxa.protocols.roleplay.replay import REPLAY_ROWS
from doxa.subjects.base import Conversation, user
from doxa.subjects.transformers import TransformersSubject
from doxa.worlds.micro import PLACES, REGIONS, Fact, IsTrue, ask

REGION_OF: dict[str, int] = {place: number for number, places in enumerate(REGIONS) for place in places}


class Inner(NamedTuple):
    """What was read inside: rows of the replay, and how well the directions do on facts they never saw.

    Attributes:
        rows: as ``micro_role_play``'s, readout ``internal``.
        controls: the same read by the direction of permuted labels and by a random one, by name.
        fitted: the readings themselves.
        place: ``at the answer`` or ``before the answer``.
    """

    rows: pl.DataFrame
    controls: dict[str, pl.DataFrame]
    fitted: Calibrated
    place: str


def micro_inner_role_play(
    model: TransformersSubject,
    scripts: Sequence[Script],
    turns: Sequence[int] = tuple(range(TURNS + 1)),
    *,
    rng: np.random.Generator,
) -> Inner:
    """Return what a model holds of the facts asked after each turn of the scripts.

    Args:
        model: speaks micro-English.
        scripts: as for ``micro_role_play``.
        turns: numbers of turns after which it is read.
        rng: draws the facts and talks of the fit, its folds and controls.
    """
    facts, talks = _explicit(rng)
    labels = np.array([fact.true for fact in facts])
    groups = [REGION_OF[fact.place] for fact in facts]
    tried = {
        place: calibrated(read(model, talks, facts), labels, groups, rng=rng, folds=len(REGIONS))
        for place, read in _PLACES.items()
    }
    place, fitted = min(tried.items(), key=lambda item: item[1].reading.line.loss)
    places = list(asked_after(scripts, turns))
    acts = _PLACES[place](
        model, [script.after(turn) for script, turn, *_ in places], [fact for *_, fact in places]
    )

    def rows(reading: CalibratedReading) -> pl.DataFrame:
        found = reading.log_odds(acts, [REGION_OF[fact.place] for *_, fact in places])
        return pl.DataFrame(
            [
                replay_row(*place, "internal", float(nats) if place[3].true else -float(nats))
                for place, nats in zip(places, found, strict=True)
            ],
            schema=REPLAY_ROWS,
        )

    controls = {"permuted labels": rows(fitted.permuted), "random direction": rows(fitted.random)}
    return Inner(rows(fitted.reading), controls, fitted, place)


def _explicit(rng: np.random.Generator) -> tuple[list[Fact], list[Conversation]]:
    """Return facts of every place, true and false, bare and after a whole talk about another region."""
    scripts = draw_scripts(2, rng)
    facts: list[Fact] = []
    talks: list[Conversation] = []
    for place in PLACES:
        elsewhere = [script for script in scripts if script.region != REGION_OF[place]]
        for true in (True, False):
            for talk in ((), elsewhere[int(rng.integers(len(elsewhere)))].after(TURNS)):
                facts.append(a_fact(place, true, rng))
                talks.append(talk)
    return facts, talks


def _before(
    model: TransformersSubject, talks: Sequence[Conversation], facts: Sequence[Fact]
) -> Float[np.ndarray, "facts 1 layers width"]:
    """Return the residual stream where the answer would begin, after every block."""
    return activations(model.model, model.rows(_asked(talks, facts)))


def _asked(talks: Sequence[Conversation], facts: Sequence[Fact]) -> list[Conversation]:
    return [(*talk, user(ask(IsTrue(fact)))) for talk, fact in zip(talks, facts, strict=True)]


def _forced(
    model: TransformersSubject, talks: Sequence[Conversation], facts: Sequence[Fact]
) -> Float[np.ndarray, "facts 2 layers width"]:
    """Return the residual stream at yes and at no, after every block."""
    asked = _asked(talks, facts)
    rows: list[Any] = [row for said in ("yes", "no") for row in model.rows(asked, said=said)]
    found = activations(model.model, rows)[:, 0]
    return np.stack([found[: len(facts)], found[len(facts) :]], axis=1)


_PLACES = {"at the answer": _forced, "before the answer": _before}
