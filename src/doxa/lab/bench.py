"""Finding and starting what lies in ``bench/`` of a checkout."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import doxa
from doxa.errors import InputError, did_you_mean


def folder() -> Path:
    """Return the folder ``bench/`` of the checkout doxa runs from.

    Raises:
        InputError: doxa does not run from a checkout.
    """
    place = Path(doxa.__file__).resolve().parents[2] / "bench"
    if not place.is_dir():
        raise InputError(
            'benchmarks need a checkout of doxa: clone it and install it with: python -m pip install -e ".[dev]"'
        )
    return place


def benchmarks() -> list[tuple[str, str]]:
    """Return name and first docstring line of each benchmark."""
    found: list[tuple[str, str]] = []
    for path in sorted(folder().glob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        found.append((path.stem.replace("_", "-"), doc.partition("\n")[0]))
    return found


def run_benchmark(
    name: str, *, bar: int | None = None, small: bool = False, install: bool = False, as_json: bool = False
) -> None:
    """Run one benchmark in a process of its own; ``install`` first makes the environments of its peers.

    Raises:
        InputError: there is no such benchmark, or it failed.
    """
    known = [known for known, _ in benchmarks()]
    if name not in known:
        raise InputError(f"no benchmark called '{name}'; {did_you_mean(name, known)}")
    command = [sys.executable, str(folder() / f"{name.replace('-', '_')}.py")]
    command += [] if bar is None else ["--bar", str(bar)]
    command += ["--small"] * small + ["--install"] * install + ["--json"] * as_json
    if subprocess.run(command, check=False).returncode != 0:
        raise InputError(f"benchmark '{name}' did not pass; see its output above")
