"""Zip archives for tests."""

from __future__ import annotations

import io
import zipfile


def zipped(members):
    """Return a zip archive of texts by name."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return held.getvalue()
