"""The peers' own environments: ``bench/peers/NAME/requirements.txt`` beside the scripts that speak for the peer."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "peers"


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, whether it is there or not."""
    wanted = hashlib.sha256((FOLDER / peer / "requirements.txt").read_bytes()).hexdigest()[:10]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "doxa" / "peers" / f"{peer}-{wanted}" / "bin" / "python"


def installed(peer: str) -> bool:
    """Return whether a peer's environment is whole."""
    return (python_of(peer).parents[1] / "whole").exists()


def install(peer: str) -> None:
    """Make a peer's environment, unless it is there.

    Raises:
        CalledProcessError: pip could not install the requirements.
    """
    if installed(peer):
        return
    place = python_of(peer).parents[1]
    print(f"installing {peer} into {place}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    requirements = str(FOLDER / peer / "requirements.txt")
    pip = [str(python_of(peer)), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", requirements], check=True, stdout=sys.stderr)
    (place / "whole").touch()
