"""Data sets of others: named here with source, licence and checksums, fetched by the user, never shipped.

A data set is looked for in ``$DOXA_DATA/<slug>/`` first, then in the user's cache, file by file as published
or gzip-compressed. Checksums are those of the published files, so both forms are held to the same bytes.
"""

from __future__ import annotations

import gzip
import http.client
import importlib.resources
import json
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from doxa.canonical import Json, digest
from doxa.errors import InputError, did_you_mean
from doxa.lab.data_archive import ARCHIVE_BYTES, DownloadError, TableOfMembers, table_of_members
from doxa.lab.files import sha256, write_atomic

FileState = Literal["good", "changed", "unreadable", "missing"]
"""``changed``: the bytes are not the published ones. ``unreadable``: not gzip, cut, or no permission."""
Fetch = Callable[[str, int], bytes]
"""``fetch(url, size)`` returns the body at a URL, reading no more than a little beyond ``size`` bytes."""
Progress = Callable[[int, int, str], None]
"""Called with the files done, the files in all and the name of the next."""

_TIMEOUT_S = 30.0


class DataFile(NamedTuple):
    """One published file: its name, size in bytes and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """A data set as published.

    Attributes:
        slug: its name on the command line.
        title: what it is, in a few words.
        repository: page of the repository it comes from.
        commit: the commit the checksums belong to.
        url: where its files lie at that commit, without the last slash; "" where they were made from the
            repository's and lie nowhere as they are.
        licence: SPDX name of its licence.
        holder: who holds the rights.
        files: its files, in order.
        assembled: files that are not published as they are, but made of many in the zip archive at ``url``.
    """

    slug: str
    title: str
    repository: str
    commit: str
    url: str
    licence: str
    holder: str
    files: tuple[DataFile, ...]
    assembled: Mapping[str, TableOfMembers] = field(default_factory=dict[str, "TableOfMembers"])

    @property
    def digest(self) -> str:
        """One digest of all files, for a cell's key: other bytes are another data set."""
        return digest([[file.name, file.sha256] for file in self.files], length=16)


@dataclass(frozen=True)
class FileReport:
    """How one file on this machine compares with the published one."""

    name: str
    state: FileState
    path: Path | None


@dataclass(frozen=True)
class DataReport:
    """How a data set stands on this machine; ``folder`` is None where no file of it was found."""

    data: DataSet
    folder: Path | None
    files: tuple[FileReport, ...]

    @property
    def good(self) -> bool:
        """Whether every file is there with the published bytes."""
        return all(file.state == "good" for file in self.files)

    def as_json(self) -> dict[str, Json]:
        """Return the report as plain JSON."""
        return {
            "data": self.data.slug,
            "title": self.data.title,
            "source": f"{self.data.repository} at {self.data.commit}",
            "licence": f"{self.data.licence}, {self.data.holder}",
            "bytes": sum(file.size for file in self.data.files),
            "folder": None if self.folder is None else str(self.folder),
            "good": self.good,
            "files": {file.name: file.state for file in self.files},
        }


def _read_catalogue() -> dict[str, DataSet]:
    text = importlib.resources.files("doxa.lab").joinpath("data_sets.json").read_text("utf-8")
    return {slug: _entry(slug, **fields) for slug, fields in json.loads(text).items()}


def _entry(
    slug: str,
    files: list[dict[str, Any]],
    assembled: Mapping[str, Mapping[str, Any]] | None = None,
    **fields: str,
) -> DataSet:
    tables = {name: TableOfMembers(**table) for name, table in (assembled or {}).items()}
    return DataSet(slug, files=tuple(DataFile(**file) for file in files), assembled=tables, **fields)


CATALOGUE: Mapping[str, DataSet] = _read_catalogue()
"""Every known data set by slug."""


def named(slug: str) -> DataSet:
    """Return a data set of the catalogue.

    Raises:
        InputError: there is none of that name; the message suggests the nearest.
    """
    if slug not in CATALOGUE:
        raise InputError(f"no data set called '{slug}'; {did_you_mean(slug, CATALOGUE)}")
    return CATALOGUE[slug]


def cache_folder() -> Path:
    """Return where ``get`` puts data: ``$XDG_CACHE_HOME/doxa/data``, by default ``~/.cache/doxa/data``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "doxa" / "data"


def candidate_folders(slug: str) -> list[Path]:
    """Return the folders a data set is looked for in, first choice first."""
    given = os.environ.get("DOXA_DATA", "")
    return [*([Path(given) / slug] if given else []), cache_folder() / slug]


def locate(slug: str) -> Path:
    """Return the folder that holds every file of a data set with its published bytes.

    Raises:
        InputError: no folder has them all; the message says what is wrong and names the command that helps.
    """
    report = check(slug)
    if report.good and report.folder is not None:
        return report.folder
    if report.folder is None:
        looked = " and ".join(str(folder) for folder in candidate_folders(slug))
        raise InputError(
            f"data set '{slug}' is not here (looked in {looked}); get it with 'doxa data get {slug}', "
            "or set DOXA_DATA to the folder above it"
        )
    bad = [file for file in report.files if file.state != "good"]
    names = ", ".join(f"{file.name} is {file.state}" for file in bad[:3])
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    raise InputError(
        f"data set '{slug}' in {report.folder}: {names}{more}; 'doxa data get {slug}' fetches it anew"
    )


def read_bytes(path: Path) -> bytes:
    """Return a file's content as published; a name ending in ``.gz`` is decompressed.

    Raises:
        InputError: the file cannot be read or is not whole gzip.
    """
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); remove it and get it again") from error


def check(slug: str) -> DataReport:
    """Compare every file of a data set on this machine with its published checksum.

    The report is of the first folder that has it whole; failing that, of the first that has any file of it.
    """
    data = named(slug)
    reports = [
        DataReport(data, folder, tuple(_compare(folder, file) for file in data.files))
        for folder in candidate_folders(slug)
        if any(_local(folder, file.name) for file in data.files)
    ]
    nothing = DataReport(data, None, tuple(FileReport(file.name, "missing", None) for file in data.files))
    return next((report for report in reports if report.good), reports[0] if reports else nothing)


def check_all() -> list[DataReport]:
    """Return how every known data set stands on this machine."""
    return [check(slug) for slug in sorted(CATALOGUE)]


def get(slug: str, *, fetch: Fetch | None = None, progress: Progress | None = None) -> DataReport:
    """Fetch what is missing or changed of a data set into the user's cache and return how it stands.

    Each file is compared with its checksum before it takes its name, so a killed download leaves whole files
    or none, and the same command goes on from there. Nothing is fetched where ``$DOXA_DATA`` has it all.

    Args:
        slug: its name in the catalogue.
        fetch: reads a URL; by default over HTTPS.
        progress: told of each file before it is fetched.

    Raises:
        InputError: there is no such data set, or its files lie at no address.
        DownloadError: the network cannot be reached or sends other bytes.
        StoreError: the cache cannot be written.
    """
    report = check(slug)
    if report.good:
        return report
    if not report.data.url:
        raise InputError(
            f"data set '{slug}' cannot be fetched: its files were made from {report.data.repository} at commit "
            f"{report.data.commit[:12]} and lie nowhere as they are; copy the folder '{slug}' of doxa's shared data "
            "and set DOXA_DATA to the folder above it"
        )
    folder = cache_folder() / slug
    here = {file.name: _compare(folder, file).state for file in report.data.files}
    waiting = [file for file in report.data.files if here[file.name] != "good"]
    for done, file in enumerate(waiting):
        if progress is not None:
            progress(done, len(waiting), file.name)
        write_atomic(folder / file.name, _fetched(report.data, file, fetch or fetch_https))
        (folder / f"{file.name}.gz").unlink(missing_ok=True)
    if progress is not None:
        progress(len(waiting), len(waiting), "")
    write_atomic(folder / "SOURCE.txt", _source(report.data).encode())
    return DataReport(report.data, folder, tuple(_compare(folder, file) for file in report.data.files))


def fetch_https(url: str, size: int) -> bytes:
    """Return the body at an HTTPS address, at most one byte more than ``size``.

    Raises:
        DownloadError: another scheme, no connection, an error status or a broken transfer.
    """
    if not url.startswith("https://"):
        raise DownloadError(f"{url}: data is fetched over https only")
    request = urllib.request.Request(url, headers={"User-Agent": "doxa"})  # noqa: S310 - https only, see above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            body: bytes = answer.read(size + 1)
            return body
    except urllib.error.HTTPError as error:
        raise DownloadError(
            f"{url}: the server answered {error.code} {error.reason}; try again later"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{url}: cannot be reached ({reason}); without a network, copy the files from another machine "
            "and set DOXA_DATA to the folder above them"
        ) from error


def _fetched(data: DataSet, file: DataFile, fetch: Fetch) -> bytes:
    table = data.assembled.get(file.name)
    if table is None:
        url = f"{data.url}/{file.name}"
        body = fetch(url, file.size)
    else:
        url = data.url
        body = table_of_members(fetch(url, ARCHIVE_BYTES), table, url)
    if sha256(body) != file.sha256:
        raise DownloadError(
            f"{url}: sent other bytes than published (SHA-256 {sha256(body)[:12]}…, wanted {file.sha256[:12]}…); "
            "nothing was kept of it. Try again; if it stays so, a proxy may be changing the transfer"
        )
    return body


def _local(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _compare(folder: Path, file: DataFile) -> FileReport:
    path = _local(folder, file.name)
    if path is None:
        return FileReport(file.name, "missing", None)
    try:
        state: FileState = "good" if sha256(read_bytes(path)) == file.sha256 else "changed"
    except InputError:
        state = "unreadable"
    return FileReport(file.name, state, path)


def _source(data: DataSet) -> str:
    return (
        f"{data.title}\nsource: {data.repository} at commit {data.commit}\n"
        f"licence: {data.licence}, {data.holder}\n"
    )
