"""Auditing rewards on a subject's own answers: tasks with many right answers, sampled, and scored by plain rewards.

A shipped task asks for digits that add up to a number, so that what is right leaves length open. The reward is 1 for a
right answer; changed rewards add or take a small bonus for a short one, or the length penalty of the source,
0.0003·|length wished for - length|.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Turn, play, record
from doxa.streams import stream
from doxa.subjects.base import Sampling, Subject
from doxa.training.reward_policy.audit import distinct, scored
from doxa.training.reward_policy.files import Scored, read_prompts

ROLE = "asked"
BRIEF = "Answer the question. Give only the answer, without any explanation."
LENGTH_PENALTY = 0.0003
"""Of the length-controlled reward that the source quotes, per token."""
TARGETS = (6, 36)


class SumTask(NamedTuple):
    """A number that digits are to add up to."""

    target: int

    @property
    def prompt(self) -> str:
        """The question."""
        return (
            f"Write digits from 1 to 9 that add up to {self.target}, separated by spaces. "
            "You may use as many digits as you like, at most eight, and a digit may come several times."
        )


def digits_of(answer: str) -> list[int]:
    """Return the digits of an answer to a sum task; none if it holds a longer number or another word.

    >>> digits_of("3 4 1"), digits_of("3 + 4 = 7"), digits_of("12 3")
    ([3, 4, 1], [3, 4], [])
    """
    said = answer.strip().partition("=")[0]
    if not re.fullmatch(r"[1-9](?:[\s,;+]+[1-9])*[\s.]*", said):
        return []
    return [int(one) for one in re.findall(r"[1-9]", said)]


class Rule(NamedTuple):
    """What a task pays for, and how long an answer to it is."""

    correct: Callable[[str], bool]
    length: Callable[[str], int]


def sum_rule(target: int) -> Rule:
    """Return the rule of a sum task; its length is counted in digits."""

    def correct(answer: str) -> bool:
        return sum(digits_of(answer)) == target

    def length(answer: str) -> int:
        return len(digits_of(answer))

    return Rule(correct, length)


def text_rule(right: str) -> Rule:
    """Return the rule of a user's task: the last line, or the whole answer, is the right one; length in words."""
    wanted = _plain(right)

    def correct(answer: str) -> bool:
        lines = answer.strip().splitlines() or [""]
        return wanted in (_plain(lines[-1]), _plain(answer))

    def length(answer: str) -> int:
        return len(answer.split())

    return Rule(correct, length)


@dataclass(frozen=True)
class AuditPlan:
    """What is asked and how it is scored.

    Attributes:
        prompts: "shipped", or a file of the user's.
        tasks: how many prompts, drawn from those there are.
        samples: answers to each prompt.
        bonus: ε, of the changed rewards.
        short: longest answer that counts as short: digits of a shipped task, words of a user's.
        sampling: how answers are drawn.
    """

    prompts: str
    tasks: int
    samples: int
    bonus: float
    short: int
    sampling: Sampling

    def drawn(self, seed: int) -> list[tuple[str, Rule]]:
        """Return the prompts that are asked, each with its rule."""
        if self.prompts == "shipped":
            known = [(SumTask(n).prompt, sum_rule(n)) for n in range(TARGETS[0], TARGETS[1] + 1)]
        else:
            known = [(task.prompt, text_rule(task.answer)) for task in read_prompts(self.prompts)]
        places = np.sort(stream(seed, "audited prompts").permutation(len(known))[: self.tasks])
        return [known[int(at)] for at in places]

    def rewards(self, rule: Rule) -> dict[str, Callable[[str, str], float]]:
        """Return the reward and its changes, by name."""

        def short(answer: str) -> bool:
            return 0 < rule.length(answer) <= self.short

        return {
            "correct": lambda _, answer: float(rule.correct(answer)),
            "correct, short better": lambda _, a: rule.correct(a) + self.bonus * short(a),
            "correct, short worse": lambda _, a: rule.correct(a) - self.bonus * short(a),
            "correct, length wished": lambda _, a: (
                rule.correct(a) - LENGTH_PENALTY * abs(self.short - rule.length(a))
            ),
        }


def sample_and_score(
    recorder: Recorder,
    subject: Subject,
    plan: AuditPlan,
    seed: int,
    keep: Keep,
    progress: Callable[[float, str], None],
) -> Scored | None:
    """Return a subject's answers with the scores of all rewards; None where nothing was answered.

    Answers that did not come are counted and left out.
    """
    asked = plan.drawn(seed)
    progress(0.0, "sampling")
    script = Script("reward-audit", {ROLE: BRIEF}, (Stage("ask", (Turn(ROLE, "answer", "{question}"),)),))
    seat = Seat(subject, sampling=plan.sampling)
    scenes = [
        Scene(f"prompt {number} sample {sample}", {ROLE: seat}, {"question": prompt}, replicate=sample)
        for number, (prompt, _) in enumerate(asked)
        for sample in range(plan.samples)
    ]
    talks = play(script, scenes, keep=keep)
    record(recorder, talks)
    answers: list[list[str]] = [[] for _ in asked]
    missing = 0
    for place, talk in enumerate(talks):
        if talk.stopped:
            missing += 1
        else:
            answers[place // plan.samples].append(talk.said[-1].text)
    told: dict[str, Any] = {"subject": subject.address}
    recorder.measure("answered", float(len(talks) - missing), asked=len(talks), **told)
    rows = [(prompt, rule, own) for (prompt, rule), own in zip(asked, answers, strict=True) if own]
    if not rows:
        return None
    right = [rule.correct(answer) for _, rule, own in rows for answer in own]
    recorder.measure("right", float(np.mean(right)), answers=len(right), **told)
    return _scored(rows, plan)


def _scored(rows: Sequence[tuple[str, Rule, list[str]]], plan: AuditPlan) -> Scored:
    found = [distinct(own) for _, _, own in rows]
    names = plan.rewards(rows[0][1])
    scores = {
        name: tuple(
            np.array([scored(plan.rewards(rule)[name], prompt, answer) for answer in one.answers])
            for (prompt, rule, _), one in zip(rows, found, strict=True)
        )
        for name in names
    }
    return Scored(tuple(prompt for prompt, _, _ in rows), tuple(found), scores)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .!\"'")
