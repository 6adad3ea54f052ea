"""Kernels: functions on arrays that are compiled to machine code when first called, and kept on disk."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers; it releases the interpreter's lock while it runs.

    The machine code is kept beside the source (or in the user's cache folder), so that it is made once.
    """
    return cast(F, njit(cache=True, nogil=True)(inspect.unwrap(function)))


def compiled_parallel(function: F) -> F:
    """Compile a function whose ``numba.prange`` loops run on several threads.

    Iterations of such a loop may share nothing that is written, or the result would hang on the number of threads.
    """
    return cast(F, njit(cache=True, nogil=True, parallel=True)(inspect.unwrap(function)))
