"""Tiny-ImageNet: 200 classes of 64×64 images, in the folder that its archive unpacks to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.nn.data.images.archives import existing
from kuramoto.nn.data.images.cifar import split_of
from kuramoto.nn.data.images.labelled import LabelledImages
from kuramoto.nn.data.objects.cache import made
from kuramoto.nn.data.objects.folders import files_below
from kuramoto.nn.data.objects.framing import Framing, open_image

__all__ = ["read_tiny_imagenet"]

_SIDE = 64


def read_tiny_imagenet(
    folder: str | os.PathLike[str],
    split: str = "train",
    *,
    cache: str | os.PathLike[str] | None = None,
) -> LabelledImages:
    """Read Tiny-ImageNet: ``wnids.txt``, ``train/CLASS/images``, ``val/val_annotations.txt``.

    Parameters
    ----------
    folder : path
        ``tiny-imagenet-200``.
    split : str
        ``"train"`` (100,000 images) or ``"val"`` (10,000). The test images have no labels; any
        folder of images without is read by `kuramoto.nn.data.objects.read_folder`.
    cache : path or None
        Folder to keep the decoded images in (1.2 GB), mapped into memory from then on; None: in
        memory.

    Returns
    -------
    LabelledImages
        Images (n, 64, 64, 3), gray ones too; class k is line k of ``wnids.txt``.

    Raises
    ------
    FileNotFoundError
        If the folder is not there.
    ValueError
        If a file is missing, is no whole image, or has another size.
    """
    splits = {"train": _training, "val": _validation}
    root = existing(folder, "the folder tiny-imagenet-200")
    if root.is_file():
        text = f"{str(root)!r}, which is a file"
        raise invalid("folder", "be the folder tiny-imagenet-200", text, "unpack the archive")
    names = tuple(line[0] for line in _table(root / "wnids.txt"))
    files, labels = splits[split_of(split, splits)](root, names)

    def fill(arrays: dict[str, Array]) -> None:
        for row, file in enumerate(files):
            arrays["images"][row] = _image(file)

    sizes = [(file.relative_to(root).as_posix(), file.stat().st_size) for file in files]
    layout = {"images": ((len(files), _SIDE, _SIDE, 3), np.uint8)}
    images = made(layout, fill, cache, "tiny-imagenet", {"split": split, "files": sizes})["images"]
    return LabelledImages(images, labels, names, "Tiny-ImageNet")


def _training(root: Path, names: tuple[str, ...]) -> tuple[list[Path], Array]:
    """Return the files of all classes, class after class."""
    files = [files_below(root / "train" / name) for name in names]
    labels = np.repeat(np.arange(len(names)), [len(some) for some in files])
    return [file for some in files for file in some], labels


def _validation(root: Path, names: tuple[str, ...]) -> tuple[list[Path], Array]:
    """Return the files in the order of their annotations."""
    annotations = root / "val" / "val_annotations.txt"
    number = {name: k for k, name in enumerate(names)}
    files, labels = [], []
    for line, (file, *fields) in enumerate(_table(annotations), 1):
        if not fields or fields[0] not in number:
            text = f"{fields[0] if fields else 'none'!r} in line {line} of {str(annotations)!r}"
            raise invalid("labels", "be classes of wnids.txt", text)
        if not (annotations.parent / "images" / file).is_file():
            text = f"{str(root)!r}, without val/images/{file}"
            raise invalid("folder", "hold every image of val_annotations.txt", text)
        files.append(annotations.parent / "images" / file)
        labels.append(number[fields[0]])
    return files, np.array(labels)


def _table(file: Path) -> list[list[str]]:
    """Return the words of every line that has some."""
    if not file.is_file():
        text = f"{str(file)!r}, and nothing is there"
        raise invalid("folder", "be tiny-imagenet-200 with all its lists", text)
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    found = [row for row in rows if row]
    if not found:
        raise invalid("folder", "be tiny-imagenet-200 with all its lists", f"{str(file)!r}, empty")
    return found


def _image(file: Path) -> Array:
    pixels, (height, width) = open_image(file, Framing())
    if (height, width) != (_SIDE, _SIDE):
        text = f"{height}×{width} in {str(file)!r}"
        raise invalid("folder", f"hold images of {_SIDE}×{_SIDE} pixels", text)
    return pixels
