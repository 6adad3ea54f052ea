from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.parts import Parts
from doxa.society.graph import Graph
from doxa.society.minds import ClusterMind, OpinionMind, RuleMind
from doxa.society.requests import ParseError
from doxa.society.rumour import Announcement, FakeNewsPropagation
from doxa.society.rumour.course import INFECTED, Course
from doxa.society.rumour.outcome import Propagation
from doxa.society.rumour.simulation import embedded_mind
from doxa.society.rumour.spread import spread
from doxa.society.rumour.town import Population, Town
from doxa.society.subject_mind import SubjectMind
from tests.society.speakers import Speaker, sensible


def ran(rule, n=1, announced=(), mind=None, first=0, **town):
    """Return a run of n populations whose agents follow a rule."""
    populations = [Population(first + number, "news", announced) for number in range(n)]
    course = Course(Town(**town), populations, mind or RuleMind(rule))
    return Propagation(course, spread(course))


def within(values, expected, errors=3.5):
    """Return whether a mean is as expected up to its standard error."""
    return abs(np.mean(values) - expected) < errors * np.std(values, ddof=1) / math.sqrt(len(values))


def test_believing_if_anybody_does_has_the_exact_mean_of_the_first_day():
    chance = 1 - math.comb(27, 3) / math.comb(29, 3)
    assert chance == pytest.approx(0.19951, abs=1e-5)
    together = ran("any", 1000, schedule="synchronous", days=1).infected[:, 1]
    assert within(together, 2 + 28 * chance)
    one_by_one = ran("any", 300, schedule="asynchronous", days=1).infected[:, 1]
    assert one_by_one.mean() > together.mean() + 3, "who is visited later hears who just came to believe"


def test_one_by_one_is_what_a_slow_loop_gives():
    run = ran("any", 1, days=2)
    from doxa.society.rumour.spread import draw

    believes = run.days[0].belief[0].copy()
    for day in (1, 2):
        chances = draw(run.course, day)
        for agent in chances.order[0]:
            believes[agent] |= believes[chances.contacts[0, agent]].any()
        assert believes.tolist() == run.days[day].belief[0].tolist()


def test_copying_somebody_heard_is_a_martingale_that_ends_with_all_or_none():
    for schedule in ("synchronous", "asynchronous"):
        town = {"schedule": schedule, "n_infected": 6, "n_susceptible": 4, "days": 6}
        infected = ran("copy", 600, first=4000, **town).infected
        assert all(within(infected[:, day], 6) for day in (1, 3, 6))
        for population in infected:
            ended = np.flatnonzero((population == 0) | (population == 10))
            if ended.size:
                assert len(set(population[ended[0] :])) == 1


def test_nobody_believes_and_it_ends_two_days_later():
    run = ran("never", 2)
    assert run.infected.tolist() == [[2] + [0] * 15] * 2
    assert run.counts.filter(population=0)["day"].to_list() == [0, 1, 2, 3]
    assert run.counts.filter(population=0, day=3)["R"].item() == 2
    assert ran("never", 1, stop_when_extinct=None).counts["day"].max() == 15
    assert ran("never", 1, stop_when_extinct=0).counts["day"].max() == 1


def test_all_believe_on_the_first_day():
    run = ran("always", 2)
    assert run.infected[:, 1].tolist() == [30, 30]
    assert run.counts.filter(day=1)["new_I"].to_list() == [28, 28]


def test_states_add_up_and_contacts_are_counted():
    run = ran("copy", 20, n_infected=10, n_susceptible=20)
    counts = run.counts
    assert (counts["S"] + counts["I"] + counts["R"] == 30).all()
    assert (counts.filter(counts["day"] > 0)["contacts"] == 90).all()
    assert (
        counts.group_by("population", maintain_order=True).agg(fell=(counts["R"].diff() < 0).any()).height
        == 20
    )
    recovered = (run.health == 2).sum(axis=1)
    assert (np.diff(recovered, axis=1) < 0).any(), "the recovered can be infected again"


@pytest.mark.parametrize("mind", [RuleMind("copy"), embedded_mind(-0.7)], ids=["rule", "text"])
def test_the_same_seed_gives_the_same_whatever_runs_beside_it(mind):
    many = ran("", 5, mind=mind)
    alone = Course(many.course.town, [Population(3, "news")], mind)
    assert (
        Propagation(alone, spread(alone))
        .beliefs.drop("population")
        .equals(many.of(slice(3, 4)).beliefs.drop("population"))
    )
    assert many.infected.tolist() == ran("", 5, mind=mind).infected.tolist()


def test_denials_on_no_day_change_nothing_and_on_some_they_are_heard():
    mind = embedded_mind(-0.7)
    base = ran("", 6, mind=mind, stop_when_extinct=None)
    assert ran("", 6, announced=(), mind=mind, stop_when_extinct=None).tweets.equals(base.tweets)
    denied = ran("", 6, announced=(2,), mind=mind, stop_when_extinct=None)
    assert denied.days[1].inner.tolist() == base.days[1].inner.tolist(), "paired up to the first denial"
    assert (denied.days[2].inner[..., 0] < base.days[2].inner[..., 0]).mean() > 0.9
    # some populations of a batch are denied, others not
    both = Course(denied.course.town, [Population(0, "news"), Population(0, "news", (2,))], mind)
    mixed = Propagation(both, spread(both))
    assert mixed.infected[0].tolist() == base.infected[0].tolist()
    assert mixed.infected[1].tolist() == denied.infected[0].tolist()


def test_on_a_graph_only_neighbours_are_heard():
    ring = Graph.from_edges(30, np.arange(30), (np.arange(30) + 1) % 30)
    run = ran(
        "any", 10, graph=ring, contacts=2, schedule="synchronous", n_infected=1, n_susceptible=29, days=5
    )
    assert run.infected.tolist() == [[1, 3, 5, 7, 9, 11]] * 10
    assert run.days[5].depth.max() == 5


def test_a_belief_that_is_none_names_agent_and_day():
    odd = RuleMind(lambda asked: np.where((asked.agent == 4) & (asked.time == 3), 2, 1))
    with pytest.raises(ParseError, match=r"agent 4 of population 0 on day 3: belief=2"):
        ran("", 1, mind=odd)


def test_what_could_not_be_read_leaves_the_belief_and_is_counted():
    silent = ran("never", 1, days=1, n_susceptible=6).course.persons[0, 0]

    def shy(talk, sampling):
        return "hm" if f"You are {silent.name}," in talk[0].content else sensible(talk, sampling)

    mind = SubjectMind(Speaker(shy), retries=1)
    run = ran("", 1, mind=mind, days=3, n_susceptible=6, stop_when_extinct=None)
    rows = run.beliefs.filter(agent=0)
    assert rows["missing"].to_list()[1:] == ["no answer in the reply"] * 3
    assert rows["belief"].n_unique() == 1
    assert [int(day.again[0, 0]) >= 1 for day in run.days[1:]] == [True] * 3
    assert (run.beliefs.filter(run.beliefs["agent"] > 0)["missing"] == "").all()


@pytest.mark.parametrize("schedule", ["synchronous", "asynchronous"])
def test_one_agent_of_each_cluster_is_asked_for_all_of_it(schedule):
    cluster = np.arange(12) % 3
    speaker = Speaker(sensible)
    mind = ClusterMind(SubjectMind(speaker), cluster, standing=np.array([3, 4, 5]))
    assert isinstance(mind, OpinionMind)
    run = ran("", 2, mind=mind, days=3, n_susceptible=10, stop_when_extinct=None, schedule=schedule)
    assert mind.asked < mind.answered
    if schedule == "synchronous":
        # summaries, memories and opinions of 3 clusters on 3 days in 2 populations; of 12 agents without clusters
        assert sum(map(len, speaker.calls)) == mind.asked == 3 * 3 * 3 * 2
        assert mind.answered == 3 * 12 * 3 * 2
        for day in run.days[1:]:
            for believes in day.belief:
                assert all(len(set(believes[cluster == one])) == 1 for one in range(3))


class KilledError(Exception):
    """The process ends."""


@pytest.mark.parametrize("kind", ["text", "subject"])
def test_a_killed_run_goes_on_to_equal_tables(kind, tmp_path):
    asked = []

    def count(talk, sampling):
        asked.append(talk)
        return sensible(talk, sampling)

    def simulate(keep):
        mind = embedded_mind(-0.5) if kind == "text" else SubjectMind(Speaker(count))
        town = Town(days=5, n_susceptible=8, stop_when_extinct=None)
        course = Course(town, [Population(1, "news")], mind)
        return Propagation(course, spread(course, keep=keep))

    whole = simulate(Parts())
    calls = len(asked)
    parts = Parts(tmp_path / "parts")

    def dying(name, compute):
        if name["day"] == 4:
            raise KilledError
        return parts(name, compute)

    with pytest.raises(KilledError):
        simulate(dying)
    asked.clear()
    again = simulate(parts)
    assert again.counts.equals(whole.counts)
    assert again.beliefs.equals(whole.beliefs)
    assert again.tweets.equals(whole.tweets)
    assert [day.said for day in again.days] == [day.said for day in whole.days]
    assert len(asked) == calls * 2 // 5, "two days of five are asked for"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_infected": -1}, "n_infected=-1"),
        ({"contacts": 30}, "contacts=30: must be at least 1 and below the 30 agents"),
        ({"contacts": 0}, "contacts=0"),
        ({"days": 0}, "days=0"),
        ({"schedule": "synchronos"}, "did you mean 'synchronous'"),
        ({"topic": " "}, "topic=' '"),
        ({"interventions": [Announcement((0,))]}, "intervention on day 0: must be 1 to 15"),
        ({"interventions": [Announcement.official(range(1, 17, 3))]}, "day 16: must be 1 to 15"),
        ({"personas": []}, "0 personas for 30 agents"),
        ({"mind": "emmbedded"}, "mind='emmbedded'"),
        ({"memory": ("shrt",)}, "did you mean 'short'"),
        ({"stop_when_extinct": -1}, "stop_when_extinct=-1"),
        ({"graph": Graph.from_edges(3, np.array([0]), np.array([1]))}, "graph of 3 nodes for 30 agents"),
        ({"n_susceptible": 0, "n_infected": 1}, "1 agents"),
    ],
)
def test_bad_input_is_refused_with_its_numbers(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        FakeNewsPropagation(**{"topic": "news", **changes})


def test_one_call_simulates_consecutive_seeds():
    sim = FakeNewsPropagation("news", seed=4, interventions=[Announcement((3,)), Announcement((1, 3))])
    run = sim.run(2)
    assert [one.seed for one in run.course.populations] == [4, 5]
    assert run.course.populations[0].announced == (1, 3)
    assert (run.health[:, :, 0] == INFECTED).sum() == 4
    with pytest.raises(InputError, match="n_seeds=0"):
        sim.run(0)
    with pytest.raises(InputError, match="no populations"):
        Course(Town(), [], RuleMind())
    people = run.course.persons[0].tolist()
    given = FakeNewsPropagation("news", personas=people, mind=RuleMind("never")).run()
    assert given.course.persons[0].tolist() == people
    twice = [*people[:-1], replace(people[-1], name=people[0].name)]
    with pytest.raises(InputError, match=people[0].name):
        FakeNewsPropagation("news", personas=twice)
