"""Files by their names, out of a folder or an archive; nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kuramoto._check import invalid, message, wrong_type

__all__ = ["CHECKSUMS", "check", "existing", "members"]

CHECKSUMS = {
    # cs.toronto.edu/~kriz/cifar.html
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    # The files in the python version, as torchvision has recorded them.
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    # zenodo.org/records/2535967
    "CIFAR-10-C.tar": "56bf5dcef84df0e2308c6dcbcbbd8499",
}
"""Published MD5 checksums, by file."""

_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError)


def existing(path: Any, what: str) -> Path:
    """Return a path that leads somewhere, or raise."""
    if not isinstance(path, str | os.PathLike):
        raise wrong_type("path", f"be the path of {what}", path)
    place = Path(path)
    if not place.exists():
        found = f"{str(place)!r}, and nothing is there"
        raise FileNotFoundError(message("path", f"lead to {what}", found))
    return place


def check(data: bytes | Path, names: Sequence[str], file: str) -> None:
    """Compare data, or a file, with published checksums, or raise.

    Parameters
    ----------
    data : bytes or Path
        What to check.
    names : sequence of str
        What it may be: names in `CHECKSUMS`.
    file : str
        Where it comes from, for the message.
    """
    if isinstance(data, Path):
        with data.open("rb") as stream:
            found = hashlib.file_digest(stream, _md5).hexdigest()
    else:
        found = _md5(data).hexdigest()
    published = [CHECKSUMS[name] for name in names]
    if found not in published:
        must = f"be {' or '.join(names)} as published (MD5 {' or '.join(published)})"
        remedy = "fetch it again, or give verify=False if it is meant to be another file"
        raise invalid("path", must, f"{file!r} with MD5 {found}", remedy)


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the content of those files of these names that there are.

    In a folder they lie in it or in a folder in it; in an archive anywhere, and only regular files
    are read.

    Raises
    ------
    ValueError
        If the archive is damaged.
    """
    wanted = set(names)
    if path.is_file():
        return _of_archive(path, wanted)
    folders = [path, *sorted(inner for inner in path.iterdir() if inner.is_dir())]
    places = [folder / name for folder in reversed(folders) for name in wanted]
    return {place.name: place.read_bytes() for place in places if place.is_file()}


def _of_archive(path: Path, wanted: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                stream = archive.extractfile(member) if name in wanted and member.isfile() else None
                if stream is not None:
                    found[name] = stream.read()
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        text = f"{str(path)!r}, which is not: {reason}"
        raise invalid(
            "path", "be a folder or a whole tar archive", text, "fetch it again"
        ) from None
    return found
