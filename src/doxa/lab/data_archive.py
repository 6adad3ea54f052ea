"""Tables assembled from the many small files of a published archive."""

from __future__ import annotations

import csv
import fnmatch
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from doxa.errors import DoxaError

ARCHIVE_BYTES = 400_000_000
"""The largest archive that is fetched."""
MEMBER_BYTES = 1_000_000
"""The largest member that is read: a longer one is none of the small JSON files meant here."""


class DownloadError(DoxaError):
    """A data set could not be fetched; files that were finished stay (exit status 1)."""


@dataclass(frozen=True)
class TableOfMembers:
    """How a table is made: one row for each JSON file of an archive, in the order of their folders' names.

    Attributes:
        members: pattern of the files' names in the archive.
        key: name of the first column, which holds the name of the file's folder.
        columns: the other columns; each is a field of the files.
    """

    members: str
    key: str
    columns: Sequence[str]


def table_of_members(archive: bytes, table: TableOfMembers, source: str) -> bytes:
    """Return the table as CSV of RFC 4180, values unchanged.

    Args:
        archive: a zip archive.
        table: how it is made.
        source: where the archive is from, for messages.

    Raises:
        DownloadError: this is no archive, it has no such files, or one cannot be read or lacks a field.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([table.key, *table.columns])
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            names = fnmatch.filter(opened.namelist(), table.members)
            if not names:
                raise DownloadError(
                    f"{source}: the archive has no file {table.members}; nothing was kept of it"
                )
            for name in sorted(names, key=lambda one: PurePosixPath(one).parent.name):
                writer.writerow(_row(opened, name, table))
    except (zipfile.BadZipFile, ValueError, KeyError, NotImplementedError) as error:
        raise DownloadError(
            f"{source}: not the published archive ({error!r}); nothing was kept of it"
        ) from error
    return text.getvalue().encode()


def _row(opened: zipfile.ZipFile, name: str, table: TableOfMembers) -> list[str]:
    if opened.getinfo(name).file_size > MEMBER_BYTES:
        raise ValueError(f"{name} has more than {MEMBER_BYTES} bytes")
    fields = cast(dict[str, Any], json.loads(opened.read(name)))
    values = [fields[column] for column in table.columns]
    return [PurePosixPath(name).parent.name, *("" if value is None else str(value) for value in values)]
