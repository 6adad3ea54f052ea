"""TensorBoard event files, as far as scalars go.

An event file is a row of records, little-endian: ``length (8 bytes) | masked CRC-32C of it | data | masked CRC-32C of
the data``. Data are a protocol buffer ``Event {double wall_time = 1; int64 step = 2; Summary summary = 5}``, with
``Summary {repeated Value value = 1}`` and ``Value {string tag = 1; float simple_value = 2; TensorProto tensor = 8}``.
Writers of torch and tensorboardX use ``simple_value``, those of TensorFlow 2 a tensor of one number.

Read here and not by a library: ``tensorboard``, on which ``tbparse`` too stands, brings eight packages and a web server
for what these lines do. Format: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from doxa.errors import InputError

_MASK = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _DOUBLE = 1, 2
"""Kinds of numbers of a TensorProto."""


class Scalar(NamedTuple):
    """One logged number."""

    step: int
    tag: str
    value: float


class EventFile(NamedTuple):
    """The scalars of an event file, and what was not read of it, in words; empty where all was."""

    scalars: list[Scalar]
    note: str


class _DamagedError(ValueError):
    """A record does not keep the format."""


def read_scalars(path: Path) -> EventFile:
    """Return the scalars of an event file, in the order they were written.

    A run that is still writing, or was killed, leaves half a record at the end; it is left out and said so. Checksums
    of lengths are always checked, those of data where scalars stand in them.

    Raises:
        InputError: the file is damaged before its end, or is no event file.
    """
    scalars: list[Scalar] = []
    data, place = path.read_bytes(), 0
    while place < len(data):
        if len(data) - place < 12:
            return EventFile(scalars, _cut(path, len(data) - place))
        length, check = struct.unpack_from("<QI", data, place)
        if masked_crc(data[place : place + 8]) != check:
            raise InputError(
                f"{path}: damaged at byte {place}, the checksum of a record's length is wrong"
                if place
                else f"{path}: is no TensorBoard event file, its first record has a wrong checksum"
            )
        end = place + 16 + length
        if end > len(data):
            return EventFile(scalars, _cut(path, len(data) - place))
        record = data[place + 12 : end - 4]
        try:
            found = list(_scalars(record))
        except (_DamagedError, UnicodeDecodeError, struct.error, IndexError):
            found = None
        if found is None or (found and masked_crc(record) != struct.unpack_from("<I", data, end - 4)[0]):
            raise InputError(f"{path}: damaged at byte {place + 12}, the checksum of a record is wrong")
        scalars += found
        place = end
    return EventFile(scalars, "")


def _cut(path: Path, left: int) -> str:
    return (
        f"{path.name}: its last {left} bytes are half a record and are left out; the run may still be writing"
    )


def masked_crc(data: bytes) -> int:
    """Return the checksum of an event file: CRC-32C, turned right by 15 bits, plus a constant.

    >>> hex(masked_crc(b"123456789")), hex(crc32c(b"123456789"))
    ('0x21f0b1e', '0xe3069283')
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def _scalars(event: bytes) -> Iterator[Scalar]:
    """Yield the scalars of an Event."""
    step, summaries = 0, list[bytes]()
    for field, kind, value in _fields(event):
        if field == 2 and kind == _VARINT and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif field == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for field, _, value in _fields(summary):
            if field == 1 and isinstance(value, bytes):
                scalar = _scalar(step, value)
                if scalar is not None:
                    yield scalar


def _scalar(step: int, value: bytes) -> Scalar | None:
    """Return the number of a Summary.Value, None where it is no single number."""
    tag, number = "", None
    for field, kind, part in _fields(value):
        if field == 1 and isinstance(part, bytes):
            tag = part.decode("utf-8")
        elif field == 2 and kind == _FIXED32 and isinstance(part, bytes):
            number = struct.unpack("<f", part)[0]
        elif field == 8 and isinstance(part, bytes):
            number = _number_of_tensor(part)
    return None if number is None else Scalar(step, tag, float(number))


def _number_of_tensor(tensor: bytes) -> float | None:
    """Return the number of a TensorProto that holds exactly one float or double."""
    kind, content = 0, list[bytes]()
    for field, wire, part in _fields(tensor):
        if field == 1 and wire == _VARINT and isinstance(part, int):
            kind = part
        elif field in (4, 5, 6) and isinstance(part, bytes):  # tensor_content, float_val, double_val
            content.append(part)
    layout = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind)
    whole = b"".join(content)
    if layout is None or len(whole) != struct.calcsize(layout):
        return None
    return struct.unpack(layout, whole)[0]


def _fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield the fields of a protocol buffer: number, wire type, and the number or the bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield field, kind, value
            continue
        if kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _DamagedError(f"wire type {kind}")
        if place + size > len(message):
            raise _DamagedError("a field ends behind its message")
        yield field, kind, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, math.ceil(64 / 7) * 7, 7):
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, place
    raise _DamagedError("a number of more than ten bytes")
