from __future__ import annotations

import pytest

from doxa.dynamics.deep_markov import Oscillator, PgDMM
from doxa.errors import InputError

PRIOR = Oscillator(f0=0.5, zeta=0.1, dt=0.1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"alpha": 2.0, "learn_alpha": False},
            r"alpha=2.0: must be in \[0, 1\], or finite with alpha_form='free'",
        ),
        ({"alpha": float("nan"), "learn_alpha": False}, "alpha=nan"),
        ({"alpha": float("nan"), "alpha_form": "free"}, "alpha=nan"),
        ({"alpha": 1.0}, "fix it with learn_alpha=False"),
        ({"obs_dim": 0}, "obs_dim=0"),
    ],
)
def test_shares_and_sizes_out_of_range_are_refused_by_name(options, told):
    with pytest.raises(InputError, match=told):
        PgDMM(PRIOR, **options)


def test_a_free_share_may_lie_anywhere():
    assert PgDMM(PRIOR, alpha=2.0, alpha_form="free").alpha == 2.0
