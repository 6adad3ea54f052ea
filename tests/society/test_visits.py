from __future__ import annotations

import numpy as np
import pytest

from doxa.society.graph import Graph
from doxa.society.visits import distinct_others, neighbours_met, waves
from doxa.streams import stream


@pytest.mark.parametrize(("agents", "contacts"), [(2, 1), (5, 4), (30, 3)])
def test_others_are_distinct_never_oneself_and_uniform(agents, contacts):
    rng = stream(0, "test", "others")
    drawn = np.stack([distinct_others(rng, agents, contacts) for _ in range(3000)])
    assert not (drawn == np.arange(agents)[None, :, None]).any()
    assert all(len(set(row)) == contacts for row in drawn.reshape(-1, contacts)[:3000].tolist())
    met = np.bincount(drawn[:, 0].ravel(), minlength=agents) / len(drawn)
    assert met[0] == 0.0
    assert met[1:] == pytest.approx(contacts / (agents - 1), abs=0.06)


def test_on_a_graph_neighbours_are_met():
    ring = Graph.from_edges(6, np.arange(6), (np.arange(6) + 1) % 6)
    met = neighbours_met(stream(0, "test", "ring"), ring, 3)
    assert (met[:, 2] == -1).all(), "two neighbours each"
    assert [sorted(row[:2]) for row in met.tolist()] == [sorted(((i - 1) % 6, (i + 1) % 6)) for i in range(6)]


def test_waves_give_what_one_after_the_other_gives():
    rng = stream(1, "test", "waves")
    order = np.stack([rng.permutation(12) for _ in range(20)])
    contacts = np.stack([distinct_others(rng, 12, 3) for _ in range(20)])
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
