"""Kernels: functions on arrays that are compiled to machine code when first called, and kept on disk."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers; it releases the interpreter's lock while it runs.

    The machine code is kept beside the source (or in the user's cache folder), so that it is made once, for as long as
    no file of kernels changes: the compiler looks at a function's own file alone, and would go on using machine code
    that holds an older version of a kernel from another file. Where its store cannot be reached, nothing is kept.
    """
    return cast(F, _made(function, {}))


def vectorised(function: F) -> F:
    """Compile as ``compiled`` does, for long loops over numbers: divisions and sums then run on whole vectors.

    A division by zero gives inf or NaN as in numpy instead of raising, and the terms of a sum are added in another
    order. A rational function of 576,000 numbers takes 0.18 ms instead of 1.8 ms.
    """
    return cast(F, _made(function, {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}))


def _made(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return the compiled function, kept on disk where that is possible."""
    source = inspect.unwrap(function)  # shapes are not checked inside kernels
    made: Any = njit(cache=True, nogil=True, **options)(source)
    index: Any = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if not hasattr(index, "_source_stamp"):
        return cast("Callable[..., Any]", njit(nogil=True, **options)(source))
    index._source_stamp = (index._source_stamp, kernels_digest(Path(__file__).parents[1]))
    return cast("Callable[..., Any]", made)


@cache
def kernels_digest(folder: Path) -> str:
    """Return the SHA-256 of all files of kernels in a folder and below, names and bytes."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        if b"doxa.lab.compiled" in source:
            whole.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(source).digest())
    return whole.hexdigest()
