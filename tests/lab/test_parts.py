from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.lab.parts import Parts
from doxa.lab.run import CellsFailedError, run_study
from doxa.lab.store import RunFolder


def test_a_part_is_computed_once_and_comes_back_as_json_reads_it(tmp_path):
    computed = []

    def compute():
        computed.append(1)
        return {"a": (1, 2.5), "b": [None, True]}

    for parts in (Parts(tmp_path), Parts(tmp_path), Parts()):
        assert parts(["x", 1], compute) == {"a": [1, 2.5], "b": [None, True]}
    assert len(computed) == 2, "once where it is kept, and once more where nothing is"
    Parts(tmp_path).clear()
    Parts(tmp_path)(["x", 1], compute)
    assert len(computed) == 3


def test_another_name_is_another_part_and_a_damaged_one_is_computed_again(tmp_path):
    parts = Parts(tmp_path)
    assert [parts(["x", number], lambda number=number: number) for number in range(3)] == [0, 1, 2]
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-3])
    assert parts(["x", 1], lambda: 7) == 7
    for path in tmp_path.glob("*.json"):
        path.write_text('{"sha256": "0", "part": 9}')
    assert parts(["x", 1], lambda: 7) == 7


def test_what_has_no_json_form_is_refused(tmp_path):
    with pytest.raises(InputError, match="JSON holds finite numbers only"):
        Parts(tmp_path)(["x"], lambda: float("nan"))
    assert not list(tmp_path.iterdir())


STUDY = '''
"""A study that is interrupted in its third part."""
from pathlib import Path

from doxa.lab import Cell, Finding, Tables, setting, study


@study("in-parts", paper="", room="lab", claim="parts are kept")
class Config:
    """Settings."""

    seed: int = setting(0, "seed")
    fault: str = setting("", "file whose presence interrupts")


def cells(config):
    yield Cell("it", config.seed, ("fault",))


def run(cell, ctx):
    recorder = ctx.recorder()

    def part(number):
        place = Path(ctx.config.fault)
        if number == 2 and place.exists():
            raise KeyboardInterrupt if place.read_text() == "kill" else ValueError("broken")
        mark = place.with_name(f"computed-{number}")
        mark.write_text((mark.read_text() if mark.exists() else "") + "x")
        return number**2

    for number in range(4):
        recorder.measure("square", ctx.parts(["square", number], lambda: part(number)), subject="none", part=number)
    return recorder.tables()


def findings(tables, config):
    return [Finding("control", "runs", 1.0, None, verdict="holds", control=True, note="no interval")]


def figures(tables, config):
    return []
'''


@pytest.mark.parametrize("how", ["kill", "error"])
def test_an_interrupted_cell_goes_on_where_it_was(tmp_path, how):
    file = tmp_path / "in_parts.py"
    file.write_text(STUDY)
    fault = tmp_path / "fault"
    fault.write_text(how)
    given = {"overrides": {"fault": str(fault)}, "out": tmp_path / "runs"}
    with pytest.raises(KeyboardInterrupt if how == "kill" else CellsFailedError):
        run_study(str(file), **given)
    fault.unlink()
    result = run_study(str(file), **given)
    assert result.tables.measures["value"].to_list() == [0, 1, 4, 9]
    assert [(tmp_path / f"computed-{number}").read_text() for number in range(4)] == ["x"] * 4
    folder = RunFolder(result.folder)
    assert not list((folder.path / "parts").iterdir()), "a finished cell keeps no parts"
