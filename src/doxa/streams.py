"""Named random streams: every draw hangs on a seed and on names, never on order, worker or batch.

A stream is a counter-based Philox generator keyed by the SHA-256 of its names, so two streams with
different names are independent and the same names give the same numbers in any process.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from doxa.canonical import canonical_json

if TYPE_CHECKING:
    import torch


def stream_key(seed: int, *names: str | int) -> int:
    """Return the 128-bit key of the stream ``names`` under ``seed``."""
    text = canonical_json([seed, *names])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16], "big")


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the NumPy generator of the stream ``names`` under ``seed``.

    >>> bool(stream(0, "data").random() == stream(0, "data").random())
    True
    >>> bool(stream(0, "data").random() == stream(0, "init").random())
    False
    """
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *names)))


def torch_stream(seed: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """Return the torch generator of the stream ``names`` under ``seed`` on ``device``."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(stream_key(seed, *names) % 2**63)
    return generator
