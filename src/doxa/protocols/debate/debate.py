"""One debate between two subjects: three speeches each, a bet after every speech, nothing private ever shown.

At each stage both sides have heard all earlier stages of both and nothing of the current one. Everything goes through
the conversation engine; this file says who hears what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from doxa.canonical import digest
from doxa.errors import InputError, did_you_mean
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.debate.bets import MULTI_STAGES, SIDES, STAGES, Side
from doxa.protocols.debate.incentives import INCENTIVES, Incentive
from doxa.protocols.debate.reply_parts import (
    BetRead,
    BetReading,
    public_bet,
    read_bet,
    reasoning_of,
    speech_and_bet,
    speech_of,
)
from doxa.protocols.debate.wording import BET_TASK, NOTES, SEPARATE_TASK, STAGE_TASKS, Note, brief
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Transcript, Turn, play
from doxa.subjects.base import Sampling, Subject

Visibility: TypeAlias = Literal["private", "public", "none"]
Elicit: TypeAlias = Literal["same-turn", "separate", "scored"]
VISIBILITIES: tuple[Visibility, ...] = ("private", "public", "none")
ELICITS: tuple[Elicit, ...] = ("same-turn", "separate", "scored")
PAPER_RETRIES = 10


@dataclass(frozen=True)
class Rules:
    """How a debate is held, beside motion and debaters.

    Attributes:
        stages: a speech of each side per stage, out of ``MULTI_STAGES``; two rebuttals are ``multi_round``.
        visibility: ``private`` shows a debater its own earlier bets and reasoning, ``public`` also the opponent's
            numbers, ``none`` no bets at all.
        note: what a debater is told of its opponent: a copy (``self``), a copy and an even chance (``informed``), a
            copy whose best case must be argued first (``redteam``).
        incentive: what the number is said to be worth.
        show_own_bets: whether a debater sees its own bets; None follows the official code, which shows none with the
            notes ``informed`` and ``redteam``.
        elicit: ``same-turn`` asks speech and bet in one reply (paper), ``separate`` asks the bet in a turn of its own,
            ``scored`` reads the distribution of the number from log-probabilities, off the path.
        samples: separate bets drawn per speech; several are off the path and their mean is the bet.
        elicitor: ``tag`` asks once and reads a whole number from 0 to 100; ``paper`` clips, and asks again up to ten
            times.
    """

    stages: tuple[str, ...] = STAGES
    visibility: Visibility | str = "private"
    note: Note | str | None = None
    incentive: Incentive | str = "tokens"
    show_own_bets: bool | None = None
    elicit: Elicit | str = "same-turn"
    samples: int = 1
    elicitor: BetReading | str = "tag"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        choices: tuple[tuple[str, Any, Sequence[Any]], ...] = (
            ("visibility", self.visibility, VISIBILITIES),
            ("note", self.note, (None, *NOTES)),
            ("incentive", self.incentive, INCENTIVES),
            ("elicit", self.elicit, ELICITS),
            ("elicitor", self.elicitor, ("tag", "paper")),
            *(("stage", stage, MULTI_STAGES) for stage in self.stages),
        )
        for name, value, known in choices:
            if value not in known:
                raise InputError(f"{name}={value!r}: {did_you_mean(str(value), map(str, known))}")
        if not self.stages or len(set(self.stages)) < len(self.stages):
            raise InputError(f"stages={self.stages}: give at least one, each once")
        if self.samples < 1 or (self.samples > 1 and self.elicit != "separate"):
            raise InputError(f"samples={self.samples}: must be >= 1, and several need elicit='separate'")
        if self.visibility == "public" and (self.elicit == "scored" or self.samples > 1):
            raise InputError(
                "visibility='public': the opponent is shown one stated number; do not score it or draw several"
            )

    @property
    def shows_own(self) -> bool:
        """Whether a debater sees its own earlier bets."""
        if self.show_own_bets is not None:
            return self.show_own_bets
        return self.visibility != "none" and self.note not in ("informed", "redteam")

    def script(self) -> Script:
        """Return the protocol as a script."""
        public = self.visibility == "public"
        briefs = {side: brief(side, self.stages, self.note, self.incentive, public) for side in SIDES}
        stages = tuple(
            Stage(stage, tuple(turn for side in SIDES for turn in self._turns(side, stage)))
            for stage in self.stages
        )
        return Script(
            f"debate {digest(self._names(), length=8)}", briefs, stages, label="The {speaker} said:\n{text}"
        )

    def _turns(self, side: Side, stage: str) -> list[Turn]:
        task = STAGE_TASKS[stage]
        asked_again: dict[str, Any] = {}
        if self.elicitor == "paper":
            asked_again = {"accept": _readable, "retries": PAPER_RETRIES}
        if self.elicit == "same-turn":
            heard = speech_and_bet if self.visibility == "public" else speech_of
            kept: Callable[[str], str] = str if self.shows_own else speech_of
            prompt = f"{task}\n\n{BET_TASK}"
            return [Turn(side, "speech", prompt, heard=heard, kept=kept, **asked_again)]
        speech = Turn(side, "speech", f"{task} Give the speech only.", heard=speech_of, kept=speech_of)
        if self.elicit == "scored":
            return [speech]
        hearing: dict[str, Any] = {"audience": ()}
        if self.visibility == "public":
            hearing = {"audience": "all", "heard": public_bet}
        keeps = str if self.shows_own and self.samples == 1 else None
        bet = Turn(
            side,
            "bet",
            SEPARATE_TASK,
            kept=keeps,
            repeats=self.samples,
            optional=True,
            **hearing,
            **asked_again,
        )
        return [speech, bet]

    def _names(self) -> list[str]:
        return [f"{name}={getattr(self, name)}" for name in self.__dataclass_fields__]


class Bet(NamedTuple):
    """What a debater bet after a speech.

    Attributes:
        side: who.
        stage: after which speech.
        bet: in [0, 100]; the mean of those read if several were drawn; None if none was.
        missing: why it is None, or "".
        reasoning: the private text; the first of several.
        draws: every bet that was read.
        attempts: replies drawn for it.
    """

    side: Side
    stage: str
    bet: float | None
    missing: str
    reasoning: str
    draws: tuple[float, ...] = ()
    attempts: int = 1


@dataclass(frozen=True)
class DebateRecord:
    """A debate that was held.

    Attributes:
        debate: the debate.
        id: its name.
        bets: by side and stage, in the order of stages.
        transcript: everything that was said, raw, with who heard what.
    """

    debate: Debate
    id: str
    bets: tuple[Bet, ...]
    transcript: Transcript

    @property
    def speeches(self) -> dict[tuple[str, str], str]:
        """What was heard, by side and stage."""
        return {
            (one.role, one.stage): speech_of(one.text)
            for one in self.transcript.by(turn="speech")
            if not one.fault
        }

    @property
    def reasoning(self) -> dict[tuple[str, str], str]:
        """The private texts, by side and stage."""
        return {(bet.side, bet.stage): bet.reasoning for bet in self.bets}

    @property
    def raw(self) -> dict[tuple[str, str], str]:
        """The replies as they came, by side and stage."""
        return {(one.role, one.stage): one.text for one in self.transcript.by(turn="speech")}

    @property
    def messages(self) -> dict[str, list[dict[str, Any]]]:
        """What each side would be shown now, by side."""
        from doxa.protocols.dialogue import view

        scene, script = self.debate.scene(self.id), self.debate.rules.script()
        return {
            side: [message.as_json() for message in view(script, scene, self.transcript, side)]
            for side in SIDES
        }


@dataclass(frozen=True)
class Debate:
    """A debate to be held.

    Attributes:
        motion: what is debated.
        proposition: who speaks for it.
        opposition: who speaks against it.
        rules: how it is held.
        sampling: how replies are drawn.
        replicate: tells equal debates apart; equal messages of two replicates are two draws.
        condition: the condition it is counted under.
    """

    motion: str
    proposition: Subject
    opposition: Subject
    rules: Rules = field(default_factory=Rules)
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0, max_tokens=1500))
    replicate: int = 0
    condition: str = "cross_model"

    def __post_init__(self) -> None:
        if not self.motion.strip():
            raise InputError("motion: must not be empty")

    def seated(self, side: str) -> Subject:
        """Return who speaks for a side."""
        return self.proposition if side == SIDES[0] else self.opposition

    def scene(self, name: str) -> Scene:
        """Return the debate as a scene of its script."""
        seats = {side: Seat(self.seated(side), sampling=self.sampling) for side in SIDES}
        return Scene(name, seats, {"motion": self.motion}, replicate=self.replicate)

    def run(self, seed: int = 0, *, keep: Keep = keep_none) -> DebateRecord:
        """Hold the debate and return its record."""
        sampling = replace(self.sampling, seed=seed)
        return hold_debates({"debate": replace(self, sampling=sampling)}, keep=keep)[0]


def hold_debates(
    debates: Mapping[str, Debate],
    *,
    keep: Keep = keep_none,
    progress: Callable[[float, float, str], None] | None = None,
) -> list[DebateRecord]:
    """Hold debates with the same rules side by side: all calls of a stage go out together.

    Args:
        debates: by id.
        keep: keeps the replies of subjects on this machine.
        progress: told how far it is.

    Raises:
        InputError: no debates, or their rules differ.
    """
    rules = {digest(debate.rules.script().name): debate.rules for debate in debates.values()}
    if len(rules) != 1:
        raise InputError(f"{len(rules)} different rules: hold debates with the same rules together")
    shared = next(iter(rules.values()))
    script = shared.script()
    scenes = [debate.scene(name) for name, debate in debates.items()]
    talks = play(script, scenes, keep=keep, step=progress)
    records: list[DebateRecord] = []
    for (name, debate), talk in zip(debates.items(), talks, strict=True):
        bets = tuple(_bet(talk, shared, side, stage) for stage in shared.stages for side in SIDES)
        records.append(DebateRecord(debate, name, bets, talk))
    if shared.elicit == "scored":
        from doxa.protocols.debate.scored import scored_bets

        return scored_bets(script, scenes, records)
    return records


def _bet(talk: Transcript, rules: Rules, side: Side, stage: str) -> Bet:
    """Return what a side bet after a speech, read from what it said."""
    said = talk.by(side, stage=stage, turn="speech" if rules.elicit == "same-turn" else "bet")
    read = [
        BetRead(None, f"fault: {one.fault}") if one.fault else read_bet(one.text, rules.elicitor)
        for one in said
    ]
    if not read:
        why = talk.stopped or ("to be scored" if rules.elicit == "scored" else "not asked")
        return Bet(side, stage, None, why, "", attempts=0)
    draws = tuple(one.bet for one in read if one.bet is not None)
    return Bet(
        side,
        stage,
        sum(draws) / len(draws) if draws else None,
        "" if draws else read[0].missing,
        reasoning_of(said[0].text),
        draws,
        sum(one.attempts for one in said),
    )


def _readable(text: str) -> bool:
    return read_bet(text, "paper").bet is not None
