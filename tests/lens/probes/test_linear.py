"""Probes score any activations of their width, and come back from a file as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doxa.errors import InputError, StoreError
from doxa.lens.probes import LinearProbes
from doxa.streams import stream


def some(*sites: int, width: int = 4) -> LinearProbes:
    rng = stream(0, "probes", *sites)
    return LinearProbes(
        rng.standard_normal((*sites, width)), rng.standard_normal(sites), about={"model": "toy"}
    )


def test_scores_are_products_with_a_bias() -> None:
    probes = some(3, 2)
    rows = stream(1, "rows").standard_normal((5, 3, 2, 4)).astype(np.float32)
    expected = np.einsum("nlpw,lpw->nlp", rows.astype(np.float64), probes.weights) + probes.bias
    np.testing.assert_allclose(probes.score(rows), expected, rtol=1e-12)
    np.testing.assert_allclose(probes.at(2, 1).score(rows[:, 2, 1]), expected[:, 2, 1])
    pairs = rows.reshape(5, 1, 3, 2, 4).repeat(2, axis=1)
    np.testing.assert_allclose(probes.score(pairs)[:, 1], expected)


def test_a_file_gives_back_the_same_probes(tmp_path: Path) -> None:
    probes = some(3, 2)
    probes.save(tmp_path / "probes.safetensors")
    again = LinearProbes.load(tmp_path / "probes.safetensors")
    np.testing.assert_array_equal(again.weights, probes.weights)
    np.testing.assert_array_equal(again.bias, probes.bias)
    assert again.about == {"model": "toy"}


def test_a_file_without_probes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no probes"):
        LinearProbes.load(tmp_path / "absent")
    (tmp_path / "text").write_text("not a tensor")
    with pytest.raises(StoreError, match="holds no probes"):
        LinearProbes.load(tmp_path / "text")


def test_random_directions_have_the_same_norms() -> None:
    probes = some(3, 2, width=50)
    drawn = probes.random_direction(stream(2, "random"))
    np.testing.assert_allclose(
        np.linalg.norm(drawn.weights, axis=-1), np.linalg.norm(probes.weights, axis=-1), rtol=1e-12
    )
    cosine = (drawn.weights * probes.weights).sum(-1) / np.linalg.norm(probes.weights, axis=-1) ** 2
    assert np.abs(cosine).max() < 0.6


def test_another_width_is_named_with_the_own() -> None:
    with pytest.raises(InputError, match="activations of width 5 for probes of width 4"):
        some(3).score(np.zeros((2, 3, 5), dtype=np.float32))


def test_other_sites_are_refused() -> None:
    for shape in ((2, 2, 4), (4,)):
        with pytest.raises(InputError, match=r"probes at sites \(3,\)"):
            some(3).score(np.zeros(shape, dtype=np.float32))


def test_an_activation_that_overflowed_is_named() -> None:
    rows = np.zeros((2, 3, 4), dtype=np.float32)
    rows[1, 2, 0] = np.nan
    with pytest.raises(InputError, match=r"example 1, site \(2,\) is not finite"):
        some(3).score(rows)
