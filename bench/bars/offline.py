"""Bar 20, installs and offline: each extra alone; no network, a home that is left alone, another locale, odd paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bars.outcome import COINS, Outcome, traceback_in
from doxa.testing.processes import Ended, doxa_command, run_command

_STUB = """
import socket

def _refuse(self, address, *more):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        import os
        with open(os.environ["DOXA_TEST_CONNECTIONS"], "a") as log:
            log.write(f"{address}\\n")
        raise OSError("no network in this test")
    return original(self, address, *more)

for name in ("connect", "connect_ex"):
    original = getattr(socket.socket, name)
    setattr(socket.socket, name, _refuse)

def _no_names(host, *more, **options):
    import os
    with open(os.environ["DOXA_TEST_CONNECTIONS"], "a") as log:
        log.write(f"lookup of {host}\\n")
    raise OSError("no network in this test")

socket.getaddrinfo = _no_names
"""
"""Put before everything else: it notes every attempt to connect and refuses it."""


def run(full: bool, folder: Path) -> Outcome:
    """Run studies and audits as on a foreign machine, where permitted without any network interface."""
    runs = {
        "coins": ["run", COINS, "--preset", "quick"],
        "planted": ["audit", "planted:noise", "--preset", "quick"],
    }
    if full:
        from doxa.lab.declaration import studies

        runs |= {slug: ["run", slug, "--preset", "quick"] for slug in studies.names() if slug != "audit"}
        runs["first"] = ["audit", "--preset", "quick"]
    bare = _unshare()
    outcome = Outcome(f"{len(runs)} runs, {'no network interface' if bare else 'refusing sockets'}")
    place = folder / "a folder with späces"
    stub, home, log = place / "stub", place / "home", place / "connections"
    for made in (stub, home):
        made.mkdir(parents=True)
    (stub / "sitecustomize.py").write_text(_STUB)
    home.chmod(0o555)
    environment = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HF_HOME": str(home / "hub"),
        "LC_ALL": "POSIX",
        "LANG": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "iso-8859-1",
        "PYTHONPATH": os.pathsep.join([str(stub), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "DOXA_TEST_CONNECTIONS": str(log),
        "CUDA_VISIBLE_DEVICES": "",
    }
    study = place / "my own study.py"
    shutil.copyfile(COINS, study)
    runs["coins"][1] = str(study)
    for name, arguments in runs.items():
        out = place / f"runs of {name}"
        command = [*bare, *doxa_command(*arguments, "--out", str(out))]
        ended = run_command(command, environment=environment, cwd=place, timeout_s=900.0)
        _judge(outcome, name, ended, out)
    written = list(home.rglob("*"))
    outcome.check(not written, f"wrote into a home that is read-only: {written[:3]}")
    outcome.check(
        not log.exists(), f"tried to connect: {log.read_text().splitlines()[:3] if log.exists() else ''}"
    )
    home.chmod(0o755)
    _bad_input(outcome, environment, place)
    if full:
        for extra in ("", *_EXTRAS):
            _install(outcome, folder, extra)
    return outcome


_EXTRAS = {"ray": "ray", "embed": "sentence_transformers", "inspect": "inspect_ai", "lm-eval": "lm_eval"}
"""Each extra that users install, and the module it brings."""

_IMPORT_ALL = """
import importlib, pkgutil, doxa
from doxa.errors import MissingExtraError
for found in pkgutil.walk_packages(doxa.__path__, "doxa."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except MissingExtraError:
            pass  # it says which extra; what a host loads cannot be there without the host
"""


def _install(outcome: Outcome, folder: Path, extra: str) -> None:
    """Install doxa with one extra in a fresh environment: every module imports, and the extra brings its own."""
    root, home = Path(__file__).resolve().parents[2], folder / f"environment-{extra or 'base'}"
    python = str(home / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    wanted = f"{root}[{extra}]" if extra else str(root)
    constraints = str(root / "constraints.txt")
    ended = run_command([python, "-m", "pip", "install", "-q", "-c", constraints, wanted], timeout_s=1800.0)
    outcome.check(ended.status == 0, f"install [{extra}]: {ended.stderr[-400:]}")
    brought = f"import {_EXTRAS[extra]}" if extra else ""
    for script in (_IMPORT_ALL, brought):
        ended = run_command([python, "-c", script], cwd=folder, timeout_s=300.0)
        outcome.check(ended.status == 0, f"import with [{extra}]: {ended.stderr[-400:]}")
    shutil.rmtree(home)


def _judge(outcome: Outcome, name: str, ended: Ended, out: Path) -> None:
    fine = ended.status == 0 and not traceback_in(ended)
    outcome.check(fine, f"{name}: status {ended.status}: {ended.stderr[-400:]}")
    outcome.check(list(out.glob("*/report.html")), f"{name}: no report in {out}")


def _bad_input(outcome: Outcome, environment: dict[str, str], place: Path) -> None:
    """Wrong input is told in the foreign locale too, and nothing is written."""
    ended = run_command(
        doxa_command("run", "no such stüdy", "--out", str(place / "nothing")),
        environment=environment,
        cwd=place,
    )
    outcome.check(
        ended.status == 2 and not traceback_in(ended), f"wrong input: {ended.status}, {ended.stderr[-300:]}"
    )
    outcome.check(not (place / "nothing").exists(), "wrong input wrote a folder")


def _unshare() -> list[str]:
    """Return the command that takes the network interface away, or nothing where that is not permitted."""
    unshare = shutil.which("unshare")
    if unshare is None or sys.platform != "linux":
        return []
    for flags in (["-n"], ["-r", "-n"]):
        if subprocess.run([unshare, *flags, "true"], check=False, capture_output=True).returncode == 0:
            return [unshare, *flags]
    return []
