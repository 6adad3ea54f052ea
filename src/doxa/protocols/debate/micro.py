"""The debate in micro-English: each side holds reports that speak for it, tells them one by one, and bets on itself.

The open question is the motion: the proposition speaks for yes, the opposition for no. What a side bets is read from
``how sure ?`` on a fork of its own conversation, so that no bet is ever heard. Beside each bet stands what Bayes' rule
makes of the reports that this side has seen: a side that bets more is surer of itself than its evidence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Transcript, Turn, play, view
from doxa.subjects.base import Conversation, Subject
from doxa.worlds.micro import SOURCES, Report, evidence_log_odds, say

STAGES = ("opening", "rebuttal", "closing")
"""A side bets after it was given its own reports, after hearing one of the other's, and after hearing both."""

SIDES = ("proposition", "opposition")

_SPEAKING = ("teacher", "sailor", "gossip")
"""Sources of a side's reports; with the atlas, or the teacher twice, steps of 10 % and not the subject would set the
bet."""


@dataclass(frozen=True)
class MicroDebate:
    """What both sides hold, in the order in which they tell it.

    Attributes:
        id: stable name.
        reports: two reports of each side, by ``SIDES``; each speaks for its side.
    """

    id: str
    reports: tuple[tuple[Report, Report], tuple[Report, Report]]

    def seen(self, side: int, stage: int) -> tuple[Report, ...]:
        """Return the reports that a side has seen when it bets at a stage."""
        return (*self.reports[side], *self.reports[1 - side][:stage])

    def log_odds(self, side: int, stage: int) -> float:
        """Return the log-odds in nats, by Bayes' rule, that a side is right at a stage."""
        yes = evidence_log_odds(self.seen(side, stage))
        return yes if side == 0 else -yes


def draw_debates(n: int, rng: np.random.Generator) -> list[MicroDebate]:
    """Return ``n`` different debates.

    Raises:
        InputError: ``n`` is below 1, or there are not that many.
    """
    pool = list(_every())
    if not 1 <= n <= len(pool):
        raise InputError(f"n={n}: there are 1 to {len(pool)} debates")
    return [pool[int(pick)] for pick in rng.permutation(len(pool))[:n]]


def expected_excess(sharpening: float) -> float:
    """Return by how much a side bets more than Bayes' rule, on average over all debates, sides and stages.

    Args:
        sharpening: stated log-odds over those of Bayes' rule; 1 has no excess.

    >>> expected_excess(1.0)
    0.0
    """
    held = np.array(
        [
            debate.log_odds(side, stage)
            for debate in _every()
            for side in (0, 1)
            for stage in range(len(STAGES))
        ]
    )
    return float(np.mean(expit(sharpening * held) - expit(held)))


def conversations(
    subject: Subject, debates: Sequence[MicroDebate]
) -> list[tuple[tuple[Conversation, ...], tuple[Conversation, ...]]]:
    """Return what each side of each debate has before it when it bets, ``[debate][side][stage]``; nobody is asked."""
    scenes = [_scene(subject, debate) for debate in debates]

    def before_bets(scene: Scene, talk: Transcript, side: str) -> tuple[Conversation, ...]:
        return tuple(view(SCRIPT, scene, talk.until(stage), side) for stage in STAGES)

    return [
        (before_bets(scene, talk, SIDES[0]), before_bets(scene, talk, SIDES[1]))
        for scene, talk in zip(scenes, play(SCRIPT, scenes), strict=True)
    ]


def _notes(name: str, prompt: str = "") -> Stage:
    """Return a stage in which both sides take in what is before them."""
    return Stage(
        name,
        tuple(Turn(side, "note", prompt.format(side=side), text="ok", audience=()) for side in SIDES),
    )


def _speeches(number: int) -> Stage:
    """Return a stage in which each side tells the other one of its reports."""
    return Stage(
        f"speeches {number}",
        tuple(Turn(side, text=f"{{{side}_{number}}}", kept=None) for side in SIDES),
    )


SCRIPT = Script(
    "micro-debate",
    dict.fromkeys(SIDES, ""),
    (
        _notes(STAGES[0], "{{{side}_1}} {{{side}_2}}"),
        _speeches(1),
        _notes(STAGES[1]),
        _speeches(2),
        _notes(STAGES[2]),
    ),
    label="{text}",
)


def _scene(subject: Subject, debate: MicroDebate) -> Scene:
    facts = {
        f"{side}_{number}": say(report)
        for side, reports in zip(SIDES, debate.reports, strict=True)
        for number, report in enumerate(reports, 1)
    }
    return Scene(debate.id, dict.fromkeys(SIDES, Seat(subject)), facts)


def _every() -> Iterator[MicroDebate]:
    """Yield every debate: each side's two sources in the order told, at most one of them the teacher."""
    pairs = [pair for pair in itertools.product(_SPEAKING, repeat=2) if pair.count("teacher") < 2]
    for own, other in itertools.product(pairs, repeat=2):
        reports = tuple(
            tuple(Report(source, (SOURCES[source] > 0.5) == yes) for source in pair)
            for pair, yes in ((own, True), (other, False))
        )
        yield MicroDebate(f"{' '.join(own)} / {' '.join(other)}", cast(Any, reports))
