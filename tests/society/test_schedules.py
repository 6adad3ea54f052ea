from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from doxa.errors import InputError
from doxa.society.dynamics.base import Turn
from doxa.society.schedules import Schedule, random_contacts
from doxa.streams import stream


def test_the_usual_turn_says_nothing():
    assert Schedule().turn(stream(0), 10) == Turn()
    assert Schedule("together").turn(stream(0), 10) == Turn(in_turn=False)


def test_a_shuffled_order_has_everyone_once_and_every_order_alike():
    agents, in_turn, *_ = Schedule("shuffled").turn(stream(0), 1_000)
    assert in_turn
    assert sorted(agents.tolist()) == list(range(1_000))
    assert Schedule("shuffled").turn(stream(0), 1_000).agents.tolist() == agents.tolist()
    orders = Counter(
        tuple(Schedule("shuffled").turn(stream(seed), 4).agents.tolist()) for seed in range(4_800)
    )
    assert len(orders) == 24
    assert stats.chisquare(list(orders.values())).pvalue > 1e-3


def test_a_fixed_order_is_the_one_given():
    order = np.array([3, 1, 1], np.int32)
    assert Schedule("fixed", fixed=order).turn(stream(0), 5)[:2] == (order, True)


@pytest.mark.parametrize("contacts", [1, 3, 9])
def test_contacts_are_distinct_others(contacts):
    graph = random_contacts(stream(1), 10, contacts)
    assert graph.directed
    assert graph.degree.tolist() == [contacts] * 10
    for i in range(10):
        row = graph.neighbours(i).tolist()
        assert row == sorted(set(row))
        assert i not in row
    assert graph.digest == random_contacts(stream(1), 10, contacts).digest
    type(graph)(graph.offsets, graph.targets, directed=True)  # checks the rows


def test_every_set_of_contacts_is_alike():
    sets = Counter()
    for seed in range(400):
        graph = random_contacts(stream(seed), 6, 2)
        sets.update((i, *graph.neighbours(i).tolist()) for i in range(6))
    assert len(sets) == 60
    assert stats.chisquare(list(sets.values())).pvalue > 1e-3


def test_contacts_do_not_hang_on_threads(monkeypatch):
    digests = set()
    for threads in (1, 2):
        monkeypatch.setenv("NUMBA_NUM_THREADS", str(threads))
        digests.add(random_contacts(stream(1), 120_000, 3).digest)
    assert len(digests) == 1


def test_an_activity_clock_lets_so_many_act():
    rates = np.linspace(0, 1, 11).astype(np.float32)
    acted = sum(
        np.bincount(Schedule(activity=rates).turn(stream(s), 11).agents, minlength=11) for s in range(400)
    )
    assert acted[0] == 0
    assert acted[-1] == 400
    assert (np.abs(acted / 400 - rates) < 4 * np.sqrt(rates * (1 - rates) / 400) + 1e-9).all()
    assert Schedule(activity=1.0).turn(stream(0), 5).agents.tolist() == [0, 1, 2, 3, 4]


def test_a_clock_thins_out_an_order_without_changing_it():
    whole = Schedule("shuffled").turn(stream(3), 100).agents.tolist()
    some = Schedule("shuffled", activity=0.5).turn(stream(3), 100).agents.tolist()
    assert 20 < len(some) < 80
    assert [agent for agent in whole if agent in some] == some


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": "fixed"}, "give the agents in their order"),
        ({"fixed": np.array([1], np.int32)}, "and only then"),
        ({"contacts": 0}, "must be at least 1"),
        ({"activity": 1.5}, "probabilities from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_told_of(wrong, message):
    with pytest.raises(InputError, match=message):
        Schedule(**wrong)


def test_more_contacts_than_others_are_told_of():
    with pytest.raises(InputError, match="contacts=10: must be from 1 to 9"):
        Schedule(contacts=10).turn(stream(0), 10)
    with pytest.raises(InputError, match="2 rates for 3 agents"):
        Schedule(activity=np.array([0.5, 0.5], np.float32)).turn(stream(0), 3)
