"""What a cell needs of the machine where the run was started, and how another machine finds it.

The study's file with the modules beside it, the files that settings name below the working directory, and the data
sets that the study's code names. All of it is put into the cluster once, comes to each machine once, and is kept there
under its digest, so that a second cell or run finds it. Paths keep their names: a cell runs in a folder in which they
lead to the same content, and writes the same tables.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from doxa.canonical import digest
from doxa.errors import InputError, StoreError
from doxa.lab.data import check
from doxa.lab.data_catalogue import CATALOGUE
from doxa.lab.declaration import code_files, find_study
from doxa.lab.files import exclusive, sha256, write_atomic

LARGEST = 2 * 2**30
"""Bytes that may travel: more belongs on a disk that all machines have."""

STUDY, WORK, DATA = "study", "work", "data"
"""Folders of a parcel: beside the study's file, the working directory, the data sets."""


@dataclass(frozen=True)
class Parcel:
    """Files by their path in the parcel; arrays of bytes, which every process of a machine reads from one copy."""

    files: Mapping[str, np.ndarray]

    @property
    def digest(self) -> str:
        """SHA-256 of names and contents."""
        return digest(
            [[name, sha256(data.tobytes())] for name, data in sorted(self.files.items())], length=32
        )


def parcel_for(study: str, config: Mapping[str, Any]) -> Parcel:
    """Return what cells of a study need.

    Args:
        study: slug or path.
        config: settings by name.

    Raises:
        InputError: it is too much to travel.
    """
    files: dict[str, Path] = {}
    if study.endswith(".py"):
        files |= {f"{STUDY}/{path.name}": path for path in _with_neighbours(Path(study).resolve())}
    for value in config.values():
        for text in _texts(value):
            files |= {f"{WORK}/{path}": path for path in _named_by(text)}
    files |= _data_of(study)
    size = sum(path.stat().st_size for path in files.values())
    if size > LARGEST:
        largest = max(files.values(), key=lambda path: path.stat().st_size)
        raise InputError(
            f"{size / 2**30:.1f} GiB of files are named in the settings, the largest {largest}: at most "
            f"{LARGEST / 2**30:g} GiB travel to other machines; put them at the same absolute path on all of them"
        )
    return Parcel({name: np.fromfile(path, dtype=np.uint8) for name, path in sorted(files.items())})


def unpacked(name: str, fetch: Callable[[], Parcel]) -> Path:
    """Return the folder of this machine that holds a parcel's files; it is fetched and written if it is not there.

    Args:
        name: digest of the parcel.
        fetch: brings it.
    """
    folder = scratch() / "parcels" / name
    whole = folder / ".whole"
    with exclusive(folder.with_suffix(".lock")):
        if not whole.is_file():
            for path, data in fetch().files.items():
                write_atomic(folder / path, data.tobytes())
            write_atomic(whole, b"")
    return folder


def scratch() -> Path:
    """Return where this machine keeps what cells of other machines need; it may be deleted when none is at work.

    Raises:
        StoreError: another user can write there, and so choose the code that is run.
    """
    folder = Path(tempfile.gettempdir()) / f"doxa-ray-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StoreError(
            f"{folder}: another user can write there; delete it, or set TMPDIR to another folder"
        )
    return folder


def _with_neighbours(study: Path) -> Iterator[Path]:
    """Yield a study's file and the modules in its folder that it imports, directly or not."""
    seen: set[Path] = set()
    waiting = [study]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        yield path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.append(node.module)
            waiting += [study.parent / f"{name.partition('.')[0]}.py" for name in names]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for part in cast("tuple[Any, ...]", value):
            yield from _texts(part)


def _named_by(text: str) -> list[Path]:
    """Return the files that a setting such as ``file:graph.txt?directed=true`` names below the working directory."""
    for said in (text, text.partition(":")[2]):
        path = Path(said.partition("?")[0])
        if not path.name or path.is_absolute() or ".." in path.parts or len(str(path)) > 255:
            continue
        if path.is_file():
            return [path]
        if path.is_dir():
            return [file for file in sorted(path.rglob("*")) if file.is_file()]
    return []


def _data_of(study: str) -> dict[str, Path]:
    """Return the files of the data sets whose names stand in the study's code and which are here."""
    code = "".join(path.read_text("utf-8") for path in code_files(find_study(study)).values())
    files: dict[str, Path] = {}
    for slug in CATALOGUE:
        if f'"{slug}"' in code and (report := check(slug)).good:
            files |= {
                f"{DATA}/{slug}/{file.path.name}": file.path for file in report.files if file.path is not None
            }
    return files
