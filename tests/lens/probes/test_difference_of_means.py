"""The difference of means in closed form, with the same tests and controls as any probe."""

from __future__ import annotations

import numpy as np

from doxa.lens.probes import DifferenceOfMeans
from doxa.streams import stream


def test_a_case_by_hand() -> None:
    """Means (3, 0) and (1, 2): w = (2, -2), and the point between, (2, 1), scores 0."""
    rows = np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 2.0], [2.0, 2.0]], dtype=np.float32)
    probes = DifferenceOfMeans.fit(rows, [1, 1, 0, 0], folds=2, permutations=0, rng=stream(0, "fit"))
    np.testing.assert_allclose(probes.weights, [2.0, -2.0])
    np.testing.assert_allclose(probes.bias, -2.0)
    np.testing.assert_allclose(probes.score(np.array([[2.0, 1.0], [3.0, 0.0]], dtype=np.float32)), [0.0, 4.0])


def test_every_fold_is_scored_by_the_means_of_the_others() -> None:
    rng = stream(1, "rows")
    rows = rng.standard_normal((60, 3, 7)).astype(np.float32)
    labels = rng.random(60) < 0.5
    rows[labels] += 0.4
    probes = DifferenceOfMeans.fit(rows, labels, permutations=3, rng=stream(0, "fit"))
    tested = probes.cross_validated
    np.testing.assert_allclose(probes.weights, rows[labels].mean(0) - rows[~labels].mean(0), atol=1e-6)
    for held_out in range(5):
        train, there = tested.fold != held_out, tested.fold == held_out
        high, low = (rows[train & (labels == label)].astype(np.float64).mean(0) for label in (True, False))
        scores = ((rows[there] - (high + low) / 2.0) * (high - low)).sum(-1)
        np.testing.assert_allclose(
            tested.accuracy[:, 0, held_out], ((scores > 0) == labels[there, None]).mean(0)
        )
    assert tested.permuted_accuracy.shape == (3, 3, 1, 5)
