"""Crops of real microscopy with a mask for every nucleus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, whole_number
from kuramoto._graph_files import plain_arrays
from kuramoto.nn.data.objects.draws import among, uniforms
from kuramoto.nn.data.objects.scenes import Scenes

__all__ = ["read_nuclei"]

# Every fifth image is for test, every tenth for validation, the rest for training.
_HELD_OUT = 5
_VALIDATION = 10
_ROUNDS = 200


def read_nuclei(
    path: str | os.PathLike[str],
    n: int,
    split: str = "train",
    *,
    crop: int = 64,
    seed: int = 0,
    first: int = 0,
    objects: tuple[int, int] = (2, 100),
    smallest: int = 1,
) -> Scenes:
    """Cut random squares out of fluorescence images with instance masks.

    Crop k depends on the seed and k only: which image, and where, are uniform over what leaves a
    number of objects in the range asked for. Objects are numbered anew in each crop; those that
    the border cuts count.

    Parameters
    ----------
    path : path
        ``gray256.npz`` with ``images`` and ``labels`` of shape (images, H, W), or a folder with it
        or ``nuclei/gray256.npz`` in it.
    n : int
        Number of crops.
    split : str
        ``"train"``; ``"test"``: every fifth image; ``"validation"``: every tenth, others than those
        for test; or ``"all"``. Neither of the two is ever cut for training.
    crop : int
        Pixels along a crop.
    seed, first : int
        Seed, and index of the first crop.
    objects : (int, int)
        Least and most objects in a crop.
    smallest : int
        Objects of which the crop shows fewer pixels are -1, ignored, and do not count.

    Returns
    -------
    Scenes
        Images uint8 (n, crop, crop, 1), labels int16 (n, crop, crop).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds something else, or no crop fits.
    """
    images, labels = _arrays(path)
    rows = _rows(len(images), split)
    side = whole_number("crop", crop, least=1)
    if side > min(images.shape[1:]):
        raise invalid("crop", f"be at most {min(images.shape[1:])}", f"{side}")
    n, start = whole_number("n", n, least=1), whole_number("first", first)
    found = np.zeros((n, side, side), np.int16)
    places = np.zeros((n, 3), np.int64)
    choices = np.array([len(rows), images.shape[1] - side + 1, images.shape[2] - side + 1])
    left_over = np.arange(n)
    for turn in range(_ROUNDS):
        u = uniforms(whole_number("seed", seed), f"nuclei {turn}", start, n, 3)
        places[left_over] = among(u[left_over], choices)
        for k in left_over:
            found[k] = _renumbered(_cut(labels, rows, places[k], side), smallest)
        counts = found[left_over].reshape(len(left_over), -1).max(axis=1)
        left_over = left_over[(counts < objects[0]) | (counts > objects[1])]
        if not len(left_over):
            cut = np.stack([_cut(images, rows, place, side) for place in places])
            return Scenes(cut[..., None], found)
    raise invalid("objects", "occur in crops of this size", f"{objects}")


def _cut(arrays: Array, rows: Array, place: Array, side: int) -> Array:
    row, top, left = place
    return np.asarray(arrays[rows[row], top : top + side, left : left + side])


def _renumbered(labels: Array, smallest: int) -> Array:
    """Return labels 1, 2, ... without gaps; background stays 0, what is too small gets -1."""
    values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    small = (values > 0) & (counts < smallest)
    numbers = np.where(small, -1, np.cumsum((values > 0) & ~small))
    numbers[values == 0] = 0
    return np.asarray(numbers[inverse.reshape(labels.shape)])


def _rows(count: int, split: str) -> Array:
    """Return which images a split has."""
    number = np.arange(count)
    test, validation = number % _HELD_OUT == _HELD_OUT - 1, number % _VALIDATION == 0
    kinds = {
        "train": ~test & ~validation,
        "validation": validation,
        "test": test,
        "all": test | ~test,
    }
    if split not in kinds:
        raise invalid("split", f"be one of {', '.join(kinds)}", repr(split))
    rows = np.flatnonzero(kinds[split])
    if not len(rows):
        raise invalid("split", f"have images of {count}", repr(split))
    return rows


def _arrays(path: Any) -> tuple[Array, Array]:
    file = Path(path)
    if file.is_dir():
        inner = (file / "gray256.npz", file / "nuclei" / "gray256.npz")
        file = next((place for place in inner if place.exists()), inner[0])
    if not file.is_file():
        text = message("path", "lead to gray256.npz", f"{str(file)!r}, and nothing is there")
        raise FileNotFoundError(text)
    arrays = plain_arrays(file)
    images, labels = arrays.get("images"), arrays.get("labels")
    must = "hold `images` (uint8) and `labels` of one shape (n, H, W)"
    if images is None or labels is None or images.dtype != np.uint8:
        raise invalid("path", must, f"{str(file)!r} holds {', '.join(arrays) or 'nothing'}")
    if images.ndim != 3 or images.shape != labels.shape:
        found = f"{str(file)!r}, which holds {images.shape} and {labels.shape}"
        raise invalid("path", must, found)
    return images, labels
