"""The day of a rumour, for many populations at once, and the days one after the other.

Each day every agent meets others, hears what they said last, remembers, and forms an opinion. Agents are visited in
random order; those who need not wait for each other are asked in one call (:mod:`doxa.society.visits`). At the end of
the day health follows belief: susceptible and recovered agents who believe are infected, infected ones who do not are
recovered. All chances hang on a population's seed and the day, so that populations of one seed can be paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.canonical import Json
from doxa.lab.parts import Keep, keep_none
from doxa.society.memory import recall
from doxa.society.requests import NOBODY, OFFICIAL, Heard, Opinion, Opinions, check_opinions, strings
from doxa.society.rumour.course import INFECTED, RECOVERED, SUSCEPTIBLE, Course, Day
from doxa.society.rumour.keeping import read_day, write_day
from doxa.society.rumour.town import Town
from doxa.society.schedules import random_contacts
from doxa.society.visits import neighbours_met, waves
from doxa.streams import stream

_NO_SOURCE = np.iinfo(np.int64).max


class Chances(NamedTuple):
    """What a day draws before anybody is asked."""

    contacts: Int[np.ndarray, "populations agents contacts"]
    order: Int[np.ndarray, "populations agents"]
    draws: Float[np.ndarray, "populations agents draws"]


def spread(course: Course, *, keep: Keep = keep_none) -> list[Day]:
    """Return the day before the first and every day after it.

    A day that ``keep`` has from before is not simulated again.
    """
    day = opening(course)
    days = [day]
    for number in range(1, course.town.days + 1):
        before = day

        def simulate(before: Day = before, number: int = number) -> Json:
            return write_day(step(course, before, number, alive(course.town, days)))

        kept = keep({"day": number}, simulate)
        day = Day(**read_day(kept))
        days.append(day)
    return days


def alive(town: Town, days: Sequence[Day]) -> Bool[np.ndarray, " populations"]:
    """Return which populations still have believers, or had some within ``stop_when_extinct`` days."""
    if town.stop_when_extinct is None or len(days) <= town.stop_when_extinct:
        return np.ones(len(days[-1].belief), dtype=bool)
    recent = days[-1 - town.stop_when_extinct :]
    return np.asarray(np.stack([(day.health == INFECTED).any(axis=1) for day in recent]).any(axis=0))


def opening(course: Course) -> Day:
    """Return the day before the first; who believes is drawn."""
    town, shape = course.town, (len(course.populations), course.town.agents)
    believes = np.zeros(shape, dtype=bool)
    draws = np.empty((*shape, max(1, course.mind.draws)))
    for row, one in enumerate(course.populations):
        rng = stream(one.seed, "society", "rumour", "day", 0)
        believes[row, rng.permutation(town.agents)[: town.n_infected]] = True
        draws[row] = rng.random(draws.shape[1:])
    blank = np.full(shape, "", dtype=object)
    zeros = np.zeros(shape, dtype=np.int64)
    day = Day(
        text=blank,
        belief=believes.astype(np.int64),
        credence=np.full(shape, np.nan),
        health=np.where(believes, INFECTED, SUSCEPTIBLE),
        memory=blank,
        inner=np.zeros((*shape, course.mind.width)),
        depth=np.where(believes, 0, -1),
        asked=np.zeros(shape, dtype=bool),
        missing=blank,
        reasoning=blank,
        again=zeros,
        lost=zeros[:, 0],
        said=[],
    )
    everyone = np.nonzero(np.ones(shape, dtype=bool))
    nobody = np.zeros((believes.size, 0), dtype=np.int64)
    asked = _request(course, everyone, 0, draws, day, Heard(nobody.astype(object), nobody, nobody))
    told = course.mind.begin(asked, believes[everyone])
    check_opinions(asked, told)
    return day._replace(
        **{
            name: column.reshape(*shape, *column.shape[1:])
            for name, column in (
                ("text", told.text),
                ("credence", np.where(np.isnan(told.credence), told.belief, told.credence)),
                ("memory", told.memory),
                ("inner", told.inner),
            )
        }
    )


def step(course: Course, before: Day, number: int, going: Bool[np.ndarray, " populations"]) -> Day:
    """Return the next day.

    Args:
        course: what is simulated.
        before: the day before.
        number: of the day, 1 is the first.
        going: populations that are still asked.
    """
    chances = draw(course, number)
    now = before.each(np.copy)
    for column in (now.missing, now.reasoning):
        column[...] = ""
    for column in (now.asked, now.again, now.lost):
        column[...] = 0
    if course.town.schedule == "asynchronous":
        place = np.argsort(chances.order, axis=1)
        wave = waves(chances.order, chances.contacts)
    else:
        place = wave = np.zeros_like(chances.order)
    wave[~going] = -1
    denied = np.array([number in one.announced for one in course.populations])
    for turn in range(int(wave.max()) + 1):
        rows = np.nonzero(wave == turn)
        _visit(course, before, now, number, rows, chances, place, denied)
    return _commit(now._replace(said=course.mind.exchanges()))


def draw(course: Course, number: int) -> Chances:
    """Return the chances of a day: who meets whom, in which order, and the minds' own."""
    town = course.town
    shape = (len(course.populations), town.agents)
    chances = Chances(
        np.empty((*shape, town.contacts), dtype=np.int64),
        np.empty(shape, dtype=np.int64),
        np.empty((*shape, max(1, course.mind.draws))),
    )
    for row, one in enumerate(course.populations):
        rng = stream(one.seed, "society", "rumour", "day", number)
        chances.order[row] = rng.permutation(town.agents)
        chances.draws[row] = rng.random(chances.draws.shape[1:])
        chances.contacts[row] = (
            random_contacts(rng, town.agents, town.contacts).targets.reshape(town.agents, town.contacts)
            if town.graph is None
            else neighbours_met(rng, town.graph, town.contacts)
        )
    return chances


def _visit(
    course: Course,
    before: Day,
    now: Day,
    number: int,
    rows: tuple[np.ndarray, ...],
    chances: Chances,
    place: Int[np.ndarray, "populations agents"],
    denied: Bool[np.ndarray, " populations"],
) -> None:
    """Ask some agents and write their answers into the day; ``place`` is when each agent is visited."""
    if not len(rows[0]):
        return
    population, met = rows[0][:, None], chances.contacts[rows]
    earlier = place[population, met] < place[rows][:, None]
    heard = _heard(course, before, now, population, met, earlier, denied)
    asked = _request(course, rows, number, chances.draws, now, heard)
    recalled = recall(course.mind, course.town.memory, asked)
    told: Opinions = course.mind.answer(recalled.asked)
    check_opinions(recalled.asked, told)
    read = told.missing == ""
    had = now.belief[rows]
    belief = np.where(read, told.belief, had)
    credence = np.where(np.isnan(told.credence), belief.astype(np.float64), told.credence)
    fresh = (belief == 1) & (now.health[rows] != INFECTED)
    depth = np.where(earlier, now.depth[population, met], before.depth[population, met])
    depth = np.where(heard.belief[:, : met.shape[1]] == 1, depth, _NO_SOURCE)
    nearest = depth.min(axis=1, initial=_NO_SOURCE)
    now.depth[rows] = np.where(fresh, np.where(nearest == _NO_SOURCE, 0, nearest + 1), now.depth[rows])
    text = now.text[rows]
    text[read] = told.text[read]
    now.text[rows], now.belief[rows] = text, belief
    now.credence[rows] = np.where(read, credence, now.credence[rows])
    now.memory[rows], now.inner[rows] = told.memory, told.inner
    now.missing[rows], now.reasoning[rows] = told.missing, told.reasoning
    now.asked[rows], now.again[rows] = True, told.again
    now.again[rows[0][0], rows[1][0]] += recalled.again
    now.lost[rows[0][0]] += recalled.missing


def _heard(
    course: Course,
    before: Day,
    now: Day,
    population: Int[np.ndarray, "rows 1"],
    met: Int[np.ndarray, "rows contacts"],
    earlier: Bool[np.ndarray, "rows contacts"],
    denied: Bool[np.ndarray, " populations"],
) -> Heard:
    """Return what agents hear: today's words of those visited earlier, the last ones of others, and denials."""
    text = before.text[population, met]
    text[earlier] = now.text[population, met][earlier]
    belief = np.where(earlier, now.belief[population, met], before.belief[population, met])
    speaker = np.where(met >= 0, met, NOBODY)
    own = population[:, 0]
    if denied[own].any():
        text = np.concatenate([text, course.mind.announce(course.topics[own])[:, None]], axis=1)
        belief = np.concatenate([belief, np.zeros((len(own), 1), dtype=belief.dtype)], axis=1)
        official = np.where(denied[own][:, None], OFFICIAL, NOBODY)
        speaker = np.concatenate([speaker, official], axis=1)
    return Heard(text, np.where(speaker == NOBODY, 0, belief), speaker)


def _request(
    course: Course,
    rows: tuple[np.ndarray, ...],
    number: int,
    draws: Float[np.ndarray, "populations agents draws"],
    now: Day,
    heard: Heard,
) -> Opinion:
    return Opinion(
        population=rows[0],
        agent=rows[1],
        time=number,
        topic=course.topics[rows[0]],
        persona=course.persons[rows],
        previous=now.text[rows],
        heard=heard,
        today=strings(len(rows[0])),
        memory=now.memory[rows],
        inner=now.inner[rows],
        draws=draws[rows],
        credence=now.credence[rows],
    )


def _commit(now: Day) -> Day:
    """Return the day with health following belief."""
    believes, ill = now.belief == 1, now.health == INFECTED
    health = np.where(believes, INFECTED, np.where(ill, RECOVERED, now.health))
    return now._replace(health=np.where(now.asked, health, now.health))
