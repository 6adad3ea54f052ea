"""Figures as files, for papers and slides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from doxa.canonical import canonical_json
from doxa.lab.figures.figure import Figure
from doxa.lab.files import write_atomic

WIDTH_PX = 720


def save_figures(figures: Iterable[Figure], folder: Path, *, width_px: int = WIDTH_PX) -> list[Path]:
    """Write each figure as ``folder/ID.svg``, black on nothing, and return the paths; a moving one stands still.

    Raises:
        StoreError: a file cannot be written.
    """
    import vl_convert

    written: list[Path] = []
    for figure in figures:
        # currentColor is the page's; a file has none
        spec = canonical_json({**figure.spec, "width": width_px}).replace("currentColor", "#15181c")
        drawn = vl_convert.vegalite_to_svg(spec, vl_version=vl_convert.get_vegalite_versions()[-1])
        path = folder / f"{figure.id}.svg"
        write_atomic(path, drawn.encode())
        written.append(path)
    return written
