"""How an experiment is declared: ``@study`` on a Config class, beside ``cells``, ``run``, ``findings``, ``figures``."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import math
import sys
import textwrap
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, cast, dataclass_transform, runtime_checkable

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.lab.figures import Figure
from doxa.lab.record import Finding, Tables
from doxa.lab.registry import Registry

C = TypeVar("C")

Parts: TypeAlias = Mapping[Any, tuple[str, tuple[str, ...]]]
"""What each part of a study measures, and the settings it uses."""

PRESETS = ("quick", "embedded", "paper")


@dataclass(frozen=True)
class Setting:
    """What is known of one config field: its meaning, unit, range and the paper's own value."""

    name: str
    default: Any
    doc: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    paper: Any = None
    required: bool = False

    def check(self, value: Any) -> None:
        """Raise InputError if the value is missing, or outside the setting's range or choices."""
        if self.required and value == self.default:
            raise InputError(f"{self.name}={value!r}: is required ({self.doc}); give {self.name}=...")
        if self.choices:
            chosen = cast(Sequence[Any], value) if isinstance(value, tuple) else (value,)
            for one in chosen:
                if one not in self.choices:
                    raise InputError(f"{self.name}={one!r}: {did_you_mean(str(one), map(str, self.choices))}")
        for one in cast(Sequence[Any], value) if isinstance(value, tuple) else (value,):
            if isinstance(one, bool) or not isinstance(one, int | float):
                continue
            if not math.isfinite(one):
                raise InputError(f"{self.name}={one}: must be finite")
            if self.minimum is not None and one < self.minimum:
                raise InputError(f"{self.name}={one}: must be >= {self.minimum}{self._unit()}")
            if self.maximum is not None and one > self.maximum:
                raise InputError(f"{self.name}={one}: must be <= {self.maximum}{self._unit()}")

    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] = (),
    paper: Any = None,
    required: bool = False,
) -> Any:
    """Declare a config field.

    Args:
        default: value of the embedded preset.
        doc: what it means, one sentence.
        unit: unit of the value, or "" for a pure number.
        minimum: least allowed number (each element of a tuple).
        maximum: greatest allowed number (each element of a tuple).
        choices: the allowed values, if few.
        paper: the paper's own value, if it gives one.
        required: whether the study cannot run with the default.
    """
    metadata = {
        "doc": doc,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": tuple(choices),
        "paper": paper,
        "required": required,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Cell:
    """The unit of work: what is computed at once, kept at once and lost at most.

    Attributes:
        condition: name of the condition, unique together with ``seed`` and ``params``.
        seed: seed of the replicate; named streams hang on it.
        uses: names of the config fields that ``run`` reads; only these enter the cell's key.
        params: further JSON values that tell this cell from the others.
        threads: threads the computation uses, whatever the executor.
        subjects: addresses of the subjects it asks; their identities enter the cell's key.
    """

    condition: str
    seed: int
    uses: tuple[str, ...] = ()
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    threads: int = 1
    subjects: tuple[str, ...] = ()


@runtime_checkable
@runtime_checkable
class StudyModule(Protocol):
    """The functions a study's file has beside its Config.

    Two more may be there for the report: ``blocks(tables, config)`` returns what opens it instead of the file's
    docstring, and ``heading(config)`` a word for its kind and its title.
    """

    def cells(self, config: Any) -> Iterable[Cell]:
        """Yield the units of work."""
        ...

    def run(self, cell: Cell, ctx: Any) -> Tables:
        """Compute one cell; a function of the cell and its context alone."""
        ...

    def findings(self, tables: Tables, config: Any) -> list[Finding]:
        """Judge the tables of all cells."""
        ...

    def figures(self, tables: Tables, config: Any) -> list[Figure]:
        """Draw the tables of all cells."""
        ...


@dataclass(frozen=True)
class Study:
    """A registered study."""

    slug: str
    paper: str
    room: str
    claim: str
    config: type[Any]
    module: str
    presets: Mapping[str, Mapping[str, Any]]
    file: Path

    @property
    def code(self) -> StudyModule:
        """The module that holds ``cells``, ``run``, ``findings`` and ``figures``."""
        return cast(StudyModule, sys.modules[self.module])

    @property
    def settings(self) -> dict[str, Setting]:
        """What is known of each config field, by name."""
        plain: dict[str, Any] = {"doc": ""}
        return {
            item.name: Setting(item.name, item.default, **(plain | dict(item.metadata)))
            for item in dataclasses.fields(self.config)
        }

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the settings without which it cannot run."""
        return tuple(name for name, known in self.settings.items() if known.required)

    def configure(self, preset: str = "embedded", overrides: Mapping[str, Any] | None = None) -> Any:
        """Return a checked config.

        Args:
            preset: ``quick``, ``embedded`` or ``paper``.
            overrides: values by field name; a string is read as the field's type.

        Raises:
            InputError: unknown preset or field, a value of the wrong type or out of range.
        """
        if preset not in PRESETS:
            raise InputError(f"preset={preset!r}: {did_you_mean(preset, PRESETS)}")
        values: dict[str, Any] = dict(self.presets.get(preset, {}))
        hints = typing.get_type_hints(self.config)
        settings = self.settings
        for name, value in (overrides or {}).items():
            if name not in settings:
                raise InputError(f"{self.slug} has no setting '{name}'; {did_you_mean(name, settings)}")
            values[name] = _read(name, value, hints[name])
        config = self.config(**values)
        for name, known in settings.items():
            known.check(getattr(config, name))
        return config

    def changed(self, config: Any) -> dict[str, Any]:
        """Return the settings of a config, by name, that have neither their default nor a preset's value."""
        usual = {
            name: [known.default, *(preset[name] for preset in self.presets.values() if name in preset)]
            for name, known in self.settings.items()
        }
        return {name: value for name in usual if (value := getattr(config, name)) not in usual[name]}

    def refuse_unused(self, config: Any, parts: Parts, part: str) -> None:
        """Raise InputError if a setting was changed that this part of the study does not use.

        Args:
            config: what was asked for.
            parts: by part, what it measures, and the settings it uses beside the seed.
            part: the one that is run.
        """
        measured, used = parts[part]
        for name, value in self.changed(config).items():
            if name not in (*used, "seed"):
                users = " or ".join(whom for whom, settings in parts.values() if name in settings)
                raise InputError(
                    f"{name}={value!r}: has no effect on {measured}; leave it out, or measure {users}"
                )


studies: Registry[Study] = Registry("studies", "doxa.studies")


@dataclass_transform(frozen_default=True, field_specifiers=(setting, field))
def study(
    slug: str,
    *,
    paper: str,
    room: str,
    claim: str,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[type[C]], type[C]]:
    """Register the study whose Config this decorates; the class becomes a frozen dataclass.

    Args:
        slug: name on the command line.
        paper: identifier of the published source, such as ``arXiv:2410.21195``.
        room: the room of doxa its ingredients live in.
        claim: what it claims, one sentence, fixed before any run.
        presets: values that ``quick`` and ``paper`` change; ``embedded`` is the defaults.
    """

    def decorate(cls: type[C]) -> type[C]:
        config = dataclass(frozen=True)(cls)
        unknown = set(presets or {}) - set(PRESETS)
        if unknown:
            raise InputError(f"study '{slug}': unknown preset {sorted(unknown)}; known: {', '.join(PRESETS)}")
        file = Path(inspect.getfile(cls)).resolve()
        studies.add(slug, Study(slug, paper, room, claim, config, cls.__module__, presets or {}, file))
        return config

    return decorate


def find_study(reference: str) -> Study:
    """Return a study by slug, or from a Python file of the user's (``path/to/my_study.py``).

    Raises:
        InputError: there is no such study, or the file registers none.
    """
    if not reference.endswith(".py"):
        return studies.get(reference)
    path = Path(reference).resolve()
    if not path.is_file():
        raise InputError(f"{reference}: no such file")
    name = f"doxa_user_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{reference}: Python cannot load it as a module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{reference}{_line_of(error, path)}: {type(error).__name__}: {error}"
            ) from error
    own = [known for known in studies.loaded() if known.module == name]
    if not own:
        raise InputError(f"{reference}: registers no study; decorate its Config with @study(...)")
    return own[0]


def _line_of(error: Exception, path: Path) -> str:
    """Return where in a user's file an error arose, to stand after its name; nothing where it did not."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f", line {lines[-1]}" if lines else ""


def _read(name: str, value: Any, hint: Any) -> Any:
    """Read a value as the type of its field; strings come from the command line."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        empty = value is None or (isinstance(value, str) and value.lower() in ("none", "null"))
        if empty and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        return _read(name, value, inner[0])
    if origin is typing.Literal:
        return value
    if origin is tuple:
        parts = (
            [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else list(value)
        )
        return tuple(_read(name, part, arguments[0]) for part in parts)
    if hint is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise InputError(f"{name}={value!r}: must be true or false")
    if hint in (int, float):
        try:
            number = hint(value)
        except (TypeError, ValueError, OverflowError):
            kind = "a whole number" if hint is int else "a number"
            raise InputError(f"{name}={value!r}: must be {kind}") from None
        if hint is int and isinstance(value, float) and value != number:
            raise InputError(f"{name}={value!r}: must be a whole number")
        return number
    if hint is str:
        return str(value)
    return value


_ALWAYS = ("doxa.streams", "doxa.canonical", "doxa.lab.record")


def code_files(study: Study) -> dict[str, Path]:
    """Return the files a study's numbers come from: its own and every doxa module it imports, by module name.

    The laboratory itself (store, report, executors, command line) is left out: it carries tables, it does not
    make them.
    """
    return module_files(study.module, *_ALWAYS, known={study.module: study.file})


def module_files(*modules: str, known: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Return the files of modules and of every doxa module they import outside the laboratory, by module name.

    Args:
        modules: names of modules.
        known: files of modules that cannot be found by name.
    """
    found = dict(known or {})
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            spec = importlib.util.find_spec(module)
            if spec is None or spec.origin is None:
                continue
            found[module] = Path(spec.origin)
        for name in _imports(found[module], module):
            inside = name == "doxa" or name.startswith("doxa.")
            if inside and name not in found and (not name.startswith("doxa.lab") or name in _ALWAYS):
                waiting.append(name)
    return found


def _imports(path: Path, module: str) -> set[str]:
    """Return the modules that a file imports, at any depth of nesting."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for level, told, name in _imported(path.read_text("utf-8")):
        base = importlib.util.resolve_name("." * level + told, package) if level else told
        names.add(base)
        if name and base.split(".")[0] == "doxa" and _is_module(full := f"{base}.{name}"):
            names.add(full)
    return names


@cache
def _imported(source: str) -> frozenset[tuple[int, str, str]]:
    """Return what a source imports: how many packages up, module, and name; no name for a module as a whole."""
    found: set[tuple[int, str, str]] = set()
    waiting: list[ast.AST] = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update((0, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update((node.level, node.module or "", alias.name) for alias in node.names)
        else:  # only statements hold statements
            inside = (
                getattr(node, name, ()) for name in ("body", "orelse", "finalbody", "handlers", "cases")
            )
            waiting += [one for part in inside if isinstance(part, list) for one in cast(list[ast.AST], part)]
    return frozenset(found)


def _is_module(name: str) -> bool:
    """Return whether a dotted name is a module; its parent is looked at, not imported, because that may be slow."""
    parent, _, last = name.rpartition(".")
    try:
        spec = importlib.util.find_spec(parent)
    except ModuleNotFoundError:
        return False
    places = [Path(place) for place in (spec.submodule_search_locations if spec else None) or ()]
    return any(
        (place / f"{last}.py").is_file() or (place / last / "__init__.py").is_file() for place in places
    )


def summary(study: Study) -> str:
    """Return the first paragraph of the study file's docstring."""
    text = inspect.cleandoc(sys.modules[study.module].__doc__ or "")
    return textwrap.shorten(text.split("\n\n")[0], 400)
