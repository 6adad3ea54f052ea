"""Sequences in which every agent is asked: planner, oracle and agent speak at each step, all sequences side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doxa.lab.record import Recorder
from doxa.protocols.dialogue import record
from doxa.society.herding import wording
from doxa.society.herding.model import SocialLearning
from doxa.society.herding.planners import FixedPrecision, Planner
from doxa.society.herding.speaking import (
    Answer,
    Chosen,
    Question,
    ask,
    ask_what_was_meant,
    read_answer,
    read_chosen,
)
from doxa.society.herding.spoken import AIMS, Progress, Spoken, best_planner, planner_prompt
from doxa.streams import stream

SETTINGS = ("language model", "hybrid", "no control")
"""Who sets precisions for the model's agents: the model, the policy that is best for Bayesian agents, nobody."""


@dataclass
class Sequence:
    """One sequence as it grows.

    Attributes:
        good: the hidden state.
        belief: the public belief, as if agents were Bayesian.
        seen: what all have seen so far.
        wrong: discounted wrong actions.
        missed: discounted actions that were not G.
        cost: discounted cost of precision.
        unread: agents whose answer could not be read; they leave no trace.
    """

    good: bool
    belief: float
    seen: list[wording.Seen] = field(default_factory=list[wording.Seen])
    wrong: float = 0.0
    missed: float = 0.0
    cost: float = 0.0
    unread: int = 0

    def act(self, model: SocialLearning, place: int, q: float, answer: Answer) -> None:
        """Take in what an agent did."""
        weight = model.discount**place
        self.cost += weight * float(model.cost(q))
        if answer.bought is None:
            self.unread += 1
            return
        self.wrong += weight * model.error_cost * (answer.bought != self.good)
        self.missed += weight * model.error_cost * (not answer.bought)
        self.belief = model.update(self.belief, q, "G" if answer.bought else "B")
        self.seen.append(wording.Seen(q, answer.bought))


def record_direct(
    recorder: Recorder,
    spoken: Spoken,
    aim: str,
    setting: str,
    sequences: int,
    agents: int,
    progress: Progress,
) -> None:
    """Ask every agent of every sequence, half of them in either state, and record what it was worth."""
    model = spoken.model
    fixed = FixedPrecision(model.baseline) if setting == "no control" else best_planner(model, aim)
    talks = [Sequence(number % 2 == 0, model.prior) for number in range(sequences)]
    chosen: list[Chosen] = []
    for place in range(agents):
        progress(place / agents, f"{aim}, {setting}: agent {place + 1}")
        told = f"{aim} {setting} {place}"
        precisions = (
            _set_by_subject(recorder, spoken, aim, talks, told, chosen)
            if setting == "language model"
            else _set_by_rule(fixed, talks)
        )
        luck = stream(recorder.seed, "herding", "spoken", place).random(sequences)
        signals = [bool((luck[n] < q) == talks[n].good) for n, q in enumerate(precisions)]
        for talk, q, answer in zip(
            talks, precisions, _answers(recorder, spoken, talks, told, precisions, signals), strict=True
        ):
            talk.act(model, place, q, answer)
    _record_worth(recorder, talks, aim, setting)
    for kind, count in (
        ("clipped", sum(one.clipped for one in chosen)),
        ("asked again", sum(one.asked_again for one in chosen)),
        ("unread", sum(one.precision is None for one in chosen)),
        ("agents unread", sum(talk.unread for talk in talks)),
    ):
        about: dict[str, Any] = {"kind": kind, "aim": aim, "setting": setting, "of": sequences * agents}
        recorder.measure("count", float(count), subject=spoken.subject.address, **about)


def _set_by_rule(planner: Planner, talks: list[Sequence]) -> list[float]:
    return [float(q) for q in planner.precision(np.array([talk.belief for talk in talks]))]


def _set_by_subject(
    recorder: Recorder, spoken: Spoken, aim: str, talks: list[Sequence], told: str, chosen: list[Chosen]
) -> list[float]:
    """Return what the subject sets for each sequence; where that cannot be read the baseline stays."""
    brief = planner_prompt(spoken.model, aim)
    questions = [
        Question(
            f"planner {told} {number}",
            brief,
            wording.planner_question(talk.seen, talk.belief if spoken.show_belief else None),
            number,
        )
        for number, talk in enumerate(talks)
    ]
    said = ask(
        spoken.subject,
        f"planner-{aim}",
        questions,
        spoken.sampling,
        again=ask_what_was_meant,
        keep=spoken.keep,
    )
    record(recorder, said)
    found = [read_chosen(one) for one in said]
    chosen += found
    least = spoken.model.baseline if AIMS[aim] == "right" else 0.5
    return [spoken.model.baseline if one.precision is None else max(least, one.precision) for one in found]


def _answers(
    recorder: Recorder,
    spoken: Spoken,
    talks: list[Sequence],
    told: str,
    precisions: list[float],
    signals: list[bool],
) -> list[Answer]:
    """Have a tip written for each sequence's next agent, and return what the agents make of it."""
    writing = [
        Question(f"oracle {told} {number}", wording.ORACLE_BRIEF, wording.oracle_question(q, good), number)
        for number, (q, good) in enumerate(zip(precisions, signals, strict=True))
    ]
    written = ask(spoken.subject, "oracle", writing, spoken.sampling, keep=spoken.keep)
    record(recorder, written)
    asking = [
        Question(
            f"agent {told} {number}",
            wording.PERSONAS[number % len(wording.PERSONAS)],
            wording.agent_question(
                wording.history_text(talk.seen),
                precisions[number],
                written[number].said[-1].text.strip() if written[number].said else "",
            ),
            number,
        )
        for number, talk in enumerate(talks)
    ]
    said = ask(spoken.subject, "agent", asking, spoken.sampling, keep=spoken.keep)
    record(recorder, said)
    return [read_answer(one) for one in said]


def _record_worth(recorder: Recorder, talks: list[Sequence], aim: str, setting: str) -> None:
    for state, good in (("G", True), ("B", False)):
        own = [talk for talk in talks if talk.good == good]
        if not own:
            continue
        values = {
            "welfare": [-talk.wrong - talk.cost for talk in own],
            "missed": [-talk.missed - talk.cost for talk in own],
        }
        for measure, numbers in values.items():
            spread = float(np.std(numbers, ddof=1) / np.sqrt(len(own))) if len(own) > 1 else None
            recorder.measure(
                measure,
                float(np.mean(numbers)),
                subject=setting,
                unit="C",
                aim=aim,
                state=state,
                way="direct",
                error=spread,
                n=len(own),
            )
