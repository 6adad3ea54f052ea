from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from doxa.errors import InputError
from doxa.protocols.trust.consistency import Ordered, _rank_correlations, beliefs_of_rankings, consistency
from doxa.worlds.personas import levels_of
from tests.protocols.trust.people import made

LEVELS = ("High", "Moderate", "Low")


@pytest.mark.parametrize(("sign", "rho"), [(1, 1.0), (-1, -1.0)])
def test_consistent_and_reversed_agents(people, sign, rho):
    behaviour = made(people, "political_views", 1)
    levels = levels_of(people, "political_views")
    belief = Ordered("political_views", levels, tuple(-sign * float(one) for one in range(len(levels))), 1.0)
    found = consistency([belief], behaviour, 200, rng=np.random.default_rng(0))
    (row,) = found.table.iter_rows(named=True)
    assert row["spearman"] == pytest.approx(rho)
    assert row["delta_eta2"] == pytest.approx(0.0)
    assert row["perm_p"] == pytest.approx(2 / 5040)
    assert found.median()["spearman"].estimate == pytest.approx(rho)


def test_eta_squared_is_that_of_scipys_analysis_of_variance(people):
    sent = np.random.default_rng(1).integers(0, 11, people.height)
    behaviour = people.with_columns(sent=pl.Series(sent))
    levels = levels_of(people, "age")
    groups = [sent[(people["age"] == level).to_numpy()] for level in levels]
    f = stats.f_oneway(*groups).statistic
    between, within = len(levels) - 1, people.height - len(levels)
    found = consistency([Ordered.of("age", levels, 0.0)], behaviour, 100, rng=np.random.default_rng(0))
    assert found.table["eta2_behaviour"][0] == pytest.approx(f * between / (f * between + within))
    means = [group.mean() for group in groups]
    assert found.table["spearman"][0] == pytest.approx(
        stats.spearmanr(range(len(levels), 0, -1), means).statistic
    )


def test_resamples_are_those_of_a_slow_bootstrap(people):
    sent = np.random.default_rng(2).integers(0, 11, people.height)
    behaviour = people.with_columns(sent=pl.Series(sent))
    levels = levels_of(people, "openness")
    found = consistency([Ordered.of("openness", levels, 0.1)], behaviour, 100, rng=np.random.default_rng(7))
    picks = np.random.default_rng(7).integers(people.height, size=(100, people.height))
    codes = np.array([levels.index(one) for one in people["openness"]])
    for draw in range(0, 100, 17):
        own, groups = sent[picks[draw]].astype(float), codes[picks[draw]]
        parts = [own[groups == place] for place in range(3)]
        between = sum(part.size * (part.mean() - own.mean()) ** 2 for part in parts)
        whole = ((own - own.mean()) ** 2).sum()
        assert found.delta_draws[0, draw] == pytest.approx(abs(0.1 - between / whole))
        rho = stats.spearmanr([3, 2, 1], [part.mean() for part in parts]).statistic
        assert found.rho_draws[0, draw] == pytest.approx(rho)


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_independent_orders_have_variance_one_over_levels_less_one(levels):
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(float(levels)), (4000, 1)), axis=1)
    rhos = _rank_correlations(np.arange(float(levels)), orders)
    assert np.mean(rhos) == pytest.approx(0, abs=0.05)
    assert np.var(rhos) == pytest.approx(1 / (levels - 1), rel=0.1)
    assert rhos[0] == pytest.approx(stats.spearmanr(range(levels), orders[0]).statistic)


def test_undefined_rows_say_why_and_leave_the_median(people):
    behaviour = people.with_columns(sent=pl.lit(5))
    beliefs = beliefs_of_rankings({"openness": LEVELS})
    found = consistency(beliefs, behaviour, 100, rng=np.random.default_rng(0))
    assert found.table["spearman"][0] is None
    assert "all values are equal" in found.table["reason"][0]
    assert np.isnan(found.median()["spearman"].estimate)


def test_two_levels_agree_or_disagree_and_a_tie_leaves_the_median(people):
    levels = levels_of(people, "us_citizenship_status")
    ends = {levels[0]: 8, levels[1]: 2}
    behaviour = people.with_columns(sent=pl.col("us_citizenship_status").replace_strict(ends))
    others = made(people, "openness", 2)["sent"]
    for order, rho in ((levels, 1.0), (levels[::-1], -1.0)):
        (found,) = consistency(
            [Ordered.of("us_citizenship_status", order)], behaviour, 100, rng=np.random.default_rng(0)
        ).table["spearman"]
        assert found == rho
    tied = Ordered("us_citizenship_status", levels, (1.0, 1.0), 0.1)
    both = consistency(
        [tied, Ordered.of("openness", LEVELS)],
        people.with_columns(sent=others),
        100,
        rng=np.random.default_rng(0),
    )
    assert both.table["spearman"].to_list() == [None, 1.0]
    assert "every rank is tied" in both.table["reason"][0]
    assert both.median()["spearman"].estimate == 1.0


def test_bad_comparisons_are_named(people):
    behaviour = made(people, "openness", 2)
    rng = np.random.default_rng(0)
    for belief, message in (
        (Ordered.of("opennes", LEVELS), "did you mean 'openness'"),
        (Ordered.of("openness", ("High",)), "openness has one level"),
        (
            Ordered.of("openness", ("High", "Low")),
            "has the level 'Moderate', on which no belief was elicited",
        ),
        (Ordered.of("openness", (*LEVELS, "None")), "the level 'None' has 0 personas"),
    ):
        with pytest.raises(InputError, match=message):
            consistency([belief], behaviour, 100, rng=rng)
    with pytest.raises(InputError, match="no column 'sennt'"):
        consistency([], behaviour, 100, rng=rng, value="sennt")
    one = behaviour.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("Low")).otherwise(pl.lit("High")).alias("openness")
    )
    with pytest.raises(InputError, match="'Low' has 1 personas"):
        consistency([Ordered.of("openness", ("High", "Low"))], one, 100, rng=rng)
