"""Series of one's own from a table (CSV), and the prior that stands beside them (JSON).

One row is one step. ``x…`` columns are what was measured, ``u…`` columns what is known to act within the step, and
``truth…`` columns, where there are any, what the hidden coordinates were; ``sequence`` says which sequence a row
belongs to (without it there is one), in the order of the file. An empty cell of ``x`` is a missing observation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.sequences import pad_sequences
from doxa.errors import InputError

BAYES = "bayes"
"""The prior that adds evidence to a log-odds."""
FEWEST = 4
"""Steps of the shortest sequence that anything can be learnt from."""


class OwnSeries(NamedTuple):
    """What a table holds.

    Attributes:
        observed: measurements, NaN where there is none [N, T, p]; what stands after a sequence's end is 0.
        inputs: [N, T, q], or None without ``u…`` columns.
        truth: [N, T, n], or None without ``truth…`` columns.
        lengths: steps of each sequence.
        names: of the sequences.
        channels: names of the measured columns.
    """

    observed: Float[np.ndarray, "N T p"]
    inputs: Float[np.ndarray, "N T q"] | None
    truth: Float[np.ndarray, "N T n"] | None
    lengths: Int[np.ndarray, " N"]
    names: tuple[str, ...]
    channels: tuple[str, ...]


def read_series(path: str | Path) -> OwnSeries:
    """Return the sequences of a table.

    Raises:
        InputError: it cannot be read, has no ``x…`` column, a cell is no number, an input is missing, or a sequence
            is too short.
    """
    file = Path(path).expanduser()
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error})") from error
    columns = {
        kind: [name for name in frame.columns if name.startswith(kind)] for kind in ("x", "u", "truth")
    }
    if not columns["x"] or frame.is_empty():
        raise InputError(
            f"{file}: has columns {', '.join(frame.columns)} and {frame.height} rows; give x (or x1, x2, …) for what "
            "was measured, u… for inputs and sequence for which row belongs together"
        )
    numbers = {kind: _numbers(file, frame, names, kind) for kind, names in columns.items()}
    which = frame["sequence"].to_list() if "sequence" in frame.columns else [""] * frame.height
    names = tuple(dict.fromkeys(str(name) for name in which))
    rows = [np.flatnonzero([str(one) == name for one in which]) for name in names]
    shortest = min(rows, key=len)
    if len(shortest) < FEWEST:
        name = names[[len(one) for one in rows].index(len(shortest))]
        raise InputError(f"{file}: sequence {name!r} has {len(shortest)} steps; give {FEWEST} or more")
    padded = {
        kind: pad_sequences([table[one] for one in rows])[0] if table.shape[1] else None
        for kind, table in numbers.items()
    }
    observed = padded["x"]
    assert observed is not None  # noqa: S101 (there are x columns: refused above)
    lengths = np.array([len(one) for one in rows])
    return OwnSeries(observed, padded["u"], padded["truth"], lengths, names, tuple(columns["x"]))


def _numbers(
    file: Path, frame: pl.DataFrame, names: Sequence[str], kind: str
) -> Float[np.ndarray, "rows columns"]:
    """Return columns as numbers; an empty cell is NaN in what is measured, and refused elsewhere."""
    table = np.full((frame.height, len(names)), np.nan)
    for place, name in enumerate(names):
        for row, text in enumerate(frame[name].to_list()):
            if text is None or not str(text).strip():
                if kind == "x":
                    continue
                raise InputError(
                    f"{file}, line {row + 2}: {name} is empty; only what is measured may be missing"
                )
            try:
                table[row, place] = float(text)
            except ValueError:
                raise InputError(f"{file}, line {row + 2}: {name}={text!r} is no number") from None
            if not np.isfinite(table[row, place]):
                raise InputError(f"{file}, line {row + 2}: {name}={text} is not finite; leave the cell empty")
    return table


def read_prior(told: str, dt: float | None) -> PhysicsPrior:
    """Return a prior from a JSON file, or by name.

    Args:
        told: ``bayes``, or the path of a JSON object as ``PhysicsPrior.from_dict`` takes it, for example
            ``{"kind": "oscillator", "f0": 68.3, "zeta": 0.067, "gain": 1.0}``.
        dt: step of the series, for a prior in continuous time that does not say it itself.

    Raises:
        InputError: the file cannot be read, holds no JSON object, or the object is no prior.
    """
    if told == BAYES:
        return PhysicsPrior.linear([[1.0]], [[1.0]], [[1.0]])
    file = Path(told).expanduser()
    try:
        held: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"prior={told}: is neither '{BAYES}' nor a JSON file that can be read ({error})"
        ) from error
    if not isinstance(held, dict):
        raise InputError(f'prior={told}: must hold one JSON object, for example {{"kind": "oscillator", …}}')
    given: dict[str, Any] = dict(held)  # pyright: ignore[reportUnknownArgumentType]
    if dt is not None and given.get("kind") in ("oscillator", "continuous"):
        given.setdefault("dt", dt)
    return PhysicsPrior.from_dict(given)
