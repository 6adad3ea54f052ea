"""Finished runs as Polars frames: read, put together, averaged for a plot, compared."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import polars as pl

from doxa.errors import InputError
from doxa.lab.record import Tables
from doxa.lab.store import RunFolder, find_run

Reference: TypeAlias = str | os.PathLike[str]
"""A run by folder, by name below the folder of runs, or by the start of its name."""

FINDINGS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "study": pl.String(),
    "id": pl.String(),
    "claim": pl.String(),
    "verdict": pl.String(),
    "control": pl.Boolean(),
    "estimate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "unit": pl.String(),
    "paper": pl.Float64(),
    "level": pl.Float64(),
    "n": pl.Int64(),
    "note": pl.String(),
    "bound": pl.String(),
}
"""Columns of the table of findings; ``low`` and ``high`` end the interval, ``bound`` is what it is judged by."""


class Loaded(Tables):
    """The tables of one or several finished runs, with ``run`` and ``study`` in front, and what the runs found.

    Every table plots in one line where altair is installed, as it is with doxa:
    ``doxa.load(run).course("readout").plot.line(x="time", y="credence", color="readout")``.

    Attributes:
        findings: one row a finding, columns ``FINDINGS``.
    """

    findings: pl.DataFrame = pl.DataFrame(schema=FINDINGS)

    def course(self, *by: str) -> pl.DataFrame:
        """Return the mean credence over time, one line for each value of some columns.

        Args:
            by: columns of the table of beliefs that tell lines apart; by default condition, subject and readout.
                Beliefs on different axes are never averaged.

        Returns:
            The columns of ``by``, ``axis``, ``time``, then ``credence`` (mean of those that could be read), ``sd``
            (their standard deviation, nothing for a single one) and ``n`` (how many), in the order of time.

        Raises:
            InputError: there is no such column.
        """
        lines = by or ("condition", "subject", "readout")
        for name in lines:
            if name not in self.beliefs.columns or name in ("credence", "log_odds", "time", "n"):
                raise InputError(
                    f"course({name!r}): must be a column that tells beliefs apart, as in 'readout'"
                )
        known = self.beliefs.filter(pl.col("credence").is_not_null())
        keys = list(dict.fromkeys((*lines, "axis", "time")))
        mean = known.group_by(keys).agg(
            pl.col("credence").mean(),
            pl.col("credence").std().alias("sd"),
            pl.len().cast(pl.Int64).alias("n"),
        )
        return mean.sort(keys)


def load(reference: Reference | Sequence[Reference], out: Path | str = "runs") -> Loaded:
    """Return the tables and findings of finished runs, with the columns ``run`` and ``study`` in front.

    Args:
        reference: a run, a list of runs, or a pattern of folders as in ``runs/*`` or ``runs/kable-*``; of those that a
            pattern names, unfinished ones are left out with a warning.
        out: folder that holds the runs.

    Raises:
        InputError: there is no such run.
        StoreError: a file is damaged, or the run is not finished.
    """
    parts = [_one(folder) for folder in _folders(reference, Path(out))]
    loaded = Loaded(*(pl.concat(frames) for frames in zip(*parts, strict=True)))
    loaded.findings = pl.concat([part.findings for part in parts])
    return loaded


def _folders(reference: Reference | Sequence[Reference], out: Path) -> list[RunFolder]:
    if not isinstance(reference, str | os.PathLike):
        if not reference:
            raise InputError("load([]): name at least one run")
        return [find_run(one, out) for one in reference]
    text = os.fspath(reference)
    if not any(mark in text for mark in "*?") or Path(text).exists():
        return [find_run(reference, out)]
    pattern = Path(text)
    root = Path(pattern.anchor or ".")
    manifests = root.glob(str(pattern.relative_to(pattern.anchor) / "manifest.json"))
    folders = [RunFolder(path.parent) for path in sorted(manifests)]
    finished = [folder for folder in folders if (folder.path / "findings.json").is_file()]
    if not finished:
        raise InputError(
            f"{text}: {len(folders)} runs, none of them finished; see what is there with: doxa view"
        )
    for folder in folders:
        if folder not in finished:
            warnings.warn(f"{folder.path}: is not finished, so it is left out", stacklevel=3)
    return finished


def _one(folder: RunFolder) -> Loaded:
    """Return one run."""
    tables = folder.load(folder.finished_cells())
    head = {"run": folder.path.name, "study": str(folder.read_json("manifest.json")["study"])}
    columns = [pl.lit(value).alias(name) for name, value in head.items()]
    loaded = Loaded(*(frame.select(*columns, pl.all()) for frame in tables))
    if (folder.path / "findings.json").is_file():
        found = cast(list[dict[str, Any]], folder.read_json("findings.json")["findings"])
        rows = [head | {**item, **_ends(item["interval"])} for item in found]
        loaded.findings = pl.DataFrame(rows, schema=FINDINGS)
    return loaded


def _ends(interval: Sequence[float | None] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def compare(run_a: Reference, run_b: Reference, out: Path | str = "runs") -> Tables:
    """Pair the rows of two runs: every key column once, each value with suffix ``_a`` and ``_b``.

    Rows are paired on condition, seed, subject, proposition or measure, axis, time and readout; a row that only
    one run has stays, with nulls on the other side.
    """
    keys = {
        "beliefs": ["condition", "seed", "subject", "proposition", "axis", "time", "readout"],
        "measures": ["condition", "seed", "subject", "axis", "time", "measure", "unit"],
        "transcripts": ["condition", "seed", "subject", "conversation", "turn", "role"],
    }
    paired: list[pl.DataFrame] = []
    for name, a, b in zip(Tables._fields, load(run_a, out), load(run_b, out), strict=True):
        on = keys[name]
        sides = [
            frame.with_columns(_turn=pl.int_range(pl.len()).over(on)).rename(
                {column: f"{column}_{side}" for column in frame.columns if column not in on}
            )
            for side, frame in (("a", a), ("b", b))
        ]
        paired.append(
            sides[0]
            .join(sides[1], on=[*on, "_turn"], how="full", coalesce=True, nulls_equal=True)
            .sort([*on, "_turn"])
            .drop("_turn")
        )
    return Tables(*paired)
