"""Images, each of one class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid

__all__ = ["CIFAR10", "LabelledImages", "checked_labels"]

CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
"""The classes of CIFAR-10: label k is the k-th."""


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes.

    Parameters
    ----------
    images : array of uint8, shape (n, H, W, 3)
        May be mapped from a file.
    labels : array of int64, shape (n,)
        Class of each image, 0 ... len(names) − 1.
    names : tuple of str
        The classes' names.
    source : str
        What the images are, in words that may stand beside a figure: ``"CIFAR-10"`` is not
        ``"JPEG-compressed CIFAR-10"``.

    Raises
    ------
    ValueError
        If shapes, types or labels do not fit.

    Examples
    --------
    >>> images = LabelledImages(np.zeros((3, 8, 8, 3), np.uint8), np.array([0, 1, 0]), ("a", "b"))
    >>> len(images), images.take(np.array([1])).labels.tolist()
    (3, [1])
    """

    images: Array
    labels: Array
    names: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        """Complain about what does not fit."""
        images = self.images
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != 3:
            found = f"is {images.dtype} of shape {images.shape}"
            raise invalid("images", "be uint8 of shape (n, H, W, 3)", found)
        labels = checked_labels(self.labels, len(images), self.names)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Array | slice) -> LabelledImages:
        """Return the images of these rows."""
        return LabelledImages(self.images[rows], self.labels[rows], self.names, self.source)

    def fingerprint(self) -> str:
        """Return 16 characters that follow from shape, all labels and 16 of the images."""
        digest = hashlib.blake2b(f"{self.images.shape}{self.names}".encode(), digest_size=8)
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        rows = np.unique(np.linspace(0, max(len(self) - 1, 0), 16).astype(int))[: len(self)]
        digest.update(np.ascontiguousarray(self.images[rows]).tobytes())
        return digest.hexdigest()


def checked_labels(labels: Any, count: int, names: Sequence[str], file: str = "") -> Array:
    """Return labels as int64, or say how many are missing, or which is no class.

    Parameters
    ----------
    labels : array or list
        Labels.
    count : int
        How many there must be.
    names : sequence of str
        The classes.
    file : str
        Where they stand, for the message.
    """
    found, where = np.asarray(labels), f" in {file!r}" if file else ""
    if found.shape != (count,) or not np.issubdtype(found.dtype, np.integer):
        text = f"is {found.dtype} of shape {found.shape}{where}"
        raise invalid("labels", f"be whole numbers of shape ({count},), one for each image", text)
    outside = np.flatnonzero((found < 0) | (found >= len(names)))
    if len(outside):
        text = f"{int(found[outside[0]])} for image {int(outside[0])}{where}"
        raise invalid("labels", f"lie in 0 ... {len(names) - 1}", text)
    return found.astype(np.int64)
