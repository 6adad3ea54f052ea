"""Vega, Vega-Lite and vega-embed as one script, with the house's theme; made once and kept in the user's cache folder.

Making it takes seconds and 90 MB of memory, so another process does it while the first pages are already read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

from doxa.errors import StoreError
from doxa.lab.data import cache_folder
from doxa.lab.figures import THEME
from doxa.lab.files import write_atomic

_MAKE = """
import sys
from doxa.lab.report.document import vega_library
sys.stdout.buffer.write(vega_library().encode())
"""


class Library:
    """The script, made in the background."""

    def __init__(self) -> None:
        self._script: bytes | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to make it, unless it is kept from before."""
        threading.Thread(target=self._make, name="doxa-library", daemon=True).start()

    def _make(self) -> None:
        with contextlib.suppress(StoreError):  # who asks for it is told
            self.get()

    def get(self) -> bytes:
        """Return it, waiting until it is made.

        Raises:
            StoreError: it cannot be made.
        """
        with self._lock:
            if self._script is None:
                self._script = vega_script()
            return self._script


def vega_script() -> bytes:
    """Return the script: ``window.vegaEmbed`` and ``window.doxaTheme``.

    Raises:
        StoreError: it cannot be made.
    """
    theme = f"\nwindow.doxaTheme = {json.dumps(THEME)};\n".encode()
    return _kept() + theme


def _kept() -> bytes:
    path = _place()
    try:
        digest, _, script = path.read_bytes().partition(b"\n")
        if hashlib.sha256(script).hexdigest().encode() == digest:
            return script
    except OSError:
        pass
    made = subprocess.run([sys.executable, "-c", _MAKE], capture_output=True, check=False)
    if made.returncode or not made.stdout:
        last = made.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise StoreError(f"the script that draws figures could not be made: {last}")
    with contextlib.suppress(StoreError):  # a home that cannot be written costs the same seconds next time
        write_atomic(path, hashlib.sha256(made.stdout).hexdigest().encode() + b"\n" + made.stdout)
    return made.stdout


def _place() -> Path:
    return cache_folder("view") / f"vega-{version('vl-convert-python')}.js"
