from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from doxa.errors import InputError, StoreError
from doxa.lens.capture import Wanted, activations
from doxa.lens.steering_vector import SteeringVector, contrast_vector, model_identity
from doxa.streams import stream
from tests.lens import lens_models


def _vector(seed: int = 0) -> SteeringVector:
    rng = stream(seed, "tests", "vectors")
    return SteeringVector({layer: rng.standard_normal(16) + 1 for layer in (3, 0)}, "mlp", "m", "u")


def test_a_vector_comes_back_as_it_was_saved(tmp_path: Path):
    vector = _vector()
    read = SteeringVector.load(vector.save(tmp_path / "v.safetensors"))
    assert (read.layers, read.site, read.model, read.unit) == ((0, 3), "mlp", "m", "u")
    for layer in vector.layers:
        np.testing.assert_array_equal(read.vectors[layer], vector.vectors[layer])


def test_files_that_are_none_are_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="cannot be read as safetensors"):
        SteeringVector.load(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"\x01\x02")
    with pytest.raises(StoreError, match="cannot be read as safetensors"):
        SteeringVector.load(tmp_path / "broken")
    save_file({"layer.0": np.ones(3, np.float32)}, tmp_path / "other", metadata={"format": "pt"})
    with pytest.raises(StoreError, match="not a steering vector of doxa; it has format='pt'"):
        SteeringVector.load(tmp_path / "other")


@given(st.integers(0, 99))
def test_controls_keep_what_they_should(seed: int):
    vector = _vector(seed)
    shuffled, random = vector.shuffled(stream(seed, "a")), vector.random(stream(seed, "a"))
    for layer, numbers in vector.vectors.items():
        np.testing.assert_array_equal(np.sort(shuffled.vectors[layer]), np.sort(numbers))
        assert np.linalg.norm(random.vectors[layer]) == pytest.approx(np.linalg.norm(numbers), rel=1e-5)
        assert not np.array_equal(shuffled.vectors[layer], numbers)
    assert (shuffled.site, shuffled.model, shuffled.unit) == (vector.site, vector.model, vector.unit)


def _made(vectors: dict[int, list[float]], model: str = "m", unit: str = "") -> SteeringVector:
    return SteeringVector(
        {layer: np.array(numbers) for layer, numbers in vectors.items()}, "residual", model, unit
    )


def test_arithmetic_by_hand():
    first = _made({0: [1.0, 2.0], 1: [3.0, 4.0]}, unit="a")
    second = _made({1: [10.0, 10.0], 2: [5.0, 5.0]}, unit="b")
    total = first.scaled(2.0) + -second
    assert {layer: numbers.tolist() for layer, numbers in total.vectors.items()} == {
        0: [2.0, 4.0], 1: [-4.0, -2.0], 2: [-5.0, -5.0]
    }  # fmt: skip
    assert total.unit == "a + b"
    assert first.at_layers(1).layers == (1,)


def test_the_contrast_is_the_difference_of_means():
    model = lens_models.model("qwen2")
    rows = lens_models.rows(5, 9, 3, 7, 7)
    vector = contrast_vector(model, rows[:2], rows[2:], layers=(-1, 1), place=slice(0, 2), batch_tokens=9)
    read = activations(model, rows, Wanted((-1, 1), places=slice(0, 2)))[:, 0]
    expected = read[:2].mean(axis=0) - read[2:].mean(axis=0)
    np.testing.assert_allclose([vector.vectors[-1], vector.vectors[1]], expected, atol=1e-5)
    assert vector.model == model_identity(model)
    assert vector.unit == "difference of means"


def test_a_models_identity_is_that_of_its_weights():
    model = lens_models.model("llama")
    identity = model_identity(model)
    assert identity == model_identity(lens_models.model("llama"))
    assert identity == model_identity(lens_models.model("llama", dtype=torch.bfloat16))
    assert identity != model_identity(lens_models.model("llama", seed=1))
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.mul_(1.05)
    assert identity != model_identity(model)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: _made({}), "at least one layer"),
        (lambda: _made({0: [1.0], 1: [1.0, 2.0]}), r"widths \[1, 2\]"),
        (lambda: _made({0: [np.nan]}), "must be finite numbers"),
        (lambda: _made({0: [1.0]}) + _made({0: [1.0, 2.0]}), "width: 1 [+] 2"),
        (lambda: _made({0: [1.0]}, "a") + _made({0: [1.0]}, "b"), "model: 'a' [+] 'b'"),
        (lambda: _vector().at_layers(1), r"layers=\(1,\): this vector has \(0, 3\)"),
        (lambda: contrast_vector(lens_models.model("llama"), [[1]], []), r"rows=\[\]"),
    ],
)
def test_bad_input_is_refused(make, said: str):
    with pytest.raises(InputError, match=said):
        make()
