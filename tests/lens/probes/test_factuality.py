"""Probes for factual answers: split by question, naive or robust, with a control, in a world that turns."""

from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lens.probes import FactualityProbe, select_layer
from doxa.lens.question_sets import QuestionsWarning
from doxa.streams import stream

TRUTH = stream(0, "truth").permutation(80) % 2 == 0


def world(turn: float, *, seed: int = 0, layers: int = 2, width: int = 24) -> np.ndarray:
    """Both answers' activations where the direction of truth has turned by an angle; layer 0 holds noise alone.

    What is said to be right lies along axis 0, turning with the angle towards its negative; what is really true lies
    along axis 1 and never turns.
    """
    rng = stream(seed, "world", str(turn))
    pairs = 0.5 * rng.standard_normal((TRUTH.size, 2, layers, width))
    factual = np.stack([TRUTH, ~TRUTH], axis=1) * 2.0 - 1.0
    pairs[:, :, 1, 0] += 3.0 * np.cos(turn) * factual
    pairs[:, :, 1, 2] += 3.0 * np.sin(turn) * factual
    pairs[:, :, 1, 1] += 1.5 * factual
    return pairs.astype(np.float32)


def margin(probe: object, pairs: np.ndarray, layer: int = 1) -> float:
    scores = probe.score(pairs)[:, :, layer]
    return float(np.where(TRUTH, 1.0, -1.0) @ (scores[:, 0] - scores[:, 1]) / TRUTH.size)


def test_the_naive_direction_flips_where_the_planted_one_does_and_the_robust_one_does_not() -> None:
    naive = FactualityProbe().fit(world(0.0), TRUTH, rng=stream(0, "fit"))
    robust = FactualityProbe().fit({"plain": world(0.0), "turned": world(np.pi)}, TRUTH, rng=stream(0, "fit"))
    turns = np.linspace(0.0, np.pi, 13)
    naive_margins = [margin(naive, world(turn, seed=1)) for turn in turns]
    w_said, w_true = naive.weights[1, 0], naive.weights[1, 1]
    w_side = naive.weights[1, 2]
    expected = [2.0 * (3.0 * np.cos(t) * w_said + 3.0 * np.sin(t) * w_side + 1.5 * w_true) > 0 for t in turns]
    assert [m > 0 for m in naive_margins] == expected
    assert expected[0]
    assert not expected[-1]
    assert min(margin(robust, world(turn, seed=1)) for turn in (0.0, np.pi)) > 1.0


def test_hold_out_accuracy_is_by_layer_and_context_and_the_control_is_at_chance() -> None:
    contexts = {"plain": world(0.0), "turned": world(np.pi)}
    fitted = FactualityProbe(permutations=30).fit(contexts, TRUTH, rng=stream(0, "fit"))
    assert fitted.held_out.sum() == 8
    for name in contexts:
        accuracy = fitted.hold_out_accuracy[name]
        assert accuracy.shape == (2,)
        assert accuracy[1] >= 0.9
        np.testing.assert_allclose(
            accuracy, fitted.accuracy(contexts[name][fitted.held_out], TRUTH[fitted.held_out])
        )
    assert abs(fitted.permuted_accuracy.mean() - 0.5) < 0.08
    assert select_layer(np.stack(list(fitted.hold_out_accuracy.values()))) == 1


def test_copies_of_a_question_stay_on_one_side() -> None:
    names = [f"question {number // 2}" for number in range(TRUTH.size)]
    fitted = FactualityProbe(held_out=0.3).fit(world(0.0), TRUTH, questions=names, rng=stream(0, "fit"))
    held = fitted.held_out.reshape(-1, 2)
    assert (held[:, 0] == held[:, 1]).all()


def test_the_margin_turns_with_the_truth_and_knows_no_bias() -> None:
    pairs = world(0.0)
    right = FactualityProbe(permutations=0).fit(pairs, TRUTH, rng=stream(0, "fit"))
    swapped = FactualityProbe(permutations=0).fit(pairs, ~TRUTH, rng=stream(0, "fit"))
    np.testing.assert_allclose(margin(right, pairs), -margin(swapped, pairs), rtol=1e-3)
    np.testing.assert_allclose(right.weights, -swapped.weights, atol=1e-3)


def test_few_or_uneven_questions_are_warned_of() -> None:
    with pytest.warns(QuestionsWarning, match="9 questions; give at least 10"):
        FactualityProbe().fit(world(0.0)[:9], np.arange(9) % 2 == 0, rng=stream(0, "fit"))
    uneven = np.arange(80) % 10 < 7
    with pytest.warns(QuestionsWarning, match="70% of the answers are Yes"):
        FactualityProbe().fit(world(0.0), uneven, rng=stream(0, "fit"))


def test_contexts_with_other_questions_are_refused() -> None:
    with pytest.raises(InputError, match="the same questions"):
        FactualityProbe().fit({"a": world(0.0), "b": world(0.0)[:40]}, TRUTH, rng=stream(0, "fit"))
    with pytest.raises(InputError, match="one per example"):
        FactualityProbe().fit(world(0.0), TRUTH[:-1], rng=stream(0, "fit"))


def test_the_layer_is_best_on_average_and_among_equals_the_surest() -> None:
    assert select_layer([[0.9, 0.8, 0.7], [0.5, 0.8, 0.7]]) == 1
    assert select_layer([[0.9, 0.9, 0.9]]) == 0
    assert select_layer([[0.9, 0.9, 0.8]], [[0.5, 0.3, 0.1]]) == 1
    with pytest.raises(InputError, match="finite"):
        select_layer([[0.5, float("nan")]])
