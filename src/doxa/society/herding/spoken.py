"""Language models in the seats: tips and their blind reader, agents over a grid, planners at each belief, populations.

Populations come in two ways. From tables: how often agents bought at each belief, precision and signal, and what
planners set at each belief, are measured once, and sequences are simulated from them. Directly: every agent of every
sequence is asked, three calls a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.information import logit
from doxa.errors import InputError
from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import record
from doxa.society.herding import wording
from doxa.society.herding.agents import BAYESIAN, TableAgents
from doxa.society.herding.choices import Aim
from doxa.society.herding.fitting import Responses, fit_nonbayesian
from doxa.society.herding.model import SocialLearning
from doxa.society.herding.planners import AltruisticPlanner, BiasedPlanner, FixedPrecision, Planner
from doxa.society.herding.simulate import policy_value, simulate
from doxa.society.herding.speaking import (
    Answer,
    Chosen,
    Question,
    ask,
    ask_what_was_meant,
    read_answer,
    read_belief,
    read_chosen,
)
from doxa.subjects.base import Sampling, Subject

Progress = Callable[[float, str], None]
AIMS: dict[str, Aim] = {"altruistic": "right", "biased": "G"}
TABLE_RUNS = 2000
TABLE_AGENTS = 30


@dataclass(frozen=True)
class Spoken:
    """What is asked.

    Attributes:
        subject: the planner, oracle and agents.
        reader: the blind reader of tips.
        model: the world.
        beliefs: public beliefs of the grid, increasing, inside (0, 1).
        precisions: precisions of the grid, increasing, from 1/2 to below 1.
        repeats: answers to each question; agents take personas in turn.
        messages: tips written for each precision and signal.
        show_belief: whether planners are told the public belief as a number.
        sampling: how replies are drawn.
        keep: keeps replies of subjects on this machine.
    """

    subject: Subject
    reader: Subject
    model: SocialLearning
    beliefs: tuple[float, ...]
    precisions: tuple[float, ...]
    repeats: int
    messages: int
    show_belief: bool
    sampling: Sampling
    keep: Keep


class Tip(NamedTuple):
    """One tip: what it was to say, and the words."""

    precision: float
    good: bool
    text: str


@dataclass(frozen=True, eq=False)
class TablePlanner:
    """A planner known by what it set at some beliefs; linear between them."""

    beliefs: Float[np.ndarray, " beliefs"]
    precisions: Float[np.ndarray, " beliefs"]

    def precision(self, beliefs: Float[np.ndarray, " beliefs"]) -> Float[np.ndarray, " beliefs"]:
        """See ``Planner``."""
        return np.interp(beliefs, self.beliefs, self.precisions)


def record_tables(recorder: Recorder, spoken: Spoken, progress: Progress) -> None:
    """Measure tips, agents and planners, and simulate populations from what was measured."""
    progress(0.0, "tips")
    tips = write_tips(recorder, spoken, progress)
    progress(0.3, "agents")
    agents = record_agents(recorder, spoken, tips)
    for done, aim in enumerate(AIMS):
        progress(0.6 + 0.2 * done, f"{aim} planner")
        planner = record_planner(recorder, spoken, aim)
        if agents is not None:
            record_populations(recorder, spoken, aim, planner, agents)


def write_tips(recorder: Recorder, spoken: Spoken, progress: Progress) -> list[Tip]:
    """Have tips written, and read by somebody who knows nothing of them."""
    wanted = [
        (q, good, number)
        for q in spoken.precisions
        for good in (True, False)
        for number in range(spoken.messages)
    ]
    questions = [
        Question(
            f"tip {q:g} {'G' if good else 'B'} {number}",
            wording.ORACLE_BRIEF,
            wording.oracle_question(q, good),
            number,
        )
        for q, good, number in wanted
    ]
    written = ask(spoken.subject, "oracle", questions, spoken.sampling, keep=spoken.keep)
    record(recorder, written)
    tips = [
        Tip(q, good, talk.said[-1].text.strip() if talk.said else "")
        for (q, good, _), talk in zip(wanted, written, strict=True)
    ]
    progress(0.15, "blind reader")
    reading = [
        Question(f"read {number}", wording.READER_BRIEF, wording.reader_question(tip.text))
        for number, tip in enumerate(tips)
    ]
    read = ask(spoken.reader, "reader", reading, spoken.sampling, keep=spoken.keep)
    record(recorder, read)
    for number, (tip, talk) in enumerate(zip(tips, read, strict=True)):
        answer = read_belief(talk)
        meant = tip.precision if tip.good else 1.0 - tip.precision
        _record_belief(
            recorder,
            spoken.reader.address,
            f"tip {number}",
            answer,
            meant=meant,
            precision=tip.precision,
            kind="reader",
        )
    return tips


def record_agents(recorder: Recorder, spoken: Spoken, tips: Sequence[Tip]) -> TableAgents | None:
    """Ask agents at every belief, precision and signal; fit their weights; return how often they bought."""
    grid = [
        (b, q, good, repeat)
        for b in spoken.beliefs
        for q in spoken.precisions
        for good in (True, False)
        for repeat in range(spoken.repeats)
    ]
    of = {
        (q, good): [tip for tip in tips if (tip.precision, tip.good) == (q, good)] for _, q, good, _ in grid
    }
    questions = [
        Question(
            f"agent {b:g} {q:g} {'G' if good else 'B'} {repeat}",
            wording.PERSONAS[repeat % len(wording.PERSONAS)],
            wording.agent_question(wording.belief_text(b), q, of[q, good][repeat % len(of[q, good])].text),
            repeat,
        )
        for b, q, good, repeat in grid
    ]
    talks = ask(spoken.subject, "agent", questions, spoken.sampling, keep=spoken.keep)
    record(recorder, talks)
    answers = [read_answer(talk) for talk in talks]
    for number, ((b, q, good, repeat), answer) in enumerate(zip(grid, answers, strict=True)):
        _record_belief(
            recorder,
            spoken.subject.address,
            f"agent {number}",
            answer,
            public=b,
            precision=q,
            signal="G" if good else "B",
            persona=repeat % len(wording.PERSONAS),
            bought=answer.bought,
            kind="agent",
        )
    _record_fit(recorder, spoken.subject.address, grid, answers)
    return _table(spoken, grid, answers)


def _record_belief(recorder: Recorder, subject: str, name: str, answer: Answer, **extra: object) -> None:
    missing = {"missing": answer.missing} if answer.belief is None else {}
    recorder.belief(
        subject=subject,
        proposition=name,
        readout="stated",
        axis="step",
        credence=answer.belief,
        **{**extra, **missing},  # type: ignore[arg-type]
    )


Asked = Sequence[tuple[float, float, bool, int]]


def _record_fit(recorder: Recorder, subject: str, grid: Asked, answers: Sequence[Answer]) -> None:
    told = [
        (float(logit(b)), q, good, answer.log_odds, repeat % len(wording.PERSONAS))
        for (b, q, good, repeat), answer in zip(grid, answers, strict=True)
        if answer.log_odds is not None
    ]
    names = ("alpha", "gamma_consistent", "gamma_inconsistent")
    try:
        columns = [np.array(column) for column in zip(*told, strict=True)] if told else []
        if not columns:
            raise InputError("no answer could be read")
        fit = fit_nonbayesian(
            Responses(columns[0], columns[1], columns[2].astype(bool), columns[3].astype(float))
        )
    except InputError as error:
        for name in names:
            recorder.measure("weight", None, subject=subject, weight=name, missing=str(error))
        return
    for name in names:
        found = getattr(fit, name)
        recorder.measure("weight", found.estimate, subject=subject, weight=name, error=found.error, n=fit.n)


def _table(spoken: Spoken, grid: Asked, answers: Sequence[Answer]) -> TableAgents | None:
    """Return shares of buyers by belief, precision and signal; None where a cell of the grid has no answer."""
    size = (len(spoken.beliefs), len(spoken.precisions))
    tables = {True: np.zeros((2, *size)), False: np.zeros((2, *size))}
    for (b, q, good, _), answer in zip(grid, answers, strict=True):
        if answer.bought is not None:
            place = (spoken.beliefs.index(b), spoken.precisions.index(q))
            tables[good][0][place] += answer.bought
            tables[good][1][place] += 1.0
    if any(np.any(count == 0.0) for _, count in tables.values()):
        return None
    shares = {good: bought / count for good, (bought, count) in tables.items()}
    return TableAgents(np.array(spoken.beliefs), np.array(spoken.precisions), shares[True], shares[False])


def record_planner(recorder: Recorder, spoken: Spoken, aim: str) -> TablePlanner | None:
    """Ask a planner at every belief, beside the best precision there; return what it set on average."""
    best = best_planner(spoken.model, aim)
    brief = planner_prompt(spoken.model, aim)
    asked = [(b, repeat) for b in spoken.beliefs for repeat in range(spoken.repeats)]
    questions = [
        Question(
            f"{aim} {b:g} {repeat}",
            brief,
            wording.planner_question(history_of(b), b if spoken.show_belief else None),
            repeat,
        )
        for b, repeat in asked
    ]
    talks = ask(
        spoken.subject,
        f"planner-{aim}",
        questions,
        spoken.sampling,
        again=ask_what_was_meant,
        keep=spoken.keep,
    )
    record(recorder, talks)
    chosen = [read_chosen(talk) for talk in talks]
    mean: list[float] = []
    for b in spoken.beliefs:
        own = [
            one.precision
            for (at, _), one in zip(asked, chosen, strict=True)
            if at == b and one.precision is not None
        ]
        about: dict[str, Any] = {"aim": aim, "belief": b, "best": float(best.precision(np.array([b]))[0])}
        value = float(np.mean(own)) if own else None
        recorder.measure(
            "chosen",
            value,
            subject=spoken.subject.address,
            n=len(own),
            missing="no precision could be read",
            **about,
        )
        if value is not None:
            mean.append(value)
    _record_counts(recorder, spoken.subject.address, aim, chosen)
    if len(mean) < len(spoken.beliefs):
        return None
    return TablePlanner(np.array(spoken.beliefs), np.array(mean))


def planner_prompt(model: SocialLearning, aim: str) -> str:
    """Return what a planner is told of its task in a world of linear cost."""
    k = float(model.cost(1.0)) / (1.0 - model.baseline)
    return wording.planner_brief(AIMS[aim], model.baseline, k, model.discount)


def history_of(belief: float) -> list[wording.Seen]:
    """Return a history that leads to a belief: one earlier buyer whose tip was as reliable as that."""
    if abs(belief - 0.5) < 1e-9:
        return []
    return [wording.Seen(max(belief, 1.0 - belief), belief > 0.5)]


@lru_cache(maxsize=8)
def best_planner(model: SocialLearning, aim: str) -> Planner:
    """Return the planner that is best if agents are Bayesian."""
    if aim == "altruistic":
        return AltruisticPlanner(model).solve(150, gap=False)
    return BiasedPlanner(model).solve(150, 50, gap=False)


def _record_counts(recorder: Recorder, subject: str, aim: str, chosen: Sequence[Chosen]) -> None:
    counts = {
        "clipped": sum(one.clipped for one in chosen),
        "asked again": sum(one.asked_again for one in chosen),
        "unread": sum(one.precision is None for one in chosen),
    }
    for name, count in counts.items():
        recorder.measure("count", float(count), subject=subject, kind=name, aim=aim, of=len(chosen))


def record_populations(
    recorder: Recorder, spoken: Spoken, aim: str, planner: TablePlanner | None, agents: TableAgents
) -> None:
    """Simulate sequences from tables: Bayesian agents with the best policy, the model's agents with each planner."""
    model, best = spoken.model, best_planner(spoken.model, aim)
    settings = {
        "analytical": (best, BAYESIAN),
        "hybrid": (best, agents),
        "no control": (FixedPrecision(model.baseline), agents),
    }
    if planner is not None:
        settings["language model"] = planner, agents
    for name, (who, acting) in settings.items():
        for state in ("G", "B"):
            seen = simulate(
                model, who, acting, state=state, n_agents=TABLE_AGENTS, n_runs=TABLE_RUNS, seed=recorder.seed
            )
            for measure, values in (
                ("welfare", seen.welfare.total),
                ("missed", -seen.welfare.missed - seen.welfare.costs),
            ):
                recorder.measure(
                    measure,
                    float(values.mean()),
                    subject=name,
                    unit="C",
                    aim=aim,
                    state=state,
                    error=float(values.std(ddof=1) / np.sqrt(values.size)),
                    way="tables",
                )
        value = policy_value(model, who, acting, AIMS[aim], grid=200)
        recorder.measure(
            "worth",
            float(value[0].read(value[1], np.array([model.prior]))[0]),
            subject=name,
            unit="C",
            aim=aim,
        )
