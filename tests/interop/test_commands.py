from __future__ import annotations

import json

import pytest

from doxa import cli
from doxa.interop import from_inspect
from doxa.lab.run import load
from tests.interop.test_inspect_logs import made, same


def doxa(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["doxa", *words])
    status = 0
    try:
        cli.main()
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_a_log_is_imported_shown_and_exported_again(tmp_path, monkeypatch, capsys):
    from doxa.interop import to_inspect

    monkeypatch.chdir(tmp_path)
    to_inspect(made(), "first.eval")
    status, out, _ = doxa(monkeypatch, capsys, "import", "first.eval", "--json")
    assert status == 0
    run = json.loads(out)["run"]
    status, out, _ = doxa(monkeypatch, capsys, "show", run)
    assert (status, "imported · 1 of 1 cells" in out) == (0, True)
    status, _, err = doxa(monkeypatch, capsys, "export", "inspect", run, "--out", "second.json")
    assert (status, err.strip()) == (0, "second.json")
    assert same(from_inspect("second.json"), made())
    assert load(run).beliefs.height == made().beliefs.height


def test_task_files_are_written_and_the_harnesss_command_is_told(tmp_path, monkeypatch, capsys, made_up):
    out = str(tmp_path / "tasks")
    status, _, err = doxa(monkeypatch, capsys, "export", "lm-eval", "kable", "--out", out, "--limit", "1")
    assert status == 0
    assert f"lm-eval run --tasks kable --include_path {out}" in err
    assert (tmp_path / "tasks" / "kable_functions.py").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "nowhere.eval"), "no such file"),
        (("export", "inspect", "nowhere", "--out", "x.eval"), "no such run"),
        (("export", "lm-eval", "context-drift", "--out", "x"), "only kable has task files"),
        (
            (
                "export",
                "lm-eval",
                "kable",
                "--out",
                "x",
                "--types",
                "false",
                "--tasks",
                "verification-of-assertion",
            ),
            "no definitive answers on false rows; export answer shares instead",
        ),
    ],
)
def test_wrong_input_is_told_and_nothing_is_written(tmp_path, monkeypatch, capsys, made_up, words, message):
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    status, _, err = doxa(monkeypatch, capsys, *words)
    assert status == 2
    assert message in err
    assert not list(place.iterdir())
