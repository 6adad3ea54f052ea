"""Holding dialogues: a script's user and many agents, all calls of a turn out at once.

An agent carries its mood outside the conversation, which it may remember only in part; scenes that are functions of
what was said are held by ``doxa.protocols.dialogue``, also with an ``AffectSubject`` in a seat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from doxa.errors import InputError
from doxa.protocols.affect.agent import AffectAgent, Pending
from doxa.protocols.affect.runs import DialogueRun, DialogueRuns
from doxa.protocols.affect.script import DialogueScript
from doxa.protocols.dialogue.play import Step, silent
from doxa.subjects.base import Reply, Sampling, Subject
from doxa.subjects.together import together


def run_protocol(
    agent: AffectAgent | Mapping[str, AffectAgent],
    script: DialogueScript,
    seeds: Sequence[int],
    *,
    step: Step | None = None,
) -> DialogueRuns:
    """Hold a script's dialogue with each agent once for each seed, all side by side.

    Every dialogue begins at the baseline and hears the same user. At each turn what has one subject and one seed goes
    out as one batch, and subjects that answer from elsewhere are asked at once; what a dialogue becomes does not depend
    on which others are held beside it.

    Args:
        agent: one agent, or agents by the name of their condition; their moods have the same dimensions.
        script: what the user says.
        seeds: of the replies, each once.
        step: told how far it is.

    Raises:
        InputError: there are no agents or seeds, a seed is given twice, or the agents' dimensions differ.
        BudgetError: what may be spent is spent; what was answered is in the cache.
    """
    named = {str(agent.dynamics): agent} if isinstance(agent, AffectAgent) else dict(agent)
    if not named or not seeds or len(set(seeds)) != len(seeds):
        raise InputError(
            f"{len(named)} agents and seeds={list(seeds)}: give one agent or more, and each seed once"
        )
    spaces = {one.dynamics.space for one in named.values()}
    if len(spaces) != 1:
        raise InputError("the agents' moods have different dimensions; hold their dialogues apart")
    talks = [(name, seed, one.fresh(seed)) for name, one in named.items() for seed in seeds]
    for number, line in enumerate(script.lines, 1):
        heard = [one.hear(line.text, number=number) for _, _, one in talks]
        replies = _replies([one for _, _, one in talks], heard)
        for (_, _, one), said, reply in zip(talks, heard, replies, strict=True):
            one.answered(said, reply)
        (step or silent)(number, len(script), f"turn {number}: {line.phase}")
    runs = tuple(DialogueRun(name, seed, tuple(one.turns)) for name, seed, one in talks)
    return DialogueRuns(script, spaces.pop(), runs)


def _replies(agents: Sequence[AffectAgent], heard: Sequence[Pending]) -> list[Reply]:
    """Return a reply to each; those of one subject, seed and steering are asked in one call."""
    found: dict[int, Reply] = {}
    batches: dict[tuple[int, Sampling], list[int]] = {}
    for place, (agent, said) in enumerate(zip(agents, heard, strict=True)):
        if isinstance(agent.llm, Subject) and agent.steering(said) is None:
            batches.setdefault((id(agent.llm), agent.sampling), []).append(place)
        else:
            found[place] = agent.ask(said)
    jobs: list[tuple[Subject, Any]] = []
    for places in batches.values():
        subject: Any = agents[places[0]].llm
        prompts = [heard[place].prompt for place in places]
        jobs.append((subject, partial(subject.reply, prompts, sampling=agents[places[0]].sampling)))
    for places, replies in zip(batches.values(), together(jobs), strict=True):
        found.update(zip(places, replies, strict=True))
    return [found[place] for place in range(len(heard))]
