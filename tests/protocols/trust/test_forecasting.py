from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from doxa.errors import InputError
from doxa.protocols import trust
from doxa.protocols.trust.forecasting import horizon_slope
from doxa.protocols.trust.rule_subject import RuleSubject
from tests.protocols.trust.people import Stubborn


@pytest.mark.parametrize("trustee", [trust.FixedReturn(1), trust.FixedReturn(3), trust.FixedReturn(5)])
def test_a_rule_without_noise_foresees_itself(trustee):
    games = trust.forecast_and_play(
        RuleSubject(base={"Age": 9.0}), {"agent_id": "a", "age": "65+"}, trustee, 6
    )
    assert games["abs_error"].to_list() == [0.0] * 6
    assert games["forecast"].to_list() == games["sent"].to_list()
    assert games["sent"].n_unique() > 1, "it adapts"
    assert trust.mae_by_horizon(games)["mae"].to_list() == [0.0] * 6
    with pytest.raises(InputError, match="rounds=0"):
        trust.forecast_and_play(RuleSubject(), {}, trustee, 0)


def test_a_move_that_cannot_be_read_ends_its_game():
    games = trust.forecast_and_play(Stubborn({}, {}, {}), {"agent_id": "a"}, trust.TitForTat(), 3)
    assert games["sent"].null_count() == 3
    assert "above the endowment" in games["missing"][0]
    assert games["missing"][2].endswith("the game ended before")


def test_the_slope_of_errors_is_the_least_squares_line():
    rows = pl.DataFrame(
        {
            "agent_id": [str(agent) for agent in range(8) for _ in range(4)],
            "horizon": [1, 2, 3, 4] * 8,
            "trustee": "M1",
        }
    )
    errors = np.random.default_rng(0).random(32) + 0.5 * rows["horizon"].to_numpy()
    slope = horizon_slope(rows.with_columns(abs_error=pl.Series(errors)), rng=np.random.default_rng(0))
    assert slope.estimate == pytest.approx(stats.linregress(rows["horizon"].to_numpy(), errors).slope)
    assert slope.low < 0.5 < slope.high
