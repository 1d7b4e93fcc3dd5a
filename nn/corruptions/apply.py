"""Images in, corrupted images out: checks, chunks, and which function does what."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.corruptions import blur, digital, elastic, noise, spatter, weather
from kuramoto.nn.corruptions.constants import SIZES, constants, known
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.data.images import COMMON, EXTRA

__all__ = ["corrupt"]

Frost = str | os.PathLike[str] | Sequence[Array] | None

_ROOMS = (noise, blur, weather, digital, elastic, spatter)
_WAYS: dict[str, Callable[..., Array]] = {
    name: next(getattr(room, name) for room in _ROOMS if hasattr(room, name))
    for name in COMMON + EXTRA
}

# Pixels that are worked on at a time: what is in the processor's cache is not fetched again.
_CHUNK = 2**17


def corrupt(
    images: Array,
    name: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Array | int | None = None,
    size: int | None = None,
    frost: Frost = None,
) -> Array:
    """Return corrupted images, by one of the 15 common corruptions or the 4 extra ones.

    Image k of a data set is corrupted in the same way whatever images it comes with: random numbers
    follow from seed, corruption, severity and k. Values are rounded down to whole levels, as those
    of the published sets are.

    Parameters
    ----------
    images : array of uint8, shape (n, H, W, 3)
        Images; not changed.
    name : str
        One of `COMMON` and `EXTRA`.
    severity : int
        1 to 5; 0 changes nothing.
    seed : int
        Seed of all random numbers.
    indices : array of int, shape (n,), or int or None
        Which images of their data set these are, or the first's index; None: from 0.
    size : int or None
        Whose constants: 32 (CIFAR-10-C), 64 (Tiny-ImageNet-C) or 224 (ImageNet-C). None: those of
        the images' own size.
    frost : path, sequence of array, or None
        For ``"frost"``: folder with the published pictures, or what `read_frost` returned.

    Returns
    -------
    array of uint8, shape (n, H, W, 3)

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.
    FileNotFoundError
        If the pictures of frost are not where they should be.

    References
    ----------
    Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions and
    perturbations, ICLR.

    Examples
    --------
    >>> images = np.full((4, 32, 32, 3), 100, np.uint8)
    >>> one = corrupt(images, "gaussian_noise", 5)
    >>> bool((corrupt(images[2:], "gaussian_noise", 5, indices=2) == one[2:]).all())
    True
    """
    pixels = _images(images)
    which, level = _indices(indices, len(pixels)), _severity(severity)
    constant = constants(name, _size(size, pixels.shape[1:3]))
    number = whole_number("seed", seed)
    way = _way(name, frost, _size(size, pixels.shape[1:3]), pixels.shape[1:3])
    result = pixels.copy()
    step = max(_CHUNK // (pixels.shape[1] * pixels.shape[2]), 1)
    for start in range(0, len(pixels) if level else 0, step):
        part = slice(start, start + step)
        draws = Draws(number, f"{name} {level}", which[part])
        result[part] = way(pixels[part], constant[level - 1], draws)
    return result


def _way(name: str, frost: Frost, size: int, shape: tuple[int, int]) -> Callable[..., Array]:
    """Return the function of a corruption; frost's knows its pictures."""
    if known(name) != "frost":
        return _WAYS[name]
    if frost is None:
        must = "be the folder with the published pictures of frost"
        raise invalid("frost", must, "None", "they come with github.com/hendrycks/robustness")
    pictures = weather.read_frost(frost) if isinstance(frost, str | os.PathLike) else frost
    return functools.partial(weather.frost, pictures=weather.overlays(pictures, size, shape))


def _images(images: Any) -> Array:
    if not isinstance(images, np.ndarray):
        raise wrong_type("images", "be a NumPy array of uint8", images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        found = f"is {images.dtype} of shape {images.shape}"
        raise invalid("images", "be uint8 of shape (n, H, W, 3)", found)
    if not min(images.shape[1:3]):
        raise invalid("images", "have pixels", f"has shape {images.shape}")
    return images


def _severity(severity: Any) -> int:
    level = whole_number("severity", severity)
    if level > 5:
        raise invalid("severity", "be 0 (nothing) to 5", f"{level}")
    return level


def _size(size: Any, shape: tuple[int, int]) -> int:
    """Return whose constants are meant; `constants` complains about a size that has none."""
    if size is not None:
        return whole_number("size", size, least=1)
    if shape[0] != shape[1] or shape[0] not in SIZES:
        must = f"be given ({', '.join(map(str, SIZES))}) for images of other sizes than these"
        raise invalid("size", must, f"None, and images are {shape[0]}×{shape[1]}")
    return shape[0]


def _indices(indices: Any, n: int) -> Array:
    if indices is None or np.ndim(indices) == 0:
        return np.arange(n) + whole_number("indices", 0 if indices is None else indices)
    which = np.asarray(indices)
    if which.shape != (n,) or not np.issubdtype(which.dtype, np.integer) or (which < 0).any():
        found = f"is {which.dtype} of shape {which.shape}"
        raise invalid("indices", f"be {n} whole numbers of at least 0", found)
    return which.astype(np.int64)
