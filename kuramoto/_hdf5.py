"""What has to be known about HDF5 files from outside HDF5: their end, their flag, their space.

HDF5's SWMR reader waits for ever on a file that was cut short, and its writer aborts the process
when it closes a file in which a write has failed. So the first 48 bytes are read here before HDF5
sees a file, and disk space is allocated before HDF5 writes into it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Superblock(NamedTuple):
    """The part of an HDF5 superblock (version 2 or 3) that is needed here."""

    in_use: bool  # a writer has the file open, or had it when it died
    end: int  # where the file ends, by its own account


def read_superblock(path: Path) -> Superblock | None:
    """Return a file's superblock; None for an older version, which this library does not write.

    Raises
    ------
    ValueError
        If the file is no HDF5 file.
    OSError
        If it is cut short.
    """
    with path.open("rb") as file:
        head = file.read(48)
    if not head.startswith(_SIGNATURE):
        raise ValueError(f"Run file {path} is not an HDF5 file; name a file that a run wrote.")
    if len(head) < 48:
        raise OSError("it ends within its first bytes")
    version, offset_size, _, flags = struct.unpack_from("<4B", head, 8)
    if version not in (2, 3) or offset_size != 8:
        return None
    block = Superblock(bool(flags), struct.unpack_from("<Q", head, 28)[0])
    size = path.stat().st_size
    if size < block.end:
        raise OSError(f"{size} of {block.end} bytes are there")
    return block


def open_for_reading(path: Path) -> Any:
    """Open an HDF5 file, also beside its writer or after the writer was killed."""
    import h5py

    block = read_superblock(path)
    if block is not None and block.in_use:  # the only way into a file that has, or had, a writer
        return h5py.File(path, "r", libver="latest", swmr=True)
    return h5py.File(path, "r")


def allocate(handle: int, size: int) -> None:
    """Make an open file at least this long, for real, or raise the system's own error."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)


def give_back(path: Path) -> None:
    """Cut off what was allocated beyond the end of a closed file."""
    block = read_superblock(path)
    if block is not None and not block.in_use and path.stat().st_size > block.end:
        os.truncate(path, block.end)
