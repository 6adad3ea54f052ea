"""Listing studies without importing them: their files are read, not run, so that ``doxa list`` stays quick."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import pkgutil
from pathlib import Path
from typing import NamedTuple


class Listed(NamedTuple):
    """What a study's decorator says of it."""

    slug: str
    paper: str
    room: str
    claim: str


def listed_studies() -> list[Listed]:
    """Return every built-in and installed study, sorted by slug; one whose decorator is no literal shows its slug."""
    package = importlib.import_module("doxa.studies")
    modules = {info.name: "" for info in pkgutil.iter_modules(package.__path__, "doxa.studies.")}
    modules |= {entry.module: entry.name for entry in importlib.metadata.entry_points(group="doxa.studies")}
    found: list[Listed] = []
    for module, name in modules.items():
        path = _source(module)
        own = [] if path is None else _declared(path)
        found += own or [Listed(name or module.rpartition(".")[2].replace("_", "-"), "", "", "")]
    return sorted(found)


def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _declared(path: Path) -> list[Listed]:
    """Return the studies that a file's classes are decorated with."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
    calls = [
        call
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "study"
        and call.args
    ]
    return [listed for call in calls if (listed := _listed(call)) is not None]


def _listed(call: ast.Call) -> Listed | None:
    try:
        words = {
            key.arg: str(ast.literal_eval(key.value)) for key in call.keywords if key.arg in Listed._fields
        }
        return Listed(
            str(ast.literal_eval(call.args[0])), *(words.get(name, "") for name in Listed._fields[1:])
        )
    except ValueError:
        return None
