from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from doxa.lens.probes.logistic_solver import fit_logistic
from doxa.lens.probes.problems import Problems
from doxa.streams import stream


@pytest.mark.slow
def test_log_loss_is_that_of_the_minimum_where_examples_are_all_but_separable():
    rng = stream(0, "test", "hard fits")
    truth = np.arange(1000) % 2 == 0
    examples = rng.standard_normal((1000, 300)) + rng.standard_normal(300)
    examples = (examples + 0.5 * np.where(truth, 1.0, -1.0)[:, None] / np.sqrt(300)).astype(np.float32)
    fold = np.arange(1000) // 2 % 5
    fits = fit_logistic(
        examples, truth[None], fold, Problems(np.zeros(2, int), np.array([0, 1]), np.array([0.1, 0.1]))
    )
    for place in range(2):
        train, test = fold != place, fold == place
        centre = examples[train].astype(np.float64).mean(0)
        peer = LogisticRegression(C=10.0, tol=1e-10, max_iter=100_000).fit(
            examples[train] - centre, truth[train]
        )
        own = examples[test] @ fits.weights[place] + fits.bias[place]
        theirs = peer.decision_function(examples[test] - centre)
        losses = [(np.logaddexp(0, z) - truth[test] * z).mean() for z in (own, theirs)]
        assert losses[0] == pytest.approx(losses[1], abs=3e-5)
