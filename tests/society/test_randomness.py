from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from doxa.lab.compiled import compiled
from doxa.society.randomness import below, bits, key_from, mix, uniform
from doxa.streams import stream
from tests.society.dynamics import slow

N = 200_000


@compiled
def many(key, agents, draw):
    numbers = np.empty(agents, dtype=np.float64)
    for agent in range(agents):
        numbers[agent] = uniform(key, agent, draw)
    return numbers


def test_known_answers():
    # the first five of SplitMix64 from 1234567, as published with its reference code
    known = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(bits(np.uint64(1234567), agent, 0)) for agent in range(5)] == known


@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize(("agent", "draw"), [(0, 0), (1, 0), (0, 1), (9_999_999, 3), (2**40 - 1, 2**24 - 1)])
def test_draws_are_those_of_whole_numbers_without_bound(key, agent, draw):
    assert int(bits(np.uint64(key), agent, draw)) == slow.bits(key, agent, draw)
    assert uniform(np.uint64(key), agent, draw) == slow.uniform(key, agent, draw)
    assert below(np.uint64(key), agent, draw, 10) == slow.below(key, agent, draw, 10)


def test_each_is_uniform():
    for draw in (0, 1, 5):
        numbers = many(np.uint64(7), N, draw)
        assert numbers.min() >= 0.0
        assert numbers.max() < 1.0
        assert stats.kstest(numbers, "uniform").pvalue > 1e-3
        assert stats.chisquare(np.bincount((numbers * 1000).astype(int), minlength=1000)).pvalue > 1e-3


@pytest.mark.parametrize("other", [(7, 1), (8, 0), (7 + 2**40, 0)], ids=["draw", "key", "far key"])
def test_streams_do_not_know_of_each_other(other):
    key, draw = other
    first, second = many(np.uint64(7), N, 0), many(np.uint64(key), N, draw)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(N)
    cells = (first * 16).astype(int) * 16 + (second * 16).astype(int)
    assert stats.chisquare(np.bincount(cells, minlength=256)).pvalue > 1e-3
    for lag in (1, 2, 64):
        assert abs(np.corrcoef(first[:-lag], first[lag:])[0, 1]) < 4 / np.sqrt(N)


def test_every_bit_of_the_counter_moves_half_of_the_bits():
    inputs = stream(0, "avalanche").integers(0, 2**64, 400, dtype=np.uint64)
    for bit in range(64):
        flipped = [int(mix(z) ^ mix(z ^ np.uint64(1 << bit))).bit_count() for z in inputs]
        assert 30 < np.mean(flipped) < 34


def test_no_two_draws_share_a_number():
    drawn = {int(bits(np.uint64(3), agent, draw)) for agent in range(2_000) for draw in range(4)}
    assert len(drawn) == 8_000


def test_keys_come_from_the_generator():
    assert key_from(stream(0, "a")) == key_from(stream(0, "a"))
    assert key_from(stream(0, "a")) != key_from(stream(1, "a"))
    assert key_from(stream(0, "a")).dtype == np.uint64
