"""Images to learn from: the published 1000 of MNIST, a file of one's own, or scikit-learn's digits as a fallback."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lab.data import check, locate

DATA = "ska"
FILE = "mnist_1000.npz"
FALLBACK = "digits"
LARGEST_PIXEL = 255


@dataclass(frozen=True)
class Images:
    """Flat images in [0, 1].

    Attributes:
        name: where they are from.
        pixels: float32.
        labels: what they show; never given to the rule, only to what judges it afterwards. None where unknown.
        side: width and height of an image in pixels; 0 where the file has flat rows.
    """

    name: str
    pixels: Float[torch.Tensor, "samples pixels"]
    labels: Int[np.ndarray, " samples"] | None
    side: int


def load_images(source: str = "") -> Images:
    """Return images.

    Args:
        source: empty for the published set (``doxa data get ska``), ``digits`` for the 1797 digits of 8 by 8 pixels
            that come with scikit-learn, or a file of NumPy's npz format with ``images`` (uint8, or numbers in [0, 1];
            [n, height, width] or [n, pixels]) and, if there are any, ``labels``.

    Raises:
        InputError: the set is not on this machine, or a file holds something else.
    """
    if not source:
        return _from_npz(locate(DATA) / FILE, "mnist")
    if source == FALLBACK:
        return _digits()
    return _from_npz(Path(source), Path(source).stem)


def published_here() -> bool:
    """Return whether the published images are on this machine."""
    return check(DATA).good


def _digits() -> Images:
    from sklearn.datasets import load_digits

    held: Any = load_digits()
    pixels = torch.from_numpy((held.data / 16.0).astype(np.float32))
    return Images(FALLBACK, pixels, np.asarray(held.target, dtype=np.int64), 8)


def _from_npz(path: Path, name: str) -> Images:
    if path.suffix in (".pt", ".pth", ".pkl", ".pickle", ".bin"):
        raise InputError(
            f"{path}: is a pickle, which may run any code when it is read; give an npz file with images and labels"
        )
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            if "images" not in held:
                raise InputError(f"{path}: has {sorted(held)}; an array 'images' is needed")
            images = held["images"]
            labels = held.get("labels")
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as npz without pickles ({error})") from error
    if images.ndim not in (2, 3) or len(images) < 2:
        raise InputError(f"{path}: images of shape {images.shape}; must be [n, height, width] or [n, pixels]")
    if labels is not None and labels.shape != (len(images),):
        raise InputError(
            f"{path}: {len(images)} images and labels of shape {labels.shape}; give one label each"
        )
    whole = np.issubdtype(images.dtype, np.integer)
    pixels = images.reshape(len(images), -1).astype(np.float32) / np.float32(LARGEST_PIXEL if whole else 1)
    return Images(
        name,
        torch.from_numpy(pixels),
        None if labels is None else labels.astype(np.int64),
        images.shape[1] if images.ndim == 3 else 0,
    )
