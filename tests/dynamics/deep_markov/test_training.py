from __future__ import annotations

import pytest
import torch

from doxa.dynamics.deep_markov import DivergedError, PgDMM, PhysicsPrior
from doxa.streams import stream


def test_a_last_step_that_ruins_the_weights_is_told():
    """The bound is finite, its gradient is not: the slope of a root at 0."""
    prior = PhysicsPrior.callable(lambda z, u: torch.sqrt((z - z).abs()), 1, C=[[1.0]])
    model = PgDMM(prior, rnn_dim=4, hidden=4)
    with pytest.raises(DivergedError, match="step 1: its gradient is not finite"):
        model.fit(stream(0, "roots").normal(size=(3, 4, 1)), steps=1)
    assert not model.is_fitted
