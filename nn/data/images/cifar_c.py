"""CIFAR-10-C: the test images of CIFAR-10 under 19 corruptions at five severities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, nearest, whole_number
from kuramoto.nn.data.images.labelled import CIFAR10, LabelledImages, checked_labels
from kuramoto.nn.data.objects.folders import existing_folder

__all__ = ["COMMON", "EXTRA", "read_cifar10_c"]

COMMON = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The 15 common corruptions: noise, blur, weather, digital."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Four more, meant for validation."""

_IMAGES, _SEVERITIES = 10_000, 5


def read_cifar10_c(
    folder: str | os.PathLike[str], corruption: str, severity: int | None = None
) -> LabelledImages:
    """Map the images of one corruption into memory: one severity, or all five.

    Parameters
    ----------
    folder : path
        Folder ``CIFAR-10-C`` with ``labels.npy`` and a file for each corruption.
    corruption : str
        One of `COMMON` and `EXTRA`.
    severity : int or None
        1 to 5; None: all, one after the other.

    Returns
    -------
    LabelledImages
        10,000 images, or 50,000, read from disk when they are used.

    Raises
    ------
    FileNotFoundError
        If the folder or a file is not there.
    ValueError
        If a file is not what was published: 50,000 images 32×32, no Python objects, whole.

    References
    ----------
    Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions and
    perturbations, ICLR; zenodo.org/records/2535967.
    """
    if corruption not in COMMON + EXTRA:
        known = nearest(str(corruption), COMMON + EXTRA)
        raise invalid("corruption", "be one of CIFAR-10-C", repr(corruption), known)
    level = None if severity is None else whole_number("severity", severity, least=1)
    if level is not None and level > _SEVERITIES:
        raise invalid("severity", f"be 1 to {_SEVERITIES}", f"{level}")
    root, count = existing_folder(folder), _IMAGES * _SEVERITIES
    images = _mapped(root / f"{corruption}.npy", (count, 32, 32, 3))
    file = root / "labels.npy"
    labels = checked_labels(_mapped(file, (count,)), count, CIFAR10, str(file))
    source = f"CIFAR-10-C, {corruption.replace('_', ' ')}"
    if level is None:
        return LabelledImages(images, labels, CIFAR10, f"{source}, severities 1 to 5")
    part = slice((level - 1) * _IMAGES, level * _IMAGES)
    return LabelledImages(images[part], labels[part], CIFAR10, f"{source}, severity {level}")


def _mapped(file: Path, shape: tuple[int, ...]) -> Array:
    """Return a published array, mapped read-only."""
    if not file.is_file():
        text = message("folder", f"hold {file.name}", f"{str(file.parent)!r}, without it")
        raise FileNotFoundError(text)
    array: Any
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        text = f"{str(file)!r}, which is cut short or none"
        raise invalid("folder", "hold whole .npy files of plain arrays", text) from None
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.shape != shape:
        what = getattr(array, "dtype", "an archive"), getattr(array, "shape", "several")
        text = f"{what[0]} of shape {what[1]} in {str(file)!r}"
        raise invalid("folder", f"hold uint8 of shape {shape}", text)
    return array
