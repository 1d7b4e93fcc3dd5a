"""Where the labelled images come from: a name, and which of them are for what."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto.nn.data import images as data_of
from kuramoto.nn.data.images import LabelledImages
from kuramoto.nn.seeds import derived_seed

__all__ = ["SOURCES", "images_of"]


def images_of(
    source: str, data: Path | None, options: Any, *, test: bool = False
) -> tuple[LabelledImages, LabelledImages]:
    """Return images to train on (or, if asked for, to test), and those held out for validation.

    Parameters
    ----------
    source
        One of `SOURCES`.
    data
        Folder that the user named; None: ``$KURAMOTO_DATA``.
    options
        ``train_images``, ``validation_images`` and ``data_seed``.
    test
        Return test images instead of those to train on.

    Raises
    ------
    FileNotFoundError
        If there are no such images.
    ValueError
        If there are not enough of them.
    """
    read = SOURCES[source]
    everything = read(data, "train", options)
    n, held = len(everything), options.validation_images
    if n <= held:
        raise ValueError(
            f"Source {source} has {n} images for training: hold fewer than {held} out."
        )
    order = np.random.default_rng(derived_seed(options.data_seed, "held out")).permutation(n)
    held_out = everything.take(np.sort(order[:held]))
    if test:
        return read(data, "test", options), held_out
    number = min(options.train_images or n, n - held)
    return everything.take(np.sort(order[held:][:number])), held_out


def _folder(data: Path | None, name: str) -> Path:
    """Return where images lie: what was named, or ``$KURAMOTO_DATA``; a folder NAME inside it."""
    given = data or os.environ.get("KURAMOTO_DATA")
    if given is None:
        raise FileNotFoundError(
            f"Images of {name} are read: pass --data, the folder with them, or set KURAMOTO_DATA."
        )
    inner = Path(given) / name
    return inner if inner.is_dir() else Path(given)


def _cifar10(data: Path | None, split: str, options: Any) -> LabelledImages:
    return data_of.read_cifar10(_folder(data, "cifar10"), split)


def _cifar10_jpeg(data: Path | None, split: str, options: Any) -> LabelledImages:
    return data_of.read_cifar10_jpeg(_folder(data, "cifar10"), split)


def _tiny_imagenet(data: Path | None, split: str, options: Any) -> LabelledImages:
    published = "train" if split == "train" else "val"  # its test has no labels
    return data_of.read_tiny_imagenet(_folder(data, "tiny-imagenet-200"), published)


def _shape_counts(data: Path | None, split: str, options: Any) -> LabelledImages:
    """Return images of 2, 3 or 4 shapes, which is their class; generated."""
    from kuramoto.nn.data.objects import shapes

    if data is not None:
        raise ValueError("Source shape_counts is generated and reads nothing: leave --data out.")
    wanted = (options.train_images or 40_000) + options.validation_images
    first, n = (0, wanted) if split == "train" else (1_000_000, 1000)
    scenes = shapes(n, options.data_seed, first=first)
    counts = scenes.objects()
    seen = counts >= 2  # where two shapes cover each other wholly, none is left to be counted
    images = np.broadcast_to(scenes.images[seen], (seen.sum(), *scenes.images.shape[1:3], 3))
    return LabelledImages(images, counts[seen] - 2, ("2", "3", "4"), "generated Shapes")


SOURCES: dict[str, Callable[[Path | None, str, Any], LabelledImages]] = {
    "cifar10": _cifar10,
    "cifar10_jpeg": _cifar10_jpeg,
    "tiny_imagenet": _tiny_imagenet,
    "shape_counts": _shape_counts,
}
