"""Scenes: images with labels of their objects, in memory or mapped from files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid

__all__ = ["NoScenes", "Scenes", "Source"]


class NoScenes(ValueError):
    """None of the files that were asked for could be read, and all were left out."""


class Source(Protocol):
    """Whatever scenes can be taken from: `Scenes` themselves, or folders of files."""

    def __len__(self) -> int:
        """Return how many images there are."""
        ...

    def take(self, rows: Array) -> Scenes:
        """Return the scenes of these rows, decoded; fewer, if bad files are left out.

        Raises
        ------
        NoScenes
            If all are.
        """
        ...

    def fingerprint(self) -> str:
        """Return 16 characters that follow from what is in the source."""
        ...


@dataclass(frozen=True)
class Scenes:
    """Images and the objects in them.

    Parameters
    ----------
    images : array of uint8, shape (n, H, W, C)
        C is 1 or 3. May be mapped from a file.
    labels : array of int, shape (n, H, W), or None
        Which object a pixel belongs to: 0 is background, -1 is ignored by every score.
    classes : array of int, shape (n, H, W), or None
        Which class a pixel belongs to, where the data set has classes; 0 and -1 mean the same.

    Raises
    ------
    ValueError
        If the shapes or types do not fit.

    Examples
    --------
    >>> scenes = Scenes(np.zeros((5, 8, 8, 1), np.uint8), np.zeros((5, 8, 8), np.int8))
    >>> len(scenes), scenes.take(np.array([3, 1])).images.shape
    (5, (2, 8, 8, 1))
    """

    images: Array
    labels: Array | None = None
    classes: Array | None = None

    def __post_init__(self) -> None:
        """Complain about shapes and types that do not fit."""
        images = self.images
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
            must = "be uint8 of shape (n, H, W, 1) or (n, H, W, 3)"
            raise invalid("images", must, f"is {images.dtype} of shape {images.shape}")
        for name, array in (("labels", self.labels), ("classes", self.classes)):
            if array is None:
                continue
            if array.shape != images.shape[:3] or not np.issubdtype(array.dtype, np.integer):
                must = f"be whole numbers of shape {images.shape[:3]}, as the images are"
                raise invalid(name, must, f"is {array.dtype} of shape {array.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Array | slice) -> Scenes:
        """Return the scenes of these rows."""
        parts = (self.images, self.labels, self.classes)
        return Scenes(*(None if part is None else part[rows] for part in parts))

    def objects(self) -> Array:
        """Return how many objects show in each image, shape (n,)."""
        if self.labels is None:
            raise invalid("scenes", "have labels", "has none")
        return np.array([np.count_nonzero(np.unique(label) > 0) for label in self.labels])

    def fingerprint(self) -> str:
        """Return 16 characters that follow from shapes and from 16 scenes, first and last too."""
        digest = hashlib.blake2b(digest_size=8)
        rows = np.unique(np.linspace(0, max(len(self) - 1, 0), 16).astype(int))[: len(self)]
        for part in (self.images, self.labels, self.classes):
            if part is not None:
                digest.update(f"{part.shape}{part.dtype}".encode())
                digest.update(np.ascontiguousarray(part[rows]).tobytes())
        return digest.hexdigest()
