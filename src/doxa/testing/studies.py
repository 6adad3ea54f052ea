"""The contract every study keeps: documented settings, stable cells, same seed same bytes, well-formed findings."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from doxa.canonical import canonical_json
from doxa.lab.context import Context, threads
from doxa.lab.declaration import PRESETS, Cell, find_study
from doxa.lab.record import Finding, Tables
from doxa.lab.run import Plan, plan, run_study
from doxa.lab.store import RunFolder
from doxa.testing.expectation import expect

VERDICTS = ("holds", "fails", "unresolved")


def check_study(
    reference: str,
    *,
    preset: str = "quick",
    overrides: Mapping[str, Any] | None = None,
    repeat: int = 1,
    smaller: Mapping[str, Any] | None = None,
    spare: Collection[str] = (),
    out: Path | None = None,
) -> None:
    """Check that a study keeps the contract; it is run once, and some of its cells once more.

    Args:
        reference: slug or path of the study.
        preset: which preset to run.
        overrides: config values by name, to make it smaller.
        repeat: how many cells of different conditions are computed a second time, to compare bytes.
        smaller: further config values for these cells alone, which are then computed twice; for cells that take long.
        spare: config fields a cell may declare without reading them in every run.
        out: folder that keeps the run, whose finished cells are taken; by default one that is removed.

    Raises:
        AssertionError: it does not; the message says what it did and what the contract asks.
    """
    _check_settings(reference)
    todo = plan(reference, preset=preset, overrides=overrides)
    expect(
        list(plan(reference, preset=preset, overrides=overrides).cells) == list(todo.cells),
        f"{reference}: planning twice gives other cells or another order",
    )
    _check_more_seeds(todo, overrides)
    with tempfile.TemporaryDirectory() as own:
        result = run_study(reference, preset=preset, overrides=overrides, out=out or own)
        folder = RunFolder(result.folder)
        tables = folder.load(todo.cells)
        small, first = todo, folder
        if smaller:
            small = plan(reference, preset=preset, overrides={**(overrides or {}), **smaller})
            first = RunFolder(Path(own) / "first")
            _compute(small, first, repeat)
        _check_cells_again(small, first, RunFolder(Path(own) / "again"), repeat, spare)
    check_findings(result.findings, who=reference)
    judged = todo.study.code.findings(tables, todo.config)
    expect(
        _plain(judged) == _plain(result.findings),
        f"{reference}: judging twice gives other findings",
    )
    for figure in result.figures:
        canonical_json(cast(Any, figure.spec))
        expect(not list(_urls(figure.spec)), f"{reference}: figure '{figure.id}' fetches data; put it inline")
        expect(figure.title and figure.caption, f"{reference}: figure '{figure.id}' needs title and caption")


def check_findings(findings: Sequence[Finding], *, who: str = "study", control: bool = True) -> None:
    """Check that findings are well formed: unique ids, honest verdicts, intervals in order, a control among them.

    Raises:
        AssertionError: they are not.
    """
    ids = [one.id for one in findings]
    expect(ids, f"{who}: returns no finding")
    expect(len(set(ids)) == len(ids), f"{who}: findings share an id: {ids}")
    for one in findings:
        name = f"{who}: finding '{one.id}'"
        expect(one.claim.strip(), f"{name} has no claim")
        expect(one.verdict in VERDICTS, f"{name}: verdict={one.verdict!r} must be one of {VERDICTS}")
        expect(one.estimate is None or not math.isnan(one.estimate), f"{name}: NaN is None with a note")
        expect(one.estimate is not None or one.note, f"{name} has no estimate and does not say why")
        if one.interval is not None:
            low, high = one.interval
            expect(low <= high, f"{name}: interval [{low}, {high}] is upside down")
        expect(one.interval is not None or one.note, f"{name} has no interval and does not say why")
        expect(0.0 < one.level < 1.0, f"{name}: level={one.level} must be in (0, 1)")
        canonical_json(one.as_json())
    expect(not control or any(one.control for one in findings), f"{who}: no finding is a control")


def _check_settings(reference: str) -> None:
    study = find_study(reference)
    for setting in study.settings.values():
        expect(setting.doc.strip(), f"{reference}: setting '{setting.name}' says nothing about itself")
        setting.check(setting.default)
    expect("seed" in study.settings, f"{reference}: has no setting 'seed'")
    expect(study.claim.strip(), f"{reference}: claims nothing")
    for preset in PRESETS:
        study.configure(preset)


def _check_more_seeds(todo: Plan, overrides: Mapping[str, Any] | None) -> None:
    if "seeds" not in todo.study.settings:
        return
    more = {**(overrides or {}), "seeds": todo.config.seeds + 1}
    grown = plan(todo.reference, preset=todo.preset, overrides=more)
    lost = [cell.condition for key, cell in todo.cells.items() if key not in grown.cells]
    expect(
        not lost, f"{todo.reference}: one more seed recomputes {lost[:3]}; a cell uses 'seeds' or seeds shift"
    )


def _check_cells_again(
    todo: Plan, folder: RunFolder, second: RunFolder, repeat: int, spare: Collection[str]
) -> None:
    for (key, cell), read in zip(_some(todo, repeat), _compute(todo, second, repeat), strict=True):
        for name in Tables._fields:
            files = [(place.cells / key / f"{name}.parquet").read_bytes() for place in (folder, second)]
            where = f"{todo.reference}: cell '{cell.condition}' seed {cell.seed}"
            expect(files[0] == files[1], f"{where} gives another table '{name}' the second time")
        _check_uses(todo.reference, cell, read, spare)


def _some(todo: Plan, count: int) -> list[tuple[str, Cell]]:
    """Return the first cells of so many conditions, with their keys."""
    chosen = {cell.condition: (key, cell) for key, cell in reversed(todo.cells.items())}
    return list(chosen.values())[::-1][:count]


def _compute(todo: Plan, folder: RunFolder, count: int) -> list[set[str]]:
    """Compute these cells; return which config fields each of them read."""
    read: list[set[str]] = []
    for key, cell in _some(todo, count):
        config = _Reads(todo.config)
        with threads(cell.threads):
            folder.write(key, {}, todo.study.code.run(cell, Context(todo.study.slug, config, cell)))
        read.append(config.read)
    return read


def _check_uses(reference: str, cell: Cell, read: set[str], spare: Collection[str]) -> None:
    idle = set(cell.uses) - read - set(spare)
    expect(
        not idle,
        f"{reference}: cell '{cell.condition}' declares {sorted(idle)} and does not read them; "
        "a change of them would recompute it for nothing",
    )


def _plain(findings: Sequence[Finding]) -> list[Any]:
    return [one.as_json() for one in findings]


class _Reads:
    """A config that remembers which of its fields were read."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._config, name)


def _urls(spec: Any) -> Iterator[str]:
    if isinstance(spec, dict):
        for key, value in cast(dict[str, Any], spec).items():
            if key == "url" and isinstance(value, str) and not value.startswith("data:"):
                yield value
            yield from _urls(value)
    elif isinstance(spec, list):
        for value in cast(list[Any], spec):
            yield from _urls(value)
