from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.training.forward_only import load_images


def test_the_fallback_comes_with_scikit_learn():
    digits = load_images("digits")
    assert digits.pixels.shape == (1797, 64)
    assert (float(digits.pixels.min()), float(digits.pixels.max())) == (0.0, 1.0)
    assert digits.side == 8


def test_files_of_bytes_and_of_numbers(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    np.savez(tmp_path / "bytes.npz", images=images, labels=np.array([0, 1, 2]))
    held = load_images(str(tmp_path / "bytes.npz"))
    assert held.pixels[1, 0] == torch.tensor(8 / 255, dtype=torch.float32)
    assert held.labels.tolist() == [0, 1, 2]
    np.savez(tmp_path / "numbers.npz", images=np.full((2, 3), 0.5))
    held = load_images(str(tmp_path / "numbers.npz"))
    assert held.labels is None
    assert held.pixels.tolist() == [[0.5] * 3] * 2


@pytest.mark.parametrize(
    ("name", "arrays", "message"),
    [
        ("set.pt", {}, "pickle, which may run any code"),
        ("set.npz", {"pixels": np.zeros((2, 2))}, "an array 'images'"),
        ("set.npz", {"images": np.zeros(4)}, r"\[n, pixels\]"),
        ("set.npz", {"images": np.zeros((2, 2)), "labels": np.zeros(3)}, "one label each"),
        ("set.npz", {"images": np.array([None, None])}, "without pickles"),
    ],
)
def test_other_files_are_refused(tmp_path, name, arrays, message):
    with (tmp_path / name).open("wb") as held:
        np.savez(held, **arrays)
    with pytest.raises(InputError, match=message):
        load_images(str(tmp_path / name))


def test_a_file_that_is_cut_or_no_archive_is_named(tmp_path):
    np.savez(tmp_path / "whole.npz", images=np.zeros((9, 9)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:-30])
    np.save(tmp_path / "one.npy", np.zeros((9, 9)))
    for name in ("cut.npz", "one.npy"):
        with pytest.raises(InputError, match="cannot be read as npz"):
            load_images(str(tmp_path / name))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz"):
        load_images(str(tmp_path / "none.npz"))
