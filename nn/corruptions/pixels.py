"""What corruptions share: eight bits to unit range and back, borders, samples between pixels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from kuramoto._backend import Array

__all__ = [
    "eight_bits",
    "mirrored",
    "reflected",
    "sampled",
    "smeared",
    "unit",
    "zoomed",
]

# A tap of a motion blur that weighs less changes no pixel by a level.
_NOTHING = 1e-9


def unit(images: Array) -> Array:
    """Return pixels 0 ... 255 as numbers 0 ... 1."""
    return images / 255.0


def eight_bits(images: Array) -> Array:
    """Return numbers as uint8: clipped to 0 ... 1, then rounded down, as published sets were."""
    return np.asarray((np.clip(images, 0, 1) * 255).astype(np.uint8))


def mirrored(index: Array, n: int) -> Array:
    """Return indices inside 0 ... n − 1: ... 2 1 | 0 1 2, the border pixel once.

    Examples
    --------
    >>> mirrored(np.arange(-2, 5), 3).tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    period = max(2 * (n - 1), 1)
    inside = index % period
    return np.minimum(inside, period - inside) if n > 1 else inside * 0


def reflected(index: Array, n: int) -> Array:
    """Return indices inside 0 ... n − 1: ... 1 0 | 0 1 2, the border pixel twice.

    Examples
    --------
    >>> reflected(np.arange(-2, 5), 3).tolist()
    [1, 0, 0, 1, 2, 2, 1]
    """
    inside = index % (2 * n)
    return np.minimum(inside, 2 * n - 1 - inside)


def sampled(
    images: Array, rows: Array, columns: Array, border: Callable[[Array, int], Array]
) -> Array:
    """Return images at places between pixels, bilinearly.

    Parameters
    ----------
    images : array, shape (n, H, W, C)
        Images.
    rows, columns : array, shape (n, h, w)
        Places, in pixels.
    border : callable
        Maps indices into the image: `mirrored` or `reflected`.
    """
    n, H, W, _ = images.shape
    which = np.arange(n)[:, None, None]
    top, left = np.floor(rows), np.floor(columns)
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    y, x = top.astype(np.int64), left.astype(np.int64)
    (y0, y1), (x0, x1) = ([border(i + k, side) for k in (0, 1)] for i, side in ((y, H), (x, W)))
    upper = images[which, y0, x0] * (1 - across) + images[which, y0, x1] * across
    lower = images[which, y1, x0] * (1 - across) + images[which, y1, x1] * across
    return np.asarray(upper * (1 - down) + lower * down)


def zoomed(planes: Array, factor: float) -> Array:
    """Return the middle of planes (..., H, W) enlarged, bilinearly, at their own size."""
    down, across = (_zoom(side, float(factor)) for side in planes.shape[-2:])
    return np.asarray(down @ planes @ across.T)


@functools.lru_cache(maxsize=256)
def _zoom(side: int, factor: float) -> Array:
    """Return the matrix (side, side) that zooms one axis.

    The middle of ⌈side/factor⌉ pixels becomes so many pixels that the first and last stay the first
    and last; of these the middle is kept.
    """
    kept = math.ceil(side / factor)
    large = round(kept * factor)
    trim = (large - side) // 2
    places = np.linspace(0, kept - 1, large)[trim : trim + side]
    low = np.minimum(places.astype(int), max(kept - 2, 0))
    share, first = places - low, (side - kept) // 2
    matrix = np.zeros((side, side))
    rows = np.arange(side)
    matrix[rows, first + low] = 1 - share
    matrix[rows, first + np.minimum(low + 1, kept - 1)] += share
    return matrix


def smeared(planes: Array, radius: float, sigma: float, degrees: Array) -> Array:
    """Return planes blurred along a direction of each image's own, rounded to whole levels.

    A pixel becomes the mean of those ahead of it, k = 0 ... 2⌈radius⌉ pixels away and rounded to
    whole pixels, with weights exp(−k²/2σ²): one half of a Gaussian. Beyond the border lies the
    border.

    Parameters
    ----------
    planes : array, shape (n, C, H, W)
        Levels 0 ... 255.
    radius, sigma : float
        In pixels.
    degrees : array, shape (n,)
        Directions: 0 is to the right, 90 down.
    """
    n, _, H, W = planes.shape
    steps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2.0 * sigma**2))
    weights = weights[weights > _NOTHING * weights.sum()] / weights.sum()
    reach, which = len(weights) - 1, np.arange(n)
    frame = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    padded = np.pad(planes, frame, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))
    across, down = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    total = np.zeros(planes.shape)
    for step, weight in enumerate(weights):
        y, x = (np.ceil(step * way - 0.5).astype(int) + reach for way in (down, across))
        total += weight * views[which, :, y, x]
    return np.floor(total + 0.5)
