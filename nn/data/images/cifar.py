"""CIFAR-10 as published: the python version and the binary version, archives or folders."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.nn.data.images.archives import check, existing, members
from kuramoto.nn.data.images.labelled import CIFAR10, LabelledImages, checked_labels
from kuramoto.nn.data.images.pickles import read_pickle

__all__ = ["read_cifar10", "split_of"]

_FILES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
# One channel after the other; in the binary version the label comes before.
_PIXELS = 3 * 32 * 32
_IMAGES = 10_000


def read_cifar10(
    path: str | os.PathLike[str], split: str = "train", *, verify: bool = True
) -> LabelledImages:
    """Read CIFAR-10, python or binary version, from its archive or the folder in it.

    Pickles are read by a reader that can build nothing but arrays, bytes, numbers and lists of
    them: see `kuramoto.nn.data.images.pickles`. Nothing is unpacked to disk.

    Parameters
    ----------
    path : path
        ``cifar-10-python.tar.gz`` or ``cifar-10-binary.tar.gz``, whatever it is called; or the
        folder with the batches, or one with that folder in it.
    split : str
        ``"train"`` (50,000 images) or ``"test"`` (10,000).
    verify : bool
        Compare with what is published: MD5 checksums of the archives and of the python version's
        files; of the binary version's files, which have none, the number of images. False reads
        whatever has the format.

    Returns
    -------
    LabelledImages
        Images (n, 32, 32, 3) in the order of the files.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If a checksum is wrong, a file is missing or cut short, a pickle asks for anything but
        arrays, or a label is none of 0 ... 9. The message names the file.

    References
    ----------
    Krizhevsky (2009), Learning multiple layers of features from tiny images.
    """
    files = _FILES[split_of(split, _FILES)]
    place = existing(path, "CIFAR-10: an archive, or a folder")
    if verify and place.is_file():
        check(place, _ARCHIVES, str(place))
    found = members(place, [*files, *(f"{name}.bin" for name in files)])
    pickled = all(name in found for name in files)
    names = files if pickled else tuple(f"{name}.bin" for name in files)
    missing = [name for name in names if name not in found]
    if missing:
        text = f"{str(place)!r}, without {', '.join(missing)}"
        raise invalid("path", f"lead to {files[0]}, ... or {files[0]}.bin, ...", text)
    if verify and pickled and place.is_dir():
        for name in files:
            check(found[name], [name], str(place / name))
    read = _pickled if pickled else _binary
    parts = [read(found[name], str(place / name), verify) for name in names]
    images, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
    return LabelledImages(images, labels, CIFAR10, "CIFAR-10")


def split_of(split: str, known: Collection[str]) -> str:
    """Return the name of a split, or raise."""
    if split not in known:
        raise invalid("split", f"be one of {', '.join(known)}", repr(split))
    return split


def _binary(data: bytes, file: str, verify: bool) -> tuple[Array, Array]:
    count, over = divmod(len(data), 1 + _PIXELS)
    if over or not count or (verify and count != _IMAGES):
        must = f"lead to {_IMAGES} images of {1 + _PIXELS} bytes each"
        raise invalid("path", must, f"{file!r}, of {len(data)} bytes", "fetch it again")
    rows = np.frombuffer(data, np.uint8).reshape(count, 1 + _PIXELS)
    return _upright(rows[:, 1:]), checked_labels(rows[:, 0], count, CIFAR10, file)


def _pickled(data: bytes, file: str, verify: bool) -> tuple[Array, Array]:
    batch = read_pickle(data, Path(file).name)
    pixels, labels = batch.get("data"), batch.get("labels")
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, list):
        text = f"{file!r} with {', '.join(batch) or 'nothing'}"
        raise invalid("path", "hold `data`, an array, and `labels`, a list", text)
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        text = f"{pixels.dtype} of shape {pixels.shape} in {file!r}"
        raise invalid("data", f"be uint8 of shape (n, {_PIXELS})", text)
    return _upright(pixels), checked_labels(labels, len(pixels), CIFAR10, file)


def _upright(rows: Array) -> Array:
    """Return images (n, 32, 32, 3) of rows with one channel after the other."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
