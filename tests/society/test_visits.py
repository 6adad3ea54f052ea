from __future__ import annotations

import numpy as np

from doxa.society.graph import Graph
from doxa.society.schedules import random_contacts
from doxa.society.visits import neighbours_met, waves
from doxa.streams import stream


def test_on_a_graph_neighbours_are_met():
    ring = Graph.from_edges(6, np.arange(6), (np.arange(6) + 1) % 6)
    met = neighbours_met(stream(0, "test", "ring"), ring, 3)
    assert (met[:, 2] == -1).all(), "two neighbours each"
    assert [sorted(row[:2]) for row in met.tolist()] == [sorted(((i - 1) % 6, (i + 1) % 6)) for i in range(6)]


def test_waves_give_what_one_after_the_other_gives():
    rng = stream(1, "test", "waves")
    order = np.stack([rng.permutation(12) for _ in range(20)])
    contacts = np.stack([random_contacts(rng, 12, 3).targets.reshape(12, 3) for _ in range(20)])
    wave = waves(order, contacts)
    place = np.argsort(order, axis=1)
    for population in range(20):
        start = rng.random(12)
        slow, fast = start.copy(), start.copy()
        for agent in order[population]:
            slow[agent] = np.sin(slow[contacts[population, agent]].sum() + agent)
        for turn in range(wave[population].max() + 1):
            rows = np.flatnonzero(wave[population] == turn)
            met = contacts[population, rows]
            earlier = place[population, met] < place[population, rows][:, None]
            fast[rows] = np.sin(np.where(earlier, fast[met], start[met]).sum(axis=1) + rows)
        assert fast.tolist() == slow.tolist()
        assert wave[population].max() < 11, "some are asked together"


def test_nobody_met_is_asked_at_once():
    assert (waves(np.arange(4)[None], np.full((1, 4, 2), -1)) == 0).all()
