"""TFRecord files and the examples in them, read without TensorFlow.

A record is its length (8 bytes), a checksum of the length, the data, a checksum of the data. The
data are a protocol buffer ``tf.train.Example``: named lists of bytes, floats or whole numbers.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto._graph_files import existing_file

__all__ = ["Features", "parse_example", "read_records"]

# No published record comes near: what claims to be longer is damaged, whatever its checksum says.
_LONGEST = 2**30

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_records(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the records of a TFRecord file, plain or compressed by gzip, checksums checked.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a checksum is wrong or the file ends within a record; the message names the file and the
        record, counted from 0.
    """
    file = existing_file(path)
    with file.open("rb") as plain:
        head = plain.read(12)
        plain.seek(0)
        if _is_gzip(head):
            with gzip.open(plain, "rb") as stream:
                yield from _records(stream, file)
        else:
            yield from _records(plain, file)


def _is_gzip(head: bytes) -> bool:
    """Return whether a file begins as gzip does, rather than with the length of a record."""
    if len(head) == 12 and _masked(head[:8]) == struct.unpack("<I", head[8:])[0]:
        return False
    return head[:2] == b"\x1f\x8b"


def _records(stream: BinaryIO | gzip.GzipFile, file: Path) -> Iterator[bytes]:
    """Yield records of a stream; every complaint names file and record."""
    number = 0
    while head := _read(stream, 12, file, number):
        length, check = struct.unpack("<QI", _whole(head, 12, file, number))
        if _masked(head[:8]) != check or length > _LONGEST:
            remedy = "if it is a TFRecord file, it is damaged: fetch it again"
            raise _damaged(file, number, "the checksum of its length is wrong", remedy)
        data = _whole(_read(stream, length + 4, file, number), length + 4, file, number)
        if _masked(data[:length]) != struct.unpack("<I", data[length:])[0]:
            raise _damaged(file, number, "its checksum is wrong", "fetch the file again")
        yield data[:length]
        number += 1


def _read(stream: BinaryIO | gzip.GzipFile, size: int, file: Path, number: int) -> bytes:
    try:
        return stream.read(size)
    except EOFError:
        raise _cut_short(file, number) from None
    except (OSError, zlib.error):
        raise _damaged(file, number, "its compression is damaged", "fetch it again") from None


def _whole(data: bytes, size: int, file: Path, number: int) -> bytes:
    if len(data) < size:
        raise _cut_short(file, number)
    return data


def _cut_short(file: Path, number: int) -> ValueError:
    return _damaged(file, number, "the file ends within it", "fetch the whole file")


def _damaged(file: Path, number: int, why: str, remedy: str) -> ValueError:
    found = f"{str(file)!r}, of which record {number} cannot be read: {why}"
    return invalid("path", "be a TFRecord file", found, remedy)


def _masked(data: bytes) -> int:
    """Return the checksum as it stands in the file: turned, and with a constant added."""
    from kuramoto.nn.data.objects.crc import crc32c

    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class Features(NamedTuple):
    """What stands under a name: one kind of list, the others are empty.

    Parameters
    ----------
    raw : bytes
        All byte strings joined. The published files hold each byte of an image as a string of its
        own; other writers one string for all.
    numbers : array
        Floats or whole numbers.
    """

    raw: bytes
    numbers: Array


def parse_example(record: bytes) -> dict[str, Features]:
    """Return the named features of a ``tf.train.Example``.

    Raises
    ------
    ValueError
        If the record is no such message.
    """
    try:
        found = {}
        for features in _fields(memoryview(record), 1):
            for entry in _fields(features, 1):
                parts = [bytes(part) for part in _fields(entry, 1)]
                values = list(_fields(entry, 2))
                found[parts[-1].decode()] = _feature(values[-1]) if values else _NONE
        return found
    except (IndexError, UnicodeDecodeError, struct.error, ValueError):
        raise invalid("record", "hold a tf.train.Example", "it holds something else") from None


_NONE = Features(b"", np.zeros(0))


def _feature(message: memoryview) -> Features:
    """Return a feature's list: field 1 of bytes, 2 of floats, 3 of whole numbers."""
    for part in _fields(message, 1):
        return Features(_joined(part), np.zeros(0))
    for part in _fields(message, 2):
        packed = b"".join(_lists(part, _FIXED32))
        return Features(b"", np.frombuffer(packed, "<f4"))
    for part in _fields(message, 3):
        packed = b"".join(_lists(part, _VARINT))
        return Features(b"", _varints(packed))
    return _NONE


def _joined(message: memoryview) -> bytes:
    """Join the strings of a list of bytes."""
    # A string of one byte is three: tag, length, the byte. Nothing else repeats so.
    if len(message) % 3 == 0:
        rows = np.frombuffer(message, np.uint8).reshape(-1, 3)
        if (rows[:, 0] == 0x0A).all() and (rows[:, 1] == 1).all():
            return rows[:, 2].tobytes()
    return b"".join(_fields(message, 1))


def _lists(message: memoryview, single: int) -> Iterator[bytes]:
    """Yield the stretches of a list of numbers, whether packed or one by one."""
    for number, kind, part in _walk(message):
        if number == 1 and kind in (_BYTES, single):
            yield bytes(part)


def _varints(packed: bytes) -> Array:
    numbers, position = [], 0
    while position < len(packed):
        value, position = _varint(memoryview(packed), position)
        numbers.append(value - (1 << 64) if value >> 63 else value)
    return np.array(numbers, np.int64)


def _fields(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the messages, or strings, that stand under a number."""
    for found, kind, part in _walk(message):
        if found == number and kind == _BYTES:
            yield part


def _walk(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield (number, kind, content) of every field of a protocol buffer."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind, start = tag & 7, position
        if kind == _VARINT:
            position = _varint(message, position)[1]
        elif kind == _BYTES:
            size, start = _varint(message, position)
            position = start + size
        else:
            position += {_FIXED64: 8, _FIXED32: 4}.get(kind, len(message))
        if position > len(message):
            raise ValueError("a field ends beyond its message")
        yield tag >> 3, kind, message[start:position]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a whole number, seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise ValueError("a number is too long")
