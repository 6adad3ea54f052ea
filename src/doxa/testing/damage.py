"""Damage to bytes: cut short at every kind of place, and single bits turned over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from doxa.errors import InputError


class Damage(NamedTuple):
    """Damaged bytes and what was done to them."""

    what: str
    data: bytes


def truncations(data: bytes, count: int, rng: np.random.Generator) -> Iterator[Damage]:
    """Yield the bytes cut at ``count`` different offsets, all of them if there are fewer; 0 is among them.

    Raises:
        InputError: there is nothing to cut.
    """
    if not data:
        raise InputError("no bytes to damage; give a file with content")
    offsets = [0, *(1 + rng.permutation(len(data) - 1))][:count]
    for offset in sorted(int(offset) for offset in offsets):
        yield Damage(f"cut at {offset} of {len(data)}", data[:offset])


def bit_flips(data: bytes, count: int, rng: np.random.Generator) -> Iterator[Damage]:
    """Yield the bytes with one bit turned over, at ``count`` random places.

    Raises:
        InputError: there is nothing to turn over.
    """
    if not data:
        raise InputError("no bytes to damage; give a file with content")
    for place in rng.integers(0, 8 * len(data), count):
        byte, bit = divmod(int(place), 8)
        yield Damage(
            f"bit {bit} of byte {byte}", data[:byte] + bytes([data[byte] ^ (1 << bit)]) + data[byte + 1 :]
        )
