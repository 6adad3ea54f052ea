from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from doxa.errors import StoreError
from doxa.lab.cluster.cells import Order, compute
from doxa.lab.cluster.connection import held_here
from doxa.lab.cluster.parcel import Parcel, parcel_for, scratch, unpacked
from doxa.lab.executors import Task, run_tasks
from doxa.lab.run import plan, run_study
from doxa.lab.store import RunFolder
from doxa.testing.processes import doxa_command
from tests.lab.cluster.local_cluster import local_cluster
from tests.lab.studies import coin

WAIT = (
    "import os, pathlib, time; marks = pathlib.Path({marks!r}); go = marks / 'go'; "
    "(marks / f'begun-{{len(list(marks.glob(chr(42))))}}').touch() if cell.seed == 1 else None; "
    "[time.sleep(0.05) for _ in iter(go.exists, True)] if cell.seed == 1 else None"
)
"""Seed 1 says that it has begun and then waits to be let on."""


def tasks_of(study: str, run: Path, **overrides: object) -> list[Task]:
    todo = plan(study, overrides=overrides)
    config = {field.name: getattr(todo.config, field.name) for field in dataclasses.fields(todo.config)}
    return [
        Task(run, study, config, cell, key, {"condition": cell.condition, "seed": cell.seed})
        for key, cell in todo.cells.items()
    ]


def digest_of(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    return RunFolder(folder).digest(manifest["cells"])


def beside_data(parcel: Parcel) -> set[str]:
    return {name for name in parcel.files if not name.startswith("data/")}


def begun(marks: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    while len(list(marks.glob("begun-*"))) < count:
        try:
            driver.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the run ended before its cell began: {driver.returncode}")


@pytest.mark.slow
def test_a_driver_that_is_killed_and_a_machine_that_is_lost_leave_equal_tables(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    study = Path(coin(tmp_path, "coin-cluster", WAIT.format(marks=str(marks))))
    study.write_text(
        study.read_text().replace('uses=("throws",)', 'uses=("throws",), threads=1 + (seed == 1)')
    )
    log = tmp_path / "log"
    with local_cluster(Path(tempfile.mkdtemp(prefix="doxa-")) / "c") as cluster:
        command = doxa_command(
            "run",
            str(study),
            "--out",
            str(tmp_path / "out"),
            "--executor",
            "ray",
            "--ray-address",
            cluster.address,
        )

        def start() -> subprocess.Popen[bytes]:
            with log.open("ab") as out:
                return subprocess.Popen(
                    command, env={**os.environ, **cluster.variables}, stdout=out, stderr=out
                )

        first = cluster.join(cores=2)
        cluster.wait_for(2)
        driver = start()
        begun(marks, 1, driver)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver = start()
        begun(marks, 2, driver)
        cluster.lose(first)
        cluster.join(cores=2)
        begun(marks, 3, driver)
        (marks / "go").touch()
        assert driver.wait(300) == 0, log.read_text()[-2000:]
    folder = next((tmp_path / "out").glob("coin-cluster-*"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert sum(manifest["lost"].values()) == 1
    undisturbed = run_study(str(study), out=tmp_path / "inline")
    assert digest_of(folder) == digest_of(undisturbed.folder)


@pytest.fixture
def other_disk(tmp_path, monkeypatch):
    """A scratch folder for a machine that does not share the disk, and a working directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path


READ = "import pathlib; assert pathlib.Path(ctx.config.throws and 'net/edges.txt').read_text() == '0 1'"


def test_a_cell_on_another_disk_finds_what_settings_name_and_gives_the_same_bytes(other_disk, monkeypatch):
    home = other_disk / "home"
    (home / "net").mkdir()
    (home / "net" / "edges.txt").write_text("0 1")
    study = coin(home, "coin-apart", READ)
    run = other_disk / "runs" / "coin-apart-1"
    task = tasks_of(study, run, note="file:net/edges.txt?directed=true")[0]
    reference = RunFolder(run)
    assert next(iter(run_tasks([task]))).status == "done"
    parcel = parcel_for(study, task.config)
    assert beside_data(parcel) == {"study/coin-apart.py", "work/net/edges.txt"}
    monkeypatch.chdir(other_disk)
    (home / "net" / "edges.txt").unlink()
    apart = dataclasses.replace(task, run=other_disk / "not here" / "coin-apart-1")
    order = Order(apart, str(home), "", "locks/none", parcel.digest, held_here())
    outcome, files = compute(order, lambda: parcel)
    assert (outcome.status, outcome.error) == ("done", "")
    again, _ = compute(order, lambda: pytest.fail("it is on this machine already"))
    assert again.status == "done"
    back = RunFolder(other_disk / "back")
    assert back.keep(task.key, files)
    assert back.digest([task.key]) == reference.digest([task.key])
    assert not back.keep(task.key, files)


def test_bytes_that_changed_on_the_way_are_refused(other_disk):
    study = coin(other_disk, "coin-changed")
    task = tasks_of(study, other_disk / "runs" / "r")[0]
    order = Order(task, "", "", "locks/none", "0" * 32, held_here())
    _, files = compute(order, lambda: parcel_for(study, task.config))
    folder = RunFolder(other_disk / "back")
    with pytest.raises(StoreError, match=r"measures\.parquet.*changed on the way"):
        folder.keep(task.key, {**files, "measures.parquet": b"x" + files["measures.parquet"][1:]})
    with pytest.raises(StoreError, match="other files than it lists"):
        folder.keep(task.key, {**files, "more.parquet": b""})
    with pytest.raises(StoreError, match="damaged"):
        folder.keep(task.key, {**files, "cell.json": b"{}"})
    assert not folder.has(task.key)


def test_where_the_disk_is_shared_parts_lie_in_the_run(other_disk):
    study = coin(other_disk, "coin-parts", "ctx.parts('a', lambda: 1); assert cell.seed != 1")
    run = other_disk / "runs" / "r"
    tasks = tasks_of(study, run)
    (run / "locks").mkdir(parents=True)
    (run / "locks" / "token").touch()
    for task, status in zip(tasks[:2], ("done", "failed"), strict=True):
        order = Order(task, str(other_disk), "", "locks/token", "", held_here())
        outcome, _ = compute(order, lambda: pytest.fail("nothing has to travel"))
        assert outcome.status == status
    assert [len(list((run / "parts").glob(f"{task.key}/*.json"))) for task in tasks[:2]] == [0, 1]


def test_a_cell_is_not_computed_by_another_doxa(other_disk):
    task = tasks_of(coin(other_disk, "coin-other"), other_disk / "r")[0]
    order = Order(task, "", "", "locks/none", "", held_here() | {"doxa": "0.0.9"})
    outcome, files = compute(order, lambda: pytest.fail("nothing is fetched"))
    assert outcome.status == "failed"
    assert "doxa" in outcome.error
    assert "here is 0.0.9" in outcome.error
    assert not files


def test_modules_beside_a_study_travel_with_it_and_a_parcel_is_kept_under_its_digest(other_disk):
    study = coin(other_disk, "coin-beside", "import coin_words; assert coin_words")
    (other_disk / "coin_words.py").write_text("import coin_letters\n")
    (other_disk / "coin_letters.py").write_text("")
    parcel = parcel_for(study, {})
    assert beside_data(parcel) == {"study/coin-beside.py", "study/coin_words.py", "study/coin_letters.py"}
    folder = unpacked(parcel.digest, lambda: parcel)
    assert (folder / "study" / "coin_words.py").read_text() == "import coin_letters\n"
    assert Parcel({"a": np.zeros(1, np.uint8)}).digest != parcel.digest


def test_code_is_not_taken_from_where_another_user_can_write(other_disk):
    folder = scratch()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(StoreError, match="another user can write there"):
        unpacked("0" * 32, lambda: pytest.fail("nothing is fetched"))
    folder.rmdir()
    folder.symlink_to(other_disk / "home")
    with pytest.raises(StoreError, match="another user can write there"):
        scratch()


def test_data_sets_that_the_code_names_travel(other_disk, monkeypatch):
    from doxa.lab import data

    parcel = parcel_for("kable", {})
    here = {f"data/kable/{file.path.name}" for file in data.check("kable").files if file.path}
    assert here <= set(parcel.files)
    folder = unpacked(parcel.digest, lambda: parcel)
    if here:
        monkeypatch.setenv("DOXA_DATA", str(folder / "data"))
        assert data.locate("kable") == folder / "data" / "kable"


class LostError(Exception):
    pass


class RayHere:
    """Ray as far as cells are sent over it, in this process; what is sent first is lost once."""

    exceptions = SimpleNamespace(RayError=LostError, RayTaskError=type("OddError", (LostError,), {}))

    def __init__(self) -> None:
        self.lost = 0

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 1.0}}]

    def remote(self, **_):
        return lambda do: SimpleNamespace(
            options=lambda **_: SimpleNamespace(remote=lambda *given: partial(do, *given))
        )

    def wait(self, flights, **_):
        return flights[:1], []

    def get(self, flight):
        self.lost += 1
        if self.lost == 1:
            raise LostError
        return flight()


def test_a_cell_is_told_of_when_it_is_sent_and_again_when_it_was_lost(other_disk, monkeypatch):
    from doxa.lab.cluster import cells

    monkeypatch.setattr(cells, "connect", lambda *_, **__: RayHere())
    run = other_disk / "runs" / "r"
    RunFolder(run).write_json("manifest.json", {})
    tasks = tasks_of(coin(other_disk, "coin-told"), run)
    told: list[str] = []
    ended = [one.key for one in run_tasks(tasks, "ray", workers=1, begun=lambda task: told.append(task.key))]
    keys = [task.key for task in tasks]
    assert told == [keys[0], *keys]
    assert ended == keys
    assert json.loads((run / "manifest.json").read_bytes())["lost"] == {"LostError": 1}


def test_cells_that_ask_hosted_subjects_stay_on_this_machine(monkeypatch, tmp_path):
    from doxa.lab import executors
    from doxa.lab.cluster import cells

    own = tasks_of(coin(tmp_path, "coin-asks"), tmp_path / "r")
    asking = dataclasses.replace(
        own[0], key="asks", cell=dataclasses.replace(own[0].cell, subjects=("http://127.0.0.1:1/v1#m",))
    )
    went: dict[str, list[str]] = {}
    monkeypatch.setattr(
        cells, "run_on_ray", lambda tasks, **_: went.setdefault("ray", [task.key for task in tasks])
    )
    monkeypatch.setattr(
        executors, "_processes", lambda tasks, *_: went.setdefault("here", [task.key for task in tasks])
    )
    list(run_tasks([*own, asking], "ray"))
    assert went == {"ray": [task.key for task in own], "here": ["asks"]}
