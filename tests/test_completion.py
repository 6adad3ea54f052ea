"""What a press of Tab offers: the names that a user would otherwise look up, quickly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from doxa import cli
from doxa.commands import completion
from doxa.lab.listing import listed_settings, listed_studies
from tests.lab.studies import coin
from tests.test_cold_start import COMMAND, HEAVY, imported


def offered(capsys, monkeypatch, line: str, shell: str = "bash") -> list[str]:
    """Return what the shell is told for a line that is typed up to its end."""
    words = line.split(" ")
    monkeypatch.setattr(sys, "argv", ["doxa"])
    monkeypatch.setenv("_DOXA_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("doxa ru", ["run"]),
        ("doxa run lay", ["layer-of-truth"]),
        ("doxa run kable context-d", ["context-drift"]),
        ("doxa run kable --preset ", ["quick", "embedded", "paper"]),
        ("doxa run kable --executor r", ["ray"]),
        ("doxa run kable --set know_f", ["know_false="]),
        ("doxa run entropy-mechanism --set mini", ["mini_batches="]),
        ("doxa simulate he", ["herd"]),
        ("doxa simulate herd --set see", ["seed=", "seeds="]),
        ("doxa audit organism:s", ["organism:sound", "organism:steadfast"]),
        ("doxa organism train le", ["leaning"]),
        ("doxa data get ka", ["kable"]),
        ("doxa data check ka", ["kable"]),
        ("doxa bench har", ["hard"]),
        ("doxa run nothing --set ", []),
    ],
)
def test_bash_is_offered_what_may_stand_there(capsys, monkeypatch, line, words):
    assert offered(capsys, monkeypatch, line) == words


def test_zsh_is_told_what_a_word_means(capsys, monkeypatch):
    found = offered(capsys, monkeypatch, "doxa run entropy-m", shell="zsh")
    assert '(("entropy-mechanism":"performance' in " ".join(found)


def test_runs_are_offered_newest_first_from_the_folder_that_is_given(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(["kable-new", "kable-[old]", "other"]):
        for out in ("runs", "elsewhere"):
            folder = tmp_path / out / f"{name}-{out}"
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text("{}")
            os.utime(folder / "manifest.json", (1e9 - age, 1e9 - age))
    assert offered(capsys, monkeypatch, "doxa show k") == ["kable-new-runs", "kable-[old]-runs"]
    assert offered(capsys, monkeypatch, "doxa show kable-[") == ["kable-[old]-runs"]
    assert offered(capsys, monkeypatch, "doxa show --out elsewhere oth") == ["other-elsewhere"]
    assert offered(capsys, monkeypatch, "doxa show --out nowhere oth") == []


def test_a_study_of_ones_own_is_offered_with_its_settings(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    coin(tmp_path, "coin-offered")
    (tmp_path / "coins").mkdir()
    [own] = [path.name for path in tmp_path.glob("*.py")]
    assert offered(capsys, monkeypatch, f"doxa run {own[:3]}") in ([own], [own, "coins/"])
    assert offered(capsys, monkeypatch, f"doxa run {own} --set th") == ["throws="]


def test_what_is_offered_is_what_there_is():
    from doxa.lab.data_catalogue import CATALOGUE
    from doxa.lab.declaration import PRESETS, studies
    from doxa.lab.executors import EXECUTORS
    from doxa.society.scenarios import SCENARIOS
    from doxa.subjects.organisms import members

    assert [name for name, _ in completion.presets("")] == list(PRESETS)
    assert [name for name, _ in completion.executors("")] == list(EXECUTORS)
    assert {name: known.study for name, known in SCENARIOS.items()} == completion.SCENARIOS
    assert [name for name, _ in completion.organisms("")] == sorted(members())
    assert [name for name, _ in completion.data_sets("")] == sorted(CATALOGUE)
    for slug in ("kable", "entropy-mechanism", "audit", "ska"):
        assert list(listed_settings(slug)) == list(studies.get(slug).settings)


def test_every_study_is_listed_with_its_claim_and_room():
    assert [study.slug for study in listed_studies() if not (study.claim and study.room)] == []


def test_completion_loads_nothing_heavy(monkeypatch):
    monkeypatch.setenv("_DOXA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "doxa run ")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert not {"numpy", "polars", *HEAVY} & set(imported(COMMAND.format(arguments=[])))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(capsys, monkeypatch, shell):
    monkeypatch.setattr(sys, "argv", ["doxa"])
    monkeypatch.setenv("_DOXA_COMPLETE", f"source_{shell}")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert "_DOXA_COMPLETE=complete_" in capsys.readouterr().out


def test_bash_completes_with_that_script(tmp_path):
    """In a real bash: the script is sourced and asked as readline does."""
    command = tmp_path / "doxa"
    command.write_text(f"#!{sys.executable}\nfrom doxa.cli import main\nmain()\n")
    command.chmod(0o755)
    ask = (
        'eval "$(_DOXA_COMPLETE=source_bash doxa)"; COMP_WORDS=(doxa run kab); COMP_CWORD=2; '
        '_doxa_completion doxa; printf "%s\\n" "${COMPREPLY[@]}"; complete -p doxa'
    )
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    shown = subprocess.run(
        ["bash", "--norc", "-c", ask], capture_output=True, text=True, env=environment, check=True
    )
    assert shown.stdout.splitlines() == ["kable", "complete -o default -F _doxa_completion doxa"]
