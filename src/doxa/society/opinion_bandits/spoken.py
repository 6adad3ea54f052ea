"""A population of language models that is persuaded: one stated agreement of each person and round is the reward.

A person remembers the last messages it heard and what it then stated, so that what is said today hangs on what was
said before. Its state is that memory; the same person in the same state who hears the same message is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.elicit.asking import read_reply
from doxa.elicit.numbers import read_number
from doxa.elicit.reading import Found
from doxa.errors import InputError
from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.society.opinion_bandits.experiment import pilot_radius
from doxa.subjects.base import Conversation, Sampling, Subject, assistant, system, user
from doxa.subjects.rehearsal import RehearsalSubject
from doxa.worlds.linear_bandits.actions import one_hot
from doxa.worlds.linear_bandits.agent import Agent
from doxa.worlds.linear_bandits.bounds import Bounds
from doxa.worlds.linear_bandits.regressing import DynLinUCB, LinUCB

Progress = Callable[[float, str], None]
TOPIC = "Buses in this town should be free for everybody."
MESSAGES = (
    "In three towns that made buses free, car traffic fell by a tenth within two years.",
    "My neighbour could not get to her clinic before; since the buses are free she has not missed a visit.",
    "Everybody on this street is for free buses. Will you be the one who is against them?",
    "Free buses will solve all problems of this town at once, trust me!",
)
"""Of our own: evidence, a story, pressure, and a promise that is too large."""
PERSONAS = (
    "You are a retired bus driver who minds what things cost.",
    "You are a student without a car.",
    "You own a shop and drive to it every day.",
    "You are a nurse who works nights.",
    "You keep the town's accounts and distrust promises.",
    "You moved here last year and know few people.",
)
BRIEF = "{persona} You live in a small town. Answer as this person would, briefly and honestly."
QUESTION = (
    "The proposal: {topic}\nToday somebody tells you: {message}\n"
    "How much do you agree with the proposal now? End with <number>N</number>, N from 0 (not at all) to 100 (fully)."
)
TOLD_BEFORE = "On an earlier day somebody told you: {message}\nHow much did you agree with the proposal then?"
STATED = "<number>{rating:g}</number>"
UNREAD = "no rating of the round could be read"


@dataclass
class SpokenCrowd:
    """People who are language models.

    Attributes:
        subject: who is everybody.
        people: how many; personas are taken in turn.
        messages: what can be said.
        topic: the proposal.
        memory: how many earlier messages a person remembers.
        sampling: how replies are drawn; at temperature 0 a state and a message are asked about once.
        keep: keeps replies of subjects on this machine.
        asked: ratings asked for, those that could be read, and those known from before.
    """

    subject: Subject
    people: int
    messages: tuple[str, ...]
    topic: str
    memory: int
    sampling: Sampling
    keep: Keep
    asked: dict[str, int] = field(default_factory=lambda: {"asked": 0, "read": 0, "known": 0})
    _known: dict[tuple[int, tuple[tuple[int, float], ...], int], float | None] = field(default_factory=dict)

    def start(self) -> SpokenRun:
        """Return people who have heard nothing yet."""
        return SpokenRun(self, [() for _ in range(self.people)])

    def ratings(
        self, states: Sequence[tuple[tuple[int, float], ...]], message: int, branch: str
    ) -> list[float | None]:
        """Return what each person states after a message, in [0, 1]; None where it cannot be read."""
        keys = [(person, state, message) for person, state in enumerate(states)]
        greedy = self.sampling.temperature == 0.0
        new = [key for key in keys if not (greedy and key in self._known)]
        self.asked["known"] += len(keys) - len(new)
        found = dict.fromkeys(keys, None) if not greedy else {key: self._known.get(key) for key in keys}
        if new:
            talks = [self._talk(*key) for key in new]
            sampling = self.sampling if greedy else self.sampling.at(branch=branch)
            name: Json = ["ratings", "" if greedy else branch, [_named(key) for key in new]]
            told = self.keep(name, lambda: self._read(talks, sampling))
            for key, rating in zip(new, told, strict=True):
                found[key] = rating
                if greedy:
                    self._known[key] = rating
            self.asked["asked"] += len(new)
            self.asked["read"] += sum(rating is not None for rating in told)
        return [found[key] for key in keys]

    def _read(self, talks: Sequence[Conversation], sampling: Sampling) -> list[Json]:
        replies = self.subject.reply(talks, sampling=sampling)
        if isinstance(self.subject, RehearsalSubject):
            return [0.5] * len(talks)  # says nothing; calls are counted as if every reply could be read
        ratings: list[Json] = []
        for reply in replies:
            reading = read_reply(reply, lambda one: read_number(one.text, 0.0, 100.0))
            ratings.append(float(reading.value) / 100.0 if isinstance(reading, Found) else None)  # type: ignore[arg-type]
        return ratings

    def _talk(self, person: int, state: tuple[tuple[int, float], ...], message: int) -> Conversation:
        persona = PERSONAS[person % len(PERSONAS)]
        talk: list[Any] = [system(BRIEF.format(persona=persona))]
        for heard, rating in state:
            talk.append(user(TOLD_BEFORE.format(message=self.messages[heard])))
            talk.append(assistant(STATED.format(rating=round(100.0 * rating))))
        talk.append(user(QUESTION.format(topic=self.topic, message=self.messages[message])))
        return tuple(talk)


def _named(key: tuple[int, tuple[tuple[int, float], ...], int]) -> Json:
    person, state, message = key
    return [person, [[heard, rating] for heard, rating in state], message]


@dataclass
class SpokenRun:
    """One run of a population.

    Attributes:
        crowd: whose people they are.
        states: by person, the messages remembered and what was then stated.
        rounds: messages said so far.
    """

    crowd: SpokenCrowd
    states: list[tuple[tuple[int, float], ...]]
    rounds: int = 0

    def say(self, message: int, branch: str = "") -> float:
        """Say a message to all and return the mean stated agreement; people who cannot be read are left out.

        Raises:
            InputError: nobody could be read.
        """
        told = self.crowd.ratings(self.states, message, f"{branch}, round {self.rounds}")
        self.rounds += 1
        kept = self.crowd.memory
        for person, rating in enumerate(told):
            if rating is not None and kept:
                self.states[person] = (*self.states[person], (message, rating))[-kept:]
        read = [rating for rating in told if rating is not None]
        if not read:
            raise InputError(f"round {self.rounds}: {UNREAD}")
        return float(np.mean(read))


def persuaders(
    arms: int, people: int, radius: float, rounds: int, beta_scale: float, sigma: float
) -> list[Agent]:
    """Return DynLin-UCB and LinUCB with a share of the theory's width.

    They are told what must hold where agreement lies in [0, 1] and is the mean over people: no message moves anybody
    by more than 1, at once or later.
    """
    actions = one_hot(arms)
    told = Bounds(arms**0.5, people**-0.5, (people * arms) ** 0.5, x=people**0.5)
    common: dict[str, Any] = {
        "sigma": sigma, "horizon": rounds, "lam": 1.0, "bounds": told, "beta_scale": beta_scale,
    }  # fmt: skip
    return [DynLinUCB(actions, radius, **common), LinUCB(actions, rho_bar=radius, **common)]


def record_spoken(
    recorder: Recorder,
    crowd: SpokenCrowd,
    address: str,
    *,
    rounds: int,
    pilot: int,
    beta_scale: float,
    progress: Progress,
) -> None:
    """Hold each message for a while, take ρ̄ from that pilot, and let agents choose.

    Measures: ``held`` and ``pilot radius`` by message, ``width`` of the theory in the first round and of what is
    used, ``agreement`` of the last third and its ``course``, ``asked`` with what could be read.
    """
    held: list[float] = []
    curves: list[Float[np.ndarray, " rounds"]] = []
    try:
        for message in range(len(crowd.messages)):
            progress(0.2 * message / len(crowd.messages), f"message {message + 1} held")
            run = crowd.start()
            curves.append(np.array([run.say(message, f"held {message}") for _ in range(pilot)]))
            held.append(float(curves[-1][pilot // 2 :].mean()))
            radius = pilot_radius(curves[-1])
            about: dict[str, Any] = {"subject": address, "message": message}
            recorder.measure("held", held[-1], unit="agreement", text=crowd.messages[message], **about)
            recorder.measure("pilot radius", radius, **about)
        radius = max(pilot_radius(curve) for curve in curves)
        sigma = max(float(np.mean([curve[pilot // 2 :].std() for curve in curves])), 1e-3)
        agents = persuaders(len(held), crowd.people, radius, rounds, beta_scale, sigma)
        for agent in agents:
            width = agent.width(0) if isinstance(agent, DynLinUCB | LinUCB) else 0.0
            recorder.measure("width", width / beta_scale, subject=agent.name, unit="agreement", radius=radius)
        for done, agent in enumerate(agents):
            _record_agent(recorder, crowd, agent, rounds, max(held), 0.2 + 0.4 * done, progress)
    except InputError as error:
        recorder.measure("agreement", None, subject="all", missing=str(error))
    for name, count in crowd.asked.items():
        recorder.measure("asked", float(count), subject=address, kind=name)


def _record_agent(
    recorder: Recorder,
    crowd: SpokenCrowd,
    agent: Agent,
    rounds: int,
    best: float,
    begun: float,
    progress: Progress,
) -> None:
    run, paid, said = crowd.start(), np.zeros(rounds), np.zeros(rounds, dtype=np.int64)
    agent.reset(recorder.seed)
    for t in range(rounds):
        progress(begun + 0.4 * t / rounds, f"{agent.name}, round {t + 1}")
        agent.act()
        said[t] = agent.arm
        paid[t] = run.say(agent.arm, agent.name)
        agent.update(paid[t])
    third = max(rounds // 3, 1)
    recorder.measure(
        "agreement", float(paid[-third:].mean()), subject=agent.name, unit="agreement", best=best
    )
    for t in range(rounds):
        recorder.measure(
            "course",
            float(paid[t]),
            subject=agent.name,
            unit="agreement",
            axis="round",
            time=t + 1,
            message=int(said[t]),
        )


def read_messages(path: str) -> tuple[str, ...]:
    """Return the messages of a text file, one a line.

    Raises:
        InputError: the file cannot be read, or holds fewer than two different messages.
    """
    from pathlib import Path

    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"messages={path}: cannot be read ({error}); give a text file, one message a line"
        ) from error
    found = tuple(dict.fromkeys(line for line in lines if line))
    if len(found) < 2:
        raise InputError(f"messages={path}: holds {len(found)} messages; give two or more, one a line")
    return found
