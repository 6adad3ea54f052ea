"""What commands print, seen as a terminal sees it: no escape that a text holds may reach it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bars.outcome import Outcome
from bars.view_runs import NAME
from doxa.testing.processes import doxa_command

STUDY = str(Path(__file__).resolve().parents[2] / "tests" / "studies_for_tests" / "escapes.py")

ESCAPES = (
    "\x1b[95;4;9mpink\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[3J\x1b[H",
    "\x1b[6n\x1b[c\x1b[>c\x1b[5n",
    "\x1bP$q\x1b\\",
    "\x1bPtmux;\x1b\x1b]0;x\x07\x1b\\",
    "\x1b_APC\x1b\\ \x1b^PM\x1b\\ \x1bXSOS\x1b\\",
    "\x1bc \x1b(0 \x1b#8 \x1b=",
    "\x9b31m \x9d0;c1\x9c \x90q\x9c",
    "over\rwritten\x08\x08\x08\x7f \x0b \x0c \x0e\x0f \x05",
    "safe\u202e\u2066gpj.exe\u2069\u202c",
    "\u2028line\u2029 \x85 \u200b\ufeff",
    "[bold red]markup[/bold red] [link=http://evil.example]x[/link]",
)

SMALL = ("run of a failing cell", "show", "no option")

# what rich itself writes for colours and bars: plain colours and styles, cursor up, clear the line, hide the cursor
_OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)")
_NOT_OWN_STYLE = "\x1b[95;4;9m"


def terminals(outcome: Outcome, folder: Path, store: Path, texts: Sequence[str], *, full: bool) -> None:
    """Run commands over hostile texts on a terminal that knows colours, on one that does not, and on none."""
    inside = [*ESCAPES, *texts[:: max(1, len(texts) // 100)]]
    told = {"ESCAPES_TEXTS": json.dumps(inside)}
    out, failing = folder / "escapes", folder / "failing"
    wrong = ESCAPES[0] + ESCAPES[1] + ESCAPES[10] + ESCAPES[11]
    commands = {
        "run": (doxa_command("run", STUDY, "--out", str(out)), told),
        "run of a failing cell": (
            doxa_command("run", STUDY, "--out", str(failing), "--set", "fails=true"),
            told,
        ),
        "run in a pool": (
            doxa_command(
                "run", STUDY, "--out", str(folder / "pool"), "--executor", "processes", "--workers", "1"
            ),
            told,
        ),
        "show": (doxa_command("show", str(store / NAME)), {}),
        "show --json": (doxa_command("show", str(store / NAME), "--json"), {}),
        "show of no run": (doxa_command("show", wrong, "--out", str(store)), {}),
        "run of no study": (doxa_command("run", wrong), {}),
        "run of a wrong setting": (doxa_command("run", STUDY, "--set", f"{wrong}={wrong}"), told),
        "no command": (doxa_command(wrong), {}),
        "no option": (doxa_command("run", f"--{wrong}"), {}),
        "list": (doxa_command("list"), {}),
        "view of no folder": (doxa_command("view", wrong), {}),
        "export": (doxa_command("view", str(store), "--export", str(folder / "again")), {}),
    }
    for name, (command, environment) in commands.items():
        if not full and name not in SMALL:
            continue
        for terminal in ("xterm-256color", "dumb") if full else ("xterm-256color",):
            seen = on_terminal(command, {**environment, "TERM": terminal})
            problems = _steering(seen, terminal)
            outcome.check(seen.strip(), f"{name} on {terminal}: printed nothing")
            outcome.check(not problems, f"{name} on {terminal}: {problems[:3]}")
            outcome.check("Traceback" not in seen or name.startswith("run of a"), f"{name}: {seen[-300:]!r}")


def on_terminal(command: Sequence[str], environment: Mapping[str, str], timeout_s: float = 120.0) -> str:
    """Run a command whose every output is a terminal; return all that the terminal got."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "COLUMNS": "120", "PYTHONUTF8": "1", **environment},
        start_new_session=True,
    )
    os.close(follower)
    pieces: list[bytes] = []
    end = time.monotonic() + timeout_s
    try:
        while time.monotonic() < end:
            ready, _, _ = select.select([leader], [], [], 0.2)
            try:
                piece = os.read(leader, 65536) if ready else b""
            except OSError:
                break
            if piece:
                pieces.append(piece)
            elif not ready and process.poll() is not None:
                break
    finally:
        os.close(leader)
        if process.poll() is None:
            process.kill()
        process.wait()
    return b"".join(pieces).decode("utf-8", "replace")


def _steering(seen: str, terminal: str) -> list[str]:
    """Return what a text made the terminal do, or what reads otherwise than it was written."""
    problems = [_NOT_OWN_STYLE] if _NOT_OWN_STYLE in seen else []
    left = seen.replace("\r\n", "\n")
    if terminal != "dumb":
        left = _OWN.sub("", left).replace("\r", "")  # a bar begins its line anew
    problems += [
        repr(left[max(0, place - 20) : place + 20])
        for place, mark in enumerate(left)
        if not mark.isprintable() and mark not in "\n\t"
    ]
    return problems
