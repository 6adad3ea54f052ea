"""Image files made of a published torch pickle, which is read only after its checksum and without running its code.

A compressed file hangs on the compressor's version, so one made anew need not have the same bytes: it is held to the
arrays in it.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from doxa.lab.data_archive import DownloadError
from doxa.lab.files import sha256

ORIGINAL_BYTES = 20_000_000
"""The largest pickle that is fetched."""
LARGEST_PIXEL = np.float32(255)


@dataclass(frozen=True)
class ImagePairs:
    """A file of arrays ``images`` (uint8, [n, height, width]) and ``labels`` (uint8), made of a list of pairs.

    Attributes:
        original: name of the published file, a torch pickle of pairs (float32 tensor of pixels in [0, 1], class).
        sha256: of the published file.
        arrays: ``array_digest`` of the file that is made.
    """

    original: str
    sha256: str
    arrays: str

    def make(self, body: bytes, source: str) -> bytes:
        """Return the file made of the published one.

        Args:
            body: the published file.
            source: where it is from, for messages.

        Raises:
            DownloadError: these are other bytes, or they hold something else than pairs of image and class.
        """
        if sha256(body) != self.sha256:
            seen, wanted = sha256(body)[:12], self.sha256[:12]
            raise DownloadError(
                f"{source}: sent other bytes than published (SHA-256 {seen}…, wanted {wanted}…); it was not opened. "
                "Try again; if it stays so, a proxy may be changing the transfer"
            )
        import torch

        try:
            pairs = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
            pixels = np.stack([np.asarray(image, dtype=np.float32).squeeze(0) for image, _ in pairs])
            labels = np.array([int(label) for _, label in pairs], dtype=np.uint8)
        except (pickle.UnpicklingError, RuntimeError, TypeError, ValueError) as error:
            raise DownloadError(f"{source}: holds no pairs of image and class ({error})") from error
        images = np.rint(pixels * LARGEST_PIXEL).astype(np.uint8)
        if not np.array_equal(images.astype(np.float32) / LARGEST_PIXEL, pixels):
            raise DownloadError(
                f"{source}: has pixels that are no multiples of 1/255; nothing was kept of it"
            )
        held = io.BytesIO()
        np.savez_compressed(held, images=images, labels=labels)
        return held.getvalue()

    def fits(self, body: bytes) -> bool:
        """Return whether a file holds the published images and classes."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as held:
                return array_digest({name: held[name] for name in held.files}) == self.arrays
        except (ValueError, EOFError, OSError, KeyError, AttributeError, zipfile.BadZipFile):
            return False


def array_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays: their names in order, types, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
