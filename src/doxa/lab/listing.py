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
    found: list[Listed] = []
    for module, name in _modules().items():
        path = _source(module)
        own = [] if path is None else _declared(path)
        found += own or [Listed(name or module.rpartition(".")[2].replace("_", "-"), "", "", "")]
    return sorted(found)


def listed_settings(reference: str) -> dict[str, str]:
    """Return name and meaning of each setting of a study, by slug or Python file; nothing where it cannot be read."""
    if reference.endswith(".py"):
        return _settings(Path(reference))
    for module, name in _modules().items():
        path = _source(module)
        if path is not None and (
            (reference and name == reference) or any(one.slug == reference for one in _declared(path))
        ):
            return _settings(path)
    return {}


def _modules() -> dict[str, str]:
    """Return the modules that hold studies, with the slug where an entry point names it."""
    package = importlib.import_module("doxa.studies")
    modules = {info.name: "" for info in pkgutil.iter_modules(package.__path__, "doxa.studies.")}
    return modules | {
        entry.module: entry.name for entry in importlib.metadata.entry_points(group="doxa.studies")
    }


def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _declared(path: Path) -> list[Listed]:
    """Return the studies that a file's classes are decorated with."""
    return [listed for call, _ in _decorated(path) if (listed := _listed(call)) is not None]


def _settings(path: Path) -> dict[str, str]:
    """Return name and meaning of the fields of the classes that a file decorates as studies."""
    return {
        field.target.id: _meaning(field.value)
        for _, config in _decorated(path)
        for field in config.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _meaning(value: ast.expr | None) -> str:
    """Return the second argument of ``setting(default, "what it means")``."""
    texts = value.args[1:2] if isinstance(value, ast.Call) else []
    return str(texts[0].value) if texts and isinstance(texts[0], ast.Constant) else ""


def _decorated(path: Path) -> list[tuple[ast.Call, ast.ClassDef]]:
    """Return the decorators of a file that declare studies, with the classes they decorate."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
    texts = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    return [
        (_spelt_out(call, texts), node)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "study"
        and call.args
    ]


def _spelt_out(call: ast.Call, texts: dict[str, ast.Constant]) -> ast.Call:
    """Return a decorator with the names in it that stand for texts of its file replaced by them."""

    class Spelling(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return texts.get(node.id, node)

    return ast.Call(
        call.func,
        [Spelling().visit(one) for one in call.args],
        [Spelling().visit(one) for one in call.keywords],
    )


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
