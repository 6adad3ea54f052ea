"""The type checker of the tests: beartype, and jaxtyping's shapes where a signature names an array.

Every function is checked at its first thousand calls in each test, and at one of sixteen from then on: that holds one
which is called a million times to its hints as well, and a study of many small calls took 1.7 times as long without it.

jaxtyping's own decorator reads a signature again at every call and checks each argument twice, and it is made anew with
each function inside a function. Here a call is checked once, hints are read at the first call, and sizes of arrays are
remembered only by functions that take or return arrays. A run that hooks into every layer of a network took three times
its own processor time under that decorator, and 1.15 times under this one.
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
import typing
from collections.abc import Callable, Iterator
from functools import wraps
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, ForwardRef

import jaxtyping
from beartype import BeartypeConf, beartype

check = beartype(
    conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError)
)  # an int is accepted where a float is asked for
CHECKED = 1_000
"""Calls of a function that are all checked in each test."""

ONE_OF = 16
"""Of the further calls one of so many is checked."""

_full_check = jaxtyping.jaxtyped
_of_code: dict[CodeType, Callable[..., Any]] = {}
_threads_own = threading.local()
_test = 0


def begin_test() -> None:
    """Count calls anew."""
    global _test
    _test += 1


def install() -> None:
    """Check every function of doxa and the constructor of every data class, from its import on."""
    jaxtyping.jaxtyped = _jaxtyped  # what the hook writes above each function
    jaxtyping.install_import_hook("doxa", "tests.typecheck.check")


def _jaxtyped(thing: Any = None, *, typechecker: Any) -> Any:
    return checked if thing is None else checked(thing)


def checked(thing: Any) -> Any:
    """Return a function, or a class, with the calls of its constructor, checked against its hints.

    Hints are read at the first call, since most functions are never called by a test. One that names what only a type
    checker imports is taken as Any.
    """
    if isinstance(thing, type):
        if dataclasses.is_dataclass(thing) and not hasattr(thing.__init__, "__wrapped__"):
            thing.__init__ = checked(thing.__init__)
        return thing
    if not thing.__annotations__:
        return thing
    checking, test, calls = None, -1, 0

    @wraps(thing)
    def switched(*args: Any, **kwargs: Any) -> Any:
        nonlocal checking, test, calls
        if test != _test:
            test, calls = _test, 0
        calls += 1
        if (calls > CHECKED and calls % ONE_OF) or jaxtyping.config.jaxtyping_disable:
            return thing(*args, **kwargs)
        if checking is None:
            checking = _shared(thing) if thing.__closure__ else _checking(thing)
        return checking(*args, **kwargs)

    return switched


def _checking(function: Callable[..., Any]) -> Callable[..., Any]:
    names = inspect.unwrap(function).__globals__
    hints = {name: _hint(told, names) for name, told in function.__annotations__.items()}
    parts = [part for hint in hints.values() for part in _parts(hint)]
    arrays = any(isinstance(part, type) and issubclass(part, jaxtyping.AbstractArray) for part in parts)
    circular = any(isinstance(part, ForwardRef) for part in parts)  # in its own module, beartype never ends
    if circular or inspect.isgeneratorfunction(function):  # and it puts a generator around a generator
        return _full_check(function, typechecker=check)
    checking = _with_hints(function, hints)
    return _remembering(checking) if arrays else checking


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function that is made anew at each call of another, with the check of the first of its kind."""
    if inspect.isgeneratorfunction(function):
        return _checking(function)
    if function.__code__ not in _of_code:
        target = _next_target(function)
        _of_code[function.__code__] = _checking(target)
        del target.__wrapped__  # or the first function, and all it holds, would stay
    checking = _of_code[function.__code__]

    def shared(*args: Any, **kwargs: Any) -> Any:
        targets = _threads_own.__dict__.setdefault("targets", [])
        waiting = len(targets)
        targets.append(function)
        try:
            return checking(*args, **kwargs)
        finally:
            del targets[waiting:]  # nothing, unless the arguments were refused

    return shared


def _next_target(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what has the signature of a function and calls the one put down last."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _threads_own.targets.pop()(*args, **kwargs)

    return call


def _with_hints(function: Callable[..., Any], hints: dict[str, Any]) -> Callable[..., Any]:
    told = function.__annotations__
    function.__annotations__ = hints
    try:
        return check(function)
    finally:
        function.__annotations__ = told


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let equal names in the shapes of one call stand for equal sizes."""

    def remembering(*args: Any, **kwargs: Any) -> Any:
        with _full_check("context"):
            return function(*args, **kwargs)

    return remembering


def _hint(told: Any, names: dict[str, Any]) -> Any:
    if not isinstance(told, str):
        return told
    try:
        hint = typing.get_type_hints(
            SimpleNamespace(__annotations__={"hint": told}), names, include_extras=True
        )["hint"]
        return Any if any(_stands_in(part) for part in _parts(hint)) else hint
    except Exception:  # noqa: BLE001 - a name may be there for a type checker alone, and its use may raise anything
        return Any


def _stands_in(part: Any) -> bool:
    """Return whether a name holds what a test put there for a while, so that later calls may not be held against it."""
    own = getattr(part, "__module__", None) or ""
    return (
        isinstance(part, FunctionType)
        or own.partition(".")[0] in ("tests", "unittest")
        or own.startswith("test_")
    )


def _parts(hint: Any) -> Iterator[Any]:
    """Yield a hint and all that it is made of."""
    yield hint
    for one in hint if isinstance(hint, list) else typing.get_args(hint):
        yield from _parts(one)
