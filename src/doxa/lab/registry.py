"""Registries: components announce themselves by decorator or entry point and are found by name.

Each kind of component has one registry, which stands beside what it holds:

- ``studies`` in ``doxa.lab.declaration``: experiments by slug;
- ``protocols`` in ``doxa.audit.protocol``: what an audit asks, by slug;
- ``subjects`` in ``doxa.subjects.schemes``: how subjects are opened, by the scheme of their address;
- ``elicitors`` in ``doxa.elicit.elicitors``: ways of asking, by name;
- ``dynamics`` in ``doxa.dynamics``: pairs ``init`` / ``step``, by name;
- ``graphs`` in ``doxa.society.addresses``: generators of graphs, by name;
- ``losses`` in ``doxa.training.losses.base``, ``advantages`` and ``divergences`` in their modules beside it: what a
  policy is trained by, by name;
- ``measures`` in ``doxa.belief.measures``: functions from records to rows, by name.

Built-in components register where they are defined, or are found by walking a package of doxa; installed plug-ins
are found through the entry-point group ``doxa.<kind>``, whose entries name a component and the module that registers
it. A module that cannot be imported is a warning, not the end: everything else stays usable.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

from doxa.errors import InputError, did_you_mean

T = TypeVar("T")
S = TypeVar("S")


class PluginWarning(UserWarning):
    """A component could not be loaded; the rest goes on."""


class Registry(Generic[T]):
    """Components of one kind by name.

    Args:
        kind: plural noun, also the entry-point group ``doxa.<kind>``.
        package: package of doxa whose modules register built-in components, or None.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._known: dict[str, T] = {}
        self._tried: set[str] = set()
        self._complete = False

    def add(self, name: str, component: T) -> T:
        """Register a component; the same name may be replaced only by a reloaded version of its own module."""
        old = self._known.get(name)
        if old is not None and _home(old) != _home(component):
            raise InputError(f"{self.kind} '{name}' is registered twice: {_home(old)} and {_home(component)}")
        self._known[name] = component
        return component

    def register(self, name: str) -> Callable[[S], S]:
        """Return a decorator that registers what it decorates and returns it unchanged, type and all."""

        def decorate(component: S) -> S:
            self.add(name, cast(T, component))
            return component

        return decorate

    def get(self, name: str) -> T:
        """Return a component by name, importing as little as possible.

        Raises:
            InputError: there is none; the message suggests the nearest names.
        """
        if name not in self:
            raise InputError(f"no {self.kind} called '{name}'; {did_you_mean(name, self._known)}")
        return self._known[name]

    def __contains__(self, name: str) -> bool:
        if name not in self._known and self._package is not None:
            module = f"{self._package}.{name.replace('-', '_')}"
            if name.replace("-", "").replace("_", "").isalnum() and _exists(module):
                self._load(module, lambda: importlib.import_module(module))
        if name not in self._known:
            for entry in importlib.metadata.entry_points(group=f"doxa.{self.kind}", name=name):
                self._load(f"entry point {entry.name} = {entry.value}", entry.load)
        if name not in self._known:
            self.load_all()
        return name in self._known

    def load_all(self) -> None:
        """Import every built-in module and entry point once."""
        if self._complete:
            return
        self._complete = True
        if self._package is not None:
            package = importlib.import_module(self._package)
            for info in pkgutil.iter_modules(package.__path__, f"{self._package}."):
                self._load(info.name, lambda info=info: importlib.import_module(info.name))
        for entry in importlib.metadata.entry_points(group=f"doxa.{self.kind}"):
            self._load(f"entry point {entry.name} = {entry.value}", entry.load)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        self.load_all()
        return sorted(self._known)

    def loaded(self) -> list[T]:
        """Return the components registered so far, without importing anything."""
        return list(self._known.values())

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield every name with its component, sorted by name."""
        for name in self.names():
            yield name, self._known[name]

    def _load(self, what: str, load: Callable[[], object]) -> None:
        if what in self._tried:
            return
        self._tried.add(what)
        try:
            load()
        except Exception as error:  # noqa: BLE001 - a foreign module may raise anything
            warnings.warn(
                f"{self.kind}: {what} could not be loaded ({type(error).__name__}: {error}); the rest goes on",
                PluginWarning,
                stacklevel=3,
            )


def _home(component: object) -> str:
    module = getattr(component, "__module__", type(component).__module__)
    return str(getattr(component, "module", None) or module)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
