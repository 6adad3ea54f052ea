"""Probes of all sites at once are scikit-learn's logistic regressions, with controls that find nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from doxa.errors import InputError
from doxa.lens.probes import LogisticProbes, descent, logistic_solver
from doxa.lens.probes.cross_validation import UnconvergedWarning
from doxa.lens.probes.logistic_solver import fit_logistic
from doxa.lens.probes.problems import Problems
from doxa.streams import stream

CASES = {
    "more rows": (300, 40, 0.5, 0.0),
    "more columns": (120, 200, 0.5, 0.0),
    "separable": (200, 30, 4.0, 0.0),
    "a coordinate as large as in big models": (300, 40, 0.5, 2000.0),
}


def planted(case: str, seed: int = 0, sites: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Examples of two classes apart along one direction, with a falling spectrum and a common offset."""
    count, width, strength, offset = CASES[case]
    rng = stream(seed, "planted", case)
    labels = rng.random(count) < 0.5
    spread = np.arange(1.0, width + 1.0) ** -0.5
    rows = rng.standard_normal((count, sites, width)) * spread + 3.0
    direction = rng.standard_normal(width)
    rows += strength * np.where(labels, 1.0, -1.0)[:, None, None] * direction / np.linalg.norm(direction)
    rows[:, :, 1] += offset * (1.0 + 0.1 * rng.standard_normal((count, sites)))
    return rows.astype(np.float32), labels


def oracle(rows: np.ndarray, labels: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """scikit-learn by Newton's method on centred float64 rows, whose minimum is the same."""
    centre = rows.astype(np.float64).mean(0)
    model = LogisticRegression(C=1.0 / ridge, tol=1e-10, solver="newton-cholesky", max_iter=200)
    model.fit(rows - centre, labels)
    return model.coef_[0], float(model.intercept_[0] - model.coef_[0] @ centre)


def log_loss(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(np.logaddexp(0.0, np.where(labels, -scores, scores)).mean())


@pytest.mark.parametrize("case", CASES)
def test_every_fold_and_ridge_is_scikit_learns(case: str) -> None:
    rows, labels = planted(case)
    ridges = (0.01, 1.0, 100.0)
    probes = LogisticProbes.fit(rows, labels, ridge=ridges, permutations=2, rng=stream(0, "fit"))
    tested = probes.cross_validated
    for place, ridge in enumerate(ridges):
        for held_out in range(5):
            there = tested.fold == held_out
            weights, bias = oracle(rows[~there, 0], labels[~there], ridge)
            scores = rows[there, 0].astype(np.float64) @ weights + bias
            assert tested.log_loss[0, place, held_out] == pytest.approx(
                log_loss(scores, labels[there]), abs=1e-4
            )
            assert tested.accuracy[0, place, held_out] == ((scores > 0) == labels[there]).mean()
    weights, bias = oracle(rows[:, 0], labels, float(probes.ridge[0]))
    scores = rows[:, 0].astype(np.float64) @ weights + bias
    assert log_loss(probes.score(rows)[:, 0], labels) == pytest.approx(log_loss(scores, labels), abs=1e-5)
    assert ((probes.score(rows)[:, 0] > 0) == (scores > 0)).all()


def test_a_case_by_hand() -> None:
    """At x = ±1 with labels 1 and 0 the minimum has ridge·w = 2/(1 + exp(w)); ridge is set so that w = 1, b = 0."""
    ridge = 2.0 * (1.0 - 1.0 / (1.0 + np.exp(-1.0)))
    rows = np.array([[1.0], [-1.0]], dtype=np.float32)
    problems = Problems(np.array([0]), np.array([-1]), np.array([ridge]))
    fits = fit_logistic(rows, np.array([[True, False]]), np.array([0, 0]), problems)
    assert fits.weights[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert fits.bias[0] == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(6, 60), st.integers(1, 50), st.floats(1e-3, 1e3), st.floats(0.01, 100.0), st.integers(0, 99)
)
def test_the_gradient_is_gone_at_any_size_and_scale(
    count: int, width: int, ridge: float, scale: float, seed: int
) -> None:
    rng = stream(seed, "gradient")
    rows = (scale * rng.standard_normal((count, width))).astype(np.float32)
    labels = np.arange(count) % 2 == 0
    fold = np.full(count, -1)
    fits = fit_logistic(
        rows, labels[None], fold, Problems(np.array([0]), np.array([-2]), np.array([ridge * scale**2]))
    )
    wide = rows.astype(np.float64)
    surplus = 1.0 / (1.0 + np.exp(-(wide @ fits.weights[0] + fits.bias[0]))) - labels
    gradient = wide.T @ surplus + ridge * scale**2 * fits.weights[0]
    assert fits.gap[0] <= logistic_solver.GAP
    assert np.abs(gradient).max() / scale <= 1e-3
    assert abs(surplus.sum()) <= 1e-3
    assert (
        gradient @ gradient / (2.0 * ridge * scale**2 * count) <= 1e-6
    )  # bounds the gap by strong convexity


def test_all_sites_at_once_are_each_site_alone() -> None:
    rows, labels = planted("more rows", sites=6)
    rows = rows.reshape(300, 3, 2, 40)
    together = LogisticProbes.fit(rows, labels, ridge=(0.1, 10.0), rng=stream(0, "fit"))
    assert together.weights.shape == (3, 2, 40)
    assert together.cross_validated.accuracy.shape == (3, 2, 2, 5)
    assert together.cross_validated.permuted_accuracy.shape == (3, 2, 10, 2, 5)
    alone = LogisticProbes.fit(rows[:, 1, 1], labels, ridge=(0.1, 10.0), rng=stream(0, "fit"))
    assert alone.weights.shape == (40,)
    np.testing.assert_array_equal(alone.weights, together.weights[1, 1])
    np.testing.assert_allclose(alone.score(rows[:, 1, 1]), together.score(rows)[:, 1, 1])
    np.testing.assert_allclose(together.at(1).score(rows[:, 1]), together.score(rows)[:, 1])


def test_how_many_problems_are_held_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = planted("more rows")
    whole = LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))
    monkeypatch.setattr(logistic_solver, "_CHUNK_CELLS", 300 * 7)
    chunked = LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))
    np.testing.assert_allclose(chunked.weights, whole.weights, atol=1e-4)
    np.testing.assert_allclose(
        chunked.cross_validated.permuted_log_loss, whole.cross_validated.permuted_log_loss, atol=1e-4
    )


def test_what_float32_leaves_is_finished_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = planted("more rows")
    whole = LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))
    steps = dict(descent._STEPS)
    monkeypatch.setattr(
        descent, "_STEPS", {kind: 1 if str(kind) == "torch.float32" else n for kind, n in steps.items()}
    )
    finished = LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))
    assert finished.cross_validated.gap.max() <= logistic_solver.GAP
    np.testing.assert_allclose(finished.weights, whole.weights, atol=1e-4)
    monkeypatch.setattr(descent, "_STEPS", dict.fromkeys(steps, 1))
    with pytest.warns(UnconvergedWarning, match="above its minimum"):
        LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))


def test_controls_find_nothing_where_the_labels_find_much() -> None:
    rows, labels = planted("more rows", sites=2)
    rows[:, 1] = stream(5, "noise").standard_normal(rows[:, 1].shape)
    tested = LogisticProbes.fit(
        rows, labels, permutations=40, directions=200, rng=stream(0, "fit")
    ).cross_validated
    assert tested.held_out_accuracy[0] > 0.75
    assert 0.4 < tested.held_out_accuracy[1] < 0.6
    assert abs(tested.control_accuracy.mean() - 0.5) < 0.03
    assert tested.control_accuracy.max() < 0.65
    assert abs(tested.random_accuracy.mean() - 0.5) < 0.03
    assert tested.p_value[0] == pytest.approx(1.0 / 41.0)
    assert tested.p_value[1] > 0.05


def test_p_values_are_even_where_there_is_nothing() -> None:
    """Groups of four alike examples: a permutation that broke them would call noise significant."""
    found: list[float] = []
    for seed in range(60):
        rng = stream(seed, "null")
        rows = np.repeat(rng.standard_normal((24, 5)), 4, axis=0).astype(np.float32)
        labels = np.repeat(np.arange(24) % 2 == 0, 4)
        groups = np.repeat(np.arange(24), 4)
        probes = LogisticProbes.fit(rows, labels, groups=groups, permutations=19, rng=rng)
        found.append(float(probes.cross_validated.p_value))
    assert np.mean(np.array(found) <= 0.2) < 0.4
    assert np.mean(np.array(found) <= 0.05) < 0.15


def test_copies_of_a_question_do_not_leak() -> None:
    rng = stream(1, "copies")
    rows = np.repeat(rng.standard_normal((60, 80)), 3, axis=0).astype(np.float32)
    labels = np.repeat(rng.permutation(60) % 2 == 0, 3)
    questions = [f"question {number}" for number in range(60) for _ in range(3)]
    grouped = LogisticProbes.fit(rows, labels, groups=questions, rng=stream(0, "fit")).cross_validated
    leaking = LogisticProbes.fit(rows, labels, rng=stream(0, "fit")).cross_validated
    for question in range(60):
        assert len(set(grouped.fold[3 * question : 3 * question + 3])) == 1
    assert grouped.held_out_accuracy < 0.7
    assert leaking.held_out_accuracy > 0.9


def test_the_ridge_is_chosen_by_held_out_log_loss() -> None:
    rows, labels = planted("more columns")
    probes = LogisticProbes.fit(rows, labels, ridge=(1e-3, 1.0, 30.0, 1e5), rng=stream(0, "fit"))
    tested = probes.cross_validated
    losses = [log_loss_of(tested.log_loss[0, place], tested.fold) for place in range(4)]
    assert probes.ridge[0] == (1e-3, 1.0, 30.0, 1e5)[int(np.argmin(losses))]
    assert tested.held_out_log_loss[0] == pytest.approx(min(losses))


def log_loss_of(by_fold: np.ndarray, fold: np.ndarray) -> float:
    return float(by_fold @ np.bincount(fold) / fold.size)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": np.ones(20)}, "all examples have one label"),
        ({"labels": np.arange(20)}, "0 or 1"),
        ({"labels": np.arange(19) % 2}, "one per example"),
        ({"ridge": (0.0,)}, "1 / C"),
        ({"ridge": ()}, "1 / C"),
        ({"folds": 1}, "2 to 20"),
        ({"folds": 21}, "2 to 20"),
        ({"groups": [0] * 19}, "one group per example"),
        ({"groups": np.arange(20) % 2, "folds": 2}, "but those of fold 0 have one label"),
        ({"groups": [0] * 20}, "1 groups"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], said: str) -> None:
    given = {"labels": np.arange(20) % 2, **change}
    rows = stream(0, "rows").standard_normal((20, 3)).astype(np.float32)
    with pytest.raises(InputError, match=said):
        LogisticProbes.fit(rows, given.pop("labels"), rng=stream(0, "fit"), **given)


def test_an_activation_that_overflowed_is_named() -> None:
    rows, labels = planted("more rows", sites=4)
    rows = rows.reshape(300, 2, 2, 40)
    rows[17, 1, 0, 3] = np.inf
    with pytest.raises(InputError, match=r"example 17, site \(1, 0\) is not finite"):
        LogisticProbes.fit(rows, labels, rng=stream(0, "fit"))


def test_activations_may_lie_on_disk_and_in_half_precision(tmp_path: Path) -> None:
    rows, labels = planted("more rows", sites=2)
    half = rows.astype(np.float16)
    disk = np.memmap(tmp_path / "rows", dtype=np.float16, mode="w+", shape=half.shape)
    disk[:] = half
    one = LogisticProbes.fit(disk, labels, permutations=1, rng=stream(0, "fit"))
    other = LogisticProbes.fit(half.astype(np.float32), labels, permutations=1, rng=stream(0, "fit"))
    np.testing.assert_array_equal(one.weights, other.weights)
