"""Arrays on disk: made once, mapped into memory ever after; what was half written is never used."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, wrong_type

__all__ = ["Layout", "fingerprint", "made"]

Layout = Mapping[str, tuple[tuple[int, ...], Any]]
"""Shape and type of each array, by its name."""

_SEAL = "complete.json"


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Return 16 characters that follow from facts, in whatever order they come.

    Examples
    --------
    >>> fingerprint({"seed": 1, "n": 2}) == fingerprint({"n": 2, "seed": 1})
    True
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def made(
    layout: Layout,
    fill: Callable[[dict[str, Array]], None],
    cache: str | os.PathLike[str] | None = None,
    name: str = "arrays",
    facts: Mapping[str, Any] = {},
) -> dict[str, Array]:
    """Return arrays that `fill` has filled: in memory, or mapped read-only from a cache.

    In the cache they are a folder ``NAME-FINGERPRINT`` of ``.npy`` files. It is written under
    another name, sealed by a file that says what is in it, and then renamed: whoever is
    interrupted leaves a folder ``*.part*`` behind, which nobody reads and anybody may delete.

    Parameters
    ----------
    layout : mapping
        Shape and type of each array.
    fill : callable
        Fills the arrays; called only if they are not there yet.
    cache : path or None
        Folder of the cache; None: in memory.
    name : str
        What the arrays are.
    facts : mapping
        Whatever the arrays follow from; other facts are other arrays.
    """
    if cache is None:
        arrays = {key: np.empty(shape, kind) for key, (shape, kind) in layout.items()}
        fill(arrays)
        return arrays
    if not isinstance(cache, str | os.PathLike):
        raise wrong_type("cache", "be the path of a folder, or None", cache)
    described = {key: [list(shape), np.dtype(kind).str] for key, (shape, kind) in layout.items()}
    about = {"name": name, **facts, "arrays": described}
    folder = Path(cache) / f"{name}-{fingerprint(about)}"
    if not _whole(folder, layout):
        _write(folder, layout, fill, about)
    return {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in layout}


def _whole(folder: Path, layout: Layout) -> bool:
    """Return whether a folder is sealed and every file in it as long as it must be."""
    if not (folder / _SEAL).is_file():
        return False
    try:
        mapped = {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in layout}
    except (OSError, ValueError):
        return False
    return all(
        mapped[key].shape == shape and mapped[key].dtype == kind
        for key, (shape, kind) in layout.items()
    )


def _write(
    folder: Path, layout: Layout, fill: Callable[[dict[str, Array]], None], about: dict[str, Any]
) -> None:
    if folder.parent.exists() and not folder.parent.is_dir():
        raise invalid("cache", "be a folder", f"{str(folder.parent)!r}, which is a file")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part", dir=folder.parent))
    try:
        arrays = {
            key: np.lib.format.open_memmap(part / f"{key}.npy", "w+", kind, shape)
            for key, (shape, kind) in layout.items()
        }
        fill(arrays)
        for array in arrays.values():
            array.flush()
        (part / _SEAL).write_text(json.dumps(about, indent=1, sort_keys=True, default=str))
        _move(part, folder, layout)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move(part: Path, folder: Path, layout: Layout) -> None:
    """Put a finished folder in its place, unless another process was first with a whole one."""
    if folder.exists() and not _whole(folder, layout):
        shutil.rmtree(folder)
    try:
        part.rename(folder)
    except OSError:
        if not _whole(folder, layout):
            raise
