"""The likeliest slips of somebody new: each gets one clear message that says what to do, and no traceback."""

from __future__ import annotations

import errno
import http.server
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

import doxa as package
from doxa.lab import files
from doxa.subjects.organisms import folder as organism_folder
from tests.lab.studies import coin
from tests.test_cli import doxa

ROOT = Path(__file__).parents[1]


@pytest.fixture
def away(tmp_path, monkeypatch):
    """A folder of its own to stand in, without what the developer's environment holds."""
    for name in ("DOXA_DATA", "DOXA_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def files_in(here: Path) -> list[Path]:
    return sorted(path for path in here.rglob("*") if "__pycache__" not in path.parts)


def refused(capsys, here: Path, *arguments: str) -> str:
    """Give a command that is wrong; return the one line it answers, once sure that nothing was written."""
    before = files_in(here)
    status, out, err = doxa(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("doxa: ")
    assert err.count("\n") == 1
    assert files_in(here) == before
    return err


def a_model(here: Path) -> Path:
    return Path(shutil.copytree(organism_folder("leaning"), here / "mine"))


def test_1_a_wrong_slug_is_answered_with_the_nearest(capsys, away):
    assert "did you mean 'policy-cliff'" in refused(capsys, away, "run", "policy-clif")


def test_2_a_missing_extra_is_named_with_the_command_that_installs_it(capsys, away, monkeypatch):
    find, lacking = importlib.util.find_spec, ("ray", "inspect_ai")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in lacking else find(name, *rest)
    )
    told = refused(capsys, away, "run", coin(away, "coin-no-ray"), "--executor", "ray")
    assert told == "doxa: the executor 'ray' needs the extra 'ray': python -m pip install 'doxa[ray]'\n"
    assert "doxa[inspect]" in refused(capsys, away, "audit", "inspect:openai/gpt-4o")


def test_2_every_extra_that_a_message_names_is_one():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        line.rsplit('"', 2)[-2]
        for path in (ROOT / "src").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "MissingExtraError(" in line and line.rstrip().endswith(('")', '") from error', '") from None'))
    }
    assert named
    assert named <= set(extras)


def test_3_without_a_network_a_model_of_the_hub_and_a_data_set_say_so(capsys, away, monkeypatch):
    def offline(*_arguments, **_options):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    monkeypatch.setattr("urllib.request.urlopen", offline)
    status, _, err = doxa(capsys, "run", "debate-confidence", "--subject", "hf:some-org/some-model")
    assert status == 1
    assert "Name or service not known" in err
    assert "copy the model from another machine and give its folder" in err
    status, _, err = doxa(capsys, "data", "get", "kable")
    assert status == 1
    assert "set DOXA_DATA to the folder above them" in err
    assert list(away.iterdir()) == []


def test_3_a_study_whose_data_is_not_here_names_the_command_that_fetches_it(capsys, away):
    told = refused(capsys, away, "run", "kable", "--subject", "organism:leaning")
    assert "doxa data get kable" in told


def spoil_nothing(model: Path) -> None:
    shutil.rmtree(model)


def spoil_config(model: Path) -> None:
    (model / "config.json").unlink()


def spoil_weights(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def spoil_length(model: Path) -> None:
    os.truncate(model / "model.safetensors", 100_000)


def spoil_header(model: Path) -> None:
    os.truncate(model / "model.safetensors", 100)


def spoil_shards(model: Path) -> None:
    (model / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    )


def spoil_json(model: Path) -> None:
    (model / "config.json").write_text("<html>")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_nothing, "no such folder; give a model folder in transformers format or a hub name"),
        (spoil_config, "no config.json; a model folder in transformers format has one (here: README.md"),
        (spoil_weights, "no *.safetensors; pickled weights are not loaded"),
        (spoil_length, "has 100,000 bytes where its header says"),
        (spoil_header, "cut off within its header (100 bytes); fetch or copy it again"),
        (spoil_shards, "1 files of weights are missing, first model-00001-of-00002.safetensors"),
        (spoil_json, "config.json: cannot be read"),
    ],
)
@pytest.mark.parametrize("command", [["audit"], ["run", "debate-confidence", "--subject"]])
def test_4_a_folder_that_holds_no_whole_model_is_refused_at_once(capsys, away, command, spoil, message):
    spoil(a_model(away))
    assert message in refused(capsys, away, *command, "hf:./mine")


def test_4_a_model_that_may_not_be_read_is_refused_with_the_right_it_lacks(capsys, away, monkeypatch):
    weights = a_model(away) / "model.safetensors"
    opened = Path.open

    def denied(path, *arguments, **options):
        if path.name == weights.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    told = refused(capsys, away, "audit", "hf:./mine")
    assert "model.safetensors: cannot be read (Permission denied)" in told
    assert "chmod" in told


def test_5_a_model_without_a_chat_template_is_asked_in_plain_text_and_that_is_said(capsys, away):
    from doxa.subjects.addresses import remarks

    assert remarks("hf:" + str(a_model(away))) == ()
    (away / "mine" / "chat_template.jinja").unlink()
    assert "asked in plain text" in remarks("hf:mine")[0]
    assert remarks("affect:second-order?mu=0.9#hf:mine") == remarks("hf:mine")


def test_5_remarks_on_its_subjects_open_a_run(capsys, away):
    a_model(away)
    (away / "mine" / "chat_template.jinja").unlink()
    study = asking_study(away)
    status, _, err = doxa(capsys, "run", study)
    assert status == 0
    assert err.startswith("hf:mine: has no chat template")


def asking_study(here: Path) -> str:
    """Write a study that names a subject and asks it nothing."""
    path = Path(coin(here, "coin-with-subject"))
    path.write_text(path.read_text().replace('uses=("throws",)', 'uses=("throws",), subjects=("hf:mine",)'))
    return str(path)


def test_6_a_full_disk_keeps_what_is_finished_and_says_how_to_go_on(capsys, away, monkeypatch):
    study, write, written = coin(away, "coin-full-disk"), files._write_synced, []

    def full(path, data):
        written.append(path)
        if sum("cell.json" in one.name for one in written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_write_synced", full)
        status, _, err = doxa(capsys, "run", study)
    assert status == 1
    assert "No space left on device" in err
    assert "free space or choose another folder with --out" in err
    assert "Traceback" not in err
    status, _, err = doxa(capsys, "run", study)
    assert status == 0
    assert "2 kept from before" in err


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""The environment with Python's own habit: what is printed into a file or a pipe is written at the end."""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_6_output_into_a_full_disk_is_told_without_a_traceback():
    with Path("/dev/full").open("w") as full:
        listed = [sys.executable, "-m", "doxa", "list"]
        shown = subprocess.run(
            listed, stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED, check=False
        )
    assert shown.returncode == 1
    assert shown.stderr.startswith("doxa: cannot be written (No space left on device); free space")
    assert shown.stderr.count("\n") == 1


def test_a_closed_output_is_no_error():
    listed = f"{sys.executable} -m doxa list >&-"
    shown = subprocess.run(["bash", "-c", listed], capture_output=True, text=True, env=BUFFERED, check=True)
    assert shown.stderr == ""


def test_output_into_a_pipe_that_nobody_reads_ends_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    listed = [sys.executable, "-m", "doxa", "list"]
    shown = subprocess.run(
        listed, stdout=writing, stderr=subprocess.PIPE, text=True, env=BUFFERED, check=False
    )
    os.close(writing)
    assert shown.stderr == ""


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_10_a_narrow_terminal_shows_names_whole(monkeypatch, width):
    import io

    from doxa.lab.terminal import print_table

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    print_table(
        ("study", "paper", "claim"), [("trust-consistency", "arXiv:2507.02197", "what a model says " * 4)]
    )
    text = shown.getvalue()
    assert "trust-consistency" in text
    assert "…" not in text
    assert "\x1b[3" not in text


def test_7_a_port_that_is_taken_is_named_with_a_free_way_out(capsys, away):
    (away / "runs").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(capsys, away, "view", "--no-browser", "--port", str(port))
    assert f"--port {port}: is taken" in told
    assert "use --port 0 for any free one" in told


class Bouncer(http.server.BaseHTTPRequestHandler):
    """Refuses every key."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "the server wants a key and none is set; set DOXA_API_KEY"),
        ("sk-wrong-key-of-mine", "the server refuses the key in DOXA_API_KEY; put the right one there"),
    ],
)
def test_8_a_refused_key_names_the_variable_and_not_the_key(capsys, away, monkeypatch, key, message):
    from doxa.errors import SubjectError
    from doxa.subjects.base import Message, Sampling

    if key:
        monkeypatch.setenv("DOXA_API_KEY", key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bouncer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subject = package.subject(f"http://127.0.0.1:{server.server_port}/v1#mine")
        with pytest.raises(SubjectError) as caught:
            subject.reply([(Message("user", "hello"),)], sampling=Sampling())
        subject.close()
        server.shutdown()
    assert "401" in str(caught.value)
    assert message in str(caught.value)
    assert "sk-wrong" not in str(caught.value)


def test_9_an_old_python_is_refused_by_pip_and_by_the_source_itself(monkeypatch):
    import types

    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about["requires-python"] == ">=3.11"
    source = (ROOT / "src" / "doxa" / "__init__.py").read_text()
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(SystemExit, match=r"^doxa needs Python 3\.11 or later, and this is "):
        exec(compile(source, "doxa/__init__.py", "exec"), types.ModuleType("doxa").__dict__)


def test_9_what_an_old_python_reads_first_it_can_parse():
    import ast

    source = (ROOT / "src" / "doxa" / "__init__.py").read_text()
    ast.parse(source, feature_version=(3, 7))


@pytest.mark.parametrize("columns", [1, 20, 40])
@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"]])
def test_10_a_tiny_terminal_gets_help_and_tables(capsys, monkeypatch, columns, arguments):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERMINAL_WIDTH", str(columns))
    status, out, err = doxa(capsys, *arguments)
    assert (status, err) == (0, "")
    assert out
