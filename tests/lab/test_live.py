from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doxa.errors import BudgetError, StoreError
from doxa.lab import live
from doxa.lab.live import LiveRun, Notice, cell_at_work, read_notice
from doxa.lab.run import CellsFailedError, run_study
from doxa.lab.store import RunFolder
from tests.lab.studies import coin

LOOK = (
    "import pathlib, shutil, numpy; ctx.progress(numpy.float32(1), 4, 'quarter'); "
    "here = pathlib.Path({mark!r}) / str(cell.seed); "
    "shutil.copytree(next(pathlib.Path({runs!r}).glob('*/live')).parent, here) if not here.exists() else None"
)
"""Each cell copies the run's folder as it is while the cell is computed."""


def said(path: Path) -> dict[str, Any]:
    told = read_notice(path)
    assert told is not None
    return told


def digest_of(folder: Path) -> str:
    return RunFolder(folder).digest(json.loads((folder / "manifest.json").read_bytes())["cells"])


def looking(tmp_path: Path, slug: str) -> str:
    runs = str(tmp_path / "runs")
    (tmp_path / "seen").mkdir()
    return coin(tmp_path, slug, LOOK.format(mark=str(tmp_path / "seen"), runs=runs))


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_run_in_flight_says_how_far_it_is_and_leaves_nothing_behind(tmp_path, executor):
    result = run_study(
        looking(tmp_path, f"coin-live-{executor}"), out=tmp_path / "runs", executor=executor, workers=1
    )
    seen = [tmp_path / "seen" / str(seed) for seed in range(3)]
    told = [said(folder / "live.json") for folder in seen]
    assert all(one["state"] == "working" and one["total"] == 3 for one in told)
    assert told[0]["done"] == 0
    at_work = [said(next((folder / "live").iterdir())) for folder in seen]
    assert [(one["condition"], one["seed"]) for one in at_work] == [("fair", seed) for seed in range(3)]
    assert not (result.folder / "live.json").exists()
    assert not (result.folder / "live").exists()


def test_tables_digests_and_findings_are_the_same_without_it(tmp_path, monkeypatch):
    study = looking(tmp_path, "coin-live-equal")
    with_it = run_study(study, out=tmp_path / "runs")
    monkeypatch.setattr(Notice, "write", lambda *_, **__: None)
    without = run_study(study, out=tmp_path / "silent")
    assert digest_of(with_it.folder) == digest_of(without.folder)
    assert with_it.findings == without.findings
    assert with_it.report.read_text() != ""
    names = {path.relative_to(with_it.folder) for path in with_it.folder.rglob("*")}
    assert names == {path.relative_to(without.folder) for path in without.folder.rglob("*")}


def test_a_disk_that_refuses_does_not_disturb_the_run(tmp_path, monkeypatch):
    def refuse(path: Path, data: bytes, *, synced: bool = True) -> None:
        raise StoreError("full")

    monkeypatch.setattr(live, "write_atomic", refuse)
    assert run_study(coin(tmp_path, "coin-live-full"), out=tmp_path / "runs").computed == 3


def test_a_file_is_written_at_most_once_a_second(tmp_path):
    moment = [0.0]
    notice = Notice(tmp_path / "live.json", lambda: moment[0])
    written = []
    for moment[0] in (0.0, 0.5, 0.99, 1.0, 1.5, 2.5):
        notice.write({"at": moment[0]})
        written.append((read_notice(tmp_path / "live.json") or {})["at"])
    assert written == [0.0, 0.0, 0.0, 1.0, 1.0, 2.5]
    notice.write({"at": 2.6}, now=True)
    assert (read_notice(tmp_path / "live.json") or {})["at"] == 2.6
    notice.remove()
    notice.remove()
    assert read_notice(tmp_path / "live.json") is None


def test_a_cell_says_its_share_and_is_gone_when_it_raises(tmp_path):
    heard: list[tuple[float, str]] = []
    moment = [0.0]
    file = tmp_path / "live" / "k.json"
    about = {"condition": "fair", "seed": 3}
    with (
        contextlib.suppress(ValueError),
        cell_at_work(tmp_path, "k", about, lambda *told: heard.append(told), lambda: moment[0]) as tell,
    ):
        first = said(file)
        moment[0] = 1.0
        tell(0.25, "day 5")
        then = said(file)
        raise ValueError("lost")
    assert (first["share"], first["note"], first["seed"]) == (None, "", 3)
    assert (then["share"], then["note"]) == (0.25, "day 5")
    assert heard == [(0.25, "day 5")]
    assert not file.exists()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BudgetError("spent"), "stopped"),
        (KeyboardInterrupt(), "interrupted"),
        (CellsFailedError("1 of 2 cells failed"), "failed"),
    ],
)
def test_a_run_that_does_not_finish_says_how_it_ended(tmp_path, error, state):
    with contextlib.suppress(type(error)), LiveRun(tmp_path, total=2, kept=0) as run:
        run.took("failed")
        with run:
            raise error
    told = said(tmp_path / "live.json")
    assert (told["state"], told["failed"], told["done"]) == (state, 1, 0)
    assert told["error"] == str(error)
    run.took("done")
    run.judging()
    assert said(tmp_path / "live.json") == told


def test_several_studies_say_each_for_itself_how_far_they_are(tmp_path):
    from doxa.lab.several.running import plan_studies, run_studies

    studies = [
        looking(tmp_path, "coin-several-a"),
        coin(tmp_path, "coin-several-b", "raise ValueError('no')"),
    ]
    ended = run_studies(plan_studies(studies).plans, out=tmp_path / "runs", executor="inline")
    assert [one.state for one in ended] == ["finished", "failed"]
    first, second = (next((tmp_path / "runs").glob(f"coin-several-{name}-*")) for name in "ab")
    assert not (first / "live.json").exists()
    told = said(second / "live.json")
    assert (told["state"], told["failed"], told["total"]) == ("failed", 3, 3)
    assert said(tmp_path / "seen" / "0" / "live.json")["state"] == "working"


def test_a_failed_cell_leaves_its_name_and_traceback_while_the_others_go_on(tmp_path):
    seen = tmp_path / "seen"
    study = coin(
        tmp_path,
        "coin-live-failing",
        "import pathlib, shutil\n"
        "    if cell.seed == 0: raise ValueError('no <coin> left')\n"
        f"    errors = next(pathlib.Path({str(tmp_path / 'runs')!r}).glob('*/errors'))\n"
        f"    shutil.copytree(errors, {str(seen)!r}, dirs_exist_ok=True)",
    )
    with pytest.raises(CellsFailedError):
        run_study(study, out=tmp_path / "runs")
    [file] = seen.iterdir()
    lines = file.read_text().splitlines()
    assert lines[0] == "fair seed 0"
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: no <coin> left"


def test_what_a_killed_run_left_is_told_by_its_lock_and_swept_by_the_next(tmp_path):
    mark = tmp_path / "died"
    study = coin(
        tmp_path,
        "coin-live-killed",
        f"import os, pathlib; mark = pathlib.Path({str(mark)!r}); "
        "os.kill(os.getpid(), 9) if cell.seed == 1 and not mark.exists() and not mark.touch() else None",
    )
    command = [sys.executable, "-m", "doxa", "run", study, "--out", str(tmp_path / "runs")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    folder = next((tmp_path / "runs").glob("coin-*"))
    assert said(folder / "live.json")["state"] == "working"
    assert len(list((folder / "live").iterdir())) == 1
    run = RunFolder(folder)
    assert not run.is_at_work()
    with run.at_work():
        assert run.is_at_work()
        assert not (folder / "live.json").exists()
        assert not (folder / "live").exists()
    assert not run.is_at_work()
    assert run_study(study, out=tmp_path / "runs").computed == 2


def test_asking_whether_a_run_is_at_work_makes_nothing(tmp_path):
    assert not RunFolder(tmp_path / "none").is_at_work()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_notice_reads_as_none(tmp_path, text):
    (tmp_path / "live.json").write_bytes(text)
    assert read_notice(tmp_path / "live.json") is None
