"""Bar 16, model-written code: doxa runs none, and what looks like some is read as text, quickly and in little memory.

No study needs a program or a law that a model wrote: answers are letters, numbers, words, rankings, objects and calls
of tools that doxa itself answers. So there is nothing to be isolated. The source is scanned for every way to run code,
and attempts are put through every door that text of a model takes, in a process that notes what Python does meanwhile.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import doxa
from bars.outcome import Outcome
from bars.written_programs import PROGRAMS, bombs, dressed
from doxa.testing.processes import run_command

LEAST_ATTEMPTS = 80
MOST_SECONDS = 2.0
"""Of processor time, for one text at one door."""
MOST_MB = 200.0
BOMB_CHARACTERS = {True: 5_000_000, False: 60_000}

_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
_MODULES = {
    *(
        "pickle",
        "dill",
        "cloudpickle",
        "marshal",
        "shelve",
        "joblib",
        "jsonpickle",
        "ctypes",
        "cffi",
        "pty",
        "code",
    ),
    *("codeop", "runpy", "subprocess", "multiprocessing", "jinja2", "numexpr", "asteval", "RestrictedPython"),
}
_OF_OS = {
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "spawnv",
    "spawnl",
    "posix_spawn",
    "fork",
    "forkpty",
}
_ATTRIBUTES = {"exec_module", "import_module", "unsafe_load", "full_load", "literal_eval"}

ALLOWED = {
    "lab/bench.py": {"subprocess": "runs a benchmark's own script by its name in a fixed table"},
    "lab/provenance.py": {"subprocess": "asks git for the state of the source"},
    "lab/processes.py": {"multiprocessing": "workers that compute cells"},
    "lab/declaration.py": {"exec_module": "loads the study file that the user names on the command line"},
    "lab/listing.py": {
        "import_module": "finds the folder of the studies",
        "literal_eval": "reads literals of doxa's own study files, so that listing them runs none",
    },
    "lab/registry.py": {"import_module": "loads doxa's own packages and entry points of installed ones"},
    "lab/data_tensors.py": {
        "pickle": "names the error that a published file may raise",
        "load": "a published file of known digest, with weights_only=True",
    },
    "lab/view/library.py": {"subprocess": "has the installed package of the plots write out its script"},
    "lab/view/pages/__init__.py": {"import_module": "modules of doxa's own folder"},
    "lab/view/panels/__init__.py": {"import_module": "modules of doxa's own folder"},
    "lazy.py": {"import_module": "names of doxa's own packages"},
    "interop/lm_eval/__main__.py": {"import_module": "a module of doxa's own"},
    "interop/verl/registration.py": {"import_module": "verl's own table of losses"},
    "subjects/transformers_rendering.py": {
        "jinja2": "names an error of chat templates, which are the model folder's and run in transformers' sandbox"
    },
    "society/shards/links.py": {
        "multiprocessing": "connections of parts with a key; their bytes go into arrays"
    },
    "worlds/linear_bandits/live.py": {"import_module": "gymnasium, if it is installed"},
    "testing/processes.py": {"subprocess": "the crash harness starts the commands that a test gives"},
}
"""By file, what could run code there, and why no text of a model reaches it."""


def run(full: bool, folder: Path) -> Outcome:
    """Scan the source, then put every attempt through every door."""
    source = Path(doxa.__file__).parent
    files = sorted(source.rglob("*.py"))
    mark = folder / "escaped"
    attempts = [
        (f"{program[:60]!r}, {dress}", text) for program in PROGRAMS for dress, text in dressed(program, mark)
    ]
    if not full:
        attempts = attempts[::5]  # of six dresses, so that every program comes in another one
    attempts += list(bombs(BOMB_CHARACTERS[full]))
    outcome = Outcome(f"{len(files)} files, {len(PROGRAMS)} programs, {len(attempts)} texts")
    outcome.check(len(PROGRAMS) >= LEAST_ATTEMPTS, f"only {len(PROGRAMS)} programs")
    for path in files:
        place = path.relative_to(source).as_posix()
        known = ALLOWED.get(place, {})
        found = [use for use in runs_code(path.read_text("utf-8")) if use[1] not in known]
        outcome.check(not found, f"{place}: {found}")
    _read_all(outcome, folder, mark, attempts)
    return outcome


def _read_all(outcome: Outcome, folder: Path, mark: Path, attempts: list[tuple[str, str]]) -> None:
    """Have a process read all attempts in an empty folder, and see what it did."""
    written, empty = folder / "attempts.json", folder / "empty"
    empty.mkdir()
    written.write_text(json.dumps(attempts), "utf-8")
    reader = Path(__file__).with_name("written_code_reader.py")
    ended = run_command([sys.executable, str(reader), str(written)], cwd=empty, timeout_s=600.0)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    whole = ended.status == 0 and len(lines) == len(attempts) + 1
    outcome.check(
        whole, f"the reader ended with {ended.status} after {len(lines)} texts: {ended.stderr[-500:]}"
    )
    for line in lines[: len(attempts)]:
        outcome.check(not line["problems"], f"{line['name']}: {line['problems']}")
        outcome.check(
            line["seconds"] <= MOST_SECONDS, f"{line['name']}: {line['seconds']:.1f} s at {line['door']}"
        )
    if whole:
        last = lines[-1]
        slowest = max(line["seconds"] for line in lines[:-1])
        outcome.size += f"; {last['grown_mb']:.0f} MB more, slowest {slowest:.2f} s"
        outcome.check(last["grown_mb"] < MOST_MB, f"{last['grown_mb']:.0f} MB more than before")
        outcome.check(last["children"] == 0 and last["threads"] == 1, f"left behind: {last}")
    outcome.check(not mark.exists() and not mark.is_symlink(), "a program was run: its mark is there")
    outcome.check(not list(empty.iterdir()), f"files appeared: {list(empty.iterdir())}")
    outcome.check(not ended.orphans, "processes were left behind")


def runs_code(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of every use of what could run code or start a process."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in _called(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            for name in [module or "", *(alias.name for alias in node.names if not module)]:
                if name.split(".")[0] in _MODULES:
                    yield node.lineno, name.split(".")[0]


def _called(call: ast.Call) -> Iterator[str]:
    """Yield the name of what a call could run, if it could run anything."""
    if isinstance(call.func, ast.Name) and call.func.id in _NAMES:
        yield call.func.id
    if not isinstance(call.func, ast.Attribute):
        return
    name = call.func.attr
    home = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    if (home == "os" and name in _OF_OS) or name in _ATTRIBUTES:
        yield name
    if name == "load" and home in ("torch", "yaml"):
        yield name
    if name in ("load", "save", "savez", "savez_compressed") and home == "np":
        told = [word.value for word in call.keywords if word.arg == "allow_pickle"]
        refused = any(isinstance(one, ast.Constant) and one.value is False for one in told)
        if not refused and (told or name == "load"):
            yield "allow_pickle"
