"""CIFAR-10 as encoded images in one file: JPEG-compressed, and a part of it without loss."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto._graph_files import plain_arrays
from kuramoto.nn.data.images.archives import existing
from kuramoto.nn.data.images.cifar import split_of
from kuramoto.nn.data.images.labelled import CIFAR10, LabelledImages, checked_labels
from kuramoto.nn.data.objects.framing import decoded, pillow, unreadable

__all__ = ["Pairs", "read_cifar10_jpeg", "read_cifar10_lossless", "read_cifar10_pairs"]

_JPEG, _LOSSLESS = "JPEG-compressed CIFAR-10", "CIFAR-10, 4 classes of the test images"
_FOUR = "test_4class_lossless.npz"


class Pairs(NamedTuple):
    """The same test images twice: with the true pixels, and JPEG-compressed.

    Attributes
    ----------
    lossless, jpeg : LabelledImages
        Image k of one is image k of the other.
    """

    lossless: LabelledImages
    jpeg: LabelledImages


def read_cifar10_jpeg(folder: str | os.PathLike[str], split: str = "train") -> LabelledImages:
    """Read JPEG-compressed CIFAR-10: all images, quality 75, about 30 dB from the true pixels.

    It is not CIFAR-10: a figure from it may not stand beside a published one unless that is said.

    Parameters
    ----------
    folder : path
        Folder with ``train.npz`` and ``test.npz``, each with ``jpeg`` (all files joined, uint8),
        ``offsets`` (where they begin and the last ends) and ``labels``.
    split : str
        ``"train"`` (50,000 images) or ``"test"`` (10,000); class after class.

    Returns
    -------
    LabelledImages
        Images (n, 32, 32, 3).

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is cut short, an image is damaged or of another size, or a label is out of range.
    """
    split_of(split, ("train", "test"))
    file = _file(folder, f"{split}.npz")
    arrays = _arrays(file, "jpeg")
    return _labelled(arrays, np.arange(len(arrays["labels"])), "jpeg", file, _JPEG)


def read_cifar10_lossless(folder: str | os.PathLike[str]) -> LabelledImages:
    """Read the true pixels of 4,000 test images: airplane, automobile, ship, truck.

    Parameters
    ----------
    folder : path
        Folder with ``test_4class_lossless.npz``: ``png``, ``offsets``, ``labels``, ``jpeg_row``.

    Returns
    -------
    LabelledImages
        Images (4000, 32, 32, 3); labels are those of CIFAR-10: 0, 1, 8, 9.
    """
    file = _file(folder, _FOUR)
    arrays = _arrays(file, "png")
    return _labelled(arrays, np.arange(len(arrays["labels"])), "png", file, _LOSSLESS)


def read_cifar10_pairs(folder: str | os.PathLike[str]) -> Pairs:
    """Read what there is both ways, to see whether compression changes a result.

    Parameters
    ----------
    folder : path
        Folder with ``test_4class_lossless.npz`` and ``test.npz``.

    Returns
    -------
    Pairs
        ``lossless`` and ``jpeg``, image for image.

    Raises
    ------
    ValueError
        If the files do not fit together.
    """
    lossless = read_cifar10_lossless(folder)
    rows = _arrays(_file(folder, _FOUR), "png").get("jpeg_row")
    file = _file(folder, "test.npz")
    arrays = _arrays(file, "jpeg")
    count = len(arrays["labels"])
    if rows is None or rows.shape != (len(lossless),) or not ((rows >= 0) & (rows < count)).all():
        text = f"{_FOUR!r}, where they are missing or others"
        raise invalid("folder", f"hold `jpeg_row`, rows of {str(file)!r}", text)
    jpeg = _labelled(arrays, rows, "jpeg", file, f"{_JPEG}, 4 classes of the test images")
    if (jpeg.labels != lossless.labels).any():
        text = f"{str(file)!r}, where labels differ from those of {_FOUR}"
        raise invalid("folder", "hold files that belong together", text)
    return Pairs(lossless, jpeg)


def _file(folder: str | os.PathLike[str], name: str) -> Path:
    root = existing(folder, f"a folder with {name}")
    return existing(root / name if root.is_dir() else root, name)


def _arrays(file: Path, kind: str) -> dict[str, Array]:
    """Return the arrays of a file, once they fit together."""
    arrays = plain_arrays(file)
    missing = [name for name in (kind, "offsets", "labels") if name not in arrays]
    if missing:
        text = f"{str(file)!r}, without `{missing[0]}`"
        raise invalid("folder", f"hold arrays `{kind}`, `offsets` and `labels`", text)
    joined, offsets = arrays[kind], arrays["offsets"]
    whole = offsets.ndim == 1 and len(offsets) and np.issubdtype(offsets.dtype, np.integer)
    if joined.dtype != np.uint8 or joined.ndim != 1 or not whole:
        text = f"others in {str(file)!r}"
        raise invalid("folder", f"hold `{kind}` (uint8) and `offsets` of one axis each", text)
    if offsets[0] < 0 or offsets[-1] > len(joined) or (np.diff(offsets) <= 0).any():
        text = f"has others in {str(file)!r}, which is cut short"
        raise invalid("offsets", f"rise and end within {len(joined)} bytes", text)
    arrays["labels"] = checked_labels(arrays["labels"], len(offsets) - 1, CIFAR10, str(file))
    return arrays


def _labelled(
    arrays: dict[str, Array], rows: Array, kind: str, file: Path, source: str
) -> LabelledImages:
    """Decode the images of these rows."""
    joined, offsets = arrays[kind], arrays["offsets"]
    images = np.empty((len(rows), 32, 32, 3), np.uint8)
    for k, row in enumerate(rows):
        encoded = joined[offsets[row] : offsets[row + 1]].tobytes()
        images[k] = _pixels(encoded, Path(f"{file}, image {row}"))
    return LabelledImages(images, arrays["labels"][rows], CIFAR10, source)


def _pixels(encoded: bytes, place: Path) -> Array:
    pil = pillow()
    try:
        picture = pil.Image.open(io.BytesIO(encoded))
    except (OSError, ValueError, SyntaxError, pil.Image.DecompressionBombError) as error:
        raise unreadable(place, error) from None
    pixels = np.asarray(decoded(picture, place, "RGB"))
    if pixels.shape != (32, 32, 3):
        text = f"{pixels.shape[0]}×{pixels.shape[1]} in {str(place)!r}"
        raise invalid("folder", "hold images of 32×32 pixels", text)
    return pixels
