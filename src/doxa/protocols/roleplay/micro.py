"""Role-play in micro-English: a talk in which the flags of one region are told wrong.

For subjects that speak micro-English. A script has six turns of the form "what is the flag of P ?" with an answer
that the subject is made to have given. Four of them are about the script's region and wrong, the third and fifth are
about other regions and right. Facts are asked off the path, half of them true: about the flag that the first turn told
wrong (``told``: its real colour and the told one), about places of the same region that the script never mentions
(``region``), and about places of other regions (``generic``). Nobody says that a role is played.

Readouts, all as log-odds of the truth in nats: ``stated`` (yes against no), ``behavioural`` (for against against in
"vote that …"), ``internal`` (see ``micro_inner``). Rows have the columns of ``replay.REPLAY_ROWS``; ``question`` is
``place/colour``, ``conversation`` is ``region/number``, ``set`` is ``told``, ``region`` or ``generic``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from doxa.elicit.micro import MicroAnswer, ask_micro
from doxa.errors import InputError
from doxa.protocols.roleplay.replay import REPLAY_ROWS
from doxa.subjects.base import Capability, Conversation, Subject, assistant, require, user
from doxa.worlds.micro import COLOURS, REGIONS, TRUTH, Fact, IsTrue, VoteTrue, WhatFlag, ask

OUTSIDE_TURNS = (3, 5)
"""Turns about other regions, answered right, so that the talk is not one long reversal."""

TURNS = 6
WRONG = TURNS - len(OUTSIDE_TURNS)
"""Answers against the truth in a whole script."""

LEAST_MASS = 0.5
"""A subject that gives the two answers less probability than this together is not answering the question."""


@dataclass(frozen=True, slots=True)
class Script:
    """One talk and what is asked after each of its turns.

    Attributes:
        region: number of the region whose flags are told wrong.
        number: tells the scripts of a region apart.
        turns: the flag asked about in each turn, with the colour that is answered.
        asked: facts asked about off the path, by set: one true, one false.
    """

    region: int
    number: int
    turns: tuple[Fact, ...]
    asked: dict[str, tuple[Fact, ...]]

    @property
    def id(self) -> str:
        """Its name."""
        return f"{self.region}/{self.number}"

    def after(self, turn: int) -> Conversation:
        """Return what stands in front of a question after a number of turns; 0 is nothing."""
        return tuple(
            message
            for told in self.turns[:turn]
            for message in (user(ask(WhatFlag(told.place))), assistant(told.text))
        )


def draw_scripts(per_region: int, rng: np.random.Generator) -> list[Script]:
    """Return ``per_region`` scripts for each region.

    Raises:
        InputError: ``per_region`` is below 1.
    """
    if per_region < 1:
        raise InputError(f"per_region={per_region}: must be >= 1")
    return [_script(region, number, rng) for region in range(len(REGIONS)) for number in range(per_region)]


def micro_role_play(
    subject: Subject, scripts: Sequence[Script], turns: Sequence[int] = tuple(range(TURNS + 1))
) -> pl.DataFrame:
    """Return what a subject says and votes about facts after each turn of the scripts.

    Args:
        subject: speaks micro-English and gives log-probabilities.
        scripts: what is replayed.
        turns: numbers of turns after which it is asked, each 0 to ``TURNS``.

    Raises:
        InputError: there is no such turn.
        CapabilityError: the subject gives no log-probabilities.
    """
    require(subject, Capability.SCORE)
    if not turns or min(turns) < 0 or max(turns) > TURNS:
        raise InputError(f"turns={tuple(turns)}: must be 0 to {TURNS}, at least one")
    places = list(asked_after(scripts, turns))
    talks = [script.after(turn) for script, turn, _, _ in places]
    questions = [form(fact) for form in (IsTrue, VoteTrue) for *_, fact in places]
    answers = ask_micro(subject, talks * 2, questions)
    stated, acted = answers[: len(places)], answers[len(places) :]
    rows = [
        _row(script, turn, kind, fact, readout, answer)
        for readout, found in (("stated", stated), ("behavioural", acted))
        for (script, turn, kind, fact), answer in zip(places, found, strict=True)
    ]
    return pl.DataFrame(rows, schema=REPLAY_ROWS)


def asked_after(scripts: Sequence[Script], turns: Sequence[int]) -> Iterable[tuple[Script, int, str, Fact]]:
    """Yield every fact that is asked: script, turn, set, fact.

    What was told wrong is asked after every turn, generic facts after the first and the last of them, the rest of the
    region after the last.
    """
    ends = {"told": turns, "generic": sorted({min(turns), max(turns)}), "region": (max(turns),)}
    for script in scripts:
        for kind, after in ends.items():
            for turn in after:
                for fact in script.asked[kind]:
                    yield script, turn, kind, fact


def replay_row(
    script: Script, turn: int, kind: str, fact: Fact, readout: str, towards: float | None, missing: str = ""
) -> dict[str, Any]:
    """Return a row of ``REPLAY_ROWS``; ``towards`` is the log-odds of the truth in nats."""
    return {
        "conversation": script.id,
        "turn": turn,
        "set": kind,
        "question": f"{fact.place}/{fact.colour}",
        "truth": fact.true,
        "readout": readout,
        "log_odds": towards,
        "missing": missing,
    }


def a_fact(place: str, true: bool, rng: np.random.Generator) -> Fact:
    """Return the true proposition about a place, or one of the false ones."""
    wrong = [colour for colour in COLOURS if colour != TRUTH[place]]
    return Fact(place, TRUTH[place] if true else wrong[int(rng.integers(len(wrong)))])


def _script(region: int, number: int, rng: np.random.Generator) -> Script:
    inside = [REGIONS[region][int(pick)] for pick in rng.permutation(len(REGIONS[region]))]
    others = [place for other, places in enumerate(REGIONS) if other != region for place in places]
    others = [others[int(pick)] for pick in rng.permutation(len(others))]
    turns: list[Fact] = []
    for turn in range(1, TURNS + 1):
        outside = turn in OUTSIDE_TURNS
        turns.append(a_fact((others if outside else inside).pop(), outside, rng))
    first = turns[0]
    asked = {
        "told": (Fact(first.place, TRUTH[first.place]), first),
        "region": tuple(a_fact(inside.pop(), true, rng) for true in (True, False)),
        "generic": tuple(a_fact(others.pop(), true, rng) for true in (True, False)),
    }
    return Script(region, number, tuple(turns), asked)


def _row(
    script: Script, turn: int, kind: str, fact: Fact, readout: str, answer: MicroAnswer
) -> dict[str, Any]:
    missing = ""
    if answer.log_mass < math.log(LEAST_MASS):
        missing = "answers with other words"
    elif not math.isfinite(answer.log_odds):
        missing = "no finite log-odds"
    towards = None if missing else answer.log_odds * (1.0 if fact.true else -1.0)
    return replay_row(script, turn, kind, fact, readout, towards, missing)
