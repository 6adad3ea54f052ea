"""Faults of the machine, injected into a command and all its processes: death at a moment, full and broken disks.

This file is copied as ``sitecustomize.py`` into a folder that the command finds first, so it may import only what
the standard library has, and it does nothing unless ``DOXA_TEST_FAULT`` is set.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

VARIABLE = "DOXA_TEST_FAULT"

CALLS = ("fsync", "rename", "replace", "mkdir", "open", "unlink")
"""The operations of ``os`` at which a fault can strike."""


def arm(specification: str) -> None:
    """Patch this process as the specification says.

    The specification is JSON: ``call`` (one of ``CALLS``), ``nth`` (which call, counted over all processes in the
    file ``counter``), ``within`` (only calls on paths that hold this text), ``action``: ``kill`` and ``kill-after``
    send SIGKILL around the call, ``torn`` cuts the file in half first, and the name of an error (``ENOSPC``, ``EIO``,
    ``EROFS``) raises it in this and every later call. ``clock`` adds that many seconds to the wall clock for every call
    of it.
    """
    fault: dict[str, Any] = json.loads(specification)
    if "clock" in fault:
        _patch_clock(float(fault["clock"]))
    if "call" in fault:
        _patch(fault["call"], int(fault["nth"]), fault["action"], fault["counter"], fault["within"])


def _patch(call: str, nth: int, action: str, counter: str, within: str) -> None:
    original: Callable[..., Any] = getattr(os, call)
    fsync, kill, truncate = os.fsync, os.kill, os.ftruncate

    def count() -> int:
        handle = _open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, b".")
            return os.lseek(handle, 0, os.SEEK_CUR)
        finally:
            os.close(handle)

    def faulty(*arguments: Any, **options: Any) -> Any:
        if call == "open" and not (len(arguments) > 1 and arguments[1] & (os.O_WRONLY | os.O_RDWR)):
            return original(*arguments, **options)
        if within and not any(
            within in os.fspath(path) for path in arguments if isinstance(path, str | os.PathLike)
        ):
            return original(*arguments, **options)
        now = count()
        if action in ("kill", "kill-after", "torn"):
            if now != nth:
                return original(*arguments, **options)
            if action == "torn" and call == "fsync":
                truncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
                fsync(arguments[0])
            if action == "kill-after":
                original(*arguments, **options)
            kill(os.getpid(), signal.SIGKILL)
        if now >= nth:
            code = int(getattr(errno, action))
            raise OSError(code, os.strerror(code))
        return original(*arguments, **options)

    setattr(os, call, faulty)


_open = os.open


def _patch_clock(step_s: float) -> None:
    original, called = time.time, [0]

    def jumping() -> float:
        called[0] += 1
        return original() + step_s * called[0]

    time.time = jumping


if os.environ.get(VARIABLE):
    arm(os.environ[VARIABLE])
