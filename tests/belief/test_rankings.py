from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from doxa.belief.rankings import impose, order_correlation, perturb_ranking
from doxa.errors import InputError


@given(st.permutations(list("abcdef")))
def test_order_correlation_is_scipys(order):
    ours = order_correlation("abcdef", order)
    assert ours == pytest.approx(spearmanr(range(6), [order.index(one) for one in "abcdef"]).statistic)


@pytest.mark.parametrize("levels", [2, 3, 4, 7, 9])
def test_the_ends_are_the_same_order_and_its_reverse(levels):
    ranking = tuple("abcdefghi"[:levels])
    assert perturb_ranking(ranking, 1, seed=0) == (ranking, 1.0)
    assert perturb_ranking(ranking, -1, seed=0) == (ranking[::-1], -1.0)


@pytest.mark.parametrize("target", [0.8, 0.2, -0.5])
@pytest.mark.parametrize("levels", [3, 4, 5, 7])
def test_no_order_is_nearer_to_the_target(levels, target):
    ranking = "abcdefg"[:levels]
    found = perturb_ranking(ranking, target, seed=3)
    assert found.rho == pytest.approx(order_correlation(ranking, found.ranking))
    best = min(abs(order_correlation(ranking, order) - target) for order in itertools.permutations(ranking))
    assert abs(found.rho - target) == pytest.approx(best)


def test_all_nearest_orders_are_drawn():
    drawn = {perturb_ranking("abc", 0.2, seed=seed).ranking for seed in range(40)}
    assert drawn == {("a", "c", "b"), ("b", "a", "c")}, "three levels have only 1, .5, -.5 and -1"


def test_many_levels_come_near_by_swaps():
    assert perturb_ranking("abcdefghij", 0.2, seed=0).rho == pytest.approx(0.2, abs=0.02)


def test_two_levels_are_left_out_and_named():
    imposed = impose({"us": ("yes", "no"), "openness": ("High", "Moderate", "Low")}, 0.8, seed=0)
    assert imposed.not_perturbable == ("us",)
    assert set(imposed.rankings) == {"openness"}
    assert imposed.rankings["openness"].rho == 0.5 or imposed.rankings["openness"].rho == 1.0


@pytest.mark.parametrize(
    ("ranking", "target", "message"),
    [
        ("abc", 1.2, "target_rho=1.2"),
        ("ab", 0.5, "not perturbable"),
        ("aab", 0.5, "each once"),
        ("a", 0.5, "two levels"),
    ],
)
def test_bad_orders(ranking, target, message):
    with pytest.raises(InputError, match=message):
        perturb_ranking(ranking, target, seed=0)
