"""Contrast-consistent search finds a direction without labels; labels set its sign and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lens.probes import CCSProbe, ContrastProbe
from doxa.lens.probes.contrast import contrast_loss
from doxa.streams import stream


def pairs_of(
    seed: int = 0, count: int = 60, width: int = 8, strength: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Both answers of questions: truth along the first axis, the answer itself along the second, noise elsewhere."""
    rng = stream(seed, "pairs")
    truth = rng.permutation(count) % 2 == 0
    pairs = 0.3 * rng.standard_normal((count, 2, width))
    pairs[:, 0, 0] += strength * np.where(truth, 1.0, -1.0)
    pairs[:, 1, 0] -= strength * np.where(truth, 1.0, -1.0)
    pairs[:, 0, 1] += 5.0
    pairs[:, 1, 1] -= 5.0
    return pairs.astype(np.float32), truth


def test_the_loss_by_hand() -> None:
    p_yes, p_no = torch.tensor([[1.0, 0.5, 0.9]]), torch.tensor([[0.0, 0.5, 0.3]])
    each = [0.0, 0.25, 0.04 + 0.09]
    assert contrast_loss(p_yes, p_no).item() == pytest.approx(sum(each) / 3.0)


def test_the_planted_direction_is_found_without_labels() -> None:
    pairs, truth = pairs_of()
    found = ContrastProbe.fit(pairs[:, 0], pairs[:, 1], restarts=20, rng=stream(0, "ccs"))
    accuracy = found.accuracy(pairs, truth)
    assert accuracy.shape == (20,)
    assert np.maximum(accuracy, 1.0 - accuracy).min() > 0.95
    assert 2 <= (accuracy > 0.5).sum() <= 18
    assert found.loss.max() < 0.02
    direction = found.weights / np.linalg.norm(found.weights, axis=-1, keepdims=True)
    assert np.abs(direction[:, 0]).min() > 0.8


def test_labels_set_the_sign_and_nothing_else() -> None:
    pairs, truth = pairs_of()
    right = CCSProbe(restarts=6).fit(pairs, truth, rng=stream(0, "ccs"))
    wrong = CCSProbe(restarts=6).fit(pairs, ~truth, rng=stream(0, "ccs"))
    np.testing.assert_array_equal(right.weights, -wrong.weights)
    np.testing.assert_array_equal(right.bias, -wrong.bias)
    assert right.accuracy(pairs, truth).min() > 0.95
    assert right.kept.all()
    scores = right.kept_score(pairs)
    assert ((scores[:, 0] > scores[:, 1]) == truth).mean() > 0.95


def test_scores_are_centred_products_at_every_site() -> None:
    pairs = stream(3, "rows").standard_normal((9, 2, 3, 5)).astype(np.float32)
    found = ContrastProbe.fit(pairs[:, 0], pairs[:, 1], restarts=4, rng=stream(0, "ccs"))
    assert found.weights.shape == (4, 3, 5)
    expected = np.einsum("qalw,rlw->rqal", pairs - found.centres, found.weights) + found.bias[:, None, None]
    np.testing.assert_allclose(found.score(pairs), expected, atol=1e-5)
    np.testing.assert_allclose(found.centres, pairs.mean(0), atol=1e-6)


def test_runs_that_miss_are_not_kept() -> None:
    pairs, truth = pairs_of(strength=0.0)
    found = CCSProbe(restarts=5).fit(pairs, truth, rng=stream(0, "ccs"))
    assert not found.kept.any()
    assert np.isnan(found.kept_score(pairs)).all()


def test_the_scale_of_the_activations_does_not_matter() -> None:
    pairs, truth = pairs_of()
    one = CCSProbe(restarts=3).fit(pairs, truth, rng=stream(0, "ccs"))
    with torch.no_grad():  # as a caller who reads activations may have it
        large = CCSProbe(restarts=3).fit(64.0 * pairs, truth, rng=stream(0, "ccs"))
    np.testing.assert_allclose(64.0 * large.weights, one.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("count", [(3, 4), (1, 1)])
def test_answers_that_do_not_pair_are_refused(count: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="both answers of the same"):
        ContrastProbe.fit(
            np.zeros((count[0], 2, 5), np.float32),
            np.zeros((count[1], 2, 5), np.float32),
            rng=stream(0, "ccs"),
        )
