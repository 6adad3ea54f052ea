"""Starting and ending the server."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
import webbrowser

import pytest

from doxa.errors import InputError
from doxa.lab.view import serving
from doxa.lab.view.serving import bind, has_display, holder_of, serve
from tests.lab.view.sample_runs import write_run


def started(*arguments, env=None):
    """Start ``doxa view`` and return the process and the line it said."""
    command = [sys.executable, "-m", "doxa", "view", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    return process, process.stderr.readline()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_stands_answers_and_ends_cleanly(tmp_path, kind):
    write_run(tmp_path)
    process, line = started(str(tmp_path), "--port", "0", "--no-browser", env={**os.environ, "DISPLAY": ":9"})
    try:
        assert line.startswith(f"doxa view: {tmp_path} at http://127.0.0.1:")
        address = line.split(" at ")[1].split(" ")[0]
        with urllib.request.urlopen(f"{address}api/runs") as answer:
            assert json.load(answer)["runs"][0]["name"] == "kable-0123456789"
    finally:
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
    by_hand = kind == signal.SIGINT
    assert (out, err) == ("", "doxa view: ended\n" if by_hand else "")
    assert process.returncode == (0 if by_hand else -signal.SIGTERM)


def test_a_port_that_is_taken_names_who_holds_it():
    with bind("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        assert str(os.getpid()) in holder_of(port)
        with pytest.raises(
            InputError, match=f"--port {port}: is taken by process {os.getpid()} .*; use --port 0"
        ):
            bind("127.0.0.1", port)
    assert holder_of(port) == ""


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "--port 80: you may not bind it; use one above 1023"),
        (errno.EADDRNOTAVAIL, "--host 10.9.8.7: cannot be bound"),
    ],
)
def test_an_address_that_cannot_be_bound_says_what_to_do(monkeypatch, number, message):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(InputError, match=message):
        bind("10.9.8.7", 80)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_port(port):
    with pytest.raises(InputError, match="must be 0 to 65535"):
        bind("127.0.0.1", port)


def test_no_host_of_that_name():
    with pytest.raises(InputError, match=r"--host no\.such\.host\.invalid: cannot be bound"):
        bind("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    "token", ["short", "with a space in it", "non-ascii-tökentöken", "line\nbreak-line-break"]
)
def test_a_token_is_long_and_plain(tmp_path, token):
    with pytest.raises(InputError, match="--token: must be at least 16 visible ASCII characters"):
        serve(tmp_path, token=token)


def test_no_folder_starts_nothing(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        serve(tmp_path / "runs")


@pytest.fixture
def said(monkeypatch, tmp_path):
    """Serve without serving: what was said and which address was opened."""
    import uvicorn

    opened = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    monkeypatch.setattr(serving.Library, "start", lambda self: None)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    lines = []

    def go(**how):
        serve(tmp_path, port=0, say=lines.append, **how)
        return lines, opened

    return go


def test_beyond_this_machine_the_token_is_made_and_said_once(said):
    lines, _ = said(host="0.0.0.0")
    assert len([line for line in lines if "?token=" in line]) == 1
    assert len(lines[0].split("?token=")[1].split(" ")[0]) >= 40


def test_on_this_machine_no_token_is_said(said):
    lines, opened = said()
    assert not any("?token=" in line for line in lines)
    assert opened == []


def test_a_token_that_is_given_is_asked_for_on_this_machine_too(said):
    lines, _ = said(token="t" * 20)
    assert f"?token={'t' * 20}" in lines[0]


def test_a_browser_opens_where_there_is_a_display(said, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_display()
    lines, opened = said()
    assert opened == [lines[0].split(" at ")[1].split(" ")[0]]
    said(token="t" * 20)
    said(host="0.0.0.0")
    _, opened = said(browser=False)
    assert len(opened) == 1
