"""A training log as rows of numbers, whatever wrote it.

====================  ==================================================================================
CSV, TSV              a header and rows; exports of Weights & Biases charts, several files on one step
JSON lines            an object a line; verl's file logger (``{"step", "data": {...}}``), W&B histories
JSON                  ``trainer_state.json`` of transformers and TRL, or a list of objects
TensorBoard           an event file, or the folder that holds it
====================  ==================================================================================

Rows of one step are put together; where a run went back to a checkpoint, what was written later counts.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.lab.files import sha256
from doxa.training.logs.columns import Mapping as Columns
from doxa.training.logs.columns import bare, mapping
from doxa.training.logs.event_files import read_scalars

Row: TypeAlias = dict[str, float]

EVENTS = "*tfevents*"
STATE = "trainer_state.json"


class TrainingLog(NamedTuple):
    """What a log holds, one row for each step.

    Attributes:
        columns: which columns were taken for step, entropy and score.
        step: ascending.
        values: by column, a number for each step, NaN where it has none.
        notes: what was not read or put together, in words.
    """

    columns: Columns
    step: Float[np.ndarray, " steps"]
    values: Mapping[str, Float[np.ndarray, " steps"]]
    notes: tuple[str, ...]


def files_of(path: str | Path) -> list[Path]:
    """Return the files of a log: itself, or what a folder holds.

    Raises:
        InputError: there is no such file, or the folder holds no log or those of several runs.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    if not place.is_dir():
        near = (
            sorted(str(one) for one in place.parent.glob("*") if one.is_file())
            if place.parent.is_dir()
            else []
        )
        raise InputError(f"log={path}: no such file or folder; beside it: {', '.join(near[:8]) or 'nothing'}")
    if (place / STATE).is_file():
        return [place / STATE]
    homes = sorted({file.parent for file in place.rglob(EVENTS) if file.is_file()})
    if not homes:
        raise InputError(
            f"log={path}: the folder holds no TensorBoard event file and no {STATE}; name a file in it"
        )
    if place not in homes and len(homes) > 1:
        raise InputError(f"log={path}: holds {len(homes)} runs; name one: {', '.join(map(str, homes[:6]))}")
    home = place if place in homes else homes[0]
    return sorted(file for file in home.glob(EVENTS) if file.is_file())


def digest_of(paths: Sequence[str | Path]) -> str:
    """Return what tells logs from what was in them before."""
    return sha256(b"".join(sha256(file.read_bytes()).encode() for path in paths for file in files_of(path)))


def read_log(
    paths: str | Path | Sequence[str | Path], *, step: str = "", entropy: str = "", score: str = ""
) -> TrainingLog:
    """Read a training log.

    Args:
        paths: a file, a folder of event files, or several that share their steps, such as two exported charts.
        step: name of the column of steps; empty guesses.
        entropy: name of the column of policy entropies, in nats.
        score: name of the column of scores; a held-out one is better than the reward of training.

    Raises:
        InputError: a file is missing, empty or malformed, or a column cannot be found.
    """
    places = [paths] if isinstance(paths, str | Path) else list(paths)
    if not places:
        raise InputError("no log named; give a file or a folder")
    notes: list[str] = []
    tables = [_rows_of(file, notes) for place in places for file in files_of(place)]
    names = Counter(name for rows in tables for row in rows for name in row)
    if not names:
        raise InputError(f"{', '.join(map(str, places))}: holds no numbers")
    columns = mapping(names, step=step, entropy=entropy, score=score)
    if not columns.step and len(tables) > 1:
        raise InputError(
            f"{len(tables)} files have no column of steps to be put together by; name it with step_column="
        )
    merged = _merged(tables, columns.step, notes)
    steps = sorted(merged)
    values = {
        name: np.array([merged[one].get(name, math.nan) for one in steps])
        for name in names
        if name != columns.step
    }
    return TrainingLog(columns, np.array(steps), values, tuple(notes))


def _merged(tables: Sequence[Sequence[Row]], step: str, notes: list[str]) -> dict[float, Row]:
    """Return the rows of all files by step, those of one step put together."""
    merged: dict[float, Row] = {}
    without = backwards = 0
    for rows in tables:
        last = -math.inf
        for number, row in enumerate(rows):
            at = float(number) if not step else _step_of(row, step)
            if at is None:
                without += 1
                continue
            backwards += at < last
            last = at
            merged.setdefault(at, {}).update(
                {name: value for name, value in row.items() if not math.isnan(value)}
            )
    if without:
        notes.append(f"{without} rows have no number in {step} and are left out")
    if backwards:
        notes.append(f"steps go back {backwards} times, as after a restart; what was written later counts")
    if not merged:
        raise InputError(f"no row has a number in {step}")
    return merged


def _step_of(row: Row, step: str) -> float | None:
    """Return a row's step; files put side by side may name it with and without a run before it."""
    for name, value in row.items():
        if bare(name) == bare(step) and math.isfinite(value):
            return value
    return None


def _rows_of(path: Path, notes: list[str]) -> list[Row]:
    if "tfevents" in path.name:
        read = read_scalars(path)
        notes += [read.note] if read.note else []
        return [
            {"step": float(one.step), one.tag: one.value} for one in read.scalars if not math.isnan(one.value)
        ]
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: is no text in UTF-8; give CSV, JSON lines or a TensorBoard event file"
        ) from None
    if not text.strip():
        raise InputError(f"{path}: is empty")
    if text.lstrip()[0] in "[{":
        return [_flat(row) for row in _objects(path, text, notes)]
    return _rows_of_csv(path, text)


def _objects(path: Path, text: str, notes: list[str]) -> Iterable[dict[str, Any]]:
    """Return the objects of a JSON file or of JSON lines."""
    try:
        whole: Any = json.loads(text)
    except json.JSONDecodeError:
        return _lines(path, text, notes)
    if isinstance(whole, dict):
        given = cast(dict[str, Any], whole)
        if "log_history" in given:
            whole = given["log_history"]
        elif given and all(isinstance(value, list) for value in given.values()):
            return [dict(zip(given, row, strict=False)) for row in zip(*given.values(), strict=False)]
        else:
            whole = [given]
    if not isinstance(whole, list) or not all(isinstance(row, dict) for row in cast(list[Any], whole)):
        raise InputError(
            f"{path}: must be a list of objects, an object with 'log_history', or one object a line"
        )
    return cast(list[dict[str, Any]], whole)


def _lines(path: Path, text: str, notes: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines) and rows:
                notes.append(
                    f"{path.name}: its last line is half a row and is left out; the run may still be writing"
                )
                break
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: must be an object, is {type(row).__name__}")
        rows.append(cast(dict[str, Any], row))
    return rows


def _flat(row: Mapping[str, Any], before: str = "") -> Row:
    """Return the numbers of an object; inner objects' names follow a slash, but those of verl's ``data``."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            inner = cast(dict[str, Any], value)
            found |= _flat(inner, before if name == "data" else f"{before}{name}/")
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            number = _number(value)
            if not math.isnan(number):
                found[f"{before}{name}"] = number
    return found


def _rows_of_csv(path: Path, text: str) -> list[Row]:
    head = text.split("\n", 1)[0]
    comma = max((",", "\t", ";"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma)
    names = [name.strip() for name in next(reader)]
    if len(names) < 2 or not any(math.isnan(_number(name)) for name in names):
        raise InputError(f"{path}: its first line must name two or more columns, such as step,entropy,score")
    rows: list[Row] = []
    for number, cells in enumerate(reader, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(names):
            raise InputError(f"{path}, line {number}: {len(cells)} cells for {len(names)} columns")
        numbers = ((name, _number(cell)) for name, cell in zip(names, cells, strict=False))
        rows.append({name: value for name, value in numbers if not math.isnan(value)})
    return rows


def _number(text: str | float) -> float:
    try:
        return float(text)
    except (ValueError, OverflowError):
        return math.nan
