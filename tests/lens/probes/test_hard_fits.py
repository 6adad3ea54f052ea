from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from doxa.lens.probes.logistic_solver import fit_logistic
from doxa.lens.probes.problems import Problems
from doxa.streams import stream


def test_log_loss_is_that_of_the_minimum_where_examples_are_all_but_separable():
    """Noise whose width comes near half the examples: the minimum is flat and the held-out log-loss steep."""
    rng = stream(0, "test", "hard fits")
    truth = rng.permutation(600) % 2 == 0
    examples = (rng.standard_normal((600, 240)) + rng.standard_normal(240)).astype(np.float32)
    test = np.arange(600) % 5 == 0
    problem = Problems(np.zeros(1, int), np.zeros(1, int), np.array([0.1]))
    fits = fit_logistic(examples, truth[None], np.arange(600) % 5, problem)
    centre = examples[~test].astype(np.float64).mean(0)
    peer = LogisticRegression(C=10.0, tol=1e-10, max_iter=100_000)
    peer.fit(examples[~test] - centre, truth[~test])
    own = examples[test].astype(np.float64) @ fits.weights[0] + fits.bias[0]
    theirs = peer.decision_function(examples[test] - centre)
    losses = [(np.logaddexp(0, z) - truth[test] * z).mean() for z in (own, theirs)]
    assert losses[0] == pytest.approx(losses[1], abs=3e-5)
