"""What made a run's numbers: command line, versions, machine, commit; no secrets, no host name, no user."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import doxa
from doxa.canonical import Json
from doxa.secret import scrub


def shell_command() -> str:
    """Return the command line of this process, without secrets."""
    name = Path(sys.argv[0]).name if sys.argv else "python"
    return scrub(shlex.join([name if name != "__main__.py" else "doxa", *sys.argv[1:]]))


def versions() -> dict[str, Json]:
    """Return the versions of doxa, Python and the libraries that make numbers."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Json] = {"doxa": doxa.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "polars", "torch", "transformers", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found["commit"] = _commit()
    return found


def machine() -> dict[str, Json]:
    """Return what kind of machine this is; no host name, user or path."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


@cache
def _commit() -> str | None:
    """Return the commit of the checkout doxa runs from, marked when files differ from it; None outside one."""
    root = Path(doxa.__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    head = subprocess.run(
        [git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [git, "-C", str(root), "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    if head.returncode != 0:
        return None
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
