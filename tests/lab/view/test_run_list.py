"""The list of runs: states, damage, names that are no runs."""

from __future__ import annotations

import shutil

import pytest

from doxa.errors import InputError
from doxa.lab.view.run_list import HELD, Runs
from tests.lab.view.sample_runs import write_run


def test_states_and_verdicts(tmp_path):
    write_run(tmp_path, "kable-1", started="2026-01-02T00:00:00Z")
    stopped = write_run(
        tmp_path, "fps-2", finished=False, keys=["plain00", "left"], started="2026-01-03T00:00:00Z"
    )
    write_run(tmp_path, "torn-3")
    (tmp_path / "torn-3" / "manifest.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "other").mkdir()
    runs = Runs.of(tmp_path)
    first, second, third = runs.entries()
    assert (first.name, first.state, first.done, first.cells, first.claims) == ("fps-2", "stopped", 1, 2, {})
    assert (second.name, second.state) == ("kable-1", "finished")
    assert (second.claims, second.controls) == ({"holds": 1, "unresolved": 1}, {"fails": 1})
    assert third.state == "damaged"
    assert "torn-3/manifest.json: damaged" in third.error
    assert not stopped.is_at_work()
    with stopped.at_work():
        assert stopped.is_at_work()
        assert runs.entry("fps-2").state == "at work"
    assert runs.entry("fps-2").state == "stopped"


def test_an_entry_is_read_anew_when_its_files_change(tmp_path):
    folder = write_run(tmp_path, "kable-1")
    runs = Runs.of(tmp_path)
    assert runs.entry("kable-1") is runs.entry("kable-1")
    folder.write_json("findings.json", {"findings": []})
    assert runs.entry("kable-1").claims == {}


def test_a_folder_may_be_one_run(tmp_path):
    write_run(tmp_path, "kable-1")
    write_run(tmp_path, "kable-2")
    runs = Runs.of(tmp_path / "kable-2")
    assert runs.names() == ["kable-2"]
    assert runs.run("kable-2").name == "kable-2"
    with pytest.raises(InputError, match="there is none of this name"):
        runs.run("kable-1")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../kable-1", "kable-1/", "/etc", ".hidden", "kable", "kable-1\0", "KABLE-1"]
)
def test_only_exact_names_are_runs(tmp_path, name):
    write_run(tmp_path / "runs", "kable-1")
    write_run(tmp_path / "runs", ".hidden")
    write_run(tmp_path, "etc")
    with pytest.raises(InputError, match="there is none of this name"):
        Runs.of(tmp_path / "runs").run(name)


def test_few_runs_stay_open_and_deleted_ones_go(tmp_path):
    names = [f"kable-{i}" for i in range(HELD + 1)]
    for name in names:
        write_run(tmp_path, name, cells={})
    runs = Runs.of(tmp_path)
    opened = {name: runs.run(name) for name in names}
    assert runs.run(names[-1]) is opened[names[-1]]
    assert runs.run(names[0]) is not opened[names[0]]
    shutil.rmtree(tmp_path / names[1])
    with pytest.raises(InputError, match="it may have been deleted"):
        runs.run(names[1])
    runs.close()


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder; give the folder that holds your runs"):
        Runs.of(tmp_path / "runs")
