"""One run, read only, a part at a time: its files in small pieces, its tables through Polars and DuckDB.

Only whole and undamaged files are read: each is checked against the digest that was recorded when it was written, once
for as long as it does not change. A damaged cell is named and left out; the rest of the run stays readable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import polars as pl

from doxa.errors import InputError, StoreError
from doxa.lab.record import SCHEMAS, completed
from doxa.lab.store import RunFolder
from doxa.lab.view.run_views import Views

Stamp = tuple[int, int]


class Cell(NamedTuple):
    """A finished cell: what its ``cell.json`` says of it; ``stamp`` changes when that file is written anew."""

    key: str
    condition: str
    seed: int
    rows: Mapping[str, int]
    params: Mapping[str, Any]
    stamp: Stamp


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        rows: as dictionaries, in the order of the record.
        offset: place of the first of them among all rows that were asked for.
        total: how many were asked for; None if not all cells had to be read to know these.
    """

    rows: list[dict[str, Any]]
    offset: int
    total: int | None


class RunData:
    """One run. It may grow, be resumed or be deleted while it is looked at; each call sees what is there now.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = RunFolder(path)
        self._cells: dict[str, Cell] = {}
        self._checked: dict[Path, Stamp] = {}
        self._damaged: dict[str, tuple[Stamp, str]] = {}
        self._counts: dict[tuple[str, str, str], tuple[Stamp, int]] = {}
        self._json: dict[str, tuple[Stamp, dict[str, Any]]] = {}
        self._views = Views(path)

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.path.name

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run was started with.

        Raises:
            StoreError: it is damaged or gone.
        """
        return self.json("manifest.json")

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON object of the run, read anew only if its file changed.

        Raises:
            StoreError: it is damaged or gone, or is a link out of the run's folder.
        """
        stamp = _stamp(self._inside(name))
        held = self._json.get(name)
        if held is None or held[0] != stamp:
            held = (stamp, self.folder.read_json(name))
            if name in ("manifest.json", "findings.json"):
                self._json[name] = held
        return held[1]

    def findings(self) -> list[dict[str, Any]]:
        """Return what the study found, as plain JSON; nothing while the run is not finished."""
        if not (self.path / "findings.json").is_file():
            return []
        return self.json("findings.json")["findings"]

    def figures(self) -> list[str]:
        """Return the ids of the run's figures in the study's order, then others by name; ``figure`` reads one."""
        found = sorted(path.stem for path in (self.path / "figures").glob("[!.]*.json"))
        try:
            told = cast(list[str], self.json("findings.json").get("figures", []))
        except StoreError:
            told = []  # not finished yet, or damaged, as the findings say
        place = {name: number for number, name in enumerate(told)}
        return sorted(found, key=lambda name: place.get(name, len(told)))

    def figure(self, name: str) -> dict[str, Any]:
        """Return one figure: ``title``, ``caption``, ``spec``.

        Raises:
            InputError: the run has no such figure.
            StoreError: its file is damaged.
        """
        if name not in self.figures():
            raise InputError(f"figure={name!r}: the run has no such figure; open its list of figures")
        return self.json(f"figures/{name}.json")

    def cells(self) -> list[Cell]:
        """Return the finished cells, in the manifest's order; also of a run in flight. Damaged ones are left out."""
        found: list[Cell] = []
        for key in cast(list[str], self.manifest["cells"]):
            cell = self._cell(key)
            if cell is not None:
                found.append(cell)
        return found

    def damaged(self) -> dict[str, str]:
        """Return the cells that were found to be damaged, each with the reason."""
        self.cells()
        return {
            key: why for key, (_, why) in list(self._damaged.items())
        }  # other threads find more meanwhile

    def has(self, table: str) -> bool:
        """Return whether a table has any row; as few cells as possible are looked at."""
        _known(table)
        found = map(self._cell, cast(list[str], self.manifest["cells"]))
        return any(cell is not None and cell.rows[table] for cell in found)

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return sum(cell.rows[_known(table)] for cell in self.cells())

    def rows(
        self, table: str, offset: int = 0, limit: int = 100, where: Mapping[str, str | float] | None = None
    ) -> Rows:
        """Return rows ``offset`` to ``offset + limit`` of a table, to the last bit as ``doxa.load`` gives them.

        Only the cells that hold them are read; with ``where`` those before them are counted once.

        Args:
            table: ``beliefs``, ``measures`` or ``transcripts``.
            offset: at least 0.
            limit: at least 0.
            where: column to value; only rows that equal all of them are asked for.

        Raises:
            InputError: the table, a column or a number is wrong.
            StoreError: the run is gone or its manifest damaged.
        """
        if offset < 0 or limit < 0:
            raise InputError(f"offset={offset}, limit={limit}: must be >= 0")
        wanted = _conditions(_known(table), where or {})
        telling = json.dumps(where or {}, sort_keys=True)
        found: list[dict[str, Any]] = []
        before, complete = 0, True
        for cell in self.cells():
            if before >= offset + limit and wanted:
                complete = False
                break
            if _excluded(cell, where or {}):
                continue
            height = self._height(table, cell, wanted, telling)
            first, last = max(offset - before, 0), min(offset + limit - before, height)
            if first < last:
                part = self._part(table, cell, wanted, first, last - first)
                found += part
            before += height
        return Rows(found, offset, before if complete else None)

    def total(self, table: str, where: Mapping[str, str | float] | None = None) -> int:
        """Return how many rows equal all of ``where``; each cell is read at most once for it."""
        wanted = _conditions(_known(table), where or {})
        telling = json.dumps(where or {}, sort_keys=True)
        return sum(
            self._height(table, cell, wanted, telling)
            for cell in self.cells()
            if not _excluded(cell, where or {})
        )

    def files(self, table: str, seed: int | None = None) -> list[Path]:
        """Return a table's files, in the order of the cells; those of damaged cells and without rows are left out.

        Args:
            table: ``beliefs``, ``measures`` or ``transcripts``.
            seed: only of cells with this seed.
        """
        found = [self.file(table, cell) for cell in self.cells() if seed in (None, cell.seed)]
        return [path for path in found if path is not None]

    def file(self, table: str, cell: Cell) -> Path | None:
        """Return a table's file of one cell; None if it has no rows or is damaged."""
        return self._table(table, cell) if cell.rows[_known(table)] else None

    def values(self, table: str, column: str, most: int = 200) -> list[Any]:
        """Return up to ``most`` different values of a column, sorted; one more tells that there are further ones."""
        if column not in SCHEMAS[_known(table)]:
            raise InputError(f"column={column!r}: must be one of {', '.join(SCHEMAS[table])}")
        found: set[Any] = set()
        for cell in self.cells():
            path = self._table(table, cell)
            if path is not None and cell.rows[table]:
                found |= set(
                    pl.scan_parquet(path, glob=False).select(pl.col(column).unique()).collect()[column]
                )
            if len(found) > most:
                break
        return sorted(found, key=lambda value: (value is None, value))[: most + 1]

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Return the answer of one SELECT over the views ``beliefs``, ``measures`` and ``transcripts``.

        The views hold all finished cells that are not damaged, in no order of their own, with two columns more:
        ``cell`` and the row's ``place`` in that cell's table. Queries run one at a time.

        In ``beliefs`` a credence or log-odds that the file leaves out is computed by the logistic function of the C
        library: good for looking, equal to the record to about 1e-15 and not to the last bit.

        Args:
            query: with ``?`` or ``$name`` for each parameter; never built from what a browser sent.
            parameters: their values.

        Raises:
            InputError: it is not exactly one SELECT.
            StoreError: it needs more memory than allowed, or files were taken away meanwhile.
        """
        whole = [cell.key for cell in self.cells() if all(self._table(name, cell) for name in SCHEMAS)]
        return self._views.ask(whole, query, parameters)

    def close(self) -> None:
        """Free what is held for queries; the next one opens it anew."""
        self._views.close()

    def _inside(self, name: str) -> Path:
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise StoreError(f"{path}: is a link out of the run's folder; it is not followed")
        return path

    def _cell(self, key: str) -> Cell | None:
        path = self.folder.cells / key / "cell.json"
        try:
            stamp = _stamp(path)
        except StoreError:
            self._cells.pop(key, None)
            self._damaged.pop(key, None)
            return None
        held = self._cells.get(key)
        if held is not None and held.stamp == stamp:
            return None if key in self._damaged else held
        self._damaged.pop(key, None)
        try:
            self._inside(f"cells/{key}/cell.json")
            body = self.folder.cell_facts(key)
            cell = Cell(key, body["condition"], body["seed"], body["rows"], body.get("params", {}), stamp)
            self._cells[key] = cell
        except (StoreError, KeyError) as error:
            self._damaged[key] = (stamp, str(error))
            return None
        return cell

    def _table(self, table: str, cell: Cell) -> Path | None:
        """Return a table's file once its digest is right; None if it is damaged, which is kept in mind."""
        path = self.folder.cells / cell.key / f"{table}.parquet"
        try:
            stamp = _stamp(path)
            if self._checked.get(path) == stamp:
                return path
            self._inside(f"cells/{cell.key}/{table}.parquet")
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.folder.cell_facts(cell.key)["files"].get(path.name):
                raise StoreError(f"{path}: damaged (its digest is not the one recorded when it was written)")
            self._checked[path] = stamp
        except (StoreError, OSError, KeyError) as error:
            with suppress(StoreError):
                self._damaged[cell.key] = (_stamp(self.folder.cells / cell.key / "cell.json"), str(error))
            return None
        return path

    def _height(self, table: str, cell: Cell, wanted: list[pl.Expr], telling: str) -> int:
        if not wanted or not cell.rows[table]:
            return cell.rows[table]
        held = self._counts.get((cell.key, table, telling))
        path = self._table(table, cell)
        if path is None:
            return 0
        stamp = self._checked[path]
        if held is None or held[0] != stamp:
            height = pl.scan_parquet(path, glob=False).filter(*wanted).select(pl.len()).collect().item()
            if len(self._counts) >= 100_000:
                self._counts.clear()
            held = self._counts[cell.key, table, telling] = (stamp, height)
        return held[1]

    def _part(
        self, table: str, cell: Cell, wanted: list[pl.Expr], first: int, many: int
    ) -> list[dict[str, Any]]:
        path = self._table(table, cell)
        if path is None:
            return []
        lazy = pl.scan_parquet(path, glob=False)
        frame = (lazy.filter(*wanted) if wanted else lazy).slice(first, many).collect()
        return (completed(frame) if table == "beliefs" else frame).to_dicts()


def whole(text: str, name: str) -> int:
    """Return a whole number that a browser sent.

    Raises:
        InputError: it is none, or has more than 18 digits.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise InputError(f"{name}={text!r}: must be a whole number")
    return int(text)


def _known(table: str) -> str:
    if table not in SCHEMAS:
        raise InputError(f"table={table!r}: must be one of {', '.join(SCHEMAS)}")
    return table


def _conditions(table: str, where: Mapping[str, str | float]) -> list[pl.Expr]:
    """Return the filters of ``where``; texts from a browser are turned into the column's own type."""
    wanted: list[pl.Expr] = []
    for column, value in where.items():
        kind = SCHEMAS[table].get(column)
        if kind is None:
            raise InputError(
                f"{column}={value!r}: {table} have no such column; use {', '.join(SCHEMAS[table])}"
            )
        try:
            if kind == pl.Int64():
                typed = whole(str(value), column)
            else:
                typed = str(value) if kind == pl.String() else float(value)
        except ValueError:
            raise InputError(f"{column}={value!r}: must be a number") from None
        wanted.append(pl.col(column) == pl.lit(typed, dtype=kind))
    return wanted


def _excluded(cell: Cell, where: Mapping[str, str | float]) -> bool:
    """Return whether a cell cannot hold such rows, because of its seed; conditions may differ within a cell."""
    return "seed" in where and cell.seed != int(where["seed"])


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    return found.st_mtime_ns, found.st_size
