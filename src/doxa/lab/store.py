"""The run store: one folder a run, one folder a cell, every file checked by digest when it is read.

<out>/<slug>-<run>/manifest.json        config, versions, seeds, machine, code state (times stand only here)
                   cells/<key>/*.parquet, cell.json
                   parts/<key>/*.json            of a cell that is not finished
                   findings.json, figures/*.json, report.html
                   live.json, live/<key>.json    while it is in flight, errors/<key>.txt of cells that failed
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import uuid
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from doxa.belief.log_odds import credence_of, log_odds_of
from doxa.canonical import Json, canonical_json, digest
from doxa.errors import InputError, StoreError
from doxa.lab.files import exclusive, is_held, sha256, sweep_temporary, together, write_atomic, write_folder
from doxa.lab.live import sweep_live
from doxa.lab.parts import Parts
from doxa.lab.record import Tables, completed
from doxa.secret import MASK, scrub_json, spellings

SCHEMA = 2
"""Version of the files' layout; a run of another version is refused, never misread."""


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def cells(self) -> Path:
        """Where the finished cells are."""
        return self.path / "cells"

    def has(self, key: str) -> bool:
        """Return whether a cell is finished."""
        return (self.cells / key / "cell.json").is_file()

    def parts(self, key: str) -> Parts:
        """Return what keeps the parts of a cell until it is finished."""
        return Parts(self.path / "parts" / key)

    def claim(self, key: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold a cell while it is computed, so that no other process computes it too; False if another holds it."""
        return exclusive(self.path / "locks" / key, wait=wait)

    def write(self, key: str, meta: dict[str, Json], tables: Tables) -> bool:
        """Keep a finished cell; return False if it was finished by somebody else first.

        Raises:
            StoreError: it cannot be written; nothing of it is left behind.
        """
        tables = Tables(*(_scrubbed(frame) for frame in tables.check()))
        meta = cast(dict[str, Json], scrub_json(meta))
        kept = tables._replace(beliefs=reduced(completed(tables.beliefs)))
        files = {f"{name}.parquet": _parquet(frame) for name, frame in zip(kept._fields, kept, strict=True)}
        body: dict[str, Json] = {
            "schema": SCHEMA,
            "key": key,
            **meta,
            "files": {name: sha256(data) for name, data in files.items()},
            "rows": {name: frame.height for name, frame in zip(tables._fields, tables, strict=True)},
        }
        files["cell.json"] = _sealed(body)
        return write_folder(self.cells / key, files)

    def keep(self, key: str, files: Mapping[str, bytes]) -> bool:
        """Keep a finished cell that another machine has packed; return False if it was finished by somebody else first.

        Raises:
            StoreError: the files are not whole or not of this cell, or cannot be written; nothing is left behind.
        """
        path = self.cells / key / "cell.json"
        body = _opened(path, files.get(path.name, b""))
        recorded = cast(dict[str, str], body.get("files", {}))
        if body.get("key") != key or {**recorded}.keys() != files.keys() - {path.name}:
            raise _damaged(path, "it came back from another machine with other files than it lists")
        for name, expected in recorded.items():
            if sha256(files[name]) != expected:
                raise _damaged(self.cells / key / name, "its digest changed on the way from another machine")
        return write_folder(self.cells / key, files)

    def read(self, key: str) -> Tables:
        """Return the tables of a finished cell.

        Raises:
            StoreError: a file is missing, damaged or of another version; the message says what to do.
        """
        body = self.cell_facts(key)
        return Tables(*(self._table(key, name, body) for name in Tables._fields)).check()

    def read_table(self, key: str, name: str) -> pl.DataFrame:
        """Return one table of a finished cell; the files of the others are not touched.

        Raises:
            StoreError: as ``read``.
        """
        return self._table(key, name, self.cell_facts(key))

    def cell_facts(self, key: str) -> dict[str, Any]:
        """Return what a finished cell says of itself: condition, seed, params, digests and rows of its tables.

        Raises:
            StoreError: its file is missing, damaged or of another version.
        """
        path = self.cells / key / "cell.json"
        body = _unsealed(path)
        if body.get("schema") != SCHEMA or body.get("key") != key:
            raise _damaged(path, f"it holds schema {body.get('schema')}, key {body.get('key')}")
        return body

    def _table(self, key: str, name: str, body: dict[str, Any]) -> pl.DataFrame:
        path = self.cells / key / f"{name}.parquet"
        data = _bytes(path)
        if sha256(data) != cast(dict[str, str], body["files"]).get(path.name):
            raise _damaged(path, "its digest is not the one recorded when it was written")
        frame = pl.read_parquet(io.BytesIO(data))
        return completed(frame) if name == "beliefs" else frame

    def finished_cells(self) -> list[str]:
        """Return the keys of the run's cells, in order.

        Raises:
            StoreError: the manifest is damaged, or a cell is not finished.
        """
        manifest = self.read_json("manifest.json")
        left = [key for key in manifest["cells"] if not self.has(key)]
        if left:
            raise StoreError(
                f"{self.path}: {len(left)} cells are not finished; resume with: {manifest['command']}"
            )
        return list(manifest["cells"])

    def set_aside(self, key: str) -> Path:
        """Move a damaged cell out of the way, so that it is computed again; nothing is deleted."""
        place = self.path / "damaged" / f"{key}-{uuid.uuid4().hex[:8]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        return (self.cells / key).rename(place)

    def adopt(self, key: str, other: RunFolder) -> bool:
        """Take a finished cell over from another run of the same study; return whether that was possible."""
        try:
            other.read(key)
            files = {path.name: path.read_bytes() for path in sorted((other.cells / key).iterdir())}
        except (StoreError, OSError):
            return False
        return write_folder(self.cells / key, files)

    def at_work(self) -> AbstractContextManager[None]:
        """Be at work in this run; what killed writers left is removed first, unless another process is at work."""
        return together(self.path / "locks" / "run", self._sweep)

    def is_at_work(self) -> bool:
        """Return whether a process is at work in this run now; a killed one is not."""
        return is_held(self.path / "locks" / "run")

    def _sweep(self) -> None:
        sweep_live(self.path)
        for folder in (self.path, self.cells, self.path / "figures"):
            sweep_temporary(folder)

    def load(self, keys: Iterable[str]) -> Tables:
        """Return the tables of many cells, stacked in the order given."""
        return Tables.concat(self.read(key) for key in keys)

    def write_json(self, name: str, value: dict[str, Json]) -> None:
        """Write a JSON object of the run with its digest, whole or not at all."""
        value = cast(dict[str, Json], scrub_json(value))
        sealed = {"sha256": digest(value), **value}
        text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomic(self.path / name, f"{text}\n".encode("utf-8", "backslashreplace"))

    @contextlib.contextmanager
    def manifest(self) -> Generator[dict[str, Any]]:
        """Yield the manifest to be changed and write it back; other processes wait meanwhile.

        Raises:
            StoreError: it is missing or damaged, or cannot be written.
        """
        with exclusive(self.path / "locks" / "manifest"):
            manifest = self.read_json("manifest.json")
            yield manifest
            self.write_json("manifest.json", manifest)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON object of the run.

        Raises:
            StoreError: it is missing or damaged.
        """
        path = self.path / name
        try:
            value = json.loads(_bytes(path))
            if value.pop("sha256") == digest(value):
                return value
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(path, str(error)) from error
        raise _damaged(path, "its digest does not match its content")

    def digest(self, keys: Iterable[str]) -> str:
        """Return one digest over the bytes of many cells: two runs with the same digest hold the same tables."""
        return digest([[key, _unsealed(self.cells / key / "cell.json")["files"]] for key in sorted(keys)])


def find_run(reference: str | os.PathLike[str], out: Path = Path("runs")) -> RunFolder:
    """Return a run by folder, by name below ``out``, or by the start of its name if that is unique.

    Raises:
        InputError: there is none, or there are several.
    """
    direct = Path(reference)
    if (direct / "manifest.json").is_file():
        return RunFolder(direct)
    names = sorted(path.parent.name for path in out.glob("*/manifest.json"))
    near = [name for name in names if name.startswith(str(reference))]
    if len(near) == 1:
        return RunFolder(out / near[0])
    if len(near) > 1:
        raise InputError(
            f"{reference}: {len(near)} runs begin so: {', '.join(near[:6])}; give more of the name"
        )
    raise InputError(f"{reference}: no such run in {out}/; there are: {', '.join(names[-6:]) or 'none'}")


def _scrubbed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table with every known secret replaced in its texts."""
    secrets = spellings()
    if not secrets:
        return frame
    return frame.with_columns(
        pl.col(pl.String()).str.replace_many(secrets, [MASK] * len(secrets), leftmost=True)
    )


def reduced(beliefs: pl.DataFrame) -> pl.DataFrame:
    """Return the table of beliefs without the log-odds or credences that ``completed`` computes to the last bit."""
    spare = {
        name: _same_bits(beliefs[name], compute(beliefs[other].fill_null(0.0).to_numpy()))
        for name, other, compute in (
            ("log_odds", "credence", log_odds_of),
            ("credence", "log_odds", credence_of),
        )
    }
    first, second = sorted(spare, key=lambda name: -spare[name].sum())
    left_out = {first: spare[first], second: spare[second] & ~spare[first]}
    return beliefs.with_columns(beliefs[name].set(pl.Series(where), None) for name, where in left_out.items())


def _same_bits(column: pl.Series, computed: np.ndarray) -> np.ndarray:
    held = column.fill_null(0.0).to_numpy()
    return (held.view(np.int64) == computed.view(np.int64)) & column.is_not_null().to_numpy()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False, row_group_size=100_000)
    return buffer.getvalue()


def _sealed(body: dict[str, Json]) -> bytes:
    text = canonical_json(body)
    return canonical_json({"body": body, "sha256": sha256(text.encode())}).encode()


def _unsealed(path: Path) -> dict[str, Any]:
    return _opened(path, _bytes(path))


def _opened(path: Path, data: bytes) -> dict[str, Any]:
    """Return the body of a sealed JSON object, named by its path where it is damaged."""
    try:
        sealed = json.loads(data)
        body = sealed["body"]
        if sha256(canonical_json(body).encode()) == sealed["sha256"]:
            return body
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    raise _damaged(path, "its digest does not match its content")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path}: damaged ({why}); run the same command again: the cell is set aside and computed anew"
    )
