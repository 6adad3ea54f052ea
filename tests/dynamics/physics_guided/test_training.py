from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.dynamics.physics_guided.problems import Size, belief_problem
from doxa.dynamics.physics_guided.training import Plan, cut_lengths, train_models
from doxa.dynamics.physics_guided.variants import GUIDED, NETWORK


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.integers(0, 5),
)
def test_a_share_of_the_sequences_loses_its_end(whole, share, seed):
    lengths = cut_lengths(np.array(whole), share, seed)
    assert (lengths >= 2).all()
    assert (lengths <= whole).all()
    assert (lengths < whole).sum() <= round(share * len(whole))
    np.testing.assert_array_equal(lengths, cut_lengths(np.array(whole), share, seed))


def test_half_of_many_are_cut_anywhere():
    lengths = cut_lengths(np.full(2000, 60), 0.5, 0)
    cut = lengths[lengths < 60]
    assert len(cut) == pytest.approx(1000 * 58 / 59, abs=20)
    assert cut.min() == 2
    assert cut.mean() == pytest.approx(30.5, abs=1.5)


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_ends_that_are_cut_off_are_not_trained_on(cut):
    """The trained model is the same whatever stands where the ends were."""
    problem = belief_problem(0, Size(12, 2, 8))
    lengths = cut_lengths(np.full(12, 8), cut, 3)
    beyond = np.arange(8)[None, :, None] >= lengths[:, None, None]
    spoiled = problem.train._replace(observed=np.where(beyond, 99.0, problem.train.observed))
    plan = Plan(3, 4, 1e-2, 0.3, 0.2, "direct", 4, 4, cut)
    bounds: list[float] = []
    for train in (problem.train, spoiled):
        told = type(problem)(
            problem.name, train, problem.test, problem.prior, problem.coordinates, problem.units, 2, {}
        )
        models = train_models({GUIDED: told, NETWORK: told}, plan, 3, lambda *_: None)
        bounds += [fit.elbo for _, fit in models.values()]
    assert bounds[:2] == bounds[2:]
    assert np.isfinite(bounds).all()
