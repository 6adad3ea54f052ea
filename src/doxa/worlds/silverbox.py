"""The Silverbox record: an electronic oscillator with a hardening spring, driven and measured (real data).

Wigren and Schoukens, Three free data sets for development and benchmarking in nonlinear system identification
(ECC 2013). The record is got with ``doxa data get pgdmm`` and not shipped.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.lab.data import locate, read_bytes

SAMPLES = 131_072
DT = 2**14 / 1e7
"""Seconds between samples; 610.35 of them a second."""
TEST = slice(0, 40_000)
"""The arrow: noise whose amplitude grows beyond what is trained on."""
TRAIN = slice(40_000, 100_000)
"""Random-phase multisines."""
LENGTH = 100
"""Samples of one sequence."""
RELEASED_A = ((0.7636, 0.0014), (-272.4851, 0.6917))
RELEASED_B = ((0.2505,), (288.7715,))
"""The linear model of the released code, rounded as printed there."""
RESONANCE_HZ, DAMPING_RATIO = 68.3, 0.0672
"""Of the released model, by the matrix logarithm of its A (68.29 Hz, 0.0672)."""


class Record(NamedTuple):
    """Sequences cut from one span of the record.

    Attributes:
        observed: V2, the displacement, in volt [N, T, 1].
        inputs: V1 in volt [N, T, 1].
        states: V2 and its backward difference over dt, in volt and volt/s [N, T, 2].
    """

    observed: Float[np.ndarray, "N T 1"]
    inputs: Float[np.ndarray, "N T 1"]
    states: Float[np.ndarray, "N T 2"]


class Silverbox(NamedTuple):
    """The whole record and its sequences as released: 600 to train on, 400 to test on."""

    voltage: Float[np.ndarray, " samples"]
    displacement: Float[np.ndarray, " samples"]
    train: Record
    test: Record


def load_silverbox(path: str | Path | None = None) -> Silverbox:
    """Return the record.

    Args:
        path: of ``SNLS80mV.mat``; by default where ``doxa data get pgdmm`` puts it, its checksum verified.

    Raises:
        InputError: it is not here, or the file holds no V1 and V2 of 131,072 samples.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    file = locate("pgdmm") / "SNLS80mV.mat" if path is None else Path(path)
    if path is None and not file.is_file():
        file = file.with_name(f"{file.name}.gz")
    try:
        held: dict[str, Any] = loadmat(io.BytesIO(read_bytes(file)))
        voltage, displacement = (np.asarray(held[name], dtype=np.float64).ravel() for name in ("V1", "V2"))
    except (KeyError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        raise InputError(f"{file}: is no MATLAB 5 file of V1 and V2 ({error})") from error
    if voltage.size != SAMPLES or displacement.size != SAMPLES:
        raise InputError(f"{file}: V1 has {voltage.size} and V2 {displacement.size} samples, not {SAMPLES}")
    return Silverbox(
        voltage,
        displacement,
        cut(voltage[TRAIN], displacement[TRAIN]),
        cut(voltage[TEST], displacement[TEST]),
    )


def cut(
    voltage: Float[np.ndarray, " samples"], displacement: Float[np.ndarray, " samples"], length: int = LENGTH
) -> Record:
    """Return whole sequences of a span; its first velocity is taken for 0, as in the released code.

    Raises:
        InputError: the span is shorter than one sequence.
    """
    count = displacement.size // length
    if count < 1:
        raise InputError(f"{displacement.size} samples: are fewer than one sequence of {length}")
    velocity = np.diff(displacement, prepend=displacement[:1]) / DT
    whole = slice(0, count * length)
    shape = (count, length, 1)
    states = np.stack([displacement[whole], velocity[whole]], axis=1).reshape(count, length, 2)
    return Record(displacement[whole].reshape(shape), voltage[whole].reshape(shape), states)
