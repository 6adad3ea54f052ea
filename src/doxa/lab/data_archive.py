"""Files assembled from the many small ones of a published archive."""

from __future__ import annotations

import csv
import fnmatch
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias, cast

from doxa.errors import DoxaError

ARCHIVE_BYTES = 400_000_000
"""The largest archive that is fetched."""
MEMBER_BYTES = 4_000_000
"""The largest member that is read: a longer one is none of the small files meant here."""


class DownloadError(DoxaError):
    """A data set could not be fetched; files that were finished stay (exit status 1)."""


class Archive:
    """The small files of a zip archive."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._names = opened.namelist()

    def names(self, pattern: str) -> list[str]:
        """Return the members that match a pattern, sorted by name.

        Raises:
            KeyError: there is none.
        """
        found = sorted(fnmatch.filter(self._names, pattern))
        if not found:
            raise KeyError(f"the archive has no file {pattern}")
        return found

    def read(self, name: str) -> bytes:
        """Return a member's bytes.

        Raises:
            ValueError: it is longer than ``MEMBER_BYTES``.
        """
        if self._opened.getinfo(name).file_size > MEMBER_BYTES:
            raise ValueError(f"{name} has more than {MEMBER_BYTES} bytes")
        return self._opened.read(name)


Recipe: TypeAlias = Callable[[Archive], bytes]
"""Makes one file of an archive's; raises KeyError, IndexError or ValueError where the archive is another one."""


def assemble(archive: bytes, recipe: Recipe, source: str) -> bytes:
    """Return the file that a recipe makes of a zip archive.

    Args:
        archive: the zip archive.
        recipe: how the file is made.
        source: where the archive is from, for messages.

    Raises:
        DownloadError: this is no archive, or not the one the recipe is for.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return recipe(Archive(opened))
    except (zipfile.BadZipFile, ValueError, LookupError, NotImplementedError) as error:
        raise DownloadError(
            f"{source}: not the published archive ({error!r}); nothing was kept of it"
        ) from error


@dataclass(frozen=True)
class TableOfMembers:
    """A table as CSV of RFC 4180: one row for each JSON file, in the order of their folders' names, values unchanged.

    Attributes:
        members: pattern of the files' names in the archive.
        key: name of the first column, which holds the name of the file's folder.
        columns: the other columns; each is a field of the files.
    """

    members: str
    key: str
    columns: Sequence[str]

    def __call__(self, archive: Archive) -> bytes:
        """Return the table made of an archive."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([self.key, *self.columns])
        for name in sorted(archive.names(self.members), key=lambda one: PurePosixPath(one).parent.name):
            writer.writerow(self._row(name, archive.read(name)))
        return text.getvalue().encode()

    def _row(self, name: str, body: bytes) -> list[str]:
        fields = cast(dict[str, Any], json.loads(body))
        values = [fields[column] for column in self.columns]
        return [
            PurePosixPath(name).parent.name,
            *("" if value is None else str(value) for value in values),
        ]


@dataclass(frozen=True)
class ColumnsOfTable:
    """Some columns of a CSV table in the archive, values unchanged, lines ended by a line feed.

    Attributes:
        table: pattern of the table's name in the archive.
        columns: that are kept, in order.
    """

    table: str
    columns: Sequence[str]

    def __call__(self, archive: Archive) -> bytes:
        """Return the table made of an archive."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        published = io.StringIO(archive.read(archive.names(self.table)[0]).decode(), newline="")
        for row in csv.DictReader(published):
            writer.writerow([row[column] for column in self.columns])
        return text.getvalue().encode()
