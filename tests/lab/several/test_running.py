from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from doxa.cli import app
from doxa.errors import InputError, MissingDataError
from doxa.lab.run import plan, run_study
from doxa.lab.several import costs
from doxa.lab.several.running import Ended, failure, plan_studies, run_studies
from doxa.lab.store import RunFolder
from doxa.subjects import schemes
from tests.lab.studies import coin

LOG = (
    "import os; log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT); "
    "os.write(log, f'{slug} {{cell.seed}} {{os.getpid()}}\\n'.encode()); os.close(log)"
)
KILL_THE_RUN = (
    "import os, pathlib; mark = pathlib.Path({mark!r}); "
    "os.kill(os.getppid(), 9) if cell.seed == 1 and not mark.exists() and not mark.touch() else None"
)
"""The worker that computes seed 1 kills the whole run the first time, as an outside SIGKILL would."""


class Told:
    """A display that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text):
        self.notes.append(text)

    def showing(self, standing):
        import contextlib

        self.standing = standing
        return contextlib.nullcontext()

    def moved(self):
        assert 0.0 <= self.standing.work <= 1.0


def logged(folder, slug, more=""):
    return coin(folder, slug, f"{LOG.format(log=str(folder / 'log'), slug=slug)}; {more or 'pass'}")


def began(folder):
    return [tuple(line.split()) for line in (folder / "log").read_text().splitlines()]


def test_the_study_with_the_longest_cell_begins_first_and_then_its_longest_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "_measured", lambda: {"sev-b": {"quick": {"fair": 90.0}}})
    studies = [logged(tmp_path, slug) for slug in ("sev-a", "sev-b")]
    plans, _ = plan_studies(studies, preset="quick")
    ended = run_studies(plans, out=tmp_path / "runs", executor="inline")
    assert [one.slug for one in ended] == ["sev-a", "sev-b"]
    assert [slug for slug, *_ in began(tmp_path)] == ["sev-b", "sev-b", "sev-a", "sev-a"]


def test_long_cells_come_first_within_a_study_and_equal_ones_keep_their_order(tmp_path):
    todo = plan(coin(tmp_path, "sev-order"), overrides={"seeds": 4})
    keys = list(todo.cells)
    seconds = dict(zip(keys, (1.0, 5.0, 1.0, 2.0), strict=True))
    assert costs.long_first([todo], seconds) == [keys[1], keys[3], keys[0], keys[2]]
    assert costs.long_first([todo], {keys[2]: 1.0}) == [keys[2]]


def test_what_an_earlier_run_took_is_expected_again_and_else_the_mean_of_what_is_known(tmp_path):
    study = coin(tmp_path, "sev-costs")
    run_study(study, preset="quick", out=tmp_path)
    path = next(tmp_path.glob("sev-costs-*"))
    with RunFolder(path).manifest() as manifest:
        assert set(manifest["cell_processor_seconds"]) == set(manifest["cells"])
        manifest["condition_processor_seconds"] = {"fair": 7.0, "other": 9.0}
    todo = plan(study, preset="quick", overrides={"throws": 7})
    assert set(costs.expected_seconds(todo, todo.cells, tmp_path).values()) == {7.0}
    assert set(costs.expected_seconds(plan(study), plan(study).cells, tmp_path).values()) == {
        costs.UNKNOWN_SECONDS
    }


@pytest.mark.slow
def test_all_cells_share_one_pool_and_a_study_that_fails_stops_no_other(tmp_path):
    studies = [
        logged(tmp_path, "sev-good"),
        logged(tmp_path, "sev-bad", "1 / 0 if cell.seed else None"),
        logged(tmp_path, "sev-fine"),
    ]
    display = Told()
    plans, _ = plan_studies(studies)
    ended = run_studies(plans, out=tmp_path / "runs", workers=2, display=display)
    assert [one.state for one in ended] == ["finished", "failed", "finished"]
    assert len({process for *_, process in began(tmp_path)}) <= 2
    assert (display.standing.ended, display.standing.computed) == (3, 9)
    error = failure(ended)
    assert error is not None
    assert "1 of 3 studies did not finish" in str(error)
    assert "sev-bad: 2 of 3 cells failed" in str(error)
    assert "to go on: " in str(error)
    assert any("sev-bad fair seed 1 failed: ZeroDivisionError" in note for note in display.notes)
    assert any(note.startswith("sev-good: 3 cells (0 kept)") for note in display.notes)
    for one in ended:
        if one.result is not None:
            assert one.result.report.is_file()
            assert one.processor > 0


@pytest.mark.slow
def test_a_killed_run_of_several_goes_on_and_the_tables_are_equal(tmp_path):
    mark = tmp_path / "mark"
    studies = [
        logged(tmp_path, "sev-first"),
        logged(tmp_path, "sev-second", KILL_THE_RUN.format(mark=str(mark))),
    ]
    command = [
        sys.executable,
        "-m",
        "doxa",
        "run",
        *studies,
        "--out",
        str(tmp_path / "runs"),
        "--workers",
        "2",
    ]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    shown = json.loads(again.stdout)
    assert [one["state"] for one in shown["studies"]] == ["finished", "finished"]
    assert sum(one["computed"] for one in shown["studies"]) >= 1
    assert json.loads((tmp_path / "runs/board.json").read_text())["finished"] == 2
    assert (tmp_path / "runs/index.html").is_file()
    for study, one in zip(studies, shown["studies"], strict=True):
        undisturbed = run_study(study, out=tmp_path / "undisturbed")
        keys = json.loads((undisturbed.folder / "manifest.json").read_bytes())["cells"]
        resumed = RunFolder(tmp_path / "runs" / one["run"])
        assert resumed.digest(keys) == RunFolder(undisturbed.folder).digest(keys)


def test_nothing_is_computed_twice_and_a_finished_study_is_only_judged(tmp_path):
    studies = [coin(tmp_path, "sev-once"), coin(tmp_path, "sev-twice")]
    run_study(studies[0], out=tmp_path / "runs")
    plans, _ = plan_studies([*studies, studies[0]])
    ended = run_studies(plans, out=tmp_path / "runs", executor="inline")
    assert [(one.slug, one.computed) for one in ended] == [("sev-once", 0), ("sev-twice", 3)]


def test_a_study_that_fails_when_it_judges_is_told_apart_and_its_cells_are_kept(tmp_path):
    study = coin(tmp_path, "sev-judging")
    text = (tmp_path / "sev-judging.py").read_text()
    (tmp_path / "sev-judging.py").write_text(
        text.replace("    ends = (", "    raise KeyError('x')\n    ends = (")
    )
    plans, _ = plan_studies([study])
    (one,) = run_studies(plans, out=tmp_path / "runs", executor="inline")
    assert one.state == "failed"
    assert "judging failed: KeyError" in one.why
    assert "KeyError" in next((tmp_path / "runs").glob("*/errors/judging.txt")).read_text()
    assert RunFolder(tmp_path / "runs" / plans[0].name).finished_cells() == list(plans[0].cells)


MISSING = "from doxa.lab.data import locate; locate('kable')"


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))


def test_data_that_are_missing_leave_a_study_out_and_name_the_command(tmp_path, no_data):
    study = coin(tmp_path, "sev-planned")
    path = tmp_path / "sev-planned.py"
    path.write_text(path.read_text().replace("def cells(config):", f"def cells(config):\n    {MISSING}"))
    plans, not_run = plan_studies([study, coin(tmp_path, "sev-here")])
    assert [todo.study.slug for todo in plans] == ["sev-here"]
    assert [(one.state, one.why) for one in not_run] == [
        ("not run", "its data are not here; doxa data get kable")
    ]
    assert failure(not_run) is None


def test_data_that_only_a_cell_misses_leave_the_study_out_too(tmp_path, no_data):
    plans, _ = plan_studies([coin(tmp_path, "sev-lacking", MISSING), coin(tmp_path, "sev-rich")])
    lacking, rich = run_studies(plans, out=tmp_path / "runs", executor="inline")
    assert (lacking.state, lacking.why) == ("not run", "its data are not here; doxa data get kable")
    assert rich.state == "finished"


def test_where_the_data_of_all_are_missing_that_is_what_the_command_says(tmp_path, no_data, capsys):
    studies = [coin(tmp_path, slug) for slug in ("sev-none", "sev-neither")]
    for path in map(Path, studies):
        path.write_text(path.read_text().replace("def cells(config):", f"def cells(config):\n    {MISSING}"))
    app(["run", *studies, "--out", str(tmp_path / "runs")], standalone_mode=False)
    assert capsys.readouterr().out.count("not run: its data are not here; doxa data get kable") == 2


def test_what_is_to_be_said_of_a_subject_is_said_once_for_all_studies(tmp_path, monkeypatch):
    studies = [coin(tmp_path, slug) for slug in ("sev-asks", "sev-asks-too")]
    for path in map(Path, studies):
        path.write_text(path.read_text().replace('uses=("throws",)', 'subjects=("planted:bayesian",)'))
    monkeypatch.setattr(schemes.Planted, "remarks", lambda self, address: (f"{address.text}: is planted",))
    display = Told()
    run_studies(plan_studies(studies).plans, out=tmp_path / "runs", executor="inline", display=display)
    assert display.notes.count("planted:bayesian: is planted") == 1


def test_a_wrong_setting_starts_nothing(tmp_path):
    with pytest.raises(InputError, match="did you mean 'throws'"):
        plan_studies([coin(tmp_path, "sev-wrong")], overrides={"throwz": 3})
    assert not isinstance(InputError("x"), MissingDataError)


def test_the_error_names_what_stopped_and_is_none_where_all_is_well():
    assert failure([Ended("a", "finished"), Ended("b", "not run", "why")]) is None
    assert "b: spent" in str(failure([Ended("a", "finished"), Ended("b", "stopped", "spent\nmore")]))
