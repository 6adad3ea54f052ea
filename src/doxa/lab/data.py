"""Data sets of others: named here with source, licence and checksums, fetched by the user, never shipped.

A data set is looked for in ``$DOXA_DATA/<slug>/`` first, then in the user's cache, file by file as published
or gzip-compressed. Checksums are those of the published files, so both forms are held to the same bytes.
"""

from __future__ import annotations

import gzip
import http.client
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from doxa.canonical import Json
from doxa.errors import InputError, MissingDataError, did_you_mean
from doxa.lab.data_archive import ARCHIVE_BYTES, DownloadError, assemble
from doxa.lab.data_catalogue import CATALOGUE, DataFile, DataSet
from doxa.lab.data_tensors import ORIGINAL_BYTES
from doxa.lab.files import sha256, write_atomic

FileState = Literal["good", "changed", "unreadable", "missing"]
"""``changed``: the bytes are not the published ones. ``unreadable``: not gzip, cut, or no permission."""
Fetch = Callable[[str, int], bytes]
"""``fetch(url, size)`` returns the body at a URL, reading no more than a little beyond ``size`` bytes."""
Progress = Callable[[int, int, str], None]
"""Called with the files done, the files in all and the name of the next."""

_TIMEOUT_S = 30.0


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


def named(slug: str) -> DataSet:
    """Return a data set of the catalogue.

    Raises:
        InputError: there is none of that name; the message suggests the nearest.
    """
    if slug not in CATALOGUE:
        raise InputError(f"no data set called '{slug}'; {did_you_mean(slug, CATALOGUE)}")
    return CATALOGUE[slug]


def cache_folder(part: str = "data") -> Path:
    """Return where things are kept that can be had again: ``$XDG_CACHE_HOME/doxa/PART``, by default in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "doxa" / part


def candidate_folders(slug: str) -> list[Path]:
    """Return the folders a data set is looked for in, first choice first."""
    given = os.environ.get("DOXA_DATA", "")
    return [*([Path(given) / slug] if given else []), cache_folder() / slug]


def locate(slug: str) -> Path:
    """Return the folder that holds every file of a data set with its published bytes.

    Raises:
        InputError: there is no data set of that name.
        MissingDataError: no folder has them all; the message says what is wrong and names the command that helps.
    """
    report = check(slug)
    command = f"doxa data get {slug}"
    if report.good and report.folder is not None:
        return report.folder
    if report.folder is None:
        looked = " and ".join(str(folder) for folder in candidate_folders(slug))
        raise MissingDataError(
            f"data set '{slug}' is not here (looked in {looked}); get it with '{command}', "
            "or set DOXA_DATA to the folder above it",
            command,
        )
    bad = [file for file in report.files if file.state != "good"]
    names = ", ".join(f"{file.name} is {file.state}" for file in bad[:3])
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    raise MissingDataError(
        f"data set '{slug}' in {report.folder}: {names}{more}; '{command}' fetches it anew", command
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
        _report(data, folder)
        for folder in candidate_folders(slug)
        if any(_local(folder, file.name) for file in data.files)
    ]
    nothing = DataReport(data, None, tuple(FileReport(file.name, "missing", None) for file in data.files))
    return next((report for report in reports if report.good), reports[0] if reports else nothing)


def check_all() -> list[DataReport]:
    """Return how every known data set stands on this machine."""
    return [check(slug) for slug in sorted(CATALOGUE)]


def get(slug: str, *, fetch: Fetch | None = None, progress: Progress | None = None) -> DataReport:
    """Fetch or make what is missing or changed of a data set in the user's cache and return how it stands.

    Each file is compared with its checksum before it takes its name, so a killed download leaves whole files
    or none, and the same command goes on from there. Nothing is fetched where ``$DOXA_DATA`` has it all.

    Args:
        slug: its name in the catalogue.
        fetch: reads a URL; by default over HTTPS.
        progress: told of each file before it is fetched.

    Raises:
        InputError: there is no such data set.
        DownloadError: the network cannot be reached or sends other bytes.
        MissingExtraError: a file of vectors is to be made, and the encoder is not installed.
        StoreError: the cache cannot be written.
    """
    report = check(slug)
    if report.good:
        return report
    folder = cache_folder() / slug
    here = {file.name: _compare(folder, file, report.data).state for file in report.data.files}
    waiting = [file for file in report.data.files if here[file.name] != "good"]
    source = _Source(report.data, folder, fetch or fetch_https)
    for done, file in enumerate(waiting):
        if progress is not None:
            progress(done, len(waiting), file.name)
        write_atomic(folder / file.name, source.body(file))
        (folder / f"{file.name}.gz").unlink(missing_ok=True)
    if progress is not None:
        progress(len(waiting), len(waiting), "")
    write_atomic(folder / "SOURCE.txt", _source(report.data).encode())
    return _report(report.data, folder)


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


@dataclass
class _Source:
    """Where the files of a data set come from; an archive is fetched once for all files made of it."""

    data: DataSet
    folder: Path
    fetch: Fetch

    def body(self, file: DataFile) -> bytes:
        """Return a file's bytes, compared with the published ones."""
        url = self.data.url
        if (embedded := self.data.embedded.get(file.name)) is not None:
            texts = _local(self.folder, embedded.texts) or self.folder / embedded.texts
            url, body = f"the vectors of {embedded.texts}", embedded.make(read_bytes(texts))
        elif (converted := self.data.converted.get(file.name)) is not None:
            url = f"{url}/{converted.original}"
            body = converted.make(self.fetch(url, ORIGINAL_BYTES), url)
        elif (recipe := self.data.assembled.get(file.name)) is not None:
            body = assemble(self._archive, recipe, url)
        else:
            url = f"{url}/{file.name}"
            body = self.fetch(url, file.size)
        if _published(body, file, self.data):
            return body
        if embedded is not None:
            raise DownloadError(
                f"{url}: differ from the published ones by more than their last bits; nothing was kept of them. The "
                "encoder is another one: install the extra 'embed' anew"
            )
        raise DownloadError(
            f"{url}: sent other bytes than published (SHA-256 {sha256(body)[:12]}…, wanted {file.sha256[:12]}…); "
            "nothing was kept of it. Try again; if it stays so, a proxy may be changing the transfer"
        )

    @cached_property
    def _archive(self) -> bytes:
        return self.fetch(self.data.url, ARCHIVE_BYTES)


def _published(body: bytes, file: DataFile, data: DataSet) -> bool:
    """Return whether bytes are the published ones, or what is made here says the same as they do."""
    made = data.embedded.get(file.name) or data.converted.get(file.name)
    return sha256(body) == file.sha256 or (made is not None and made.fits(body))


def _local(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _report(data: DataSet, folder: Path) -> DataReport:
    return DataReport(data, folder, tuple(_compare(folder, file, data) for file in data.files))


def _compare(folder: Path, file: DataFile, data: DataSet) -> FileReport:
    path = _local(folder, file.name)
    if path is None:
        return FileReport(file.name, "missing", None)
    try:
        state: FileState = "good" if _published(read_bytes(path), file, data) else "changed"
    except InputError:
        state = "unreadable"
    return FileReport(file.name, state, path)


def _source(data: DataSet) -> str:
    return (
        f"{data.title}\nsource: {data.repository} at commit {data.commit}\n"
        f"licence: {data.licence}, {data.holder}\n"
    )
