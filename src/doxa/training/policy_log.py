"""What a policy's training leaves in numbers: rows by step, kept as arrays that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float

from doxa.errors import InputError


class Replicate(NamedTuple):
    """One network of a stack: a variant, begun from one seed's base."""

    variant: str
    seed: int


class StepLog:
    """Numbers of all replicates by step; a column that a step has not is NaN there."""

    def __init__(self, replicates: int) -> None:
        self._replicates = replicates
        self._rows: list[tuple[int, dict[str, Float[np.ndarray, " replicates"]]]] = []

    @property
    def steps(self) -> list[int]:
        """The steps there are rows of."""
        return [step for step, _ in self._rows]

    def add(self, step: int, numbers: Mapping[str, Float[np.ndarray, " replicates"]]) -> None:
        """Append a step's row."""
        self._rows.append((step, {name: np.asarray(row, dtype=np.float64) for name, row in numbers.items()}))

    def latest(self, name: str) -> float:
        """Return the mean over replicates of a column of the last row, NaN where there is none."""
        row = self._rows[-1][1].get(name) if self._rows else None
        return float("nan") if row is None else float(row.mean())

    def columns(self) -> dict[str, Float[np.ndarray, "steps replicates"]]:
        """Return each column over all steps."""
        names = sorted({name for _, row in self._rows for name in row})
        blank = np.full(self._replicates, np.nan)
        return {name: np.stack([row.get(name, blank) for _, row in self._rows]) for name in names}

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        """Return everything as tensors whose names begin with the prefix."""
        columns = {f"{prefix}.{name}": torch.from_numpy(column) for name, column in self.columns().items()}
        return {f"{prefix}#": torch.tensor(self.steps, dtype=torch.long), **columns}

    def restore(self, prefix: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Set the rows to those that ``tensors`` gave."""
        dot = f"{prefix}."
        columns = {
            name.removeprefix(dot): one.numpy() for name, one in tensors.items() if name.startswith(dot)
        }
        self._rows = [
            (int(step), {name: column[place] for name, column in columns.items()})
            for place, step in enumerate(tensors[f"{prefix}#"].tolist())
        ]

    def table(self, replicates: Sequence[Replicate]) -> pl.DataFrame:
        """Return one row per replicate and step, in this order, with the columns variant, seed and step in front."""
        columns, steps = self.columns(), self.steps
        return pl.DataFrame(
            {
                "variant": [one.variant for one in replicates for _ in steps],
                "seed": [one.seed for one in replicates for _ in steps],
                "step": steps * len(replicates),
                **{name: column.T.ravel() for name, column in columns.items()},
            },
            schema_overrides={"variant": pl.String, "seed": pl.Int64, "step": pl.Int64},
        ).with_columns(pl.selectors.float().fill_nan(None))


def training_table(log: StepLog, replicates: Sequence[Replicate]) -> pl.DataFrame:
    """Return a training's rows with ``entropy_change``, the next rollout's entropy minus this one's, in nats."""
    table = log.table(replicates)
    if "entropy" not in table.columns:
        raise InputError("the log holds no entropy; was a step trained?")
    following = pl.col("entropy").shift(-1).over("variant", "seed")
    return table.with_columns((following - pl.col("entropy")).alias("entropy_change"))
