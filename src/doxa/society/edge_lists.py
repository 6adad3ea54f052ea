"""Lists of edges as text: SNAP's files, CSV and TSV, with or without header, comments and compression.

A line holds who listens and to whom, between tabs, commas, semicolons or blanks; what follows is not read, or is a
weight. Lines that begin with #, or with % where the first one does, are comments. If the first line of nodes holds
whole numbers, all must; else they are text. The header of Graphs.jl (``nodes,edges,u or d,name``) is understood.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from doxa.errors import InputError
from doxa.society.conversions import LabelledGraph, from_frame

if TYPE_CHECKING:
    import polars as pl

HEADERS = frozenset({"source", "from", "src", "u", "node_1", "node1", "follower", "fromnodeid", "id_1"})
"""First names of headers over nodes that are text, which nothing else tells from a header."""


class _Form(NamedTuple):
    """How a file is written, as its first lines show."""

    separator: str
    comment: str
    header: bool
    whole: bool
    fields: int
    jlg: tuple[int, bool] | None


def read_edge_list(
    path: Path, *, directed: bool | None = None, weighted: bool = False, n: int | None = None
) -> LabelledGraph:
    """Read a list of edges; see the module's docstring.

    Args:
        path: the file, plain or gzip.
        directed: whether an edge stands in the row of its first node only; by default what a Graphs.jl header says,
            else no.
        weighted: whether the third field is a weight.
        n: number of nodes, where the nodes are 0..n-1 already and some may have no edge.

    Raises:
        InputError: a line is not an edge; the message says which.
    """
    form = _form(path)
    frame = _frame(path, form, 3 if weighted else 2)
    if form.jlg is None:
        return from_frame(frame, directed=bool(directed), weighted=weighted, n=n)
    nodes, says_directed = form.jlg
    directed = says_directed if directed is None else directed
    from_zero = frame.with_columns(frame.to_series(0) - 1, frame.to_series(1) - 1)
    graph = from_frame(from_zero, directed=directed, weighted=weighted, n=nodes).graph
    return LabelledGraph(graph, np.arange(1, nodes + 1, dtype=np.int64))


def _all_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of every line that is not empty."""
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        opened = gzip.open if compressed else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
            yield from ((number, text) for number, line in enumerate(lines, 1) if (text := line.strip()))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _lines(path: Path, comment: str) -> Iterator[tuple[int, str]]:
    return ((number, text) for number, text in _all_lines(path) if not text.startswith(comment))


def _form(path: Path) -> _Form:
    comment = "%" if next(_all_lines(path), (1, ""))[1].startswith("%") else "#"
    head = [text for _, text in islice(_lines(path, comment), 2)]
    if not head:
        raise InputError(f"{path}: holds no edges")
    if re.fullmatch(r"\d+,\d+,[ud](,.*)?", head[0]):
        nodes, _, kind = head[0].split(",")[:3]
        return _Form(",", comment, True, True, len(head[0].split(",")), (int(nodes), kind == "d"))
    separator = next((mark for mark in ("\t", ",", ";") if mark in head[0]), " ")
    rows = [_fields(text, separator) for text in head]
    whole = [len(row) > 1 and all(re.fullmatch(r"[+-]?\d+", field) for field in row[:2]) for row in rows]
    header = (not whole[0] and whole[-1]) or rows[0][0].lower() in HEADERS
    if header and len(rows) == 1:
        raise InputError(f"{path}: holds a header and no edges")
    return _Form(separator, comment, header, whole[int(header)], len(rows[0]), None)


def _fields(text: str, separator: str) -> list[str]:
    return text.split() if separator == " " else [field.strip().strip('"') for field in text.split(separator)]


def _frame(path: Path, form: _Form, columns: int) -> pl.DataFrame:
    import polars as pl

    if form.fields < columns:
        raise _bad_line(path, form, columns, "")
    why = "a field is empty"
    for tidy in (False, True):  # most files are tidy, and are read ten times as fast
        try:
            if tidy:
                frame = _parse(_tidy(path, form), form._replace(separator="\t"), columns)
            else:
                frame = _parse(path, form, columns)
        except (pl.exceptions.PolarsError, OSError) as error:
            why = str(error)
            continue
        if not any(frame.null_count().row(0)):
            return frame
    raise _bad_line(path, form, columns, why)


def _parse(source: Path | io.BytesIO, form: _Form, columns: int) -> pl.DataFrame:
    import polars as pl

    kind = pl.Int64 if form.whole else pl.String
    kinds = [kind, kind, pl.Float32 if columns == 3 else pl.String]
    frame = pl.read_csv(
        source,
        has_header=form.header,
        separator=form.separator,
        comment_prefix=form.comment,
        columns=list(range(columns)),
        schema_overrides=[*kinds, *[pl.String] * form.fields][: form.fields],
    )
    return frame.rename(dict(zip(frame.columns, ("source", "target", "weight"), strict=False)))


def _tidy(path: Path, form: _Form) -> io.BytesIO:
    """Return the lines that count, their fields without blanks around them and tabs between."""
    return io.BytesIO(
        "\n".join("\t".join(_fields(text, form.separator)) for _, text in _lines(path, form.comment)).encode()
    )


def _bad_line(path: Path, form: _Form, columns: int, why: str) -> InputError:
    """Return the error that names the first line which is not an edge."""
    for number, text in islice(_lines(path, form.comment), int(form.header), None):
        fields = _fields(text, form.separator)
        shown = text if len(text) <= 60 else text[:57] + "..."
        if len(fields) < columns or "" in fields[:columns]:
            return InputError(f"{path}, line {number}: '{shown}' has not the {columns} fields of an edge")
        if len(fields) != form.fields and form.jlg is None:
            return InputError(
                f"{path}, line {number}: '{shown}' has {len(fields)} fields, those before {form.fields}"
            )
        for field in fields[:2] if form.whole else ():
            if not re.fullmatch(r"[+-]?\d{1,18}", field):
                return InputError(
                    f"{path}, line {number}: '{field}' is not a whole number, as nodes before it are"
                )
        if columns == 3 and not _is_number(fields[2]):
            return InputError(f"{path}, line {number}: weight '{fields[2]}' is not a number")
    return InputError(f"{path}: cannot be read as a list of edges: {why}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
