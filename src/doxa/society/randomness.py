"""Random numbers inside kernels: every draw hangs on a key, an agent and a number, never on threads or chunks.

Draw d of agent a under key k is ``mix(k + (a + 2^40·d + 1)·g) mod 2^64``: place a + 2^40·d of the SplitMix64 sequence
that begins at k (Steele, Lea and Flood 2014, with the finaliser of Stafford's variant 13). No two draws of one key
share a place. Keys come from the generator a step is given, so they hang on the seed and on the stream's names.
"""

from __future__ import annotations

import numpy as np

from doxa.lab.compiled import compiled

# The constants are of SplitMix64; as NumPy numbers they keep kernels in unsigned 64-bit arithmetic.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_DRAW_BITS = np.uint64(40)
_ULP = 2.0**-53


def key_from(rng: np.random.Generator) -> np.uint64:
    """Return the key of one step, the next 64 bits of a generator."""
    return rng.integers(0, 2**64, dtype=np.uint64)


@compiled
def mix(z: np.uint64) -> np.uint64:
    """Return the 64 bits that SplitMix64 makes of its counter; a bijection."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@compiled
def bits(key: np.uint64, agent: int | np.uint64, draw: int) -> np.uint64:
    """Return 64 random bits; ``agent`` is below 2^40 and ``draw`` below 2^24."""
    place = (np.uint64(draw) << _DRAW_BITS) | np.uint64(agent)
    return mix(key + (place + _ONE) * _STRIDE)


@compiled
def uniform(key: np.uint64, agent: int | np.uint64, draw: int) -> float:
    """Return a number in [0, 1), a multiple of 2^-53."""
    return np.float64(np.int64(bits(key, agent, draw) >> np.uint64(11))) * _ULP


@compiled
def below(key: np.uint64, agent: int | np.uint64, draw: int, n: int) -> np.uint64:
    """Return a whole number in 0..n-1 for 1 <= n < 2^40; none is likelier than another by more than n·2^-53."""
    return np.uint64(np.int64(uniform(key, agent, draw) * np.float64(n)))
