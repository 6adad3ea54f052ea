from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from doxa import cli
from tests.lab.studies import coin


def doxa(capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process; return exit status, stdout, stderr."""
    before = sys.argv
    sys.argv = ["doxa", *arguments]
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return status, out, err


def test_run_prints_findings_and_with_json_exactly_one_object(capsys, tmp_path):
    study = coin(tmp_path, "coin-cli")
    status, out, err = doxa(capsys, "run", study, "--out", str(tmp_path / "runs"))
    assert status == 0
    _, found, report = out.splitlines()
    assert "heads come half the time" in found  # whole, however long: nobody looks here
    assert report.startswith("report  ")
    assert "3 cells, 0 kept" in err
    status, out, _ = doxa(capsys, "run", study, "--out", str(tmp_path / "runs"), "--json")
    shown = json.loads(out)
    assert set(shown) == {"run", "study", "seconds", "findings", "report"}
    assert shown["findings"][0]["verdict"] in {"holds", "fails", "unresolved"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "kabel"], "did you mean 'kable'"),
        (["run"], "no study named"),
        (["run", "kable", "--all"], "kable --all: --all runs every study"),
        (["run", "kable", "--preset", "fast"], "preset='fast'"),
        (["run", "kable", "--set", "sedes=3"], "did you mean 'seeds'"),
        (["run", "kable", "--set", "seeds"], "must be key=value"),
        (["simulate", "opinon"], "did you mean 'opinion'"),
        (["simulate", "epidemic", "--graph", "bb?m=3"], "no graph called 'bb'"),
        (["simulate", "epidemic", "--graph", "ba?m=0", "--dry-run"], "m=0: must be in 1..1999"),
        (["simulate", "herd", "--days", "3"], "--days: herd takes --agents, --subject"),
        (["simulate", "fps", "--agents", "60", "--set", "n_infected=3"], "'n_infected' is given twice"),
        (["audit", "planed:noise"], "begins with none of"),
        (["audit", "planted:noise", "--zoo"], "--zoo audits every organism"),
        (["audit", "planted:noise", "--series", "."], "--series audits the checkpoints of a folder"),
        (["audit", "--series", ".", "--dry-run"], "leave out --seeds and --dry-run"),
        (["audit", "--series", ".", "--set", "from=cloze"], "did you mean 'form'"),
        (["audit", "planted:noise", "--affect", "second-ordr?mu=0.9"], "did you mean 'second-order'"),
        (["audit", "planted:noise", "--affect", "second-order?mu=1"], "mu=1.0: must be in"),
        (["audit", "--zoo", "--affect", "first-order"], "leave out --zoo and --series"),
        (["run", "kable", "--affect", "first-order"], "with --subject"),
        (
            ["run", "kable", "--affect", "first-order#a", "--subject", "planted:noise"],
            "must be a rule and its options",
        ),
        (["audit", "--series", "."], "0 checkpoints whose names end in their step"),
        (["show", "nothing"], "no such run"),
        (["show", "--out", "nothing"], "nothing: no such folder"),
        (["show", "nothing", "--verdict", "fails"], "--verdict fails: goes with the board"),
        (["show", "--call", "3"], "--call 3: name the run"),
        (["run", "kable", "kabel"], "did you mean 'kable'"),
        (
            ["run", "kable", "--subject", "http://a/v1#m", "--subject", "http://b/v1#n"],
            "different models are different runs",
        ),
        (["audit", "http://a/v1#m", "--subject", "planted:noise"], "planted:noise is no server"),
        (
            ["simulate", "herd", "--subject", "http://a/v1#m", "--subject", "http://a/v1#m"],
            "http://a/v1 is given twice",
        ),
        (["organism", "train", "sond"], "did you mean 'sound'"),
        (["view", "runz"], "runz: no such folder; give the folder that holds your runs"),
        (["view", ".", "--port", "70000"], "--port 70000: must be 0 to 65535"),
        (["view", ".", "--token", "short"], "--token: must be at least 16"),
        (["data", "check", "kabel"], "kable"),
        (["run", "kable", "--max-calls", "0"], "--max-calls 0: must be >= 1"),
        (["audit", "--max-tokens", "-1"], "--max-tokens -1: must be >= 1"),
    ],
)
def test_wrong_input_exits_with_2_and_writes_nothing(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = doxa(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_several_subjects_are_one_model_on_several_servers(capsys, tmp_path):
    servers = [f"http://localhost:{port}/v1#m" for port in (9, 10)]
    named = [word for server in servers for word in ("--subject", server)]
    told = ("simulate", "herd", "--preset", "quick", *named, "--dry-run", "--json", "--out", str(tmp_path))
    status, out, _ = doxa(capsys, *told)
    (asked,) = json.loads(out)["subjects"].items()
    assert (status, asked[0]) == (0, f"pool:{' '.join(servers)}")
    assert asked[1]["calls"] > 0


def test_an_unknown_option_is_a_usage_error(capsys):
    status, _, err = doxa(capsys, "run", "kable", "--wrong")
    assert status == 2
    assert "--wrong" in err


def test_a_failed_cell_exits_with_1_and_says_how_to_go_on(capsys, tmp_path):
    study = coin(tmp_path, "coin-cli-failing", "raise ValueError('no coin left')")
    status, _, err = doxa(capsys, "run", study, "--out", str(tmp_path / "runs"))
    assert status == 1
    assert "no coin left" in err
    assert "to go on: " in err


def test_python_dash_m_is_the_same_command():
    shown = subprocess.run(
        [sys.executable, "-m", "doxa", "--help"], capture_output=True, text=True, check=True
    )
    assert "audit" in shown.stdout


def test_tables_elsewhere_than_on_a_terminal_are_tab_separated(capsys):
    status, out, _ = doxa(capsys, "list")
    assert status == 0
    assert out.splitlines()[0] == "study\troom\tpaper\tclaim"
    assert any(line.startswith("kable\t") for line in out.splitlines())


def test_a_dry_run_writes_the_questions_where_asked(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ["audit", "organism:leaning", "--preset", "quick", "--json", "--dry-run", "--prompts"]
    status, out, _ = doxa(capsys, *run, "asked.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text().splitlines()]
    assert status == 0
    calls = {address: asked["calls"] for address, asked in json.loads(out)["subjects"].items()}
    assert Counter(line["subject"] for line in lines) == calls
    assert {message["role"] for line in lines for message in line["messages"]} <= {
        "system",
        "user",
        "assistant",
    }
    assert any(line.get("options") for line in lines)
    status, _, err = doxa(capsys, "run", "debate-confidence", "--prompts", "asked.jsonl")
    assert (status, "goes with --dry-run" in err) == (2, True)


def test_a_dry_run_says_what_would_be_asked_and_does_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = doxa(capsys, "audit", "organism:leaning", "--preset", "quick", "--dry-run")
    assert (status, out) == (0, "")
    assert "organism:leaning: " in err
    assert "questions, 0 of them answered in the cache" in err
    status, out, _ = doxa(capsys, "audit", "organism:leaning", "--preset", "quick", "--dry-run", "--json")
    asked = json.loads(out)["subjects"]["organism:leaning"]
    assert asked["calls"] > 100
    assert list(tmp_path.iterdir()) == []


def test_several_studies_share_a_board_and_one_that_fails_makes_the_status_1(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    studies = [coin(tmp_path, "coin-many"), coin(tmp_path, "coin-broken", "raise ValueError('no coin left')")]
    status, out, err = doxa(capsys, "run", *studies, "--executor", "inline", "--preset", "quick")
    assert status == 1
    assert out.splitlines()[0] == "1 of 2 studies finished · claims ✓ 1 · controls none"
    assert "coin-broken: 2 of 2 cells failed" in err
    assert "to go on: " in err
    status, out, err = doxa(capsys, "run", *studies, "--executor", "inline", "--preset", "quick", "--json")
    shown = json.loads(out)
    assert status == 1
    assert [one["state"] for one in shown["studies"]] == ["finished", "failed"]
    assert shown["claims"] == {"holds": 1, "fails": 0, "unresolved": 0}
    board = json.loads((tmp_path / shown["board"]).read_text())
    assert board["entries"][0]["state"].startswith("failed: 2 of 2 cells failed")
    status, out, _ = doxa(capsys, "show", "runs", "--verdict", "holds")
    assert status == 0
    assert "fair: heads come half the time" in out
    assert doxa(capsys, "show", "--json")[0] == 0


def test_a_dry_run_of_several_says_how_long_they_will_take(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    studies = [coin(tmp_path, "coin-dry"), coin(tmp_path, "coin-drier")]
    status, out, err = doxa(capsys, "run", *studies, "--dry-run", "--workers", "2")
    assert (status, out) == (0, "")
    assert (
        "2 studies, 6 cells to compute: about 3 min 0 s of processor time, 1 min 30 s with 2 at once" in err
    )
    status, out, _ = doxa(capsys, "run", *studies, "--dry-run", "--json")
    assert (status, len(json.loads(out)["studies"])) == (0, 2)
    assert not (tmp_path / "runs").exists()
