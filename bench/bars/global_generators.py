"""Bar 12, global generators: none is used in the source, and none is drawn from while doxa runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import doxa
from bars.outcome import COINS, Outcome
from doxa.testing.processes import run_command

_NUMPY = {"default_rng", "Generator", "Philox", "SeedSequence", "BitGenerator", "PCG64", "get_state"}
"""Names of ``numpy.random`` that make a generator of one's own or are types; reading the state draws nothing."""

_TORCH = {
    *(
        "manual_seed",
        "seed",
        "initial_seed",
        "rand",
        "randn",
        "randint",
        "randperm",
        "normal",
    ),
    *("multinomial", "bernoulli", "rand_like", "randn_like", "poisson"),
}
"""Functions of ``torch`` that draw; they are fine with ``generator=``."""

WATCH = """
import random, sys
import numpy as np

def refusing(name):
    def refuse(*arguments, **options):
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__", "").split(".")[0].startswith("doxa"):
            raise RuntimeError(f"doxa drew from the global generator {name}")
        return originals[name](*arguments, **options)
    return refuse

originals = {}
for home, label in ((random, "random"), (np.random, "numpy.random")):
    for name in dir(home):
        value = getattr(home, name)
        if callable(value) and not name.startswith("_") and not isinstance(value, type):
            if name in ("default_rng",):
                continue
            originals[f"{label}.{name}"] = value
            setattr(home, name, refusing(f"{label}.{name}"))

def states():
    torch = sys.modules.get("torch")
    drawn = originals["numpy.random.get_state"](legacy=False)["state"]
    found = [drawn["key"].tobytes(), drawn["pos"]]
    return found, None if torch is None else torch.random.get_rng_state().numpy().tobytes()

before, _ = states()
fresh = None
if WITH_TORCH:
    import torch
    fresh = states()[1]
from doxa.cli import main
sys.argv = ["doxa", *ARGUMENTS]
try:
    main()
except SystemExit as stop:
    status = stop.code or 0
else:
    status = 0
after, drawn = states()
if after != before:
    print("numpy's global generator moved", file=sys.stderr)
    status = 3
if WITH_TORCH and drawn != fresh:
    print("torch's global generator moved", file=sys.stderr)
    status = 4
sys.exit(status)
"""


def run(full: bool, folder: Path) -> Outcome:
    """Scan every file of the source, then run doxa with global generators that refuse doxa and are watched."""
    files = sorted(Path(doxa.__file__).parent.rglob("*.py"))
    runs = {"coins": ["run", COINS], "audit": ["audit", "planted:drifting?rate=0.3"]}
    if full:
        from doxa.lab.declaration import studies

        runs |= {slug: ["run", slug] for slug in studies.names() if slug != "audit"}
        runs["organism"] = ["audit"]
    outcome = Outcome(f"{len(files)} files, {len(runs)} runs")
    for path in files:
        found = list(global_uses(path.read_text("utf-8")))
        outcome.check(not found, f"{path}: {found}")
    for name, arguments in runs.items():
        script = folder / f"{name}.py"
        whole = [*arguments, "--preset", "quick", "--out", str(folder / name)]
        script.write_text(f"ARGUMENTS = {whole!r}\nWITH_TORCH = {full or name != 'coins'}\n{WATCH}")
        ended = run_command([sys.executable, str(script)], timeout_s=900.0)
        outcome.check(ended.status == 0, f"{name}: status {ended.status}: {ended.stderr[-400:]}")
    return outcome


def global_uses(source: str) -> Iterator[str]:
    """Yield every use of a global generator in Python source, with its line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "random" for alias in node.names):
            yield f"line {node.lineno}: import random"
        elif (
            isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in ("random", "numpy.random")
        ):
            names = [alias.name for alias in node.names if alias.name not in _NUMPY | {"getstate"}]
            if names:
                yield f"line {node.lineno}: from {node.module} import {', '.join(names)}"
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = _dotted(node.func)
    options = {keyword.arg for keyword in node.keywords}
    head, _, last = name.rpartition(".")
    if head in ("np.random", "numpy.random") and (
        last not in _NUMPY or (last == "default_rng" and not node.args)
    ):
        yield f"line {node.lineno}: {name}"
    if head in ("torch", "torch.random", "torch.cuda") and last in _TORCH and "generator" not in options:
        yield f"line {node.lineno}: {name} without generator="
    fills = (
        head == "torch.nn.init"
        and last.endswith("_")
        and last not in ("zeros_", "ones_", "constant_", "eye_")
    )
    draws = head and last in ("normal_", "uniform_", "random_", "bernoulli_")
    if (fills or draws) and "generator" not in options:
        yield f"line {node.lineno}: {name} without generator="


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"
