"""A jury of models: each judge reads the speeches several times, half of them with the sides in the other order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.debate.bets import SIDES
from doxa.protocols.debate.debate import DebateRecord
from doxa.protocols.debate.verdicts import Verdict, verdict_of
from doxa.protocols.debate.wording import JUDGE_BRIEF, JUDGE_TASK
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Transcript, Turn, play
from doxa.subjects.base import Sampling, Subject

_WINNER = re.compile(r"<winner>\s{0,8}(?:the )?(proposition|opposition)\W{0,8}</winner>", re.IGNORECASE)
_MARGIN = re.compile(r"<margin>\s{0,8}(\d{1,3})\s{0,2}%?\s{0,8}</margin>", re.IGNORECASE)


@dataclass(frozen=True)
class Jury:
    """Judges who decide who won.

    Attributes:
        judges: subjects; the paper has three.
        repeats: calls of each judge, >= 1; the paper has two.
        counterbalanced: whether every second call shows the opposition first.
        sampling: how a judge's reply is drawn.
    """

    judges: Sequence[Subject]
    repeats: int = 2
    counterbalanced: bool = True
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0, max_tokens=1000))

    def __post_init__(self) -> None:
        if not self.judges:
            raise InputError("a jury needs at least one judge")
        if self.repeats < 1:
            raise InputError(f"repeats={self.repeats}: must be >= 1")

    def decide(self, record: DebateRecord, *, keep: Keep = keep_none) -> Verdict:
        """Return the verdict on one debate."""
        return self.decide_all([record], keep=keep)[0]

    def decide_all(
        self,
        records: Sequence[DebateRecord],
        *,
        keep: Keep = keep_none,
        progress: Callable[[float, float, str], None] | None = None,
    ) -> list[Verdict]:
        """Return the verdict on each debate; all calls go out together."""
        return [decided.verdict for decided in self.hear(records, keep=keep, progress=progress)]

    def hear(
        self,
        records: Sequence[DebateRecord],
        *,
        keep: Keep = keep_none,
        progress: Callable[[float, float, str], None] | None = None,
    ) -> list[Decided]:
        """Return verdicts with the judges' transcripts. A debate that broke off is not put to them."""
        whole = [record for record in records if not record.transcript.stopped]
        scenes = [
            self._scene(record, number, judge) for record in whole for number, judge in enumerate(self.judges)
        ]
        talks = iter(play(self.script(), scenes, keep=keep, step=progress))
        heard = {record.id: [next(talks) for _ in self.judges] for record in whole}
        return [_decided(record.id, heard.get(record.id, [])) for record in records]

    def script(self) -> Script:
        """Return the jury's protocol."""
        turns = tuple(
            Turn(
                "judge",
                f"vote {number + 1}",
                JUDGE_TASK.replace(
                    "{debate}", "{reversed}" if self.counterbalanced and number % 2 else "{debate}"
                ),
                audience=(),
                kept=None,
                sampling=self.sampling.at(sample=number),
                optional=True,
            )
            for number in range(self.repeats)
        )
        return Script("jury", {"judge": JUDGE_BRIEF}, (Stage("verdict", turns),))

    def _scene(self, record: DebateRecord, number: int, judge: Subject) -> Scene:
        facts = {
            "motion": record.debate.motion,
            "debate": spoken(record, SIDES),
            "reversed": spoken(record, SIDES[::-1]),
        }
        seats = {"judge": Seat(judge, sampling=self.sampling)}
        return Scene(f"{record.id} judge {number + 1}", seats, facts, replicate=record.debate.replicate)


@dataclass(frozen=True)
class Decided:
    """A verdict and what each judge said."""

    verdict: Verdict
    transcripts: tuple[Transcript, ...]


def spoken(record: DebateRecord, order: Sequence[str]) -> str:
    """Return the speeches of a debate, stage by stage, one side before the other; nothing private is in them."""
    speeches = record.speeches
    parts = [
        f"{side.capitalize()}, {stage}:\n{speeches.get((side, stage)) or f'[no speech in {record.id}]'}"
        for stage in record.debate.rules.stages
        for side in order
    ]
    return "\n\n".join(parts)


def read_vote(text: str) -> tuple[str | None, float | None]:
    """Return the winner a judge names and its margin in [0, 100]; None for what cannot be read, or two winners.

    >>> read_vote("<winner>Opposition</winner> <margin>30</margin>")
    ('opposition', 30.0)
    """
    named = {winner.lower() for winner in _WINNER.findall(text)}
    margins = [float(margin) for margin in _MARGIN.findall(text)]
    margin = margins[-1] if margins and margins[-1] <= 100.0 else None
    return (named.pop(), margin) if len(named) == 1 else (None, None)


def _decided(name: str, talks: Sequence[Transcript]) -> Decided:
    votes = [read_vote(one.text) if not one.fault else (None, None) for talk in talks for one in talk.said]
    verdict = verdict_of(name, [winner for winner, _ in votes], [margin for _, margin in votes])
    return Decided(verdict, tuple(talks))
